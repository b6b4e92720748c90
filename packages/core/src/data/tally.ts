/** Numbers that add up in place until somebody takes them. Invariant: the array stays as long as it is. */

export class Tally {
  readonly #numbers: Float64Array;
  #changed = false;

  constructor(length: number) {
    this.#numbers = new Float64Array(length);
  }

  add(at: number, amount: number): void {
    this.#numbers[at]! += amount;
    this.#changed = true;
  }

  /** What was added since the last call; undefined = nothing. */
  take(): number[] | undefined {
    if (!this.#changed) return undefined;
    const taken = [...this.#numbers];
    this.#numbers.fill(0);
    this.#changed = false;
    return taken;
  }
}
