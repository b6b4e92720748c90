import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { rtcpPacketLength } from "./packet.ts";
import { parseTwccFeedback, writeTwccFeedback } from "./twcc.ts";
import type { TwccReport } from "./twcc.ts";

const MASK = 8191;

function report(base: number, ticks: readonly number[]): TwccReport {
  const stored = new Float64Array(MASK + 1).fill(-1);
  for (const [i, tick] of ticks.entries()) stored[(base + i) & MASK] = tick;
  return { sender: 1, media: -2, feedbackCount: 3, baseSequence: base, count: ticks.length, ticks: stored, mask: MASK };
}

/** Writes message after message until all is said, and parses each; the arrival ticks as a reader sees them. */
function roundTrip(base: number, ticks: readonly number[], capacity: number): number[] {
  const u8 = new Uint8Array(2048).fill(0xee);
  const all = report(base, ticks);
  const seen: number[] = [];
  const written = { length: 0, count: 0 };
  for (let messages = 0; seen.length < ticks.length && messages < 2000; messages++) {
    all.baseSequence = (base + seen.length) & 0xffff;
    all.count = ticks.length - seen.length;
    writeTwccFeedback(u8, 4, capacity, all, written);
    if (written.length === 0) break;
    assert.ok(written.length <= capacity && written.length % 4 === 0);
    assert.equal(rtcpPacketLength(u8, 4, 4 + written.length), written.length);
    const parsed = parseTwccFeedback(u8, 4, written.length);
    assert.ok(parsed);
    assert.equal(parsed.baseSequence, all.baseSequence);
    assert.equal(parsed.media, -2);
    assert.equal(parsed.feedbackCount, 3);
    assert.equal(parsed.ticks.length, written.count);
    for (const tick of parsed.ticks) seen.push(Number.isNaN(tick) ? -1 : tick);
  }
  return seen;
}

test("the example of a run, a loss and a late packet", () => {
  assert.deepEqual(
    roundTrip(65530, [1000, 1004, -1, 1010, 1300, 1200, 1201, 1202, 40_000], 1200),
    [1000, 1004, -1, 1010, 1300, 1200, 1201, 1202, 40_000],
  );
});

test("arrivals come back as they were, whatever was lost, however much fits", () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 255 }) },
    { weight: 2, arbitrary: fc.constant(-1) },
    { weight: 1, arbitrary: fc.integer({ min: -2000, max: 40_000 }).map((n) => (n === -1 ? 5 : n)) },
  );
  const runs = fc.array(fc.tuple(step, fc.integer({ min: 1, max: 30 })), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(fc.nat(0xffff), runs, fc.constantFrom(64, 200, 1200), (base, list, capacity) => {
      let tick = 100_000;
      const ticks: number[] = [];
      for (const [delta, times] of list) {
        for (let i = 0; i < times; i++) {
          if (delta === -1) {
            ticks.push(-1);
            continue;
          }
          tick = Math.max(0, tick + delta);
          ticks.push(tick);
        }
      }
      const seen = roundTrip(base, ticks, capacity);
      // Losses at the very end are not said.
      const expected = ticks.slice(0, seen.length);
      assert.deepEqual(seen, expected);
      assert.ok(ticks.slice(seen.length).every((t) => t === -1));
    }),
    { numRuns: 300 },
  );
});

test("nothing arrived, nothing is said", () => {
  const written = { length: 1, count: 1 };
  writeTwccFeedback(new Uint8Array(64), 0, 64, report(5, [-1, -1, -1]), written);
  assert.deepEqual(written, { length: 0, count: 0 });
});

test("hostile messages are refused", () => {
  const u8 = new Uint8Array(64);
  u8.set([0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0x20, 5, 0, 0]);
  assert.equal(parseTwccFeedback(u8, 0, 24), undefined, "65,535 packets announced");
  u8[14] = 0;
  u8[15] = 20;
  assert.equal(parseTwccFeedback(u8, 0, 24), undefined, "chunks run out");
  u8.set([0x20, 20], 20);
  assert.equal(parseTwccFeedback(u8, 0, 24), undefined, "deltas run out");
  u8.set([0x60, 20], 20);
  assert.equal(parseTwccFeedback(u8, 0, 24), undefined, "reserved symbol");
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 20, maxLength: 60 }), (bytes) => {
      const parsed = parseTwccFeedback(bytes, 0, bytes.length);
      assert.ok(!parsed || parsed.ticks.length <= 8191);
    }),
    { numRuns: 2000 },
  );
});
