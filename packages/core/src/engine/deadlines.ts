/**
 * Who wants to be woken next: a binary heap of deadlines with lazy deletion. A deadline that moved later stays until it fires and is then
 * looked at again, so that a peer whose timers move with every packet costs nothing here.
 */
import { NEVER } from "../clock.ts";

/** A queue of deadlines, one per key. */
export class Deadlines<K> {
  readonly #at: number[] = [];
  readonly #keys: K[] = [];
  readonly #earliest = new Map<K, number>();

  /** Makes sure that `key` is due no later than `deadlineMs`. */
  schedule(key: K, deadlineMs: number): void {
    const known = this.#earliest.get(key) ?? NEVER;
    if (deadlineMs >= known) return;
    this.#earliest.set(key, deadlineMs);
    this.#push(key, deadlineMs);
  }

  remove(key: K): void {
    this.#earliest.delete(key);
  }

  /** The earliest deadline, or `NEVER`. */
  nextMs(): number {
    this.#skipStale();
    return this.#at[0] ?? NEVER;
  }

  /** Takes one key that is due, or undefined. It must be scheduled again if it wants more. */
  takeDue(nowMs: number): K | undefined {
    this.#skipStale();
    if (this.#at.length === 0 || this.#at[0]! > nowMs) return undefined;
    const key = this.#keys[0]!;
    this.#pop();
    this.#earliest.delete(key);
    return key;
  }

  #skipStale(): void {
    while (this.#at.length > 0 && this.#earliest.get(this.#keys[0]!) !== this.#at[0]) this.#pop();
  }

  #push(key: K, atMs: number): void {
    let i = this.#at.length;
    this.#at.push(atMs);
    this.#keys.push(key);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (this.#at[parent]! <= this.#at[i]!) break;
      this.#swap(i, parent);
      i = parent;
    }
  }

  #pop(): void {
    const last = this.#at.length - 1;
    this.#swap(0, last);
    this.#at.pop();
    this.#keys.pop();
    let i = 0;
    for (;;) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < last && this.#at[child]! < this.#at[least]!) least = child;
      }
      if (least === i) return;
      this.#swap(i, least);
      i = least;
    }
  }

  #swap(i: number, j: number): void {
    [this.#at[i], this.#at[j]] = [this.#at[j]!, this.#at[i]!];
    [this.#keys[i], this.#keys[j]] = [this.#keys[j]!, this.#keys[i]!];
  }
}
