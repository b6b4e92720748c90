/** What really arrives: bytes of the last half second, by the receiver's clock. */

const BUCKET_MS = 50;
const BUCKETS = 16;
/** Whole buckets that count. */
const WINDOW = 10;
const SHORT_WINDOW = 5;
/** With fewer nothing is said. */
const MIN_WINDOW = 3;

export class AcknowledgedRate {
  readonly #bytes = new Int32Array(BUCKETS);
  #first = -1;
  #newest = -1;

  /** Takes a packet that arrived. */
  add(arrivalMs: number, bytes: number): void {
    const bucket = Math.floor(arrivalMs / BUCKET_MS);
    if (this.#newest < 0 || bucket - this.#newest > BUCKETS) {
      this.#bytes.fill(0);
      // A pause says nothing about the link: the rate is measured anew.
      this.#first = this.#newest = bucket;
    }
    if (bucket <= this.#newest - BUCKETS) return;
    while (this.#newest < bucket) this.#bytes[++this.#newest & (BUCKETS - 1)] = 0;
    this.#bytes[bucket & (BUCKETS - 1)]! += bytes;
  }

  /** Bits per second over half a second; 0 = not known. */
  get bps(): number {
    return this.#over(WINDOW);
  }

  /** The same over a quarter of a second: right only where packets come steadily, as they do out of a full link. */
  get recentBps(): number {
    return this.#over(SHORT_WINDOW);
  }

  reset(): void {
    this.#newest = -1;
  }

  #over(buckets: number): number {
    const whole = Math.min(this.#newest - this.#first, buckets);
    if (whole < MIN_WINDOW) return 0;
    let bytes = 0;
    for (let i = 1; i <= whole; i++) bytes += this.#bytes[(this.#newest - i) & (BUCKETS - 1)]!;
    return (bytes * 8000) / (whole * BUCKET_MS);
  }
}
