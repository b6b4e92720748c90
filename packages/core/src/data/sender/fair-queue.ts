/**
 * Frames of several sources that wait for one channel, bounded in number and in bytes over all of them. Invariants: of the sources
 * for which something waits each is given as many bytes as the others, so that large frames of one do not hold up small ones of
 * another; where there is no room, the source that holds most gives way.
 */
import { earlier, NEVER } from "../../clock.ts";
import type { FrameSource } from "./frame-in-parts.ts";
import { FrameQueue, type WaitingFrame } from "./frame-queue.ts";

/** Queues that are empty and kept for the next source. */
const MAX_SPARE = 16;

/** The frames of one source. */
interface Turn {
  source: FrameSource | undefined;
  readonly queue: FrameQueue;
  /** Bytes that it was given, by a count that all have in common. */
  given: number;
}

export class FairQueue {
  readonly maxFrames: number;
  readonly maxBytes: number;
  /** For what has no source; always the first one. */
  readonly #own: Turn = { source: undefined, queue: new FrameQueue(), given: 0 };
  /** Sources for which something waits. */
  readonly #turns: Turn[] = [this.#own];
  readonly #bySource = new Map<FrameSource | undefined, Turn>();
  readonly #spare: Turn[] = [];
  #frames = 0;
  #bytes = 0;
  /** Whose frame has begun and is not finished. */
  #unfinished: Turn | undefined;

  constructor(maxFrames: number, maxBytes: number) {
    this.maxFrames = maxFrames;
    this.maxBytes = maxBytes;
  }

  get frames(): number {
    return this.#frames;
  }

  get bytes(): number {
    return this.#bytes;
  }

  hasRoom(bytes: number): boolean {
    return this.#frames < this.maxFrames && this.#bytes + bytes <= this.maxBytes;
  }

  /** Whether there would be room if all were evicted but what has begun of this source. */
  couldHaveRoom(source: FrameSource | undefined, bytes: number): boolean {
    const turn = source === undefined ? this.#own : this.#bySource.get(source);
    if (!turn) return bytes <= this.maxBytes;
    return turn.queue.begunFrames < this.maxFrames && turn.queue.begunBytes + bytes <= this.maxBytes;
  }

  push(source: FrameSource | undefined, frame: WaitingFrame): void {
    this.#of(source).queue.push(frame);
    this.#frames++;
    this.#bytes += frame.bytes;
  }

  /** Puts frames before all others of that source; they may be more than there is room for. */
  pushFirst(source: FrameSource | undefined, frames: readonly WaitingFrame[]): void {
    if (frames.length === 0) return;
    this.#of(source).queue.pushFirst(frames);
    this.#frames += frames.length;
    for (const frame of frames) this.#bytes += frame.bytes;
  }

  /** The frame whose payload is next. */
  head(): WaitingFrame | undefined {
    return this.#next()?.queue.head();
  }

  /** One payload of the head is sent; true when that was its last one, which takes it out. */
  advance(): boolean {
    const turn = this.#next();
    const head = turn?.queue.head();
    if (!turn || !head) return false;
    turn.given += head.payloads[head.next]!.length;
    const isDone = turn.queue.advance();
    this.#unfinished = isDone ? undefined : turn;
    if (isDone) this.#taken(turn, head);
    return isDone;
  }

  /** Takes out the head, begun or not. */
  dropHead(): WaitingFrame | undefined {
    const turn = this.#next();
    this.#unfinished = undefined;
    return turn && this.#taken(turn, turn.queue.dropHead());
  }

  /** Takes out a frame to make room for one of `source`. */
  evict(source: FrameSource | undefined): WaitingFrame | undefined {
    let largest = this.#own;
    for (const turn of this.#turns) if (turn.queue.bytes > largest.queue.bytes) largest = turn;
    const { queue } = largest;
    const frame = queue.evict();
    if (frame || largest.source === source || !queue.head()?.parts) return this.#taken(largest, frame);
    // A frame in parts that has begun is of no use without the rest, but harms nobody.
    return this.#taken(largest, queue.dropHead());
  }

  /** Takes out a frame that waited too long, or is of no use any more. */
  takeOver(nowMs: number): WaitingFrame | undefined {
    if (this.#frames === 0) return undefined;
    for (const turn of this.#turns) {
      turn.queue.head()?.parts?.endLate(nowMs);
      const frame = turn.queue.oldest();
      if (frame && (frame.parts?.lost || frame.expiresAtMs <= nowMs)) {
        return this.#taken(turn, turn.queue.evict());
      }
    }
    return undefined;
  }

  /** When the next one will have waited too long. */
  nextExpiryMs(): number {
    let nextMs = NEVER;
    if (this.#frames === 0) return nextMs;
    for (const { queue } of this.#turns) nextMs = earlier(nextMs, queue.oldest()?.expiresAtMs ?? NEVER);
    return nextMs;
  }

  /** The channel is gone that had the first payloads of frames: they start anew on the next one. */
  rewind(): void {
    for (const { queue } of this.#turns) queue.rewind();
    this.#unfinished = undefined;
  }

  /** Who has been given least. */
  #next(): Turn | undefined {
    if (this.#unfinished || this.#frames === 0) return this.#unfinished;
    let next: Turn | undefined;
    for (const turn of this.#turns) {
      if (turn.queue.frames > 0 && (!next || turn.given < next.given)) next = turn;
    }
    return next;
  }

  #of(source: FrameSource | undefined): Turn {
    let turn = source === undefined ? this.#own : this.#bySource.get(source);
    if (!turn) {
      turn = this.#spare.pop() ?? { source, queue: new FrameQueue(), given: 0 };
      turn.source = source;
      this.#bySource.set(source, turn);
      this.#turns.push(turn);
    }
    // Nothing is made up for that it did not want before.
    if (turn.queue.frames === 0) turn.given = this.#next()?.given ?? 0;
    return turn;
  }

  #taken(turn: Turn, frame: WaitingFrame | undefined): WaitingFrame | undefined {
    if (!frame) return undefined;
    this.#frames--;
    this.#bytes -= frame.bytes;
    if (turn.queue.frames === 0) this.#leave(turn);
    return frame;
  }

  #leave(turn: Turn): void {
    if (turn === this.#own) return;
    this.#turns.splice(this.#turns.indexOf(turn), 1);
    this.#bySource.delete(turn.source);
    turn.source = undefined;
    if (this.#spare.length < MAX_SPARE) this.#spare.push(turn);
  }
}
