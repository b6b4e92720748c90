import assert from "node:assert/strict";
import { test } from "node:test";
import { SentPackets } from "./sent-packets.ts";

test("sent packets are found by their number until they are overwritten", () => {
  const sent = new SentPackets(16);
  for (let s = 65_530; s < 65_550; s++) sent.note(s, s + 7, s * 3, 2, 0x7abc, 200, 31);
  assert.equal(sent.repeat(65_530 & 0xffff, 50, 0), -1, "overwritten");
  assert.equal(sent.repeat(100, 50, 0), -1);
  const record = sent.repeat(65_540 & 0xffff, 50, 0);
  assert.equal(sent.sourceSequence(record), 65_547);
  assert.equal(sent.timestamp(record), 65_540 * 3);
  assert.equal(sent.layer(record), 2);
  assert.equal(sent.pictureIdOffset(record), 0x7abc);
  assert.equal(sent.tl0Offset(record), 200);
  assert.equal(sent.keyIdxOffset(record), 31);
  assert.equal(sent.repeat(65_540 & 0xffff, 50, 99), -1, "within two round trips");
  assert.ok(sent.repeat(65_540 & 0xffff, 50, 100) >= 0);
  assert.equal(sent.pictureIdOffset(record), 0x7abc);
  assert.equal(sent.repeat(65_540 & 0xffff, 300, 399), -1, "behind a long queue, a round trip");
  assert.ok(sent.repeat(65_540 & 0xffff, 5000, 600) >= 0, "never longer than 500 ms");
  assert.equal(sent.repeat(65_540 & 0xffff, 50, 9000), -1, "three times");
});
