/**
 * How often something may be done: each time costs milliseconds, and as long as no more than `burstMs` are owed it may be
 * done at once. Invariant: over any time T it is done for no more than T + `burstMs`, and the last time.
 */

/** A dozen times at once, of what may be done ten times a second; a client starts with several changes. */
const USUAL_BURST_MS = 1200;

export class Pace {
  readonly #burstMs: number;
  /** When all that was done is paid for. */
  #paidAtMs = Number.NEGATIVE_INFINITY;

  constructor(burstMs = USUAL_BURST_MS) {
    this.#burstMs = burstMs;
  }

  /** When it may be done: now, or then. */
  dueMs(nowMs: number): number {
    return Math.max(nowMs, this.#paidAtMs - this.#burstMs);
  }

  /** It is done. */
  spend(nowMs: number, costMs: number): void {
    this.#paidAtMs = Math.max(nowMs, this.#paidAtMs) + costMs;
  }

  /** What is owed. */
  owedMs(nowMs: number): number {
    return Math.max(0, this.#paidAtMs - nowMs);
  }
}
