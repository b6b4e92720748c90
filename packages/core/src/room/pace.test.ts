import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Pace } from "./pace.ts";

test("what is done in any time costs no more than this time and the burst, apart from the last", () => {
  const step = fc.record({ waitMs: fc.nat(300), costMs: fc.integer({ min: 1, max: 500 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const pace = new Pace(1000);
      const done: { atMs: number; costMs: number }[] = [];
      let nowMs = 0;
      for (const { waitMs, costMs } of steps) {
        nowMs = pace.dueMs(nowMs + waitMs);
        assert.equal(pace.dueMs(nowMs), nowMs, "it may be done when it is due");
        pace.spend(nowMs, costMs);
        done.push({ atMs: nowMs, costMs });
      }
      for (let from = 0; from < done.length; from++) {
        let costMs = 0;
        for (const one of done.slice(from)) {
          assert.ok(costMs <= one.atMs - done[from]!.atMs + 1000);
          costMs += one.costMs;
        }
      }
    }),
    { seed: 20_261_126 },
  );
});

test("a burst goes at once, then it is done as often as it costs, and rest is not saved beyond the burst", () => {
  const pace = new Pace(1000);
  const doneWithinMs = (endMs: number, fromMs: number) => {
    let count = 0;
    for (let nowMs = fromMs; nowMs <= endMs; nowMs++) {
      if (pace.dueMs(nowMs) > nowMs) continue;
      pace.spend(nowMs, 100);
      count++;
      nowMs--;
    }
    return count;
  };
  assert.equal(doneWithinMs(0, 0), 11);
  assert.equal(doneWithinMs(1000, 1), 10);
  assert.equal(doneWithinMs(100_000, 100_000), 11);
  assert.deepEqual([pace.owedMs(100_000), pace.owedMs(101_100), pace.owedMs(200_000)], [1100, 0, 0]);
});
