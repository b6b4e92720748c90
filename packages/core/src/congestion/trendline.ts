/**
 * Whether delay grows: the slope of a line through the last 20 smoothed one-way delays (draft-ietf-rmcat-gcc, the trendline filter
 * of libwebrtc). 0 = the queue stands still, 1 = for each millisecond of sending it grows by one.
 */

const WINDOW = 20;
const SMOOTHING = 0.9;
/** The longer the evidence the more it weighs, up to this many groups. */
const MAX_WEIGHT = 60;
const GAIN = 4;

export class Trendline {
  readonly #arrivalMs = new Float64Array(WINDOW);
  readonly #delayMs = new Float64Array(WINDOW);
  #accumulatedMs = 0;
  #smoothedMs = 0;
  #firstArrivalMs = 0;
  #groups = 0;

  /** Takes the deltas of two groups and the arrival of the later one; gives the weighted trend, to be held against the threshold. */
  add(arrivalDeltaMs: number, sentDeltaMs: number, arrivalMs: number): number {
    if (this.#groups === 0) this.#firstArrivalMs = arrivalMs;
    const at = this.#groups % WINDOW;
    this.#groups++;
    this.#accumulatedMs += arrivalDeltaMs - sentDeltaMs;
    this.#smoothedMs = SMOOTHING * this.#smoothedMs + (1 - SMOOTHING) * this.#accumulatedMs;
    this.#arrivalMs[at] = arrivalMs - this.#firstArrivalMs;
    this.#delayMs[at] = this.#smoothedMs;
    if (this.#groups < WINDOW) return 0;
    return Math.min(this.#groups, MAX_WEIGHT) * this.#slope() * GAIN;
  }

  reset(): void {
    this.#groups = 0;
    this.#accumulatedMs = 0;
    this.#smoothedMs = 0;
  }

  #slope(): number {
    let sumX = 0;
    let sumY = 0;
    for (let i = 0; i < WINDOW; i++) {
      sumX += this.#arrivalMs[i]!;
      sumY += this.#delayMs[i]!;
    }
    const meanX = sumX / WINDOW;
    const meanY = sumY / WINDOW;
    let covariance = 0;
    let variance = 0;
    for (let i = 0; i < WINDOW; i++) {
      const x = this.#arrivalMs[i]! - meanX;
      covariance += x * (this.#delayMs[i]! - meanY);
      variance += x * x;
    }
    return variance === 0 ? 0 : covariance / variance;
  }
}
