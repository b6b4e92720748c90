import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { HIGHEST, ROC, SsrcTable, WINDOW } from "./ssrc-table.ts";

test("every SSRC keeps its own state, also those above 2^31, while the table grows", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { maxLength: 300 }), (ssrcs) => {
      const table = new SsrcTable(1000, 2);
      for (const [i, ssrc] of ssrcs.entries()) {
        assert.equal(table.find(ssrc), -1);
        const record = table.insert(ssrc);
        table.words[record + HIGHEST] = i;
        table.words[record + WINDOW + 1] = ssrc;
      }
      for (const [i, ssrc] of ssrcs.entries()) {
        const record = table.find(ssrc);
        assert.equal(table.words[record + HIGHEST], i);
        assert.equal(table.words[record + WINDOW + 1], ssrc);
      }
    }),
  );
});

test("at its limit the SSRC that was used longest ago makes room, and starts afresh when it returns", () => {
  const table = new SsrcTable(20, 1);
  for (let ssrc = 0; ssrc < 20; ssrc++) {
    const record = table.insert(ssrc);
    table.words[record + ROC] = 7;
  }
  table.find(0);
  table.insert(100);
  assert.equal(table.size, 20);
  assert.equal(table.find(1), -1);
  for (const ssrc of [0, 2, 19, 100]) assert.notEqual(table.find(ssrc), -1);
  const returned = table.insert(1);
  assert.equal(table.words[returned + ROC], 0);
  assert.equal(table.find(3) === -1, true);
});
