/**
 * Twirp over HTTP: path → method, body → request, grants, the method, answer or error (livekit.md section 5). The grants
 * come after the body, since they are checked against what the request names; without any token no body is read.
 * Invariant: every answer under `/twirp/` is a Twirp answer, and no wait is longer than its deadline.
 */
import type { AnyMessage, Message, MessageType } from "@bufbuild/protobuf";
import type { Log } from "@stoa/io/log";
import type { VerifiedToken } from "../auth/verify.ts";
import { bodyFormat, decodeBody, encodeBody, type BodyFormat } from "./body.ts";
import { errorResponse, TwirpError } from "./errors.ts";
import { GRANTS, type GrantCheck } from "./grants.ts";
import { SERVICES, type RequestOf, type ResponseOf, type ServiceName, type Services } from "./services.ts";

/** Path prefix of all methods. */
export const TWIRP_PREFIX = "/twirp/";

/** One method; a mistake of the caller is a `TwirpError` that is returned, not thrown. */
export type Method<In, Out> = (request: In) => Out | TwirpError | Promise<Out | TwirpError>;

/** All methods of a service. */
export type Service<S extends ServiceName> = {
  readonly [M in keyof Services[S]]: Method<RequestOf<Services[S][M]>, ResponseOf<Services[S][M]>>;
};

/** All services. */
export type Api = { readonly [S in ServiceName]: Service<S> };

/** What happened, for figures and logs; `code` is "ok" or that of the error. */
export interface CallReport {
  readonly service: string;
  readonly method: string;
  readonly code: string;
  readonly tookMs: number;
}

/** What the handler works on. */
export interface TwirpDeps {
  readonly api: Api;
  readonly log: Log;
  readonly nowMs: () => number;
  readonly onCall?: (report: CallReport) => void;
}

/** Longer than any wait that a method is asked for. */
const MAX_CALL_MS = 120_000;

interface Route {
  readonly service: string;
  readonly method: string;
  readonly type: MessageType<AnyMessage>;
  readonly allows: GrantCheck<never>;
  readonly run: Method<never, Message>;
}

/** Answers one request under `/twirp/`; `path` is without the double slash that a careless URL has. */
export async function handleTwirp(
  deps: TwirpDeps,
  request: Request,
  path: string,
  token: VerifiedToken | undefined,
): Promise<Response> {
  const startedMs = deps.nowMs();
  const route = findRoute(deps.api, path);
  const format = bodyFormat(request.headers.get("content-type") ?? "");
  const badRoute = (msg: string) =>
    errorResponse(new TwirpError("bad_route", msg, { twirp_invalid_route: `${request.method} ${path}` }));
  if (request.method !== "POST")
    return badRoute(`unsupported method ${JSON.stringify(request.method)} (only POST is allowed)`);
  if (!route) return badRoute(`no handler for path ${JSON.stringify(path)}`);
  if (!format) return badRoute(`unexpected Content-Type: ${JSON.stringify(request.headers.get("content-type") ?? "")}`);

  const result = await call(deps, route, token, () => readBody(route, format, request), request.headers);
  const failed = result instanceof TwirpError;
  const tookMs = deps.nowMs() - startedMs;
  const { service, method } = route;
  deps.onCall?.({ service, method, code: failed ? result.code : "ok", tookMs });
  if (!failed) return encodeBody(result, format);
  deps.log.debug("API call failed", { service, method, code: result.code, reason: result.msg });
  return errorResponse(result);
}

async function readBody(route: Route, format: BodyFormat, request: Request): Promise<AnyMessage | TwirpError> {
  return decodeBody(route.type, format, new Uint8Array(await request.arrayBuffer()));
}

async function call(
  { log }: TwirpDeps,
  route: Route,
  token: VerifiedToken | undefined,
  read: () => Promise<AnyMessage | TwirpError>,
  headers: Headers,
): Promise<Message | TwirpError> {
  const denied = new TwirpError("unauthenticated", "permissions denied");
  if (!token) return denied;
  const message = await read();
  if (message instanceof TwirpError) return message;
  if (!route.allows(token.grants, message as never)) return denied;
  try {
    const result = route.run(message as never);
    return result instanceof Promise ? await within(timeoutOf(headers.get("x-twirp-timeout-ms")), result) : result;
  } catch (error) {
    log.error("API method failed", { service: route.service, method: route.method, error });
    return new TwirpError("internal", "internal error");
  }
}

async function within(timeoutMs: number, result: Promise<Message | TwirpError>): Promise<Message | TwirpError> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<TwirpError>((resolve) => {
    const error = new TwirpError("deadline_exceeded", "the call took longer than its caller waits");
    timer = setTimeout(() => resolve(error), timeoutMs);
  });
  try {
    return await Promise.race([result, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Go clients say how long they wait. */
function timeoutOf(header: string | null): number {
  const wantedMs = Number(header ?? "");
  return Number.isSafeInteger(wantedMs) && wantedMs > 0 ? Math.min(wantedMs, MAX_CALL_MS) : MAX_CALL_MS;
}

function findRoute(api: Api, path: string): Route | undefined {
  const [service, method, ...rest] = path.slice(TWIRP_PREFIX.length).split("/");
  if (service === undefined || method === undefined || rest.length > 0) return undefined;
  const entry = lookUp(lookUp(SERVICES, service), method) as readonly [MessageType<AnyMessage>, unknown] | undefined;
  const allows = lookUp(lookUp(GRANTS, service), method) as GrantCheck<never> | undefined;
  const run = lookUp(lookUp(api, service), method) as Method<never, Message> | undefined;
  return entry && allows && run && { service, method, type: entry[0], allows, run };
}

function lookUp(table: unknown, name: string): unknown {
  if (typeof table !== "object" || table === null || !Object.hasOwn(table, name)) return undefined;
  return (table as Record<string, unknown>)[name];
}
