import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { Fifo } from "./fifo.ts";

test("a queue gives back what an array would", () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 300 }), (pushes) => {
      const fifo = new Fifo<{ n: number }>();
      const model: { n: number }[] = [];
      pushes.forEach((push, n) => {
        if (push) {
          fifo.push({ n });
          model.push({ n });
        } else {
          assert.deepEqual(fifo.peek(), model[0]);
          assert.deepEqual(fifo.shift(), model.shift());
        }
        assert.equal(fifo.size, model.length);
      });
    }),
  );
});
