import assert from "node:assert/strict";
import { test } from "node:test";
import { deliveryWork, TurnBudgets } from "./turn-budgets.ts";

/** Messages of `of` that are handled before it has to wait, each for so many receivers. */
function handled(turns: TurnBudgets<string>, of: string, bytes: number, receivers: number): number {
  let count = 0;
  for (; !turns.isSpent(of); count++) turns.spend(of, 5 + receivers * deliveryWork(bytes), 100);
  return count;
}

test("a turn is good for many messages, for fewer the more receivers they have and the longer they are, for one however long", () => {
  const turns = new TurnBudgets<string>();
  const counts = [
    handled(turns, "ada", 20, 1),
    handled(turns, "bob", 20, 100),
    handled(turns, "cleo", 15_000, 10),
    handled(turns, "dora", 15_000, 3000),
  ];
  assert.deepEqual(counts, [158, 6, 7, 1]);
  assert.equal(turns.isSpent("eve"), false, "each has a turn of its own");
});

test("who is late is served a pause later, and at once where another turn begins before that", () => {
  const turns = new TurnBudgets<string>();
  assert.equal(turns.nextTimeoutMs(), Number.POSITIVE_INFINITY);
  handled(turns, "ada", 20, 1);
  turns.spend("bob", 10, 100);
  assert.equal(turns.nextTimeoutMs(), 101);
  turns.begin();
  assert.equal(turns.isSpent("ada"), false);
  assert.deepEqual(turns.takeLate(100.5), []);
  assert.deepEqual(turns.takeLate(101), ["ada"]);
  assert.equal(turns.nextTimeoutMs(), Number.POSITIVE_INFINITY);
  assert.deepEqual(turns.takeLate(102), []);
});

test("who is about to go has turns of its own while it is late; who is gone is not served", () => {
  const turns = new TurnBudgets<string>();
  handled(turns, "ada", 20, 1);
  assert.equal(turns.beginExtra("ada"), true);
  assert.equal(turns.isSpent("ada"), false);
  assert.equal(turns.beginExtra("ada"), false, "it was not late again");
  handled(turns, "bob", 20, 1);
  turns.remove("bob");
  assert.deepEqual(turns.takeLate(1000), []);
});
