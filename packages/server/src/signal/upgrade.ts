/**
 * WebSocket upgrades of `/rtc` and `/rtc/v1` (livekit.md 1.1): the token, every join check and the join itself come before
 * the 101, so that a refusal is a plain HTTP answer; the first frame is the first response of the room.
 * Invariant: whoever joined is either attached to a socket or reported as gone.
 */
import { ServerResponse, type IncomingMessage, type Server } from "node:http";
import type { Duplex } from "node:stream";
import type { SignalId } from "@stoa/core/room/effects";
import type { Log } from "@stoa/io/log";
import { WebSocketServer } from "ws";
import { authenticate, isRefused, type KeyProvider, type VerifiedToken } from "../auth/verify.ts";
import type { JoinGate } from "../embed/join-gate.ts";
import { corsHeaders } from "../http/cors.ts";
import { splitTarget } from "../http/path.ts";
import { readConnectRequest, type ConnectRequest, type Doorkeeper } from "./connect-request.ts";
import { httpFailure, type HttpFailure } from "./http-failure.ts";
import { LimitedWebSocket, SignalSocket } from "./socket.ts";

/** Paths that are WebSockets, and whether `join_request` is a must. */
const SIGNAL_PATHS: Readonly<Record<string, { readonly needsJoinRequest: boolean }>> = {
  "/rtc": { needsJoinRequest: false },
  "/rtc/v1": { needsJoinRequest: true },
};

const PING_EVERY_MS = 10_000;

/** The rooms, as the upgrade sees them. */
export interface SignalDoor extends Doorkeeper {
  /** Runs the whole join; what the room sends goes to `socket`. */
  join(request: ConnectRequest, socket: SignalSocket): HttpFailure | undefined;
}

/** Another path that is a WebSocket; it answers 101 itself, or says why not. */
export type UpgradeRoute = (
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  token: VerifiedToken | undefined,
) => HttpFailure | undefined;

/** What the upgrades work on. */
export interface SignalDeps {
  readonly keys: KeyProvider;
  readonly door: SignalDoor;
  /** Asked before somebody joins. */
  readonly gate?: JoinGate | undefined;
  /** By path. */
  readonly routes?: ReadonlyMap<string, UpgradeRoute>;
  /** 0 = no limit. */
  readonly maxMessageBytes: number;
  /** Messages that are taken from one client; 0 = all. Asked anew for each. */
  readonly messagesPerSecond?: () => number;
  /** Somebody was refused, with this status: for the figures. */
  readonly onRefused?: (status: number) => void;
  /** Somebody was let in: the protocol version, and the time from the request to the 101. */
  readonly onAccepted?: (protocol: number, tookMs: number) => void;
  readonly log: Log;
  readonly nowMs: () => number;
}

/** All signal connections of this process. */
export class SignalServer {
  readonly #deps: SignalDeps;
  readonly #ws: WebSocketServer;
  readonly #sockets = new Set<SignalSocket>();
  readonly #pings: NodeJS.Timeout;
  #lastId: SignalId = 0;

