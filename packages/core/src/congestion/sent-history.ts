/**
 * What was sent under which transport-wide sequence number: time, size, probe. One typed-array write per packet.
 * A number is known while it is among the last 1,024; feedback about any other is about nothing.
 */

/** Half a second of a subscriber at 20 Mbit/s. */
const CAPACITY = 1024;
const MASK = CAPACITY - 1;
/** Feedback said that it arrived. */
const ARRIVED = 0x80;
/** Feedback said that it did not (yet) arrive. */
const MISSED = 0x40;
const CLUSTER = 0x3f;

/** Probe clusters are numbered 1 … 63, over and over; 0 = the packet belongs to none. */
export const MAX_CLUSTER = CLUSTER;

export class SentHistory {
  readonly #sentMs = new Int32Array(CAPACITY);
  readonly #bytes = new Uint16Array(CAPACITY);
  readonly #marks = new Uint8Array(CAPACITY);
  #newest = -1;
  #count = 0;

  /** The number noted last, -1 before the first. */
  get newest(): number {
    return this.#newest;
  }

  /** Notes one packet. Numbers rise by one; anything else begins the history anew. */
  note(sequence: number, bytes: number, ticksMs: number, cluster: number): void {
    if (sequence !== ((this.#newest + 1) & 0xffff)) this.#count = 0;
    this.#newest = sequence;
    if (this.#count < CAPACITY) this.#count++;
    const index = sequence & MASK;
    this.#sentMs[index] = ticksMs;
    this.#bytes[index] = bytes;
    this.#marks[index] = cluster;
  }

  /** Where a packet is noted, -1 if it is not known (any more). */
  find(sequence: number): number {
    const age = (this.#newest - sequence) & 0xffff;
    return age < this.#count ? sequence & MASK : -1;
  }

  sentMs(index: number): number {
    return this.#sentMs[index]!;
  }

  bytes(index: number): number {
    return this.#bytes[index]!;
  }

  cluster(index: number): number {
    return this.#marks[index]! & CLUSTER;
  }

  /** Whether feedback has said anything of it. */
  judged(index: number): boolean {
    return (this.#marks[index]! & (ARRIVED | MISSED)) !== 0;
  }

  /** Whether it was believed lost. */
  missed(index: number): boolean {
    return (this.#marks[index]! & (ARRIVED | MISSED)) === MISSED;
  }

  /** It arrived. False if that was known: a repeated report. */
  markArrived(index: number): boolean {
    const mark = this.#marks[index]!;
    if ((mark & ARRIVED) !== 0) return false;
    this.#marks[index] = mark | ARRIVED;
    return true;
  }

  /** It had not arrived when the report was written. False if that was known, or is overtaken by its arrival. */
  markMissed(index: number): boolean {
    const mark = this.#marks[index]!;
    if ((mark & (ARRIVED | MISSED)) !== 0) return false;
    this.#marks[index] = mark | MISSED;
    return true;
  }
}
