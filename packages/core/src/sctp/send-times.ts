/**
 * What the times at which chunks were sent tell when they arrive: round trip times, and who has been overtaken by what was sent
 * later (RACK, RFC 8985).
 */

/** Packets sent within this time may overtake each other, and a quarter of the round trip more. */
const REORDER_MS = 1;

/** Of one association. */
export class SendTimes {
  /** When the chunk was sent that was sent last of all that arrived. */
  newestMs = 0;
  #shortestRttMs = Number.POSITIVE_INFINITY;

  /** A chunk arrived that was sent so often, the last time at `sentAtMs`. Its round trip time, -1 if it might be another. */
  arrived(sends: number, sentAtMs: number, nowMs: number): number {
    const elapsedMs = nowMs - sentAtMs;
    if (sends === 1) this.#shortestRttMs = Math.min(this.#shortestRttMs, elapsedMs);
    // Sooner than any round trip: it is the chunk of an earlier time that arrived.
    else if (elapsedMs < this.#shortestRttMs) return -1;
    this.newestMs = Math.max(this.newestMs, sentAtMs);
    return sends === 1 ? elapsedMs : -1;
  }

  /** What was sent before this, and has not arrived, is lost. */
  get overtakenMs(): number {
    return this.newestMs - REORDER_MS - this.#shortestRttMs / 4;
  }
}
