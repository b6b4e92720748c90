/**
 * Items in the order of a number that each of them has and that changes: a binary heap whose items know their places.
 * Invariant: no item has a lower number than the one above it; of equal ones the one that came first is above.
 */

/** What can be ranked. */
export interface Ranked {
  /** By which number it is ranked, in each ranking. */
  readonly keys: Float64Array;
  /** Where it is in each ranking; -1: it is not. */
  readonly places: Int32Array;
  /** Of equal ones the one with the lower order is first. */
  readonly order: number;
}

/** A ranking by one of several numbers. */
export class Ranking<T extends Ranked> {
  readonly #items: T[] = [];
  readonly #by: number;

  /** `by`: index of the key, and of the place. */
  constructor(by: number) {
    this.#by = by;
  }

  /** The one with the lowest number. */
  get first(): T | undefined {
    return this.#items[0];
  }

  /** Its key has changed, or it is to come in. */
  put(item: T): void {
    let place = item.places[this.#by]!;
    if (place < 0) place = this.#items.push(item) - 1;
    this.#move(item, place);
  }

  /** Takes it out if it is in. */
  remove(item: T): void {
    const place = item.places[this.#by]!;
    if (place < 0) return;
    item.places[this.#by] = -1;
    const last = this.#items.pop()!;
    if (last !== item) this.#move(last, place);
  }

  /** Moves an item from `place`, which is free, to where it belongs. */
  #move(item: T, place: number): void {
    const items = this.#items;
    for (let above = (place - 1) >> 1; place > 0 && this.#precedes(item, items[above]!); above = (place - 1) >> 1) {
      this.#set(items[above]!, place);
      place = above;
    }
    for (let below = this.#firstBelow(place); below > 0 && this.#precedes(items[below]!, item);) {
      this.#set(items[below]!, place);
      place = below;
      below = this.#firstBelow(place);
    }
    this.#set(item, place);
  }

  /** Place of the first of the two below `place`, 0 without any. */
  #firstBelow(place: number): number {
    const items = this.#items;
    const below = 2 * place + 1;
    if (below >= items.length) return 0;
    return below + 1 < items.length && this.#precedes(items[below + 1]!, items[below]!) ? below + 1 : below;
  }

  #precedes(a: T, b: T): boolean {
    const difference = a.keys[this.#by]! - b.keys[this.#by]!;
    return difference < 0 || (!(difference > 0) && a.order < b.order);
  }

  #set(item: T, place: number): void {
    this.#items[place] = item;
    item.places[this.#by] = place;
  }
}
