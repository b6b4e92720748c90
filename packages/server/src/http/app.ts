/**
 * The HTTP surface of the main port (livekit.md 1.1) as a hono app: recovery, CORS, double slash, body limit, token, routes.
 * It runs without a socket (`app.request(…)`); the WebSocket upgrades are in `signal/upgrade.ts`.
 */
import { Hono, type Context, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Log } from "@stoa/io/log";
import { authenticate, isRefused, type KeyProvider, type VerifiedToken } from "../auth/verify.ts";
import type { RequestOrigin } from "../signal/client-info.ts";
import { readConnectRequest, type Doorkeeper } from "../signal/connect-request.ts";
import type { JoinGate } from "../embed/join-gate.ts";
import { corsHeaders, preflightHeaders } from "./cors.ts";
import { DEBUG_ROOMS } from "./debug.ts";
import { demoConfig, demoLibrary, demoToken, type DemoOptions } from "./demo-api.ts";
import { serveDemo } from "./demo.ts";
import { healthResponse, type NodeHealth } from "./health.ts";
import { errorResponse, TwirpError } from "../twirp/errors.ts";
import { handleTwirp, TWIRP_PREFIX, type TwirpDeps } from "../twirp/handler.ts";
import { splitTarget } from "./path.ts";

/** What the app works on. */
export interface HttpDeps {
  readonly keys: KeyProvider;
  readonly door: Doorkeeper;
  /** Asked before somebody joins, and for a dry run. */
  readonly gate?: JoinGate | undefined;
  readonly health: NodeHealth;
  /** 0 = no limit; asked for each request. */
  readonly maxBodyBytes: () => number;
  readonly demo: DemoOptions;
  /** Undefined: not for everybody. */
  readonly debugRooms?: (() => string) | undefined;
  /** Sees every API request with its answer, for the figures. */
  readonly watchApi?: MiddlewareHandler;
  readonly twirp: TwirpDeps;
  readonly log: Log;
  readonly nowMs: () => number;
}

interface Env {
  Variables: { token: VerifiedToken | undefined };
  Bindings: { incoming?: { socket?: { remoteAddress?: string | undefined } } };
}

/** The type of the app, for those who mount more routes. */
export type HttpApp = Hono<Env>;

/** Builds the app. */
export function createApp(deps: HttpDeps): HttpApp {
  const app = new Hono<Env>({ getPath: (request) => target(request).path });
  app.onError((error, c) => {
    deps.log.error("HTTP handler failed", { path: c.req.path, error });
    return plain(c, 500, "internal error");
  });
  app.use(cors);
  if (deps.watchApi) app.use("/twirp/*", deps.watchApi);
  app.use(limitBody(deps.maxBodyBytes));
  app.use(tokenMiddleware(deps));
  app.all("/", () => healthResponse(deps.health, deps.nowMs()));
  app.all("/rtc/validate", (c) => validate(c, deps, false));
  app.all("/rtc/v1/validate", (c) => validate(c, deps, true));
  app.all(`${TWIRP_PREFIX}*`, (c) => handleTwirp(deps.twirp, c.req.raw, c.req.path, c.get("token")));
  mountDemo(app, deps);
  const { debugRooms } = deps;
  if (debugRooms) app.get(DEBUG_ROOMS, (c) => c.body(debugRooms(), 200, { "content-type": "application/json" }));
  app.notFound(empty404);
  return app;
}

function mountDemo(app: HttpApp, { demo, nowMs }: HttpDeps): void {
  app.get("/demo/config.json", () => demoConfig(demo));
  app.get("/demo/livekit-client.mjs", async () => (await demoLibrary()) ?? empty404());
  app.post("/demo/token", async (c) => (await demoToken(demo, c.req.raw, nowMs())) ?? empty404());
  app.on(["GET", "HEAD"], ["/demo", "/demo/*"], async (c) => {
    const { query } = target(c.req.raw);
    return (await serveDemo(demo.root, c.req.path, query, c.req.raw)) ?? empty404();
  });
}

function target(request: Request): { path: string; query: string } {
  return splitTarget(request.url);
}

const cors: MiddlewareHandler<Env> = async (c, next) => {
  const origin = c.req.header("origin");
  const method = c.req.header("access-control-request-method");
  if (c.req.method === "OPTIONS" && method) {
    const headers = preflightHeaders(origin ?? "*", method, c.req.header("access-control-request-headers"));
    return new Response(null, { status: 204, headers });
  }
  await next();
  for (const [name, value] of Object.entries(corsHeaders(origin, c.req.path))) c.res.headers.set(name, value);
  return undefined;
};

function limitBody(maxBodyBytes: () => number): MiddlewareHandler<Env> {
  return async (c, next) => {
    const maxSize = maxBodyBytes();
    if (maxSize === 0) return next();
    const onError = () => {
      if (!c.req.path.startsWith(TWIRP_PREFIX)) return plain(c, 413, "request body too large");
      // clients of the API read errors as JSON only; LiveKit answers them in plain text, with this status
      const msg = `request body too large: max length ${maxSize}`;
      return errorResponse(new TwirpError("resource_exhausted", msg), 413);
    };
    return bodyLimit({ maxSize, onError })(c, next);
  };
}

function tokenMiddleware({ keys, nowMs, log }: HttpDeps): MiddlewareHandler<Env> {
  return async (c, next) => {
    const query = new URLSearchParams(target(c.req.raw).query);
    const result = await authenticate(keys, c.req.header("authorization"), query.get("access_token"), nowMs());
    if (isRefused(result)) {
      log.warn("token refused", { path: c.req.path, reason: result.refused });
      return plain(c, 401, result.refused);
    }
    c.set("token", result);
    await next();
    return undefined;
  };
}

async function validate(c: Context<Env>, deps: HttpDeps, needsJoinRequest: boolean): Promise<Response> {
  const origin: RequestOrigin = {
    header: (name) => c.req.header(name),
    remoteAddress: c.env?.incoming?.socket?.remoteAddress ?? "",
  };
  const query = new URLSearchParams(target(c.req.raw).query);
  const input = { ...origin, query, token: c.get("token"), needsJoinRequest, strict: true };
  const wish = readConnectRequest(input, deps.door);
  const result = "status" in wish || !deps.gate ? wish : await deps.gate(wish, true);
  return "status" in result ? plain(c, result.status, result.body) : plain(c, 200, "success");
}

function plain(c: Context<Env>, status: number, body: string): Response {
  return c.body(body, status as 200, { "content-type": "text/plain; charset=utf-8" });
}

function empty404(): Response {
  return new Response(null, { status: 404 });
}
