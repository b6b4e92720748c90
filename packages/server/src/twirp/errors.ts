/**
 * Twirp errors: the codes, the HTTP status of each, and the one body they have (twirp 7 specification). The content type is
 * exactly `application/json`: LiveKit's Node SDK compares the whole header and shows no message otherwise.
 */

/** Codes with their HTTP status. */
const STATUS = {
  canceled: 408,
  unknown: 500,
  invalid_argument: 400,
  malformed: 400,
  deadline_exceeded: 408,
  not_found: 404,
  bad_route: 404,
  already_exists: 409,
  permission_denied: 403,
  unauthenticated: 401,
  resource_exhausted: 429,
  failed_precondition: 412,
  aborted: 409,
  out_of_range: 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  dataloss: 503,
} as const;

export type TwirpCode = keyof typeof STATUS;

/** Why a call failed, as its caller reads it. */
export class TwirpError {
  readonly code: TwirpCode;
  /** One sentence for people. */
  readonly msg: string;
  readonly meta: Readonly<Record<string, string>>;

  constructor(code: TwirpCode, msg: string, meta: Readonly<Record<string, string>> = {}) {
    this.code = code;
    this.msg = msg;
    this.meta = meta;
  }
}

/** A field of the request cannot be what it is; `argument` names it, as in the protocol. */
export function invalidArgument(argument: string, msg: string): TwirpError {
  return new TwirpError("invalid_argument", msg, { argument });
}

/** The answer to a failed call; `status` where it is not that of the code. */
export function errorResponse(error: TwirpError, status: number = STATUS[error.code]): Response {
  const { code, msg, meta } = error;
  const body = JSON.stringify(Object.keys(meta).length > 0 ? { code, msg, meta } : { code, msg });
  return new Response(body, { status, headers: { "content-type": "application/json" } });
}