  constructor(deps: SignalDeps) {
    this.#deps = deps;
    this.#ws = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      WebSocket: LimitedWebSocket,
      maxPayload: deps.maxMessageBytes,
      // no context is kept between messages: it would cost each connection some 300 KB
      perMessageDeflate: { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 1024 },
    });
    this.#pings = setInterval(() => {
      for (const socket of this.#sockets) socket.ping();
    }, PING_EVERY_MS);
    this.#pings.unref();
  }

  /** Takes the upgrades of this HTTP server. */
  serve(server: Server): void {
    server.on("upgrade", this.listener(server));
  }

  /** What takes an upgrade of this HTTP server. */
  listener(server: Server): (request: IncomingMessage, socket: Duplex, head: Buffer) => void {
    return (request, socket, head) => {
      socket.on("error", () => {}); // the socket closes by itself
      this.#upgrade(server, request, socket, head).catch((error: unknown) => {
        this.#deps.log.error("signal upgrade failed", { error });
        refuse(request, socket, "/rtc", httpFailure("internal", "internal error"));
      });
    };
  }

  /** Another limit for connections that come from now on; 0 = none. */
  limitMessages(bytes: number): void {
    this.#ws.options.maxPayload = bytes;
  }

  /** Open connections. */
  get size(): number {
    return this.#sockets.size;
  }

  /** Resolves when every connection has ended, or after `withinMs`. */
  async drained(withinMs: number): Promise<void> {
    const endMs = this.#deps.nowMs() + withinMs;
    while (this.#sockets.size > 0 && this.#deps.nowMs() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Cuts what is still open. */
  close(): void {
    clearInterval(this.#pings);
    for (const socket of this.#sockets) socket.terminate();
  }

  async #upgrade(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const beganMs = this.#deps.nowMs();
    const { path, query } = splitTarget(request.url ?? "/");
    const signal = Object.hasOwn(SIGNAL_PATHS, path) ? SIGNAL_PATHS[path] : undefined;
    const route = this.#deps.routes?.get(path);
    if ((!signal && !route) || request.headers.upgrade?.toLowerCase() !== "websocket") {
      answerAsPlainHttp(server, request, socket);
      return;
    }
    const { keys, nowMs, log } = this.#deps;
    const parameters = new URLSearchParams(query);
    const token = await authenticate(keys, request.headers.authorization, parameters.get("access_token"), nowMs());
    if (isRefused(token)) {
      log.warn("token refused", { path, reason: token.refused });
      this.#deps.onRefused?.(401);
      refuse(request, socket, path, httpFailure("unauthenticated", token.refused));
      return;
    }
    const failure = route
      ? (handshakeMistake(request) ?? route(request, socket, head, token))
      : await this.#join(signal!, { request, socket, head, parameters, token, beganMs });
    if (!failure) return;
    log.info("join refused", { path, status: failure.status, reason: failure.body });
    this.#deps.onRefused?.(failure.status);
    refuse(request, socket, path, failure);
  }

  async #join(
    { needsJoinRequest }: { readonly needsJoinRequest: boolean },
    upgrade: {
      readonly request: IncomingMessage;
      readonly socket: Duplex;
      readonly head: Buffer;
      readonly parameters: URLSearchParams;
      readonly token: VerifiedToken | undefined;
      readonly beganMs: number;
    },
  ): Promise<HttpFailure | undefined> {
    const { request, socket, head, parameters: query, token } = upgrade;
    const { door, gate } = this.#deps;
    const header = (name: string) => headerOf(request, name);
    const remoteAddress = request.socket.remoteAddress ?? "";
    const input = { query, token, needsJoinRequest, strict: false, header, remoteAddress };
    const wish = readConnectRequest(input, door);
    if ("status" in wish) return wish;
    const connect = gate ? await gate(wish, false) : wish;
    if ("status" in connect) return connect;
    // while the gate was asked, the room may have gone
    const absent = gate && door.findRoom(connect.room, connect.video.roomCreate === true);
    const refused = absent ?? handshakeMistake(request) ?? this.#enter(connect, request, socket, head);
    if (!refused) this.#deps.onAccepted?.(connect.client.protocol, this.#deps.nowMs() - upgrade.beganMs);
    return refused;
  }

  #enter(connect: ConnectRequest, request: IncomingMessage, socket: Duplex, head: Buffer): HttpFailure | undefined {
    if (!socket.writable || socket.destroyed) return undefined;
    const signal = new SignalSocket(++this.#lastId, this.#deps.nowMs, this.#deps.messagesPerSecond);
    const failure = this.#deps.door.join(connect, signal);
    if (failure) return failure;
    this.#sockets.add(signal);
    socket.once("close", () => {
      this.#sockets.delete(signal);
      signal.fail(); // no-op when a WebSocket stood and told already
    });
    this.#ws.handleUpgrade(request, socket, head, (ws) => signal.attach(ws));
    return undefined;
  }
}

/** What is wrong with the WebSocket handshake, before anybody joins. */
function handshakeMistake(request: IncomingMessage): HttpFailure | undefined {
  const key = headerOf(request, "sec-websocket-key") ?? "";
  const version = headerOf(request, "sec-websocket-version");
  if (request.method === "GET" && /^[A-Za-z0-9+/]{22}==$/.test(key) && (version === "13" || version === "8"))
    return undefined;
  return httpFailure("invalid_argument", "Bad Request: not a WebSocket handshake");
}

/** An upgrade that nobody here knows: HTTP lets a server ignore the wish. */
function answerAsPlainHttp(server: Server, request: IncomingMessage, socket: Duplex): void {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(request.socket);
  response.on("finish", () => socket.end());
  server.emit("request", request, response);
}

function refuse(request: IncomingMessage, socket: Duplex, path: string, failure: HttpFailure): void {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(request.socket);
  response.on("finish", () => socket.end());
  response.writeHead(failure.status, {
    ...corsHeaders(request.headers.origin, path),
    "content-type": "text/plain; charset=utf-8",
    "content-length": Buffer.byteLength(failure.body),
  });
  response.end(failure.body);
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}
