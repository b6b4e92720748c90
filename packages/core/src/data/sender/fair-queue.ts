/**
 * Frames of several sources that wait for one channel, bounded in number and in bytes over all of them. Invariants: of the sources
 * for which something waits each is given as many bytes as the others, so that large frames of one do not hold up small ones of
 * another, and its frames keep their order; where there is no room, the source that holds most gives way. A source costs something
 * only while frames of it wait, and an offer costs the same however many sources wait, unless frames may grow too old.
 */
import { earlier, NEVER } from "../../clock.ts";
import type { FrameSource } from "./frame-in-parts.ts";
import { FrameQueue, type WaitingFrame } from "./frame-queue.ts";

/** Queues that are empty and kept for the next source. */
const MAX_SPARE = 16;
/** One that held more than this is not kept: it stays as large as it was. */
const MAX_SPARE_FRAMES = 1024;

/** The frames of one source. */
interface Turn {
  source: FrameSource | undefined;
  readonly queue: FrameQueue;
  /** The most that it has held. */
  mostFrames: number;
  /** Bytes that it was given, by a count that all have in common. */
  given: number;
}

export class FairQueue {
  readonly maxFrames: number;
  readonly maxBytes: number;
  /** For what has no source; always the first one. */
  readonly #own = newTurn();
  /** What goes before everything else, whose ever it is; always the second one. */
  readonly #again = newTurn();
  /** Sources for which something waits, and the two above. */
  readonly #turns: Turn[] = [this.#own, this.#again];
  readonly #bySource = new Map<FrameSource | undefined, Turn>();
  readonly #spare: Turn[] = [];
  #frames = 0;
  #bytes = 0;
  /** Frames that may be dropped for their age or for what became of others; without any nobody looks for them. */
  #mortal = 0;
  /** Who has been given least, as long as that is known. */
  #least: Turn | undefined;
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

  /** Sources for which something waits. */
  get sources(): number {
    const { length } = this.#turns;
    return length - (this.#own.queue.frames > 0 ? 0 : 1) - (this.#again.queue.frames > 0 ? 0 : 1);
  }

  /** Bytes of this source that wait; what goes out again is nobody's. */
  bytesOf(source: FrameSource | undefined): number {
    return this.#find(source)?.queue.bytes ?? 0;
  }

  /** The frame of this source that is its next. */
  headOf(source: FrameSource | undefined): WaitingFrame | undefined {
    return this.#frames === 0 ? undefined : this.#find(source)?.queue.head();
  }

  hasRoom(bytes: number): boolean {
    return this.#frames < this.maxFrames && this.#bytes + bytes <= this.maxBytes;
  }

  /** Whether there would be room if all were evicted but what has begun of this source. */
  couldHaveRoom(source: FrameSource | undefined, bytes: number): boolean {
    const turn = this.#find(source);
    if (!turn) return bytes <= this.maxBytes;
    return turn.queue.begunFrames < this.maxFrames && turn.queue.begunBytes + bytes <= this.maxBytes;
  }

  push(source: FrameSource | undefined, frame: WaitingFrame): void {
    const turn = this.#of(source);
    turn.queue.push(frame);
    turn.mostFrames = Math.max(turn.mostFrames, turn.queue.frames);
    this.#count(frame);
  }

  /** Puts frames of whatever sources before all others; they may be more than there is room for. */
  pushFirst(frames: readonly WaitingFrame[]): void {
    this.#again.queue.pushFirst(frames);
    for (const frame of frames) this.#count(frame);
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
    this.#least = undefined;
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
    if (this.#mortal === 0) return undefined;
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
    if (this.#mortal === 0) return nextMs;
    for (const { queue } of this.#turns) nextMs = earlier(nextMs, queue.oldest()?.expiresAtMs ?? NEVER);
    return nextMs;
  }

  /** The channel is gone that had the first payloads of frames: they start anew on the next one. */
  rewind(): void {
    for (const { queue } of this.#turns) queue.rewind();
    this.#unfinished = undefined;
  }

  /** Whose frame is next. */
  #next(): Turn | undefined {
    if (this.#unfinished || this.#frames === 0) return this.#unfinished;
    return this.#again.queue.frames > 0 ? this.#again : this.#poorest();
  }

  /** Who has been given least. */
  #poorest(): Turn | undefined {
    if (this.#least) return this.#least;
    let least: Turn | undefined;
    for (const turn of this.#turns) {
      if (turn !== this.#again && turn.queue.frames > 0 && (!least || turn.given < least.given)) least = turn;
    }
    return (this.#least = least);
  }

  #find(source: FrameSource | undefined): Turn | undefined {
    return source === undefined ? this.#own : this.#bySource.get(source);
  }

  #of(source: FrameSource | undefined): Turn {
    let turn = this.#find(source);
    if (!turn) {
      turn = this.#spare.pop() ?? newTurn();
      turn.source = source;
      this.#bySource.set(source, turn);
      this.#turns.push(turn);
    }
    // Nothing is made up for that it did not want before.
    if (turn.queue.frames === 0) turn.given = this.#poorest()?.given ?? 0;
    return turn;
  }

  #count(frame: WaitingFrame): void {
    this.#frames++;
    this.#bytes += frame.bytes;
    if (frame.parts || frame.expiresAtMs !== NEVER) this.#mortal++;
  }

  #taken(turn: Turn, frame: WaitingFrame | undefined): WaitingFrame | undefined {
    if (!frame) return undefined;
    this.#frames--;
    this.#bytes -= frame.bytes;
    if (frame.parts || frame.expiresAtMs !== NEVER) this.#mortal--;
    if (turn.queue.frames === 0) this.#leave(turn);
    return frame;
  }

  #leave(turn: Turn): void {
    this.#least = undefined;
    if (turn === this.#own || turn === this.#again) return;
    this.#turns.splice(this.#turns.indexOf(turn), 1);
    this.#bySource.delete(turn.source);
    turn.source = undefined;
    if (this.#spare.length < MAX_SPARE && turn.mostFrames <= MAX_SPARE_FRAMES) this.#spare.push(turn);
  }
}

function newTurn(): Turn {
  return { source: undefined, queue: new FrameQueue(), mostFrames: 0, given: 0 };
}
