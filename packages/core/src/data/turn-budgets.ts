/**
 * How much of what a publisher has sent is handled in one turn of the worker: what is beyond that stays in its SCTP receive window until the
 * next turn, and everybody else's packets come between. Invariant: whoever has used up a turn is served again a pause later.
 */
import { NEVER } from "../clock.ts";

/** Units of work, each about as much as reading one field: two or three microseconds. */
const TURN_WORK = 2048;
/** Long enough for a loop to see what else has arrived. */
const PAUSE_MS = 1;
/** What a message costs that nobody gets. */
const MESSAGE_WORK = 4;
/** One message for one receiver, and the more the more packets it takes. */
const DELIVERY_WORK = 4;
const BYTES_PER_WORK = 512;

/** The work of giving so many bytes to one receiver. */
export function deliveryWork(bytes: number): number {
  return DELIVERY_WORK + Math.trunc(bytes / BYTES_PER_WORK);
}

/** `T` is a publisher. */
export class TurnBudgets<T> {
  /** Of this turn. */
  readonly #spent = new Map<T, number>();
  readonly #late = new Set<T>();
  #dueMs = NEVER;

  /** A turn begins: everybody may be served. */
  begin(): void {
    if (this.#spent.size > 0) this.#spent.clear();
  }

  /** A message of a publisher was handled, at this cost beside the message itself. */
  spend(publisher: T, work: number, nowMs: number): void {
    const spent = (this.#spent.get(publisher) ?? 0) + MESSAGE_WORK + work;
    this.#spent.set(publisher, spent);
    if (spent < TURN_WORK) return;
    this.#late.add(publisher);
    if (this.#dueMs === NEVER) this.#dueMs = nowMs + PAUSE_MS;
  }

  /** Whether its next messages have to wait for another turn. */
  isSpent(publisher: T): boolean {
    // Asked for every packet; nearly always nobody is late.
    return this.#late.size > 0 && (this.#spent.get(publisher) ?? 0) >= TURN_WORK;
  }

  /** One that is about to go has what it sent before heard: if it is late, a turn of its own begins. */
  beginExtra(publisher: T): boolean {
    this.#spent.delete(publisher);
    return this.#late.delete(publisher);
  }

  remove(publisher: T): void {
    this.#spent.delete(publisher);
    this.#late.delete(publisher);
  }

  /** Those that were late, once it is time to serve them. */
  takeLate(nowMs: number): readonly T[] {
    if (nowMs < this.#dueMs) return [];
    const late = [...this.#late];
    this.#late.clear();
    this.#dueMs = NEVER;
    return late;
  }

  nextTimeoutMs(): number {
    return this.#dueMs;
  }
}
