import assert from "node:assert/strict";
import { test } from "node:test";
import { Troubles } from "./troubles.ts";

/** Lets time pass until there is nothing to wait for; what was told: when, of whom, what, how often. */
function told(troubles: Troubles<string>): unknown[] {
  const over: unknown[] = [];
  for (let dueMs = troubles.nextTimeoutMs(); dueMs < 10_000_000; dueMs = troubles.nextTimeoutMs()) {
    troubles.handleTimeout(dueMs, (of, kind, times) => over.push([dueMs, of, kind, times]));
  }
  return over;
}

test("a trouble begins once, and is over once nothing of the kind has happened for five seconds", () => {
  const troubles = new Troubles<string>();
  assert.equal(troubles.nextTimeoutMs(), Number.POSITIVE_INFINITY);
  assert.equal(troubles.note("ada", "lost", 0), true);
  for (let nowMs = 10; nowMs < 3000; nowMs += 10) assert.equal(troubles.note("ada", "lost", nowMs), false);
  assert.equal(troubles.note("ada", "lossy", 100), true);
  assert.equal(troubles.note("bob", "lost", 200), true);
  troubles.remove("bob");
  assert.deepEqual(told(troubles), [
    [6000, "ada", "lossy", 1],
    [8000, "ada", "lost", 300],
  ]);
});

test("one that comes and goes is told of less and less often", () => {
  const troubles = new Troubles<string>();
  let entries = 0;
  for (let nowMs = 0; nowMs < 3_600_000; nowMs += 7000) {
    for (let dueMs = troubles.nextTimeoutMs(); dueMs <= nowMs; dueMs = troubles.nextTimeoutMs())
      troubles.handleTimeout(dueMs, () => entries++);
    if (troubles.note("ada", "held", nowMs)) entries++;
  }
  assert.ok(entries <= 4, `${entries} entries in an hour`);
  told(troubles);
  assert.equal(troubles.note("ada", "held", 10_000_000), true, "but it is told again");
});
