/**
 * Packets that came before the description of their m-line did: kept for a moment, so that the first key frame is not lost.
 * Bounded in number and in age; the oldest are dropped.
 */
import type { PacketPool } from "../slab.ts";

const CAPACITY = 48;
const MAX_AGE_MS = 1000;

const NONE = { at: new Int32Array(0), length: new Int32Array(0), arrivalMs: new Float64Array(0) };

export class HeldPackets {
  readonly #pool: PacketPool;
  /** Made for the first packet: most peers only listen. */
  #packets = NONE;
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
    if (this.#packets === NONE) this.#packets = emptyPackets();
    if (this.#count === CAPACITY) this.#drop(1);
    this.#packets.at[this.#count] = at;
    this.#packets.length[this.#count] = length;
    this.#packets.arrivalMs[this.#count++] = nowMs;
  }

  /** Gives up what is too old. */
  expire(nowMs: number): void {
    let old = 0;
    while (old < this.#count && nowMs - this.#packets.arrivalMs[old]! > MAX_AGE_MS) old++;
    if (old > 0) this.#drop(old);
  }

  /** Hands every packet to `handle` once, oldest first; what it does not keep goes back to the pool. */
  replay(handle: (at: number, length: number, arrivalMs: number) => boolean): void {
    const count = this.#count;
    const { at, length, arrivalMs } = this.#packets;
    this.#count = 0;
    for (let i = 0; i < count; i++) {
      if (!handle(at[i]!, length[i]!, arrivalMs[i]!)) this.#pool.give(at[i]!);
    }
  }

  clear(): void {
    this.#drop(this.#count);
  }

  #drop(count: number): void {
    const { at, length, arrivalMs } = this.#packets;
    for (let i = 0; i < count; i++) this.#pool.give(at[i]!);
    at.copyWithin(0, count, this.#count);
    length.copyWithin(0, count, this.#count);
    arrivalMs.copyWithin(0, count, this.#count);
    this.#count -= count;
  }
}

function emptyPackets(): typeof NONE {
  return {
    at: new Int32Array(CAPACITY),
    length: new Int32Array(CAPACITY),
    arrivalMs: new Float64Array(CAPACITY),
  };
}
