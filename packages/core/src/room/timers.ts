/**
 * The deadlines of one room in one heap: all reasons to wake are `TimerKind`, on one screen. A timer is named by its
 * kind and its subject, so that setting it again moves it. Invariant: every timer that is set fires once or is cleared.
 */
import { NEVER } from "../clock.ts";

/** Why a room wakes up. */
export type TimerKind =
  /** A participant that never became ACTIVE is removed (subject: participant). */
  | "joinTimeout"
  /** Media failed and nobody came back (participant). */
  | "mediaGone"
  /** The next refresh_token (participant). */
  | "refreshToken"
  /** A debounced negotiation starts (participant). */
  | "negotiate"
  /** An offer of ours is not answered (participant). */
  | "answerTimeout"
  /** Debounced UpdateTrackSettings take effect (participant). */
  | "trackSettings"
  /** A wished-for track still does not exist (participant|track). */
  | "trackNotFound"
  /** A participant does not acknowledge, or not answer, a call of the server (call). */
  | "rpcAck"
  | "rpcResponse"
  /** A simulated speaker falls silent (participant). */
  | "simulatedSpeaker"
  /** A publisher is to stop what nobody wants any more (track). */
  | "dynacast"
  /** Changes of somebody who changes all the time are told (participant). */
  | "pacedUpdate"
  /** Handles of data tracks that change all the time are told (participant). */
  | "dataHandles"
  /** Batched updates about subscriber-only participants go out (room). */
  | "batchedUpdates"
  /** The counters of the room go out (room). */
  | "roomUpdate"
  /** The room is empty for too long (room). */
  | "emptyRoom";

interface Entry {
  readonly key: string;
  readonly kind: TimerKind;
  readonly subject: string;
  readonly atMs: number;
  /** Order among equal deadlines: first set, first fired. */
  readonly turn: number;
}

/** What is due. */
export type DueTimer = Pick<Entry, "kind" | "subject">;

export class Timers {
  /** Binary heap; entries that are not `#live` any more are skipped when they surface. */
  #heap: Entry[] = [];
  readonly #live = new Map<string, Entry>();
  #turn = 0;

  /** Sets or moves a timer. */
  set(kind: TimerKind, subject: string, atMs: number): void {
    const entry: Entry = { key: key(kind, subject), kind, subject, atMs, turn: this.#turn++ };
    this.#live.set(entry.key, entry);
    if (this.#heap.length > 64 + 2 * this.#live.size) this.#compact();
    else this.#push(entry);
  }

  clear(kind: TimerKind, subject: string): void {
    this.#live.delete(key(kind, subject));
  }

  clearAll(): void {
    this.#live.clear();
    this.#heap = [];
  }

  isSet(kind: TimerKind, subject: string): boolean {
    return this.#live.has(key(kind, subject));
  }

  /** What is kept, with what does not count any more: a timer that is set again and again costs no more than a few. */
  get kept(): number {
    return this.#heap.length;
  }

  /** Deadline of the earliest timer, or `NEVER`. */
  nextMs(): number {
    return this.#top()?.atMs ?? NEVER;
  }

  /** Takes the earliest timer that is due at `nowMs`. */
  takeDue(nowMs: number): DueTimer | undefined {
    const top = this.#top();
    if (!top || top.atMs > nowMs) return undefined;
    this.#pop();
    this.#live.delete(top.key);
    return top;
  }

  #top(): Entry | undefined {
    for (;;) {
      const top = this.#heap[0];
      if (!top || this.#live.get(top.key) === top) return top;
      this.#pop();
    }
  }

  #compact(): void {
    this.#heap = [];
    for (const entry of this.#live.values()) this.#push(entry);
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.atMs !== b.atMs ? a.atMs < b.atMs : a.turn < b.turn;
}

function key(kind: TimerKind, subject: string): string {
  return `${kind} ${subject}`;
}
