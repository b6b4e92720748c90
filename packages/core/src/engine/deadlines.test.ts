import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { NEVER } from "../clock.ts";
import { Deadlines } from "./deadlines.ts";

test("keys come out in the order of their earliest deadline, each once", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 100 })), { maxLength: 60 }),
      (entries) => {
        const queue = new Deadlines<number>();
        const want = new Map<number, number>();
        for (const [key, at] of entries) {
          queue.schedule(key, at);
          want.set(key, Math.min(at, want.get(key) ?? NEVER));
        }
        const got: number[] = [];
        for (let key = queue.takeDue(1000); key !== undefined; key = queue.takeDue(1000)) got.push(want.get(key)!);
        assert.deepEqual(
          got,
          [...want.values()].sort((a, b) => a - b),
        );
        assert.equal(queue.nextMs(), NEVER);
      },
    ),
  );
});

test("nothing is due early, and a removed key never", () => {
  const queue = new Deadlines<string>();
  queue.schedule("a", 10);
  queue.schedule("b", 20);
  queue.remove("a");
  assert.equal(queue.nextMs(), 20);
  assert.equal(queue.takeDue(19), undefined);
  assert.equal(queue.takeDue(20), "b");
});
