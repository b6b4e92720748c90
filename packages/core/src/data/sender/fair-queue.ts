/**
 * Frames of several sources that wait for one channel, bounded in number and in bytes over all of them. Invariants: of the sources
 * for which something waits each is given as many bytes as the others, so that large frames of one do not hold up small ones of
 * another, and its frames keep their order; where there is no room, the source that holds most gives way. A source costs something
 * only while frames of it wait, and nothing is looked for among all of them: there may be thousands, and a packet for a receiver
 * that has stopped would pay for each.
 */
import { earlier, NEVER } from "../../clock.ts";
import type { FrameSource } from "./frame-in-parts.ts";
import { FrameQueue, type WaitingFrame } from "./frame-queue.ts";
import { type Ranked, Ranking } from "./ranking.ts";

/** Queues that are empty and kept for the next source. */
const MAX_SPARE = 16;
/** One that held more than this is not kept: it stays as large as it was. */
const MAX_SPARE_FRAMES = 1024;

/** Keys of a turn: bytes that it was given, by a count that all have in common. */
const GIVEN = 0;
/** Bytes that wait, less than nothing, so that most comes first. */
const HELD = 1;
/** When a frame of it is to be taken out; 0: one is of no use any more. */
const DUE = 2;

/** The frames of one source; in the rankings while there are any. */
interface Turn extends Ranked {
  source: FrameSource | undefined;
  readonly queue: FrameQueue;
  /** The most that it has held. */
  mostFrames: number;
  order: number;
}

export class FairQueue {
  readonly maxFrames: number;
  readonly maxBytes: number;
  /** For what has no source. */
  readonly #own: Turn = newTurn();
  /** What goes before everything else, whose ever it is; of the rankings, the one by what was given has no place for it. */
  readonly #again: Turn = newTurn();
  readonly #byGiven = new Ranking<Turn>(GIVEN);
  readonly #byHeld = new Ranking<Turn>(HELD);
  readonly #byDue = new Ranking<Turn>(DUE);
  /** Sources for which something waits. */
  readonly #bySource = new Map<FrameSource, Turn>();
  readonly #spare: Turn[] = [];
  #lastOrder = 0;
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

  /** Sources for which something waits. */
  get sources(): number {
    return this.#bySource.size + (this.#own.queue.frames > 0 ? 1 : 0) + (this.#again.queue.frames > 0 ? 1 : 0);
  }

  /** Bytes of this source that wait; what goes out again is nobody's. */
  bytesOf(source: FrameSource | undefined): number {
    return this.#find(source)?.queue.bytes ?? 0;
  }

  /** The frame of this source that is its next. */
  headOf(source: FrameSource | undefined): WaitingFrame | undefined {
    return this.#find(source)?.queue.head();
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
    this.#frames++;
    this.#bytes += frame.bytes;
    this.#rank(turn);
  }

  /** Puts frames of whatever sources before all others; they may be more than there is room for. */
  pushFirst(frames: readonly WaitingFrame[]): void {
    this.#again.queue.pushFirst(frames);
    this.#frames += frames.length;
    for (const frame of frames) this.#bytes += frame.bytes;
    this.#rank(this.#again);
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
    turn.keys[GIVEN]! += head.payloads[head.next]!.length;
    const isDone = turn.queue.advance();
    this.#unfinished = isDone ? undefined : turn;
    if (isDone) this.#taken(turn, head);
    else this.#rank(turn);
    return isDone;
  }

  /** Takes out the head, begun or not. */
  dropHead(): WaitingFrame | undefined {
    const turn = this.#next();
    this.#unfinished = undefined;
    return turn && this.#lost(turn, turn.queue.dropHead());
  }

  /** Takes out a frame to make room for one of `source`. */
  evict(source: FrameSource | undefined): WaitingFrame | undefined {
    const largest = this.#byHeld.first ?? this.#own;
    const { queue } = largest;
    const frame = queue.evict();
    if (frame || largest.source === source || !queue.head()?.parts) return this.#lost(largest, frame);
    // A frame in parts that has begun is of no use without the rest, but harms nobody.
    return this.#lost(largest, queue.dropHead());
  }

