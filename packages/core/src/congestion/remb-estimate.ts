/**
 * The estimate from what the client itself believes (REMB). Its value cannot be taken as it is: a receiver never claims much more than it
 * gets. It is believed when it falls below what is sent (then the link is full), and when it rises. Whether it falls is seen by one step
 * down or by the trend of twelve samples in ten seconds. A probe has succeeded when the value went on rising while it ran.
 */

const SAMPLES = 12;
const MIN_SAMPLES = 5;
const WINDOW_MS = 10_000;
/** Kendall's tau of the samples: −1 = each is lower than all before. */
const FALLING = -0.6;
const STEP_DOWN = 0.97;
/** The value matters when it is below this much of what is sent. */
const RELEVANT = 1.05;
/** The first value may be just what came in; behind a full link it is less. */
const FIRST = 0.9;
/** By how much the value must have risen during a successful probe. */
const RISEN = 1.03;
/** Values beyond are nobody's link. */
const LOWEST_BPS = 5_000;
const HIGHEST_BPS = 1e10;

export class RembEstimate {
  readonly #values = new Float64Array(SAMPLES);
  readonly #times = new Float64Array(SAMPLES);
  #count = 0;
  #last = 0;
  #atProbe = 0;
  #fellInProbe = false;

  /** The client's last word, 0 = none. */
  get lastBps(): number {
    return this.#last;
  }

  /**
   * Takes a value. True: the link is full, and the value is what it carries.
   */
  handle(bps: number, sentBps: number, nowMs: number): boolean {
    // Zero is what some clients say before they know.
    if (!(bps >= LOWEST_BPS && bps <= HIGHEST_BPS)) return false;
    const former = this.#last;
    this.#last = bps;
    const at = this.#count++ % SAMPLES;
    this.#values[at] = bps;
    this.#times[at] = nowMs;
    const falling = former === 0 || bps < former * STEP_DOWN || this.#trend(nowMs) <= FALLING;
    const full = falling && bps < sentBps * (former === 0 ? FIRST : RELEVANT);
    if (full) {
      this.#fellInProbe = true;
      // The next step down is measured from here, the trend begins anew.
      this.#count = 0;
    }
    return full;
  }

  beginProbe(): void {
    this.#atProbe = this.#last;
    this.#fellInProbe = false;
  }

  /** The value has not fallen since the probe began. */
  get holds(): boolean {
    return !this.#fellInProbe && this.#last >= this.#atProbe * STEP_DOWN;
  }

  /** Whether the link carried the probe. */
  probeSucceeded(goalBps: number): boolean {
    if (this.#fellInProbe || this.#last === 0) return false;
    return this.#last >= goalBps || this.#last >= this.#atProbe * RISEN;
  }

  /** Kendall's tau of the samples of the last ten seconds; 0 when they are too few. */
  #trend(nowMs: number): number {
    const held = Math.min(this.#count, SAMPLES);
    let balance = 0;
    let used = 0;
    for (let i = 0; i < held; i++) {
      const later = this.#place(held, i);
      if (nowMs - this.#times[later]! > WINDOW_MS) continue;
      for (let k = i - used; k < i; k++) {
        balance += Math.sign(this.#values[later]! - this.#values[this.#place(held, k)]!);
      }
      used++;
    }
    return used < MIN_SAMPLES ? 0 : balance / ((used * (used - 1)) / 2);
  }

  /** Where the i-th oldest sample stands. */
  #place(held: number, i: number): number {
    return (this.#count - held + i) % SAMPLES;
  }
}
