import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Timers } from "./timers.ts";

test("timers fire in the order of their deadlines, equal ones in the order they were set, each once", () => {
  const operation = fc.record({
    subject: fc.integer({ min: 0, max: 8 }).map(String),
    at: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
      const timers = new Timers();
      const model = new Map<string, number>();
      for (const { subject, at } of operations) {
        model.delete(subject);
        if (at === undefined) {
          timers.clear("negotiate", subject);
        } else {
          model.set(subject, at);
          timers.set("negotiate", subject, at);
        }
        assert.equal(timers.isSet("negotiate", subject), at !== undefined);
        assert.equal(timers.nextMs(), Math.min(...model.values()));
      }
      const expected = [...model].toSorted(([, a], [, b]) => a - b).map(([subject]) => subject);
      const fired = [];
      for (let due = timers.takeDue(20); due; due = timers.takeDue(20)) fired.push(due.subject);
      assert.deepEqual(fired, expected);
    }),
    { seed: 20_261_121 },
  );
});

test("what is not due stays", () => {
  const timers = new Timers();
  timers.set("joinTimeout", "a", 10);
  assert.equal(timers.takeDue(9), undefined);
  assert.deepEqual(timers.takeDue(10)?.kind, "joinTimeout");
  assert.equal(timers.nextMs(), Number.POSITIVE_INFINITY);
});

test("timers that are moved all the time are kept a few times at most, and fire as they were set last", () => {
  const timers = new Timers();
  for (let i = 0; i < 10_000; i++) {
    for (const subject of ["a", "b"]) timers.set("negotiate", subject, subject === "a" ? 20_000 - i : i);
    timers.clear("negotiate", "c");
    assert.ok(timers.kept <= 64 + 2 * 2 + 1, `${timers.kept} kept`);
  }
  timers.set("dynacast", "c", 5);
  const fired = [1, 2, 3].map(() => timers.takeDue(100_000)?.subject);
  assert.deepEqual([...fired, timers.takeDue(100_000)], ["c", "b", "a", undefined]);
});
