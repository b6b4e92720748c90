/**
 * How much of a channel's buffer is used: up to the high mark, and again from the low one on. Both follow the rate at
 * which the receiver takes, so that the buffer holds a constant time and not a constant size.
 */

/** What marks may be. */
export interface MarkLimits {
  readonly minBytes: number;
  readonly maxBytes: number;
  /** Traffic that the buffer should hold. */
  readonly targetMs: number;
}

/** Channels that resend: a longer buffer costs little, an empty one throughput. */
export const RELIABLE_MARKS: MarkLimits = { minBytes: 64 << 10, maxBytes: 1 << 20, targetMs: 100 };
/** Channels whose messages grow stale; 8 KiB is LiveKit's least too. */
export const LOSSY_MARKS: MarkLimits = { minBytes: 8 << 10, maxBytes: 256 << 10, targetMs: 100 };

const RETUNE_MS = 1000;

export class WaterMarks {
  readonly #limits: MarkLimits;
  #high: number;
  #retuneAtMs = 0;

  constructor(limits: MarkLimits) {
    this.#limits = limits;
    this.#high = limits.minBytes;
  }

  /** The buffer is filled while it holds no more than this. */
  get highBytes(): number {
    return this.#high;
  }

  /** The channel calls when it holds no more than this. */
  get lowBytes(): number {
    return this.#high >>> 1;
  }

  /** Once a second: true when the marks have moved. `bps`: what the receiver takes, -1 when unknown. */
  retune(bps: number, nowMs: number): boolean {
    if (nowMs < this.#retuneAtMs) return false;
    this.#retuneAtMs = nowMs + RETUNE_MS;
    if (bps < 0) return false;
    const { minBytes, maxBytes, targetMs } = this.#limits;
    const high = Math.min(maxBytes, Math.max(minBytes, Math.round((bps / 8000) * targetMs)));
    const moved = high !== this.#high;
    this.#high = high;
    return moved;
  }
}
