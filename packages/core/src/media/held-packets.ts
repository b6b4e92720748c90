/**
 * Packets that came before the description of their m-line did: kept for a moment, so that the first key frame is not lost.
 * Bounded in number and in age; the oldest are dropped.
 */
import type { PacketPool } from "../slab.ts";

const CAPACITY = 48;
const MAX_AGE_MS = 1000;

export class HeldPackets {
  readonly #pool: PacketPool;
  readonly #at = new Int32Array(CAPACITY);
  readonly #length = new Int32Array(CAPACITY);
  readonly #arrivalMs = new Float64Array(CAPACITY);
  #count = 0;

  constructor(pool: PacketPool) {
    this.#pool = pool;
  }

  get count(): number {
    return this.#count;
  }

  /** Takes over the slot of a packet. */
  hold(at: number, length: number, nowMs: number): void {
    this.expire(nowMs);
    if (this.#count === CAPACITY) this.#drop(1);
    this.#at[this.#count] = at;
    this.#length[this.#count] = length;
    this.#arrivalMs[this.#count++] = nowMs;
  }

  /** Gives up what is too old. */
  expire(nowMs: number): void {
    let old = 0;
    while (old < this.#count && nowMs - this.#arrivalMs[old]! > MAX_AGE_MS) old++;
    if (old > 0) this.#drop(old);
  }

  /** Hands every packet to `handle` once, oldest first; what it does not keep goes back to the pool. */
  replay(handle: (at: number, length: number, arrivalMs: number) => boolean): void {
    const count = this.#count;
    this.#count = 0;
    for (let i = 0; i < count; i++) {
      if (!handle(this.#at[i]!, this.#length[i]!, this.#arrivalMs[i]!)) this.#pool.give(this.#at[i]!);
    }
  }

  clear(): void {
    this.#drop(this.#count);
  }

  #drop(count: number): void {
    for (let i = 0; i < count; i++) this.#pool.give(this.#at[i]!);
    this.#at.copyWithin(0, count, this.#count);
    this.#length.copyWithin(0, count, this.#count);
    this.#arrivalMs.copyWithin(0, count, this.#count);
    this.#count -= count;
  }
}
