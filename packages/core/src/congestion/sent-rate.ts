/** How much is sent: rates over the last second, looked at every 100 ms. */
import { countedSince } from "./sent-history.ts";
import type { SentHistory } from "./sent-history.ts";

const STEP_MS = 100;
const STEPS = 10;
/** With fewer nothing is said. */
const MIN_STEPS = 3;

export class SentRate {
  readonly #history: SentHistory;
  readonly #bytes = new Int32Array(STEPS + 1);
  readonly #atMs = new Float64Array(STEPS + 1);
  #steps = 0;

  constructor(history: SentHistory) {
    this.#history = history;
  }

  /** Lets the window move on. */
  tick(nowMs: number): void {
    const last = (this.#steps - 1) % (STEPS + 1);
    if (this.#steps > 0 && nowMs - this.#atMs[last]! < STEP_MS) return;
    const at = this.#steps % (STEPS + 1);
    this.#bytes[at] = this.#history.bytes;
    this.#atMs[at] = nowMs;
    this.#steps++;
  }

  /** Bits per second over about the last second; 0 at first. */
  get bps(): number {
    if (this.#steps <= MIN_STEPS) return 0;
    const newest = (this.#steps - 1) % (STEPS + 1);
    const oldest = this.#steps > STEPS ? this.#steps % (STEPS + 1) : 0;
    const spanMs = this.#atMs[newest]! - this.#atMs[oldest]!;
    return (countedSince(this.#bytes[newest]!, this.#bytes[oldest]!) * 8000) / spanMs;
  }
}
