/** The one shape of "no": a status and a text body, the same before an upgrade, on `validate` and in a middleware. */

/** An HTTP answer that ends a request. */
export interface HttpFailure {
  readonly status: number;
  readonly body: string;
}

/** Codes of LiveKit's internal errors and the HTTP status of each (livekit.md 1.1). */
const STATUS = {
  invalid_argument: 400,
  unauthenticated: 401,
  permission_denied: 403,
  not_found: 404,
  already_exists: 409,
  failed_precondition: 412,
  resource_exhausted: 429,
  internal: 500,
  unavailable: 503,
} as const;

/** A failure by its code. */
export function httpFailure(code: keyof typeof STATUS, body: string): HttpFailure {
  return { status: STATUS[code], body };
}
