import assert from "node:assert/strict";
import { test } from "node:test";
import { newReportBlock } from "@stoa/wire/rtcp/report";
import { Reception } from "./reception.ts";

test("jitter and loss are those of RFC 3550", () => {
  const reception = new Reception();
  reception.restart(65_536 + 10);
  // Packets 20 ms apart that arrive alternately 4 ms early and late: jitter tends to 8 ms.
  for (let i = 0; i < 400; i++) {
    const late = i % 2 === 0 ? 4 : 0;
    if (i % 10 !== 9) reception.receive(65_546 + i, true, i * 960, 48_000, i * 20 + late);
  }
  const block = newReportBlock();
  reception.senderReport(0x12345678, 7000);
  reception.report(8000, block);
  assert.ok(Math.abs(block.fractionLost / 256 - 0.1) < 0.01);
  assert.equal(block.cumulativeLost, 39);
  assert.equal(block.highestSequence, 10 + 398);
  assert.ok(block.jitter > 100 && block.jitter < 250, `${block.jitter} ticks`);
  assert.equal(block.lastReport, 0x12345678);
  assert.equal(block.delaySinceLastReport, 65_536);
  reception.report(9000, block);
  assert.equal(block.fractionLost, 0, "nothing expected since");
});
