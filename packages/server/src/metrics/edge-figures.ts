/** Figures of what is at the edge: webhooks, refused connections, API requests. */
import type { MiddlewareHandler } from "hono";
import type { WebhookFigures } from "../webhook/webhooks.ts";
import type { Instruments } from "./instruments.ts";

/** The counts of deliveries; `waiting` is asked when the figures are read. */
export function webhookFigures(instruments: Instruments, waiting: () => number): WebhookFigures {
  const { webhooks, webhookQueue, webhooksWaiting } = instruments;
  const show = () => webhooksWaiting.set(waiting());
  return {
    delivered: () => {
      webhooks.inc({ status: "success", reason: "" });
      show();
    },
    broken: () => webhooks.inc({ status: "error", reason: "" }),
    failed: () => {
      webhooks.inc({ status: "failure", reason: "" });
      show();
    },
    dropped: (reason) => {
      webhooks.inc({ status: "drop", reason });
      show();
    },
    queued: (length) => {
      webhookQueue.observe(length);
      show();
    },
  };
}

/** A connection to `/rtc` that was refused, by the status of the answer. */
export function noteRefusal({ joins, operations }: Instruments, status: number): void {
  const validation = status >= 400 && status < 500;
  joins.inc({ state: validation ? "signal_validation_failed" : "signal_failed", warp: "" });
  operations.inc({ type: "signal_ws", status: "error", error_type: String(status) });
}

/** Counts API requests as LiveKit does: "200" stays, errors are "4xx" and "5xx" with the code of the answer. */
export function twirpWatcher({ twirpRequests, twirpMs }: Instruments, nowMs: () => number): MiddlewareHandler {
  return async (c, next) => {
    const beganMs = nowMs();
    await next();
    const match = /^\/twirp\/livekit\.([A-Za-z]{1,40})\/([A-Za-z]{1,60})$/.exec(c.req.path);
    const code = await codeOf(c.res);
    const known = match !== null && (c.res.status !== 404 || (code !== "" && code !== "bad_route"));
    const [service, method] = known ? [match[1]!, match[2]!] : ["", ""]; // whoever calls must not make up labels
    const status = c.res.status >= 400 ? `${Math.floor(c.res.status / 100)}xx` : String(c.res.status);
    twirpRequests.inc({ service, method, status, code });
    twirpMs.observe({ service, method, status }, nowMs() - beganMs);
  };
}

const CODE = /^[a-z_]{1,30}$/;

async function codeOf(response: Response): Promise<string> {
  if (response.status < 400 || !response.headers.get("content-type")?.startsWith("application/json")) return "";
  const body = (await response.clone().json()) as { code?: unknown };
  return typeof body.code === "string" && CODE.test(body.code) ? body.code : "";
}
