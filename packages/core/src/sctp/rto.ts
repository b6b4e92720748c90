/**
 * Round trip time and retransmission timeout (RFC 9260 section 6.3.1). The lowest timeout is far below the RFC's one
 * second: peers are asked for immediate SACKs at the end of a burst (RFC 7053), so a SACK is never held back for long.
 */

/** Before the first measurement. */
export const RTO_INITIAL_MS = 400;
/** A lost last packet is repaired within this on a short path. */
export const RTO_MIN_MS = 150;
/** Bounds the silence after an outage: traffic goes on at most this much later than the path. */
export const RTO_MAX_MS = 3000;
/** On a long, steady path the variance goes to zero; without a floor the first late SACK would be a timeout. */
const MIN_VARIANCE_MS = 100;

/** The estimator of one path. */
export class Rto {
  #smoothedMs = 0;
  #varianceMs = 0;
  #valueMs = RTO_INITIAL_MS;

  /** The timeout now, back-off included. */
  get valueMs(): number {
    return this.#valueMs;
  }

  /** Smoothed round trip time; 0 before the first sample. */
  get smoothedMs(): number {
    return this.#smoothedMs;
  }

  /** One measurement of something that was sent only once (Karn). */
  sample(rttMs: number): void {
    if (!(rttMs >= 0)) return;
    if (this.#smoothedMs === 0) {
      this.#smoothedMs = Math.max(rttMs, 0.01);
      this.#varianceMs = rttMs / 2;
    } else {
      this.#varianceMs += (Math.abs(this.#smoothedMs - rttMs) - this.#varianceMs) / 4;
      this.#smoothedMs += (rttMs - this.#smoothedMs) / 8;
    }
    const timeout = this.#smoothedMs + Math.max(4 * this.#varianceMs, MIN_VARIANCE_MS);
    this.#valueMs = Math.min(Math.max(timeout, RTO_MIN_MS), RTO_MAX_MS);
  }

  /** A timer expired. */
  backOff(): void {
    this.#valueMs = Math.min(this.#valueMs * 2, RTO_MAX_MS);
  }
}
