/**
 * Serves LiveKit's paths on an HTTP server of somebody else: our paths come to us, everything else goes to the listeners
 * that were there. Invariant: `detach` leaves the server as it was found; it is never closed from here.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { splitTarget } from "../http/path.ts";

/** What answers requests, and what takes connections that become something else. */
export interface Listeners {
  readonly request: (request: IncomingMessage, response: ServerResponse) => unknown;
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => unknown;
}

const OURS = /^\/(?:rtc|agent|whip|twirp|stoa)(?:\/|$)/;

/** Whether a request target is one of LiveKit's or Stoa's paths. */
export function isOurs(target: string): boolean {
  return OURS.test(splitTarget(target).path);
}

/** Takes our paths, or all of them when nobody else listens; gives the way back. */
export function attach(server: Server, listeners: Listeners): () => void {
  const undo = [stepBefore(server, "request", listeners.request), stepBefore(server, "upgrade", listeners.upgrade)];
  return () => undo.forEach((step) => step());
}

/** Others are not asked about our paths: they would answer 404, or end the connection. */
function stepBefore(
  server: Server,
  event: keyof Listeners,
  ours: (request: IncomingMessage, ...rest: never[]) => unknown,
): () => void {
  const others = server.listeners(event) as ((...args: unknown[]) => unknown)[];
  const listener = (request: IncomingMessage, ...rest: unknown[]) => {
    if (others.length === 0 || isOurs(request.url ?? "/")) ours(request, ...(rest as never[]));
    else for (const other of others) other.call(server, request, ...rest);
  };
  server.removeAllListeners(event);
  server.on(event, listener);
  return () => {
    server.off(event, listener);
    for (const other of others) server.on(event, other);
  };
}
