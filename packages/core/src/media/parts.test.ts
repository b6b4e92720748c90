/** The small parts of the folder, each by itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { newReportBlock } from "@stoa/wire/rtcp/report";
import { parseTwccFeedback } from "@stoa/wire/rtcp/twcc";
import { NEVER } from "../clock.ts";
import { PacketPool, Slab } from "../slab.ts";
import { Arrivals } from "./arrivals.ts";
import { fmtpValue, matchCodec } from "./codec-match.ts";
import { readVp8, vp8 } from "./harness-packets.test.ts";
import { H264, OPUS, VP8 } from "./harness-specs.test.ts";
import { seeded } from "./harness.test.ts";
import { HeldPackets } from "./held-packets.ts";
import { KeyFrameThrottle } from "./key-frame-throttle.ts";
import { LossTracker } from "./loss-tracker.ts";
import { Reception } from "./reception.ts";
import { ReportTimes } from "./report-times.ts";
import { copyVp8 } from "./rewrite-vp8.ts";
import { ABSENT, PacketRing } from "./ring.ts";
import { SentPackets } from "./sent-packets.ts";
import { LATE, NEWER, REJECTED, RESTARTED, SequenceExtender } from "./sequence.ts";
import { BatchTime } from "./transport.ts";

function newPool(slots: number): PacketPool {
  return new PacketPool(new Slab(new ArrayBuffer(4 << 20)), slots);
}

test("sequence numbers are extended over wraps in either direction", () => {
  const random = seeded(7);
  const extender = new SequenceExtender();
  assert.equal(extender.extend(65_000), RESTARTED);
  const base = extender.value - 65_000;
  let truth = 65_000;
  for (let i = 0; i < 20_000; i++) {
    const next = truth + Math.floor(random() * 40) - 15;
    if (next < 65_000) continue;
    const verdict = extender.extend(next & 0xffff);
    assert.equal(extender.value - base, next);
    assert.equal(verdict, next > truth ? NEWER : LATE);
    truth = Math.max(truth, next);
  }
  assert.ok(truth > 140_000, "several wraps");
});

test("a wild jump counts only when the next packet confirms it, and then lies above all before", () => {
  const extender = new SequenceExtender();
  extender.extend(100);
  extender.extend(101);
  const before = extender.value;
  assert.equal(extender.extend(30_000), REJECTED);
  assert.equal(extender.extend(102), NEWER);
  assert.equal(extender.value, before + 1);
  assert.equal(extender.extend(40_000), REJECTED);
  assert.equal(extender.extend(40_001), RESTARTED);
  assert.ok(extender.value - before > 65_536 - 1000);
  assert.equal(extender.extend(40_000), LATE);
});

test("extended numbers survive the wrap at 2^31", () => {
  const extender = new SequenceExtender();
  extender.extend(0);
  let sequence = 0;
  for (let i = 0; i < 900_000; i++) {
    sequence = (sequence + 2900) & 0xffff;
    const before = extender.highest;
    assert.equal(extender.extend(sequence), NEWER);
    assert.equal((extender.highest - before) | 0, 2900);
  }
});

test("a ring gives every slot back exactly once", () => {
  const random = seeded(3);
  const pool = newPool(700);
  const ring = new PacketRing(pool, 64);
  let highest = 1000;
  for (let i = 0; i < 5000; i++) {
    const kind = random();
    if (kind < 0.02) highest += Math.floor(random() * 300);
    if (kind > 0.99) ring.expire(i - 30);
    const sequence = kind < 0.7 ? ++highest : highest - Math.floor(random() * 100);
    if (ring.tooOld(sequence) || ring.find(sequence) !== ABSENT) continue;
    const slot = random() < 0.1 ? -1 : pool.take();
    assert.notEqual(ring.claim(sequence, slot, 0, i), ABSENT);
    assert.ok(ring.find(sequence) !== ABSENT);
    assert.ok(pool.used <= 64 && ring.used <= 64);
  }
  ring.expire(1e9);
  assert.equal(pool.used, 0);
  assert.equal(ring.used, 0);
  // If any slot had been given back twice, two of these would be the same.
  const all = new Set(Array.from({ length: 700 }, () => pool.take()));
  assert.equal(all.size, 700);
});

test("a ring forgets what is older than asked, and nothing else", () => {
  const pool = newPool(64);
  const ring = new PacketRing(pool, 32);
  for (let s = 10; s < 30; s++) ring.claim(s, pool.take(), 0, s * 10);
  ring.expire(200);
  for (let s = 10; s < 30; s++) assert.equal(ring.find(s) !== ABSENT, s >= 20, `${s}`);
  assert.equal(pool.used, 10);
});

test("losses are asked for at once, then again with growing distance, then given up", () => {
  const losses = new LossTracker();
  const out = new Int32Array(256);
  losses.addGap(10, 13, 1000);
  assert.equal(losses.due(1000, out), 3);
  assert.deepEqual([...out.subarray(0, 3)], [10, 11, 12]);
  assert.equal(losses.due(1000, out), 0);
  assert.equal(losses.arrived(11, false, 1010), true);
  assert.equal(losses.arrived(11, false, 1010), false);
  const times: number[] = [];
  for (let now = 1000; losses.count > 0 && now < 60_000; now = Math.max(now + 1, losses.nextTimeoutMs())) {
    if (losses.due(now, out) > 0) times.push(now);
  }
  assert.ok(times.length >= 5 && times.length <= 10);
  for (let i = 2; i < times.length; i++) assert.ok(times[i]! - times[i - 1]! >= times[i - 1]! - times[i - 2]!);
  assert.equal(losses.nextTimeoutMs(), NEVER);
});

test("the round trip is learned from retransmissions, and retries follow it", () => {
  const losses = new LossTracker();
  const out = new Int32Array(256);
  for (let i = 0; i < 40; i++) {
    losses.addGap(i * 10, i * 10 + 1, i * 1000);
    losses.due(i * 1000, out);
    losses.arrived(i * 10, true, i * 1000 + 12);
  }
  assert.ok(Math.abs(losses.rttMs - 12) < 1);
  losses.addGap(5000, 5001, 100_000);
  losses.due(100_000, out);
  assert.ok(losses.nextTimeoutMs() <= 100_030);
});

test("the list of losses is bounded and keeps the newest", () => {
  const losses = new LossTracker();
  const out = new Int32Array(256);
  losses.addGap(0, 5000, 0);
  losses.addGap(6000, 6010, 0);
  const count = losses.due(0, out);
  assert.equal(count, 256);
  assert.equal(out[255], 6009);
  assert.equal(out[245], 4999);
});

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

test("round trips are computed from our own reports only", () => {
  const times = new ReportTimes();
  assert.equal(times.rttMs(0, 0, 100), -1);
  times.sent(5000, 1000);
  times.sent(6000, 2000);
  assert.equal(times.rttMs(5000, 65_536 / 2, 1550), 50);
  assert.equal(times.rttMs(7000, 0, 1550), -1);
  assert.equal(times.rttMs(6000, 65_536 * 10, 2550), -1, "a delay longer than the time that passed");
});

test("key frames are asked for once per interval", () => {
  const low = new KeyFrameThrottle(0);
  const high = new KeyFrameThrottle(2);
  const count = (throttle: KeyFrameThrottle) => {
    let asked = 0;
    for (let now = 0; now < 3000; now += 10) {
      throttle.request();
      if (throttle.take(now)) asked++;
    }
    return asked;
  };
  assert.equal(count(low), 6);
  assert.equal(count(high), 3);
  low.request();
  low.fulfilled();
  assert.equal(low.take(1e6), false);
});

test("transport feedback says what arrived when, in time, and repeats what came late", () => {
  const arrivals = new Arrivals(9);
  const u8 = new Uint8Array(1500);
  const seen = new Map<number, number>();
  const read = () => {
    for (let length = arrivals.write(u8, 0, 1200); length > 0; length = arrivals.write(u8, 0, 1200)) {
      const parsed = parseTwccFeedback(u8, 0, length)!;
      assert.equal(parsed.media, 77);
      parsed.ticks.forEach((tick, i) => {
        if (!Number.isNaN(tick)) seen.set((parsed.baseSequence + i) & 0xffff, tick / 4);
      });
    }
  };
  const sentAt = new Map<number, number>();
  const random = seeded(5);
  let now = 1_700_000_000_000;
  let late: number | undefined;
  for (let i = 0; i < 3000; i++) {
    now += random() * 8;
    const sequence = (64_000 + i) & 0xffff;
    if (arrivals.nextTimeoutMs() <= now) read();
    if (random() < 0.1) {
      late = sequence;
      continue;
    }
    arrivals.record(sequence, 77, now);
    sentAt.set(sequence, now);
    if (late !== undefined && random() < 0.1) {
      arrivals.record(late, 77, now);
      sentAt.set(late, now);
      late = undefined;
    }
  }
  read();
  assert.equal(arrivals.nextTimeoutMs(), NEVER);
  assert.equal(seen.size, sentAt.size);
  const [first] = sentAt.keys();
  const shift = seen.get(first!)! - sentAt.get(first!)!;
  for (const [sequence, time] of sentAt) {
    assert.ok(Math.abs(seen.get(sequence)! - time - shift) <= 0.5, `packet ${sequence}`);
  }
});

test("wild transport-wide numbers cost no memory and do not break what follows", () => {
  const arrivals = new Arrivals(9);
  const random = seeded(11);
  const u8 = new Uint8Array(1500);
  for (let i = 0; i < 2000; i++) {
    arrivals.record(Math.floor(random() * 65_536), 1, 1000 + i);
    if (i % 50 === 0) for (let n = 0; n < 500 && arrivals.write(u8, 0, 1200) > 0; n++);
  }
  while (arrivals.write(u8, 0, 1200) > 0);
  arrivals.record(5, 1, 5000);
  arrivals.record(6, 1, 5001);
  assert.ok(arrivals.write(u8, 0, 1200) > 0);
});

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

test("VP8 payloads are copied with other numbers and nothing else changed", () => {
  fc.assert(
    fc.property(
      fc.nat(0x7fff),
      fc.boolean(),
      fc.boolean(),
      fc.nat(255),
      fc.nat(31),
      fc.uint8Array({ maxLength: 30 }),
      (pictureId, narrow, wide, tl0, keyIdx, body) => {
        const payload = vp8({ pictureId: 5, narrow, tl0: 250, keyIdx: 30, body: [...body] });
        const u8 = new Uint8Array(200).fill(0xcc);
        u8.set(payload, 10);
        const length = copyVp8(u8, 10, payload.length, 100, pictureId, wide, tl0, keyIdx);
        const copy = readVp8([...u8.subarray(100, 100 + length)]);
        const isWide = !narrow || wide;
        assert.equal(length, payload.length + (narrow && wide ? 1 : 0));
        assert.equal(copy.pictureId, isWide ? pictureId : pictureId & 127);
        assert.equal(copy.tl0, (250 + tl0) & 255);
        assert.equal(copy.keyIdx, (30 + keyIdx) & 31);
        assert.deepEqual(copy.rest, readVp8(payload).rest);
        assert.deepEqual([...u8.subarray(10, 10 + payload.length)], payload, "the original stays");
        assert.equal(u8[100 + length], 0xcc);
      },
    ),
  );
});

test("a VP8 payload without numbers is copied as it is", () => {
  const u8 = new Uint8Array(100);
  u8.set([0x10, 1, 2, 3], 4);
  assert.equal(copyVp8(u8, 4, 4, 50, 9, true, 3, 3), 4);
  assert.deepEqual([...u8.subarray(50, 54)], [0x10, 1, 2, 3]);
});

test("codecs are matched by name and by what decides whether they can be decoded", () => {
  const mode0 = { ...H264, fmtp: "packetization-mode=0;profile-level-id=42e01f" };
  const high = { ...H264, fmtp: "packetization-mode=1;profile-level-id=640032" };
  assert.equal(matchCodec(VP8, [H264, VP8]), 1);
  assert.equal(matchCodec(OPUS, [VP8]), -1);
  assert.equal(matchCodec(H264, [mode0, high, H264]), 2, "same mode and profile");
  assert.equal(matchCodec(H264, [mode0]), -1, "fragments cannot be taken");
  assert.equal(matchCodec(mode0, [H264]), 0);
  assert.equal(matchCodec(high, [H264]), 0, "better than nothing");
  const vp9 = (profile: string) => ({ ...VP8, mime: "video/vp9", fmtp: profile });
  assert.equal(matchCodec(vp9("profile-id=2"), [vp9("profile-id=0")]), -1);
  assert.equal(matchCodec(vp9(""), [vp9("profile-id=0")]), 0);
  assert.equal(fmtpValue(" Profile-Level-Id = 42E01F ; x", "profile-level-id"), "");
  assert.equal(fmtpValue("a=1; Profile-Level-Id=42E01F", "profile-level-id"), "42e01f");
});

test("held packets are handed over once; the rest goes back to the pool", () => {
  const pool = newPool(100);
  const held = new HeldPackets(pool);
  for (let i = 0; i < 60; i++) held.hold(pool.take(), i, 1000 + i);
  assert.equal(held.count, 48);
  assert.equal(pool.used, 48);
  const lengths: number[] = [];
  const kept: number[] = [];
  held.replay((at, length) => {
    lengths.push(length);
    if (length % 2 === 0) kept.push(at);
    return length % 2 === 0;
  });
  assert.deepEqual(
    lengths,
    Array.from({ length: 48 }, (_, i) => 12 + i),
  );
  assert.equal(pool.used, kept.length);
  held.replay(() => assert.fail("nothing is left"));
});

test("small numbers of time and Unix times agree, whichever comes first", () => {
  const time = new BatchTime();
  const early = time.ticksAt(1_700_000_000_000);
  time.set(1_700_000_000_250.75);
  assert.equal(time.ticksMs - early, 250);
  assert.equal(time.unixMs(early), 1_700_000_000_000);
  assert.equal(time.ticksAt(1_700_000_000_100), early + 100);
});
