/** Asking a publisher for a key frame of one layer: many wishes, one PLI per interval (LiveKit: 500 ms low, 1 s above). */

const LOW_INTERVAL_MS = 500;
const HIGH_INTERVAL_MS = 1000;

export class KeyFrameThrottle {
  readonly #intervalMs: number;
  #wanted = false;
  #lastMs = -1e12;
  /** PLIs so far. */
  taken = 0;

  /** `layer`: 0 is the lowest. */
  constructor(layer: number) {
    this.#intervalMs = layer === 0 ? LOW_INTERVAL_MS : HIGH_INTERVAL_MS;
  }

  /** A wish that is not fulfilled yet. */
  get wanted(): boolean {
    return this.#wanted;
  }

  request(): void {
    this.#wanted = true;
  }

  /** A key frame began: every wish is fulfilled. */
  fulfilled(): void {
    this.#wanted = false;
  }

  /** True once per interval while there is a wish: send one PLI now. */
  take(nowMs: number): boolean {
    if (!this.#wanted || nowMs - this.#lastMs < this.#intervalMs) return false;
    this.#lastMs = nowMs;
    this.#wanted = false;
    this.taken++;
    return true;
  }
}
