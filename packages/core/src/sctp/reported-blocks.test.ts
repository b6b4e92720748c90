import { test } from "node:test";
import assert from "node:assert/strict";
import { ReportedBlocks } from "./reported-blocks.ts";

/** The first TSN of each block that the SACK before did not report. */
function sack(reported: ReportedBlocks, ...blocks: readonly (readonly [number, number])[]): number[] {
  reported.begin();
  const fresh = blocks.map(([first, last]) => reported.add(first, last));
  reported.end();
  return fresh;
}

test("what the last SACK reported is known, whatever the blocks have become", () => {
  const reported = new ReportedBlocks();
  assert.deepEqual(sack(reported, [3, 5], [8, 9]), [3, 8]);
  assert.deepEqual(sack(reported, [3, 5], [8, 12]), [6, 10], "a longer block is new behind its old end");
  assert.deepEqual(sack(reported, [3, 12]), [6], "joined: what filled the gap is new, the rest is looked at again");
  assert.deepEqual(sack(reported, [9, 14]), [13], "its start was acknowledged meanwhile");
  assert.deepEqual(sack(reported, [2, 14]), [2], "it begins earlier: all of it is looked at");
  assert.deepEqual(sack(reported), []);
  assert.deepEqual(sack(reported, [3, 5]), [3], "nothing is known of what was not reported last");
});

test("TSNs wrap, and more blocks than fit are looked at each time", () => {
  const reported = new ReportedBlocks();
  sack(reported, [0x7ffffffe, -0x7ffffffe]);
  assert.deepEqual(sack(reported, [0x7fffffff, -0x7ffffff0]), [-0x7ffffffd]);
  const many = Array.from({ length: 400 }, (_, i) => [4 * i, 4 * i + 1] as const);
  sack(reported, ...many);
  const fresh = sack(reported, ...many);
  assert.equal(fresh[0], 2);
  assert.equal(fresh[399], 4 * 399);
});
