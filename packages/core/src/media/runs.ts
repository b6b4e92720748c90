/**
 * Numbers that close up where some were left out: which offset belonged to which number of the source, so that late ones
 * still find their place. Numbers are signed 32-bit integers that may wrap; only the newest runs are remembered.
 */

/** What is known of a number: its offset, that it was left out, nothing any more. */
export const FOUND = 0;
export const LEFT_OUT = 1;
export const FORGOTTEN = 2;

const HISTORY = 64;

export class Runs {
  /** Run i ends with `#last[i]`; it left out `#count[i]` numbers, before which the offset was `#offset[i]`. */
  readonly #last = new Int32Array(HISTORY);
  readonly #offset = new Int32Array(HISTORY);
  readonly #count = new Int32Array(HISTORY);
  #runs = 0;
  /** The offset that `find` found. */
  offset = 0;

  /** Nothing was left out. */
  get empty(): boolean {
    return this.#runs === 0;
  }

  clear(): void {
    this.#runs = 0;
  }

  /** Leaves out a number above all former ones; `offset`: that of the numbers before it. */
  leaveOut(number: number, offset: number): void {
    const last = (this.#runs - 1) % HISTORY;
    if (this.#runs > 0 && number === ((this.#last[last]! + 1) | 0)) {
      this.#last[last] = number;
      this.#count[last]!++;
      return;
    }
    const at = this.#runs++ % HISTORY;
    this.#last[at] = number;
    this.#offset[at] = offset;
    this.#count[at] = 1;
  }

  /** What became of a number, and its `offset`. `current`: the offset of the numbers behind all runs. */
  find(number: number, current: number): 0 | 1 | 2 {
    const oldest = Math.max(0, this.#runs - HISTORY);
    this.offset = current;
    for (let run = this.#runs - 1; run >= oldest; run--) {
      const at = run % HISTORY;
      const behind = (number - this.#last[at]!) | 0;
      if (behind > 0) return FOUND;
      if (behind > -this.#count[at]!) return LEFT_OUT;
      this.offset = this.#offset[at]!;
    }
    return oldest === 0 ? FOUND : FORGOTTEN;
  }
}
