/**
 * Frames that wait for a channel, bounded in number and in bytes. Invariant: a frame that has begun is neither evicted nor
 * overtaken; it counts with all of its bytes until its last payload is sent.
 */
import { Fifo } from "../../sctp/fifo.ts";

/** What became of a frame that was accepted. */
export type Fate = "sent" | "evicted" | "expired" | "failed" | "closed";

/** One frame: payloads that are sent together or not at all. */
export interface WaitingFrame {
  readonly payloads: readonly Uint8Array[];
  readonly bytes: number;
  readonly sinceMs: number;
  readonly expiresAtMs: number;
  readonly done: ((fate: Fate) => void) | undefined;
  /** Index of the payload that is sent next. */
  next: number;
}

export class FrameQueue {
  readonly maxFrames: number;
  readonly maxBytes: number;
  #waiting = new Fifo<WaitingFrame>();
  /** The frame of which some payloads are sent; none of them count after `rewind`. */
  #begun: WaitingFrame | undefined;
  #bytes = 0;

  constructor(maxFrames: number, maxBytes: number) {
    this.maxFrames = maxFrames;
    this.maxBytes = maxBytes;
  }

  get frames(): number {
    return this.#waiting.size + (this.#begun ? 1 : 0);
  }

  get bytes(): number {
    return this.#bytes;
  }

  hasRoom(bytes: number): boolean {
    return this.frames < this.maxFrames && this.#bytes + bytes <= this.maxBytes;
  }

  /** Whether there would be room if everything that has not begun were evicted. */
  couldHaveRoom(bytes: number): boolean {
    const begun = this.#begun;
    if (!begun || begun.next === 0) return bytes <= this.maxBytes;
    return this.maxFrames > 1 && begun.bytes + bytes <= this.maxBytes;
  }

  push(frame: WaitingFrame): void {
    this.#bytes += frame.bytes;
    this.#waiting.push(frame);
  }

  /** Puts frames before all others; they may be more than there is room for. */
  pushFirst(frames: readonly WaitingFrame[]): void {
    const former = this.#waiting;
    this.#waiting = new Fifo<WaitingFrame>();
    for (const frame of frames) this.push(frame);
    if (this.#begun) this.#waiting.push(this.#begun);
    this.#begun = undefined;
    for (let frame = former.shift(); frame; frame = former.shift()) this.#waiting.push(frame);
  }

  /** The frame whose payload is next. */
  head(): WaitingFrame | undefined {
    return this.#begun ?? this.#waiting.peek();
  }

  /** The oldest frame that has not begun. */
  oldest(): WaitingFrame | undefined {
    return this.#begun?.next === 0 ? this.#begun : this.#waiting.peek();
  }

  /** One payload of the head is sent; true when that was its last one, which takes it out. */
  advance(): boolean {
    if (!this.#begun) this.#begun = this.#waiting.shift();
    const frame = this.#begun;
    if (!frame) return false;
    frame.next++;
    if (frame.next < frame.payloads.length) return false;
    this.dropHead();
    return true;
  }

  /** Takes out the oldest frame that has not begun. */
  evict(): WaitingFrame | undefined {
    return this.#begun?.next === 0 ? this.#leave(this.#begun) : this.#leave(this.#waiting.shift());
  }

  /** Takes out the head, begun or not. */
  dropHead(): WaitingFrame | undefined {
    return this.#leave(this.#begun ?? this.#waiting.shift());
  }

  /** The channel is gone that had the first payloads: the frame starts anew on the next one. */
  rewind(): void {
    if (this.#begun) this.#begun.next = 0;
  }

  #leave(frame: WaitingFrame | undefined): WaitingFrame | undefined {
    if (!frame) return undefined;
    if (frame === this.#begun) this.#begun = undefined;
    this.#bytes -= frame.bytes;
    return frame;
  }
}
