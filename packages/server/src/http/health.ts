/** `GET /`: 200 `OK`, or 406 when a part of this node has not been heard of for four seconds, as in LiveKit. */

const STALE_AFTER_MS = 4000;

/** When the media worker that has been silent the longest last reported. */
export interface NodeHealth {
  readonly updatedAtMs: number;
}

/** The answer of the health check. */
export function healthResponse(health: NodeHealth, nowMs: number): Response {
  if (nowMs - health.updatedAtMs <= STALE_AFTER_MS) return new Response("OK");
  const at = new Date(health.updatedAtMs).toISOString();
  return new Response(`Not Ready\nNode Updated At ${at}`, { status: 406 });
}
