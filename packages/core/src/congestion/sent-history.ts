/**
 * What was sent: how much in all, and under which transport-wide sequence number what, with time, size and probe. A number is known
 * while it is among the last 1,024; feedback about any other is about nothing.
 * The packet path writes here: one object, two words of one array.
 */

/** Half a second of a subscriber at 20 Mbit/s. */
const CAPACITY = 1024;
const MASK = CAPACITY - 1;
const WORDS = 2;
/** Word 0: time of sending. Word 1: size in bytes (16), feedback said that it arrived (1), or did not yet (1), cluster (6). */
const BYTES_SHIFT = 8;
const ARRIVED = 0x80;
const MISSED = 0x40;
const CLUSTER = 0x3f;
/** Counts wrap before they outgrow small integers. */
const COUNT_MASK = 0x3fffffff;

const NO_WORDS = new Int32Array(0);

/** The packet carries no transport-wide number. */
export const UNSTAMPED = -1;
/** Probe clusters are numbered 1 … 63, over and over; 0 = the packet belongs to none. */
export const MAX_CLUSTER = CLUSTER;

/** How much was counted between two values of `SentHistory.bytes` or `packets`. */
export function countedSince(now: number, before: number): number {
  return (now - before) & COUNT_MASK;
}

export class SentHistory {
  /** The cluster that packets belong to now. */
  cluster = 0;
  #bytes = 0;
  #packets = 0;
  /** Made for the first packet that carries a number. */
  #words: Int32Array = NO_WORDS;
  #newest = -1;
  #count = 0;

  /** Bytes and packets so far: compare by `countedSince`. */
  get bytes(): number {
    return this.#bytes;
  }

  get packets(): number {
    return this.#packets;
  }

  /** The number noted last, -1 before the first. */
  get newest(): number {
    return this.#newest;
  }

  /** Notes one packet, with its number or `UNSTAMPED`. Numbers rise by one; anything else begins the history anew. */
  note(sequence: number, bytes: number, ticksMs: number): void {
    this.#bytes = (this.#bytes + bytes) & COUNT_MASK;
    this.#packets = (this.#packets + 1) & COUNT_MASK;
    if (sequence < 0) return;
    if (this.#words.length === 0) this.#words = new Int32Array(CAPACITY * WORDS);
    if (sequence !== ((this.#newest + 1) & 0xffff)) this.#count = 0;
    this.#newest = sequence;
    if (this.#count < CAPACITY) this.#count++;
    const at = (sequence & MASK) * WORDS;
    this.#words[at] = ticksMs;
    this.#words[at + 1] = (bytes << BYTES_SHIFT) | this.cluster;
  }

  /** Where a packet is noted, -1 if it is not known (any more). */
  find(sequence: number): number {
    const age = (this.#newest - sequence) & 0xffff;
    return age < this.#count ? (sequence & MASK) * WORDS : -1;
  }

  sentMs(at: number): number {
    return this.#words[at]!;
  }

  bytesOf(at: number): number {
    return this.#words[at + 1]! >>> BYTES_SHIFT;
  }

  clusterOf(at: number): number {
    return this.#words[at + 1]! & CLUSTER;
  }

  /** Whether feedback has said anything of it. */
  judged(at: number): boolean {
    return (this.#words[at + 1]! & (ARRIVED | MISSED)) !== 0;
  }

  /** Whether it was believed lost. */
  missed(at: number): boolean {
    return (this.#words[at + 1]! & (ARRIVED | MISSED)) === MISSED;
  }

  /** It arrived. False if that was known: a repeated report. */
  markArrived(at: number): boolean {
    const word = this.#words[at + 1]!;
    if ((word & ARRIVED) !== 0) return false;
    this.#words[at + 1] = word | ARRIVED;
    return true;
  }

  /** It goes out again under the same number: feedback cannot tell which of the two arrived, and is not listened to. */
  disregard(sequence: number): void {
    const at = this.find(sequence);
    if (at >= 0) this.#words[at + 1]! |= ARRIVED;
  }

  /** It had not arrived when the report was written. False if that was known, or is overtaken by its arrival. */
  markMissed(at: number): boolean {
    const word = this.#words[at + 1]!;
    if ((word & (ARRIVED | MISSED)) !== 0) return false;
    this.#words[at + 1] = word | MISSED;
    return true;
  }
}
