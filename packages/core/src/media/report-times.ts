/** When our last sender reports of one stream went out, to compute the round trip from a report block (RFC 3550 section 6.4.1). */

const KEPT = 4;

export class ReportTimes {
  readonly #middle = new Float64Array(KEPT);
  readonly #sentMs = new Float64Array(KEPT);
  #count = 0;

  /** A report went out; `middle`: the middle 32 bits of its NTP time. */
  sent(middle: number, nowMs: number): void {
    this.#middle[this.#count % KEPT] = middle;
    this.#sentMs[this.#count % KEPT] = nowMs;
    this.#count++;
  }

  /** Round trip in milliseconds by a report block, or -1 if it refers to no report of ours. */
  rttMs(lastReport: number, delay: number, nowMs: number): number {
    if (lastReport === 0) return -1;
    for (let i = 0; i < Math.min(this.#count, KEPT); i++) {
      if (this.#middle[i] !== lastReport) continue;
      const rttMs = nowMs - this.#sentMs[i]! - (delay * 1000) / 65_536;
      // Clocks are read at different moments: a little below zero means none.
      return rttMs > -10 && rttMs < 60_000 ? Math.max(rttMs, 0.1) : -1;
    }
    return -1;
  }
}
