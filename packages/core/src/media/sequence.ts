/**
 * Extending 16-bit sequence numbers (RFC 3550 appendix A.1). Extended numbers are signed 32-bit integers that may wrap:
 * compare them with `(a - b) | 0`. Across a restart of the source they go on rising, so that a ring never confuses the two.
 */

/** The packet is not to be used: a wild jump that nothing confirmed yet, or too old. */
export const REJECTED = 0;
/** Newer than all before. */
export const NEWER = 1;
/** Older than the newest; may be a duplicate. */
export const LATE = 2;
/** The source began anew; the packet is its first. */
export const RESTARTED = 3;

export type SequenceVerdict = 0 | 1 | 2 | 3;

/** A forward jump of more than this is a restart, if the next packet confirms it. */
const MAX_DROPOUT = 3000;
/** A packet this far behind may still be a recovered one. */
const MAX_LATE = 1000;
const CYCLE = 1 << 16;

/** Extends the sequence numbers of one source. */
export class SequenceExtender {
  started = false;
  /** The highest extended number so far. */
  highest = 0;
  /** The extended number of the packet that `extend` looked at last. */
  value = 0;
  #expected = -1;
  #base = CYCLE;

  /** Judges one packet and leaves its extended number in `value`. */
  extend(sequence: number): SequenceVerdict {
    if (!this.started) {
      this.started = true;
      this.value = this.highest = (this.#base + sequence) | 0;
      return RESTARTED;
    }
    const distance = ((sequence - this.highest) << 16) >> 16;
    if (distance > 0 && distance <= MAX_DROPOUT) {
      this.#expected = -1;
      this.value = this.highest = (this.highest + distance) | 0;
      return NEWER;
    }
    if (distance <= 0 && distance > -MAX_LATE) {
      this.value = (this.highest + distance) | 0;
      return LATE;
    }
    if (sequence !== this.#expected) {
      this.#expected = (sequence + 1) & 0xffff;
      return REJECTED;
    }
    this.restart();
    return this.extend(sequence);
  }

  /** The number that a late packet has, without any judgement or change: for retransmissions. */
  peek(sequence: number): number {
    return (this.highest + (((sequence - this.highest) << 16) >> 16)) | 0;
  }

  /** The next packet begins a new source whose numbers lie above all former ones. */
  restart(): void {
    if (!this.started) return;
    // Two cycles further: even the late packets of the new source lie above the old ones.
    this.#base = ((this.highest & ~0xffff) + 2 * CYCLE) | 0;
    this.#expected = -1;
    this.started = false;
  }
}
