/**
 * What a client sends, at a pace: so many messages a second after a generous burst, long ones counting for several, and no more than a few
 * in one turn of the event loop, so that no client keeps the others from being served. What is too fast waits here; of what does not
 * fit, nothing is read, so that TCP holds the client up. Invariants: order is kept, except that a ping now and then and a Leave need not wait
 * for a flood; nothing is lost while the connection stands.
 */
import { Pace } from "@stoa/core/room/pace";
import { isKeepAlive, isLeave, type FrameFormat } from "./encode.ts";

/** What a client may send in one go, in seconds of its pace: a big room makes for thousands of track settings. */
const BURST_MS = 5000;
/** A message counts once more for each so many bytes. */
const BYTES_PER_MESSAGE = 4096;
/** Handled before other sockets have their turn; the dearest take about a millisecond. */
const MAX_PER_TURN = 16;
/** With more than this waiting, nothing is read. */
const MAX_HELD = 20_000;
const MAX_HELD_BYTES = 1 << 20;
/** What was read before may inflate to more; a client that makes use of this is cut off. */
const MAX_INFLATED_BYTES = 8 << 20;
/** A ping overtakes so often; a flood of them waits like any other. */
const KEEP_ALIVE_EVERY_MS = 1000;

/** One message as it came. */
export interface Frame {
  readonly data: Buffer;
  readonly format: FrameFormat;
}

/** What the connection does for its inbox. */
export interface InboxOwner {
  /** The turn of this message has come. */
  handle(frame: Frame): void;
  /** Reads nothing more, or reads on. */
  setPaused(paused: boolean): void;
  /** The client sends faster than it may; once, until it has slowed down. */
  slowed(perSecond: number): void;
  /** More waits than memory allows. */
  overflowed(bytes: number): void;
}

export class SignalInbox {
  readonly #owner: InboxOwner;
  readonly #nowMs: () => number;
  /** 0 = as fast as it likes; may change at any time. */
  readonly #perSecond: () => number;
  readonly #pace = new Pace(BURST_MS);
  #held: Frame[] = [];
  /** Index of the oldest one that waits. */
  #next = 0;
  #heldBytes = 0;
  #inTurn = 0;
  #paused = false;
  #slow = false;
  #keptAliveMs = Number.NEGATIVE_INFINITY;
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(owner: InboxOwner, perSecond: () => number, nowMs: () => number) {
    this.#owner = owner;
    this.#perSecond = perSecond;
    this.#nowMs = nowMs;
  }

  /** A message came in. */
  receive(frame: Frame): void {
    const nowMs = this.#nowMs();
    if (this.#waiting === 0 && this.#inTurn < MAX_PER_TURN && this.#mayTake(nowMs)) {
      this.#take(frame, nowMs);
      return;
    }
    if (this.#overtakes(frame, nowMs)) {
      this.#owner.handle(frame);
      return;
    }
    this.#held.push(frame);
    this.#heldBytes += frame.data.length;
    if (this.#heldBytes > MAX_INFLATED_BYTES && this.#waiting > 1) {
      this.#owner.overflowed(this.#heldBytes);
      return;
    }
    if (this.#isFull && !this.#paused) this.#setPaused(true);
    this.#arm(nowMs);
  }

  /** The client is gone: what it was entitled to is handled, and its Leave; the rest is lost, as with any broken connection. */
  finish(): void {
    const nowMs = this.#nowMs();
    while (this.#waiting > 0 && this.#mayTake(nowMs)) this.#take(this.#shift(), nowMs);
    const leave = this.#held.slice(this.#next).find(isLeave);
    this.clear();
    if (leave) this.#owner.handle(leave);
  }

  /** Forgets what waits, and reads on: nothing of it counts any more. */
  clear(): void {
    clearImmediate(this.#immediate);
    clearTimeout(this.#timer);
    this.#immediate = this.#timer = undefined;
    this.#held = [];
    this.#next = this.#heldBytes = 0;
    if (this.#paused) this.#setPaused(false);
  }

  get #waiting(): number {
    return this.#held.length - this.#next;
  }

  get #isFull(): boolean {
    return this.#waiting >= MAX_HELD || this.#heldBytes >= MAX_HELD_BYTES;
  }

  #mayTake(nowMs: number): boolean {
    return this.#perSecond() <= 0 || this.#pace.dueMs(nowMs) <= nowMs;
  }

  #take(frame: Frame, nowMs: number): void {
    this.#inTurn++;
    const perSecond = this.#perSecond();
    if (perSecond > 0) this.#pace.spend(nowMs, ((1 + frame.data.length / BYTES_PER_MESSAGE) * 1000) / perSecond);
    if (this.#slow && this.#pace.owedMs(nowMs) < BURST_MS / 2) this.#slow = false;
    this.#owner.handle(frame);
  }

  #overtakes(frame: Frame, nowMs: number): boolean {
    if (isLeave(frame)) return true;
    if (nowMs < this.#keptAliveMs + KEEP_ALIVE_EVERY_MS || !isKeepAlive(frame)) return false;
    this.#keptAliveMs = nowMs;
    return true;
  }

  #shift(): Frame {
    const frame = this.#held[this.#next++]!;
    this.#heldBytes -= frame.data.length;
    if (this.#next === this.#held.length || this.#next >= 1024) {
      this.#held = this.#held.slice(this.#next);
      this.#next = 0;
    }
    return frame;
  }

  #drain(): void {
    this.#immediate = this.#timer = undefined;
    this.#inTurn = 0;
    const nowMs = this.#nowMs();
    while (this.#waiting > 0 && this.#inTurn < MAX_PER_TURN && this.#mayTake(nowMs)) this.#take(this.#shift(), nowMs);
    if (this.#paused && !this.#isFull) this.#setPaused(false);
    if (this.#waiting > 0) this.#arm(nowMs);
  }

  #arm(nowMs: number): void {
    if (this.#immediate || this.#timer) return;
    if (this.#mayTake(nowMs)) {
      this.#immediate = setImmediate(() => this.#drain());
      return;
    }
    if (!this.#slow) {
      this.#slow = true;
      this.#owner.slowed(this.#perSecond());
    }
    // A few at a time: a timer for each would cost more than the message.
    const delayMs = Math.max(10, Math.ceil(this.#pace.dueMs(nowMs) - nowMs));
    this.#timer = setTimeout(() => this.#drain(), delayMs);
  }

  #setPaused(paused: boolean): void {
    this.#paused = paused;
    this.#owner.setPaused(paused);
  }
}