  /** A part of the source's frame was refused: what waits of it is of no use. */
  giveUp(source: FrameSource): void {
    if (source.parts) source.parts.lost = true;
    const turn = this.#bySource.get(source);
    if (turn) this.#rank(turn);
  }

  /** Takes out a frame that waited too long, or is of no use any more. */
  takeOver(nowMs: number): WaitingFrame | undefined {
    const turn = this.#byDue.first;
    if (!turn || turn.keys[DUE]! > nowMs) return undefined;
    turn.queue.head()?.parts?.endLate(nowMs);
    return this.#lost(turn, turn.queue.evict());
  }

  /** When the next one will have waited too long. */
  nextExpiryMs(): number {
    return this.#byDue.first?.keys[DUE] ?? NEVER;
  }

  /** The channel is gone that had the first payloads of frames: they start anew on the next one. */
  rewind(): void {
    this.#unfinished = undefined;
    this.#rewind(this.#own);
    this.#rewind(this.#again);
    for (const turn of this.#bySource.values()) this.#rewind(turn);
  }

  #rewind(turn: Turn): void {
    turn.queue.rewind();
    this.#rank(turn);
  }

  /** Whose frame is next: of those that wait, who has been given least. */
  #next(): Turn | undefined {
    return this.#unfinished ?? (this.#again.queue.frames > 0 ? this.#again : this.#byGiven.first);
  }

  #find(source: FrameSource | undefined): Turn | undefined {
    return source === undefined ? this.#own : this.#bySource.get(source);
  }

  #of(source: FrameSource | undefined): Turn {
    let turn = this.#find(source);
    if (!turn) {
      turn = this.#spare.pop() ?? newTurn();
      turn.source = source;
      turn.order = ++this.#lastOrder;
      if (source) this.#bySource.set(source, turn);
    }
    // Nothing is made up for that it did not want before.
    if (turn.queue.frames === 0) turn.keys[GIVEN] = this.#byGiven.first?.keys[GIVEN] ?? 0;
    return turn;
  }

  #lost(turn: Turn, frame: WaitingFrame | undefined): WaitingFrame | undefined {
    if (frame?.parts) frame.parts.lost = true;
    return this.#taken(turn, frame);
  }

  #taken(turn: Turn, frame: WaitingFrame | undefined): WaitingFrame | undefined {
    if (!frame) return undefined;
    this.#frames--;
    this.#bytes -= frame.bytes;
    this.#rank(turn);
    return frame;
  }

  /** Something of it has changed. */
  #rank(turn: Turn): void {
    const { queue, keys } = turn;
    if (queue.frames === 0) {
      this.#leave(turn);
      return;
    }
    const oldest = queue.oldest();
    keys[HELD] = -queue.bytes;
    keys[DUE] = oldest?.parts?.lost ? 0 : earlier(oldest?.expiresAtMs ?? NEVER, queue.head()?.parts?.endsMs ?? NEVER);
    if (turn !== this.#again) this.#byGiven.put(turn);
    this.#byHeld.put(turn);
    this.#byDue.put(turn);
  }

  #leave(turn: Turn): void {
    this.#byGiven.remove(turn);
    this.#byHeld.remove(turn);
    this.#byDue.remove(turn);
    if (!turn.source) return;
    this.#bySource.delete(turn.source);
    turn.source = undefined;
    if (this.#spare.length < MAX_SPARE && turn.mostFrames <= MAX_SPARE_FRAMES) this.#spare.push(turn);
  }
}

function newTurn(): Turn {
  const places = new Int32Array(3).fill(-1);
  return { source: undefined, queue: new FrameQueue(), mostFrames: 0, keys: new Float64Array(3), places, order: 0 };
}
