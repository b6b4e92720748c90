/** Delays in buckets of 10 µs up to one second: a packet costs one increment. */

const BUCKET_US = 10;
const BUCKETS = 100_000;

/** See the file's head. */
export class DelayHistogram {
  readonly #counts = new Uint32Array(BUCKETS + 1);
  #total = 0;

  add(delayUs: number): void {
    const bucket = (delayUs / BUCKET_US) | 0;
    this.#counts[bucket < BUCKETS ? (bucket > 0 ? bucket : 0) : BUCKETS]! += 1;
    this.#total += 1;
  }

  clear(): void {
    this.#counts.fill(0);
    this.#total = 0;
  }

  /** Milliseconds below which the fraction `q` lies (upper edge of its bucket); NaN when empty. */
  quantileMs(q: number): number {
    if (this.#total === 0) return Number.NaN;
    let left = this.#total * q;
    for (let i = 0; i <= BUCKETS; i++) {
      left -= this.#counts[i]!;
      if (left <= 0) return ((i + 1) * BUCKET_US) / 1000;
    }
    return Number.POSITIVE_INFINITY;
  }
}
