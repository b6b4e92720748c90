/**
 * One signal connection, from before the 101 to its end (livekit.md 1.4, 1.6): what the join sends is kept until the
 * WebSocket stands, a client that does not read is cut off, one that sends too fast is read slowly (`inbox.ts`).
 * Invariants: responses keep their order; `onClosed` comes exactly once; after `end` nothing more is delivered either way.
 */
import type { SignalRequest, SignalResponse } from "@livekit/protocol";
import type { SignalId } from "@stoa/core/room/effects";
import { WebSocket } from "ws";
import { decodeRequest, encodeResponse, type FrameFormat } from "./encode.ts";
import { SignalInbox, type Frame } from "./inbox.ts";

/** Unread bytes beyond which a client counts as gone: it would cost memory without end. */
const MAX_BUFFERED_BYTES = 8 << 20;

/** Messages kept before the 101; the join itself makes a few dozen. */
const MAX_WAITING = 10_000;

/** How long queued responses may take before the close frame goes out. */
const FLUSH_MS = 250;

/** How long a client may take to answer the close frame. */
const CLOSE_MS = 1000;

/** What `ws` closes with when a message is over the limit. */
const MESSAGE_TOO_BIG = 1009;

/**
 * A WebSocket that tells only of a frame too long for the limit with 1009. One that is short on the wire and too long once inflated
 * is cut off, as by LiveKit: `ws` reports both alike, so that goes for every connection that compresses.
 */
export class LimitedWebSocket extends WebSocket {
  override close(code?: number, reason?: string | Buffer): void {
    if (code === MESSAGE_TOO_BIG && this.extensions.includes("permessage-deflate")) this.terminate();
    else super.close(code, reason);
  }
}

/** What the owner of a connection hears. */
export interface SignalListener {
  onRequest(request: SignalRequest): void;
  /** `cut`: why the server ended it without a word; "" = it did not. */
  onClosed(cut: string): void;
  /** The client sends more than so many messages a second; they wait. */
  onSlowed?(perSecond: number): void;
}

export class SignalSocket {
  readonly id: SignalId;
  readonly #nowMs: () => number;
  #listener: SignalListener | undefined;
  #ws: WebSocket | undefined;
  #waiting: SignalResponse[] = [];
  #format: FrameFormat = "binary";
  /** "ending": ours to close; "closed": `onClosed` was told. */
  #state: "open" | "ending" | "closed" = "open";
  #flushBeforeEnd = true;
  #timer: NodeJS.Timeout | undefined;
  readonly #inbox: SignalInbox;
  /** Since when something has always waited to be read by the client. */
  #behindSinceMs: number | undefined;
  #cut = "";

  /** `perSecond`: messages that are taken from the client; 0 = all. */
  constructor(id: SignalId, nowMs: () => number, perSecond: () => number = () => 0) {
    this.id = id;
    this.#nowMs = nowMs;
    const owner = {
      handle: (frame: Frame) => this.#handle(frame),
      setPaused: (paused: boolean) => (paused ? this.#ws?.pause() : this.#ws?.resume()),
      slowed: (limit: number) => this.#listener?.onSlowed?.(limit),
      overflowed: (bytes: number) => this.#abort(`it has sent ${inMegabytes(bytes)} at once, faster than it may`),
    };
    this.#inbox = new SignalInbox(owner, perSecond, nowMs);
  }

  /** Who hears of requests and of the end. */
  listen(listener: SignalListener): void {
    this.#listener = listener;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Queues a response; "closed" when the connection is over. */
  send(message: SignalResponse): "queued" | "closed" {
    if (this.#state !== "open") return "closed";
    const ws = this.#ws;
    if (!ws) {
      if (this.#waiting.length >= MAX_WAITING) return "closed";
      this.#waiting.push(message);
      return "queued";
    }
    const unread = ws.bufferedAmount;
    if (unread === 0) this.#behindSinceMs = undefined;
    else this.#behindSinceMs ??= this.#nowMs();
    if (unread > MAX_BUFFERED_BYTES) {
      const seconds = ((this.#nowMs() - (this.#behindSinceMs ?? 0)) / 1000).toFixed(1);
      this.#abort(`it leaves ${inMegabytes(unread)} unread, and has been behind for ${seconds} s`);
      return "closed";
    }
    ws.send(encodeResponse(message, this.#format));
    return "queued";
  }

  /** Closes with 1000; with `flush`, after what was sent before, but no later than 250 ms from now. */
  end(flush: boolean): void {
    if (this.#state !== "open") return;
    this.#state = "ending";
    this.#flushBeforeEnd = flush;
    this.#inbox.clear();
    if (this.#ws) this.#finish(this.#ws);
  }

  /** The 101 is out: sends what waited, and from now on everything at once. */
  attach(ws: WebSocket): void {
    this.#ws = ws;
    ws.on("error", () => {}); // a close event follows
    ws.on("close", () => this.#closed());
    ws.on("message", (data: Buffer, isBinary) => this.#receive(data, isBinary));
    try {
      for (const message of this.#waiting) ws.send(encodeResponse(message, this.#format));
    } catch {
      this.#abort(); // without its first messages a session makes no sense
      return;
    }
    this.#waiting = [];
    if (this.#state === "ending") this.#finish(ws);
  }

  /** The connection broke before the 101. */
  fail(): void {
    this.#closed();
  }

  /** A ping frame, so that proxies see life. */
  ping(): void {
    if (this.#ws?.readyState === WebSocket.OPEN) this.#ws.ping();
  }

  /** Ends the connection without a word. */
  terminate(): void {
    this.#abort();
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#state === "open") this.#inbox.receive({ data, format: isBinary ? "binary" : "json" });
  }

  #handle({ data, format }: Frame): void {
    if (this.#state !== "open") return;
    this.#format = format;
    const request = decodeRequest(data, format);
    if (!request) {
      this.end(true);
      return;
    }
    this.#listener?.onRequest(request);
  }

  #finish(ws: WebSocket): void {
    const flushUntilMs = this.#nowMs() + FLUSH_MS;
    const close = () => {
      if (this.#flushBeforeEnd && ws.bufferedAmount > 0 && this.#nowMs() < flushUntilMs) {
        this.#timer = setTimeout(close, 10);
        return;
      }
      ws.close(1000);
      this.#timer = setTimeout(() => ws.terminate(), CLOSE_MS);
    };
    close();
  }

  #abort(why = ""): void {
    if (this.#state === "open") this.#state = "ending";
    this.#cut ||= why;
    this.#inbox.clear();
    if (this.#ws) this.#ws.terminate();
    else this.#closed();
  }

  #closed(): void {
    if (this.#state === "closed") return;
    this.#inbox.finish();
    this.#state = "closed";
    this.#waiting = [];
    clearTimeout(this.#timer);
    this.#listener?.onClosed(this.#cut);
  }
}

function inMegabytes(bytes: number): string {
  return `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}
