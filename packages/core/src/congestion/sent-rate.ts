/** How much is sent: bytes counted as they go, rates over the last second, looked at every 100 ms. */

const STEP_MS = 100;
const STEPS = 10;
/** With fewer nothing is said. */
const MIN_STEPS = 3;

export class SentRate {
  /** Bytes (a wrapping 32-bit count) and packets: in an array, so that they do not become heap numbers. */
  readonly #now = new Int32Array(2);
  readonly #bytes = new Int32Array(STEPS + 1);
  readonly #atMs = new Float64Array(STEPS + 1);
  #steps = 0;

  /** Bytes so far; wraps, compare by `(a - b) | 0`. */
  get bytes(): number {
    return this.#now[0]!;
  }

  /** Packets so far, in the same way. */
  get packets(): number {
    return this.#now[1]!;
  }

  /** Counts one packet. */
  note(bytes: number): void {
    this.#now[0]! += bytes;
    this.#now[1]!++;
  }

  /** Lets the window move on. */
  tick(nowMs: number): void {
    const last = (this.#steps - 1) % (STEPS + 1);
    if (this.#steps > 0 && nowMs - this.#atMs[last]! < STEP_MS) return;
    const at = this.#steps % (STEPS + 1);
    this.#bytes[at] = this.bytes;
    this.#atMs[at] = nowMs;
    this.#steps++;
  }

  /** Bits per second over about the last second; 0 at first. */
  get bps(): number {
    if (this.#steps <= MIN_STEPS) return 0;
    const newest = (this.#steps - 1) % (STEPS + 1);
    const oldest = this.#steps > STEPS ? this.#steps % (STEPS + 1) : 0;
    const spanMs = this.#atMs[newest]! - this.#atMs[oldest]!;
    return (((this.#bytes[newest]! - this.#bytes[oldest]!) | 0) * 8000) / spanMs;
  }
}
