/**
 * Whether the trend of the delay means that we send more than the link carries (draft-ietf-rmcat-gcc section 5.4). The threshold
 * follows the trends that are usual on this link, so that jitter does not look like a queue.
 */

export const NORMAL = 0;
/** The queue grows. */
export const OVERUSE = 1;
/** The queue drains. */
export const UNDERUSE = 2;

export type Usage = 0 | 1 | 2;

const INITIAL_THRESHOLD = 12.5;
const MIN_THRESHOLD = 6;
const MAX_THRESHOLD = 600;
const RISE_PER_MS = 0.0087;
const FALL_PER_MS = 0.039;
/** A trend this far above the threshold is a jump of the route, not jitter to get used to. */
const OUTLIER = 15;
const MAX_STEP_MS = 100;
/** Overuse must last this long … */
const OVERUSE_MS = 10;
/** … and for this many groups. */
const OVERUSE_GROUPS = 2;

export class OveruseDetector {
  #threshold = INITIAL_THRESHOLD;
  #formerTrend = 0;
  #overMs = -1;
  #overGroups = 0;
  #updatedMs = -1;
  #usage: Usage = NORMAL;

  get usage(): Usage {
    return this.#usage;
  }

  /** Takes the trend as `Trendline` gives it. */
  update(trend: number, sentDeltaMs: number, arrivalMs: number): Usage {
    if (trend > this.#threshold) {
      this.#overMs = this.#overMs < 0 ? sentDeltaMs / 2 : this.#overMs + sentDeltaMs;
      this.#overGroups++;
      if (this.#overMs > OVERUSE_MS && this.#overGroups >= OVERUSE_GROUPS && trend >= this.#formerTrend) {
        this.#overMs = 0;
        this.#overGroups = 0;
        this.#usage = OVERUSE;
      }
    } else {
      this.#overMs = -1;
      this.#overGroups = 0;
      this.#usage = trend < -this.#threshold ? UNDERUSE : NORMAL;
    }
    this.#formerTrend = trend;
    this.#adapt(Math.abs(trend), arrivalMs);
    return this.#usage;
  }

  reset(): void {
    this.#overMs = -1;
    this.#overGroups = 0;
    this.#formerTrend = 0;
    this.#updatedMs = -1;
    this.#usage = NORMAL;
  }

  #adapt(trend: number, arrivalMs: number): void {
    const stepMs = this.#updatedMs < 0 ? 0 : Math.min(Math.max(arrivalMs - this.#updatedMs, 0), MAX_STEP_MS);
    this.#updatedMs = arrivalMs;
    if (trend > this.#threshold + OUTLIER) return;
    const gain = trend < this.#threshold ? FALL_PER_MS : RISE_PER_MS;
    const next = this.#threshold + gain * (trend - this.#threshold) * stepMs;
    this.#threshold = Math.min(Math.max(next, MIN_THRESHOLD), MAX_THRESHOLD);
  }
}
