/**
 * A small fuzzer with feedback. A case is a list of steps, a step a few 32-bit integers to which each target gives its own
 * meaning, so that cases are made, kept, minimised and printed alike for all of them. A case whose outcome is new is kept,
 * and later cases are made from it.
 *
 * Invariant: target and seed decide every case; neither clock nor machine plays a part.
 */
import { SeededRandom } from "@stoa/testkit/node-crypto";

/** Integers of 0 … 2^32 - 1; a missing one reads as 0, see `operand`. */
export type Step = readonly number[];

/** Steps that a target carries out in order. */
export type Case = readonly Step[];

/** One thing to be fuzzed. */
export interface Target {
  readonly name: string;
  /** One line for `--help`: what must hold whatever comes. */
  readonly about: string;
  readonly maxSteps: number;
  /** Carries a case out; throws when something breaks. Gives the outcome in short: cases of equal outcome are alike. */
  run(steps: Case): string;
}

/** A case that broke its target. */
export interface Failure {
  readonly steps: Case;
  readonly error: unknown;
}

const MAX_OPERANDS = 8;
const MAX_POOL = 512;
const MAX_SEEN = 100_000;
/** Values around which fields change their meaning. */
const EDGES = [
  0, 1, 2, 3, 4, 7, 8, 15, 16, 63, 64, 127, 128, 255, 256, 1023, 1024, 0x7fff, 0x8000, 0xfffe, 0xffff, 0x10000,
  0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
]; // prettier-ignore

/** Integer `index` of a step. */
export function operand(step: Step, index: number): number {
  return step[index] ?? 0;
}

/** One of `options`, chosen by an integer. */
export function choose<T>(options: readonly T[], by: number): T {
  return options[by % options.length]!;
}

/** Makes cases and runs them. */
export class Fuzzer {
  readonly target: Target;
  /** Cases so far. */
  runs = 0;
  readonly #random: SeededRandom;
  readonly #pool: Case[] = [];
  readonly #seen = new Set<string>();

  constructor(target: Target, seed: number) {
    this.target = target;
    this.#random = new SeededRandom(seed);
  }

  /** Outcomes that differ. */
  get outcomes(): number {
    return this.#seen.size;
  }

  /** Runs one more case; gives it if it breaks the target. */
  next(): Failure | undefined {
    const steps = this.#propose();
    this.runs++;
    let outcome: string;
    try {
      outcome = this.target.run(steps);
    } catch (error) {
      return { steps, error };
    }
    if (!this.#seen.has(outcome) && this.#seen.size < MAX_SEEN) {
      this.#seen.add(outcome);
      if (this.#pool.length < MAX_POOL) this.#pool.push(steps);
      else this.#pool[this.#below(MAX_POOL)] = steps;
    }
    return undefined;
  }

  #propose(): Case {
    const { maxSteps } = this.target;
    if (this.#pool.length === 0 || this.#below(4) === 0) {
      return Array.from({ length: 1 + this.#below(maxSteps) }, () => this.#step());
    }
    const steps = [...this.#kept()];
    for (let edits = 1 + this.#below(4); edits > 0; edits--) this.#edit(steps);
    return steps.slice(0, maxSteps);
  }

  #edit(steps: Step[]): void {
    const at = this.#below(steps.length + 1);
    const kind = this.#below(6);
    if (kind === 0) steps.splice(at, 1 + this.#below(3));
    else if (kind === 1) steps.splice(at, 0, this.#step());
    else if (kind === 2) steps.splice(at, 0, ...steps.slice(at, at + 1 + this.#below(8)));
    else if (kind === 3) {
      const other = this.#kept();
      steps.splice(at, steps.length, ...other.slice(this.#below(other.length + 1)));
    } else if (at < steps.length) {
      const step = [...steps[at]!];
      step[this.#below(MAX_OPERANDS)] = this.#integer();
      // A hole would be written as null.
      steps[at] = Array.from(step, (value) => value ?? 0);
    }
  }

  #kept(): Case {
    return this.#pool[this.#below(this.#pool.length)]!;
  }

  #step(): Step {
    return Array.from({ length: 1 + this.#below(MAX_OPERANDS) }, () => this.#integer());
  }

  #integer(): number {
    const kind = this.#below(4);
    if (kind === 0) return choose(EDGES, this.#random.uint32());
    return kind === 1 ? this.#random.uint32() : this.#below(1 << (4 * kind));
  }

  #below(limit: number): number {
    return this.#random.uint32() % limit;
  }
}

/** A shorter case that still breaks the target: steps are left out, then integers made small. */
export function minimised(target: Target, steps: Case, maxRuns = 3000): Case {
  let least = steps;
  let runs = 0;
  const keepIfBroken = (candidate: Case): boolean => {
    if (runs++ >= maxRuns) return false;
    try {
      target.run(candidate);
      return false;
    } catch {
      least = candidate;
      return true;
    }
  };
  for (let size = Math.max(1, steps.length >> 1); size >= 1; size >>= 1) {
    for (let at = 0; at < least.length;) {
      if (!keepIfBroken([...least.slice(0, at), ...least.slice(at + size)])) at += size;
    }
  }
  for (let at = 0; at < least.length; at++) {
    for (let index = least[at]!.length - 1; index >= 0; index--) {
      const with_ = (value: number): Case => least.map((step, i) => (i === at ? step.with(index, value) : step));
      const value = least[at]![index]!;
      for (const smaller of [0, 1, value & 15, value & 255]) {
        if (smaller >= value || keepIfBroken(with_(smaller))) break;
      }
    }
  }
  return least;
}
