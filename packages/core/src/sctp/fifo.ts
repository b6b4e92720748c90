/** A first-in-first-out queue on a ring: both ends in constant time, no array is ever shifted. */

/** Grows by doubling; whoever pushes keeps the bound. */
export class Fifo<T extends object> {
  #items: (T | undefined)[] = Array.from({ length: 8 });
  #head = 0;
  #size = 0;

  /** Items inside. */
  get size(): number {
    return this.#size;
  }

  push(item: T): void {
    const capacity = this.#items.length;
    if (this.#size === capacity) this.#grow(capacity);
    this.#items[(this.#head + this.#size) & (this.#items.length - 1)] = item;
    this.#size++;
  }

  /** The oldest item, which stays. */
  peek(): T | undefined {
    return this.#size === 0 ? undefined : this.#items[this.#head];
  }

  /** Takes the oldest item. */
  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#size--;
    return item;
  }

  #grow(capacity: number): void {
    const items: (T | undefined)[] = Array.from({ length: capacity * 2 });
    for (let i = 0; i < this.#size; i++) items[i] = this.#items[(this.#head + i) & (capacity - 1)];
    this.#items = items;
    this.#head = 0;
  }
}
