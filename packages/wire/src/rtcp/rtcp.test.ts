import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { byeCount, byeSsrc, writeBye } from "./bye.ts";
import {
  FORMAT_NACK,
  feedbackMedia,
  firItemCount,
  firItemSsrc,
  nackItemCount,
  nackItemMask,
  nackItemSequence,
  writeFir,
  writeNack,
  writePli,
} from "./feedback.ts";
import { ntpFraction, ntpMiddle, ntpSeconds, ntpToUnixMs } from "./ntp.ts";
import { TRANSPORT_FEEDBACK, isRtcp, rtcpCount, rtcpPacketLength, rtcpSender, rtcpType } from "./packet.ts";
import { parseRembBps, writeRemb } from "./remb.ts";
import {
  newReportBlock,
  newSenderInfo,
  readReportBlock,
  readSenderInfo,
  reportBlockCount,
  reportBlocksOffset,
  writeReceiverReport,
  writeReportBlock,
  writeSenderReport,
} from "./report.ts";
import { parseSdesCname, writeSdes } from "./sdes.ts";

test("a compound packet is walked; a malformed packet ends the walk", () => {
  const u8 = new Uint8Array(200);
  const info = {
    ...newSenderInfo(),
    ssrc: 5,
    ntpSeconds: 4e9,
    ntpFraction: 7,
    rtpTimestamp: -3,
    packets: 9,
    octets: 10,
  };
  let end = writeSenderReport(u8, 0, info);
  end += writeSdes(u8, end, 5, new TextEncoder().encode("PA_x|TR_y"));
  end += writeBye(u8, end, -77);
  const types: number[] = [];
  for (let p = 0; p < end;) {
    const length = rtcpPacketLength(u8, p, end);
    assert.ok(length > 0);
    types.push(rtcpType(u8, p));
    p += length;
  }
  assert.deepEqual(types, [200, 202, 203]);
  const read = newSenderInfo();
  assert.ok(readSenderInfo(u8, 0, 28, read));
  assert.deepEqual(read, info);
  assert.equal(parseSdesCname(u8, 28, rtcpPacketLength(u8, 28, end)), "PA_x|TR_y");
  assert.equal(byeCount(u8, end - 8, 8), 1);
  assert.equal(byeSsrc(u8, end - 8, 0), -77);
  assert.equal(rtcpPacketLength(u8, 28, end - 12), -1, "overruns");
  u8[28] = 0x41;
  assert.equal(rtcpPacketLength(u8, 28, end), -1, "another version");
  assert.equal(isRtcp(u8, 0, end), true);
  assert.equal(isRtcp(new Uint8Array([0x80, 96]), 0, 2), false);
});

test("every CNAME length gives a whole number of words and a terminated list", () => {
  for (let size = 0; size < 12; size++) {
    const u8 = new Uint8Array(64).fill(0xff);
    const length = writeSdes(u8, 0, 1, new TextEncoder().encode("x".repeat(size)));
    assert.equal(length % 4, 0);
    assert.equal(rtcpPacketLength(u8, 0, length), length);
    assert.equal(u8[10 + size], 0);
    assert.equal(parseSdesCname(u8, 0, length), "x".repeat(size));
  }
});

test("report blocks come back, negative losses too; only blocks that fit count", () => {
  const u8 = new Uint8Array(100);
  const block = {
    ssrc: -9,
    fractionLost: 200,
    cumulativeLost: -5,
    highestSequence: 0xfffffffe,
    jitter: 70,
    lastReport: 0x89abcdef,
    delaySinceLastReport: 65536,
  };
  const head = writeReceiverReport(u8, 0, 3, 1);
  const length = head + writeReportBlock(u8, head, block);
  assert.equal(rtcpPacketLength(u8, 0, length), length);
  assert.equal(rtcpSender(u8, 0), 3);
  assert.equal(reportBlockCount(u8, 0, length), 1);
  const read = newReportBlock();
  readReportBlock(u8, reportBlocksOffset(u8, 0), read);
  assert.deepEqual(read, block);
  u8[0] = 0x9f;
  assert.equal(reportBlockCount(u8, 0, length), 1, "31 announced, one there");
  assert.equal(reportBlockCount(u8, 0, 8), 0);
});

