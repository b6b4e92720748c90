import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DELAY_REPORT_BYTES, referenceTime, writeDelayReport } from "./extended-report.ts";
import { rtcpPacketLength, rtcpType } from "./packet.ts";

/** An extended report of these blocks, each given by its words. */
function report(...blocks: readonly number[][]): Uint8Array {
  const words = [0, 7, ...blocks.flat()];
  const view = new DataView(new ArrayBuffer(4 * words.length));
  words.forEach((word, i) => view.setUint32(4 * i, word));
  view.setUint32(0, 0x80cf0000 | (words.length - 1));
  return new Uint8Array(view.buffer);
}

const STATISTICS = [0x06000001, 0];
const REFERENCE = [0x04000002, 0xeeeeabcd, 0x12340000];

test("the reference time is found behind other blocks", () => {
  for (const blocks of [[REFERENCE], [STATISTICS, REFERENCE], [REFERENCE, STATISTICS]]) {
    const bytes = report(...blocks);
    assert.equal(referenceTime(bytes, 0, bytes.length), 0xabcd1234);
  }
  assert.equal(referenceTime(report(STATISTICS), 0, 16), 0);
  assert.equal(referenceTime(report([0x04000001, 1]), 0, 16), 0, "of another length");
});

test("an answer names the receiver, its time and the delay", () => {
  const u8 = new Uint8Array(40);
  assert.equal(writeDelayReport(u8, 4, 1, -2, 0xabcd1234, 65_536), DELAY_REPORT_BYTES);
  assert.equal(rtcpPacketLength(u8, 4, 40), DELAY_REPORT_BYTES);
  assert.equal(rtcpType(u8, 4), 207);
  const view = new DataView(u8.buffer, 4);
  const words = Array.from({ length: 6 }, (_, i) => view.getUint32(4 * i));
  assert.deepEqual(words, [0x80cf0005, 1, 0x05000003, 0xfffffffe, 0xabcd1234, 65_536]);
});

test("no bytes make it look outside or loop for ever", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 60 }), (bytes) => {
      assert.ok(referenceTime(bytes, 0, bytes.length) >= 0);
    }),
  );
});
