import assert from "node:assert/strict";
import { test } from "node:test";
import { Troubles } from "./troubles.ts";

test("a trouble begins once, is over once nothing of the kind has happened for five seconds, and may begin again", () => {
  const troubles = new Troubles<string>();
  assert.equal(troubles.nextTimeoutMs(), Number.POSITIVE_INFINITY);
  assert.equal(troubles.note("ada", "lost", 0), true);
  for (let nowMs = 10; nowMs < 3000; nowMs += 10) assert.equal(troubles.note("ada", "lost", nowMs), false);
  assert.equal(troubles.note("ada", "lossy", 100), true);
  assert.equal(troubles.note("bob", "lost", 200), true);
  troubles.remove("bob");
  const over: unknown[] = [];
  for (let dueMs = troubles.nextTimeoutMs(); dueMs < 60_000; dueMs = troubles.nextTimeoutMs()) {
    for (const { of, kind, times } of troubles.takeOver(dueMs)) over.push([dueMs, of, kind, times]);
  }
  assert.deepEqual(over, [
    [6000, "ada", "lossy", 1],
    [8000, "ada", "lost", 300],
  ]);
  assert.equal(troubles.note("ada", "lost", 70_000), true);
});
