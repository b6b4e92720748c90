/**
 * The gap blocks of the last SACK. The next one repeats nearly all of them, and what it repeats need not be looked at chunk by
 * chunk: behind a gap that is a whole window with every packet.
 */
import { tsnDiff } from "@stoa/wire/sctp/serial";

/** As many as fit into a packet of 1,200 bytes; those behind are looked at every time. */
const MAX_BLOCKS = 288;

/** Read and written in one pass over the blocks of a SACK, in their order. */
export class ReportedBlocks {
  #starts = new Int32Array(MAX_BLOCKS);
  #ends = new Int32Array(MAX_BLOCKS);
  #count = 0;
  #newStarts = new Int32Array(MAX_BLOCKS);
  #newEnds = new Int32Array(MAX_BLOCKS);
  #newCount = 0;
  #at = 0;

  /** A SACK follows. */
  begin(): void {
    this.#newCount = 0;
    this.#at = 0;
  }

  /** Its next block has these first and last TSNs: the first one that the last SACK did not report, maybe behind the block. */
  add(first: number, last: number): number {
    while (this.#at < this.#count && tsnDiff(this.#ends[this.#at]!, first) < 0) this.#at++;
    if (this.#newCount < MAX_BLOCKS) {
      this.#newStarts[this.#newCount] = first;
      this.#newEnds[this.#newCount++] = last;
    }
    if (this.#at === this.#count || tsnDiff(this.#starts[this.#at]!, first) > 0) return first;
    return (this.#ends[this.#at]! + 1) | 0;
  }

  /** That was its last block. */
  end(): void {
    const starts = this.#starts;
    const ends = this.#ends;
    this.#starts = this.#newStarts;
    this.#ends = this.#newEnds;
    this.#count = this.#newCount;
    this.#newStarts = starts;
    this.#newEnds = ends;
  }
}
