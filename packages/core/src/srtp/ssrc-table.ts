/**
 * State per SSRC of one direction: roll-over counter, highest sequence number (or SRTCP index) and replay window. A hash table
 * with linear probing over typed arrays: looking up allocates nothing. It grows by doubling up to `limit`;
 * then the SSRC that was used longest ago makes room. Callers insert only what is authenticated (or their own).
 */

const FIRST_CAPACITY = 8;
/** 2^32 divided by the golden ratio: spreads neighbouring SSRCs. */
const HASH_FACTOR = 0x9e3779b1 | 0;

/** See the file's head. Records are indices; SSRCs and counters are int32. */
export class SsrcTable {
  /** Roll-over counter per record; unused for SRTCP. */
  roc: Int32Array;
  /** Highest sequence number, or highest SRTCP index, per record. */
  highest: Int32Array;
  /** Replay bits, `windowWords` words per record. */
  window: Int32Array;
  readonly windowWords: number;
  #ssrc: Int32Array;
  #lastUse: Int32Array;
  #count = 0;
  #capacity = FIRST_CAPACITY;
  /** Record + 1, or 0 for a free place. */
  #places: Int32Array;
  #clock = 0;
  readonly #limit: number;

  constructor(limit: number, windowWords: number) {
    this.#limit = Math.max(limit, FIRST_CAPACITY);
    this.windowWords = windowWords;
    this.roc = new Int32Array(FIRST_CAPACITY);
    this.highest = new Int32Array(FIRST_CAPACITY);
    this.window = new Int32Array(FIRST_CAPACITY * windowWords);
    this.#ssrc = new Int32Array(FIRST_CAPACITY);
    this.#lastUse = new Int32Array(FIRST_CAPACITY);
    this.#places = new Int32Array(FIRST_CAPACITY * 2);
  }

  /** How many SSRCs have state. */
  get size(): number {
    return this.#count;
  }

  /** The record of `ssrc` (int32), or -1. Counts as use. */
  find(ssrc: number): number {
    const places = this.#places;
    const mask = places.length - 1;
    let place = hash(ssrc) & mask;
    while (true) {
      const record = places[place]! - 1;
      if (record < 0) return -1;
      if (this.#ssrc[record] === ssrc) {
        this.#lastUse[record] = this.#clock = (this.#clock + 1) | 0;
        return record;
      }
      place = (place + 1) & mask;
    }
  }

  /** A new record for an `ssrc` that has none: all zero. */
  insert(ssrc: number): number {
    let record = this.#count;
    const evict = record === this.#limit;
    if (evict) record = this.#oldest();
    else {
      if (record === this.#capacity) this.#grow();
      this.#count++;
    }
    this.roc[record] = 0;
    this.highest[record] = 0;
    this.window.fill(0, record * this.windowWords, (record + 1) * this.windowWords);
    this.#ssrc[record] = ssrc;
    this.#lastUse[record] = this.#clock = (this.#clock + 1) | 0;
    // Building the places anew spares the deletion that linear probing makes awkward.
    if (evict || this.#places.length < this.#capacity * 2) this.#rebuild();
    else this.#place(record);
    return record;
  }

  #oldest(): number {
    let oldest = 0;
    let age = -1;
    for (let record = 0; record < this.#count; record++) {
      const recordAge = (this.#clock - this.#lastUse[record]!) >>> 0;
      if (recordAge > age) {
        age = recordAge;
        oldest = record;
      }
    }
    return oldest;
  }

  #grow(): void {
    this.#capacity = Math.min(this.#capacity * 2, this.#limit);
    this.roc = grown(this.roc, this.#capacity);
    this.highest = grown(this.highest, this.#capacity);
    this.window = grown(this.window, this.#capacity * this.windowWords);
    this.#ssrc = grown(this.#ssrc, this.#capacity);
    this.#lastUse = grown(this.#lastUse, this.#capacity);
  }

  #rebuild(): void {
    let places = 16;
    while (places < this.#capacity * 2) places *= 2;
    this.#places = places === this.#places.length ? this.#places.fill(0) : new Int32Array(places);
    for (let record = 0; record < this.#count; record++) this.#place(record);
  }

  #place(record: number): void {
    const mask = this.#places.length - 1;
    let place = hash(this.#ssrc[record]!) & mask;
    while (this.#places[place] !== 0) place = (place + 1) & mask;
    this.#places[place] = record + 1;
  }
}

function hash(ssrc: number): number {
  const mixed = Math.imul(ssrc, HASH_FACTOR);
  return mixed ^ (mixed >>> 15);
}

function grown(old: Int32Array, length: number): Int32Array {
  const next = new Int32Array(length);
  next.set(old);
  return next;
}
