/**
 * State per SSRC of one direction: roll-over counter, highest sequence number (or SRTCP index) and replay window. A hash table
 * with linear probing over two typed arrays: looking up allocates nothing and touches little memory. It grows by doubling up to `limit`;
 * then the SSRC that was used longest ago makes room. Callers insert only what is authenticated (or their own).
 */

const FIRST_CAPACITY = 4;

/** Words of a record. Roll-over counter (unused for SRTCP), highest sequence number or SRTCP index, replay bits. */
export const ROC = 0;
export const HIGHEST = 1;
export const WINDOW = 4;
const SSRC = 2;
const LAST_USE = 3;
/** 2^32 divided by the golden ratio: spreads neighbouring SSRCs. */
const HASH_FACTOR = 0x9e3779b1 | 0;

/** See the file's head. A record is the index of its first word; SSRCs and counters are int32. */
export class SsrcTable {
  /** All records; another array after `insert`. */
  words: Int32Array;
  readonly #recordWords: number;
  #count = 0;
  #capacity = FIRST_CAPACITY;
  /** Number of the record + 1, or 0 for a free place. */
  #places: Int32Array;
  #clock = 0;
  readonly #limit: number;

  /** `windowWords`: of replay bits per record, from `WINDOW` on. */
  constructor(limit: number, windowWords: number) {
    this.#limit = Math.max(limit, FIRST_CAPACITY);
    this.#recordWords = WINDOW + windowWords;
    this.words = new Int32Array(FIRST_CAPACITY * this.#recordWords);
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
      const record = (places[place]! - 1) * this.#recordWords;
      if (record < 0) return -1;
      if (this.words[record + SSRC] === ssrc) {
        this.use(record);
        return record;
      }
      place = (place + 1) & mask;
    }
  }

  /** Counts as use of a record. */
  use(record: number): void {
    this.words[record + LAST_USE] = this.#clock = (this.#clock + 1) | 0;
  }

  /** A new record for an `ssrc` that has none: all zero. */
  insert(ssrc: number): number {
    let number = this.#count;
    const evict = number === this.#limit;
    if (evict) number = this.#oldest();
    else {
      if (number === this.#capacity) this.#grow();
      this.#count++;
    }
    const record = number * this.#recordWords;
    this.words.fill(0, record, record + this.#recordWords);
    this.words[record + SSRC] = ssrc;
    this.use(record);
    // Building the places anew spares the deletion that linear probing makes awkward.
    if (evict || this.#places.length < this.#capacity * 2) this.#rebuild();
    else this.#place(number);
    return record;
  }

  #oldest(): number {
    let oldest = 0;
    let age = -1;
    for (let number = 0; number < this.#count; number++) {
      const recordAge = (this.#clock - this.words[number * this.#recordWords + LAST_USE]!) >>> 0;
      if (recordAge > age) {
        age = recordAge;
        oldest = number;
      }
    }
    return oldest;
  }

  #grow(): void {
    this.#capacity = Math.min(this.#capacity * 2, this.#limit);
    const former = this.words;
    this.words = new Int32Array(this.#capacity * this.#recordWords);
    this.words.set(former);
  }

  #rebuild(): void {
    let places = FIRST_CAPACITY * 2;
    while (places < this.#capacity * 2) places *= 2;
    this.#places = places === this.#places.length ? this.#places.fill(0) : new Int32Array(places);
    for (let number = 0; number < this.#count; number++) this.#place(number);
  }

  #place(number: number): void {
    const mask = this.#places.length - 1;
    let place = hash(this.words[number * this.#recordWords + SSRC]!) & mask;
    while (this.#places[place] !== 0) place = (place + 1) & mask;
    this.#places[place] = number + 1;
  }
}

function hash(ssrc: number): number {
  const mixed = Math.imul(ssrc, HASH_FACTOR);
  return mixed ^ (mixed >>> 15);
}
