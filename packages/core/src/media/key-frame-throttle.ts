/** Asking a publisher for a key frame of one layer: many wishes, one PLI per interval. */
import { DEFAULT_TUNING } from "./tuning.ts";

export class KeyFrameThrottle {
  readonly #intervalMs: number;
  #wanted = false;
  #lastMs = -1e12;
  /** PLIs so far. */
  taken = 0;

  /** `layer`: 0 is the lowest. */
  constructor(layer: number, intervalsMs = DEFAULT_TUNING.keyFrameIntervalsMs) {
    this.#intervalMs = intervalsMs[layer] ?? intervalsMs[2];
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
