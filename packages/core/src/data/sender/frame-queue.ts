/**
 * Frames of one source that wait for a channel. Invariant: a frame that has begun is neither evicted nor overtaken; it counts
 * with all of its bytes until its last payload is sent.
 */
import { Fifo } from "../../sctp/fifo.ts";
import type { FrameInParts } from "./frame-in-parts.ts";

/** What became of a frame that was accepted. */
export type Fate = "sent" | "evicted" | "expired" | "failed" | "closed";

/** One frame: payloads that are sent together or not at all; or a part of a frame that comes in parts. */
export interface WaitingFrame {
  readonly payloads: readonly Uint8Array[];
  readonly bytes: number;
  readonly sinceMs: number;
  readonly expiresAtMs: number;
  readonly done: ((fate: Fate) => void) | undefined;
  readonly parts: FrameInParts | undefined;
  /** Index of the payload that is sent next. */
  next: number;
}

export class FrameQueue {
  #waiting = new Fifo<WaitingFrame>();
  /** The frame of which some payloads are sent, or what waits of frames in parts of which some are; no payload counts after `rewind`. */
  #begun = new Fifo<WaitingFrame>();
  #bytes = 0;
  #begunBytes = 0;

  get frames(): number {
    return this.#waiting.size + this.#begun.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get begunFrames(): number {
    return this.#begun.size;
  }

  get begunBytes(): number {
    return this.#begunBytes;
  }

  push(frame: WaitingFrame): void {
    this.#bytes += frame.bytes;
    const { parts } = frame;
    // Parts keep their order.
    if (parts?.begun && parts.waiting === 0) this.#begin(frame);
    else this.#wait(frame);
  }

  /** Puts frames before all others. */
  pushFirst(frames: readonly WaitingFrame[]): void {
    const former = this.#waiting;
    this.#waiting = new Fifo<WaitingFrame>();
    for (const frame of frames) {
      this.#bytes += frame.bytes;
      this.#wait(frame);
    }
    for (let frame = this.#takeBegun(); frame; frame = this.#takeBegun()) this.#wait(frame);
    for (let frame = former.shift(); frame; frame = former.shift()) this.#waiting.push(frame);
  }

  /** The frame whose payload is next. */
  head(): WaitingFrame | undefined {
    return this.#begun.peek() ?? this.#waiting.peek();
  }

  /** The next frame that may be dropped: of one that lost a part, or the oldest one that has not begun. */
  oldest(): WaitingFrame | undefined {
    const begun = this.#begun.peek();
    if (begun?.parts?.lost) return begun;
    for (let frame = this.#waiting.peek(); frame; frame = this.#waiting.peek()) {
      if (!frame.parts?.begun || frame.parts.lost) return frame;
      this.#begin(this.#takeWaiting()!);
    }
    return undefined;
  }

  /** One payload of the head is sent; true when that was its last one, which takes it out. */
  advance(): boolean {
    const frame = this.head();
    if (!frame) return false;
    if (this.#begun.size === 0) this.#begin(this.#takeWaiting()!);
    frame.next++;
    if (frame.next < frame.payloads.length) return false;
    this.dropHead();
    return true;
  }

  /** Takes out `oldest`. */
  evict(): WaitingFrame | undefined {
    const frame = this.oldest();
    return this.#leave(frame && frame === this.#begun.peek() ? this.#takeBegun() : this.#takeWaiting());
  }

  /** Takes out the head, begun or not. */
  dropHead(): WaitingFrame | undefined {
    return this.#leave(this.#takeBegun() ?? this.#takeWaiting());
  }

  /** The channel is gone that had the first payloads: the frame starts anew on the next one. */
  rewind(): void {
    const begun = this.#begun.peek();
    if (!begun) return;
    begun.next = 0;
    this.pushFirst([]);
  }

  #begin(frame: WaitingFrame): void {
    this.#begunBytes += frame.bytes;
    this.#begun.push(frame);
  }

  #wait(frame: WaitingFrame): void {
    if (frame.parts) frame.parts.waiting++;
    this.#waiting.push(frame);
  }

  #takeBegun(): WaitingFrame | undefined {
    const frame = this.#begun.shift();
    if (frame) this.#begunBytes -= frame.bytes;
    return frame;
  }

  #takeWaiting(): WaitingFrame | undefined {
    const frame = this.#waiting.shift();
    if (frame?.parts) frame.parts.waiting--;
    return frame;
  }

  #leave(frame: WaitingFrame | undefined): WaitingFrame | undefined {
    if (frame) this.#bytes -= frame.bytes;
    return frame;
  }
}

/** Bytes of a frame, or -1 when it has no payload or one that is too long. */
export function bytesOf(frame: Uint8Array | readonly Uint8Array[], maxPayloadBytes: number): number {
  if (frame instanceof Uint8Array) return frame.length > maxPayloadBytes ? -1 : frame.length;
  let bytes = 0;
  for (const payload of frame) {
    if (payload.length > maxPayloadBytes) return -1;
    bytes += payload.length;
  }
  return frame.length === 0 ? -1 : bytes;
}

/** A frame of one payload, whose fate nobody asks for. */
export function frameOfOne(payload: Uint8Array, sinceMs: number, expiresAtMs: number): WaitingFrame {
  const bytes = payload.length;
  return { payloads: [payload], bytes, sinceMs, expiresAtMs, done: undefined, parts: undefined, next: 0 };
}
