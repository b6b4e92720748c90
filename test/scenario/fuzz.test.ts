/** A short run of every target of the fuzzer, and the fuzzer itself. `npm run fuzz` runs them for as long as one likes. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { Fuzzer, minimised, operand } from "../fuzz/engine.ts";
import type { Case, Target } from "../fuzz/engine.ts";
import { readingTarget } from "../fuzz/reading.ts";
import { TARGETS } from "../fuzz/targets.ts";

/** About half a second each. */
const CASES: Readonly<Record<string, number>> = { "sctp-association": 60, "sctp-noise": 100, dtls: 40, ice: 80 };
const PARSER_CASES = 2000;

for (const target of TARGETS) {
  test(`fuzz: ${target.about} (${target.name})`, () => {
    for (const seed of [1, randomInt(2 ** 32)]) {
      const fuzzer = new Fuzzer(target, seed);
      while (fuzzer.runs < (CASES[target.name] ?? PARSER_CASES)) {
        const failure = fuzzer.next();
        if (!failure) continue;
        const steps = JSON.stringify(minimised(target, failure.steps));
        assert.fail(
          `seed ${seed}, case ${fuzzer.runs}: npm run fuzz -- --target ${target.name} --replay '${steps}'\n${String(failure.error)}`,
        );
      }
      assert.ok(fuzzer.outcomes > Math.min(10, fuzzer.runs / 8), "the cases differ");
    }
  });
}

/** Breaks when a 7 comes somewhere behind a 40,000; ends without a step that does anything else. */
const planted: Target = {
  name: "planted",
  about: "",
  maxSteps: 20,
  run(steps: Case): string {
    let armed = false;
    for (const step of steps) {
      const value = operand(step, 2);
      if (value > 40_000) armed = true;
      if (armed && operand(step, 0) % 16 === 7) throw new Error("planted");
    }
    return String(armed);
  },
};

test("the fuzzer finds a planted bug and says it in as few steps and numbers as can be", () => {
  const fuzzer = new Fuzzer(planted, 5);
  let failure = fuzzer.next();
  while (!failure && fuzzer.runs < 1000) failure = fuzzer.next();
  assert.ok(failure);
  const least = minimised(planted, failure.steps);
  assert.throws(() => planted.run(least));
  assert.ok(least.length <= 2, JSON.stringify(least));
  assert.deepEqual(
    least.flatMap((step) => [...step]).filter((value) => value > 0 && value <= 40_000),
    [7],
  );
});

test("the same seed gives the same cases", () => {
  const cases = (seed: number) => {
    const seen: Case[] = [];
    const fuzzer = new Fuzzer({ ...planted, run: (steps) => String(seen.push(steps) % 50) }, seed);
    while (fuzzer.runs < 300) fuzzer.next();
    return seen;
  };
  assert.deepEqual(cases(9), cases(9));
  assert.notDeepEqual(cases(9), cases(10));
});

test("a reader that looks or writes beyond its bytes is found", () => {
  const samples = [Uint8Array.of(3, 1, 2, 3)];
  const bad = {
    reads: (u8: Uint8Array, at: number) => u8[at + u8[at]!],
    writes: (u8: Uint8Array, at: number, length: number) => (u8[at + length] = 1),
  };
  for (const [name, read] of Object.entries(bad)) {
    const fuzzer = new Fuzzer(readingTarget(name, "", samples, { [name]: read }), 1);
    let failure = fuzzer.next();
    while (!failure && fuzzer.runs < 1000) failure = fuzzer.next();
    assert.match(String(failure?.error), new RegExp(`${name} outside`));
  }
});