test("a NACK names exactly the lost packets", () => {
  fc.assert(
    fc.property(fc.nat(0xffff), fc.uniqueArray(fc.nat(300), { minLength: 1, maxLength: 60 }), (base, offsets) => {
      const lost = offsets.toSorted((a, b) => a - b).map((offset) => (base + offset) & 0xffff);
      const u8 = new Uint8Array(12 + 4 * lost.length);
      const length = writeNack(u8, 0, 1, 2, new Int32Array(lost), lost.length);
      assert.equal(rtcpPacketLength(u8, 0, length), length);
      assert.equal(rtcpType(u8, 0), TRANSPORT_FEEDBACK);
      assert.equal(rtcpCount(u8, 0), FORMAT_NACK);
      assert.equal(feedbackMedia(u8, 0), 2);
      const named: number[] = [];
      for (let i = 0; i < nackItemCount(length); i++) {
        const first = nackItemSequence(u8, 0, i);
        named.push(first);
        for (let bit = 0; bit < 16; bit++)
          if (nackItemMask(u8, 0, i) & (1 << bit)) named.push((first + bit + 1) & 0xffff);
      }
      assert.deepEqual(named, lost);
    }),
  );
});

test("PLI, FIR and REMB", () => {
  const u8 = new Uint8Array(64);
  assert.equal(writePli(u8, 0, 1, -2), 12);
  assert.equal(feedbackMedia(u8, 0), -2);
  const fir = writeFir(u8, 0, 1, -3, 7);
  assert.equal(rtcpPacketLength(u8, 0, fir), fir);
  assert.equal(firItemCount(fir), 1);
  assert.equal(firItemSsrc(u8, 0, 0), -3);
  for (const bps of [0, 1, 0x3ffff, 2_500_000, 9_999_999_999]) {
    const length = writeRemb(u8, 0, 1, bps, [4, 5]);
    assert.equal(rtcpPacketLength(u8, 0, length), length);
    const read = parseRembBps(u8, 0, length)!;
    assert.ok(read <= bps && read >= bps * 0.99999, `${bps} → ${read}`);
  }
  u8[12] = 0;
  assert.equal(parseRembBps(u8, 0, 28), undefined);
});

test("NTP times and Unix times", () => {
  const unixMs = 1_700_000_000_123.25;
  const seconds = ntpSeconds(unixMs);
  const fraction = ntpFraction(unixMs);
  assert.ok(Math.abs(ntpToUnixMs(seconds, fraction) - unixMs) < 0.001);
  assert.equal(ntpMiddle(0x12345678, 0x9abcdef0), 0x56789abc);
  const early = ntpToUnixMs(12, 0x80000000);
  assert.equal(ntpSeconds(early), 12);
  assert.ok(Math.abs(ntpFraction(early) / 2 ** 32 - 0.5) < 1e-3);
});

test("no bytes make a walk look outside or loop forever", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      let steps = 0;
      for (let p = 0; p < bytes.length;) {
        const length = rtcpPacketLength(bytes, p, bytes.length);
        if (length < 0) break;
        assert.ok(length >= 4 && p + length <= bytes.length);
        parseSdesCname(bytes, p, length);
        const blocks = reportBlockCount(bytes, p, length);
        assert.ok(blocks === 0 || reportBlocksOffset(bytes, p) + blocks * 24 <= length);
        assert.ok(byeCount(bytes, p, length) * 4 + 4 <= length);
        p += length;
        steps++;
      }
      assert.ok(steps <= 20);
    }),
    { numRuns: 2000 },
  );
});
