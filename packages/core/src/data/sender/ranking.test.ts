import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Ranking, type Ranked } from "./ranking.ts";

const step = fc.record({ item: fc.nat(15), key: fc.option(fc.constantFrom(0, 1, 2, 3, 50, Infinity)) });

test("whatever comes, changes and goes: the lowest is first, of equal ones the one that came first", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const ranking = new Ranking<Ranked>(1);
      const items = Array.from({ length: 16 }, (_, order) => ({
        keys: new Float64Array(2),
        places: new Int32Array(2).fill(-1),
        order,
      }));
      const inside = new Set<Ranked>();
      const lowest = () =>
        [...inside].toSorted((a, b) => (a.keys[1] === b.keys[1] ? a.order - b.order : a.keys[1]! - b.keys[1]!))[0];
      for (const { item, key } of steps) {
        const one = items[item]!;
        if (key === null) {
          ranking.remove(one);
          inside.delete(one);
        } else {
          one.keys[1] = key;
          ranking.put(one);
          inside.add(one);
        }
        assert.equal(ranking.first, lowest());
      }
      while (inside.size > 0) {
        assert.equal(ranking.first, lowest());
        inside.delete(ranking.first!);
        ranking.remove(ranking.first!);
      }
      assert.equal(ranking.first, undefined);
    }),
    { numRuns: 500 },
  );
});
