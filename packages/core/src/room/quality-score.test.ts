import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ConnectionQuality } from "@livekit/protocol";
import type { StreamStats } from "../engine/figures.ts";
import { emptyStats } from "../media/stream-stats.ts";
import { FRESH_SCORE, mosOf, nextScore, qualityOf, type StreamContext, type StreamScore } from "./quality-score.ts";

const { EXCELLENT, GOOD, POOR, LOST } = ConnectionQuality;

const FLOWING: StreamStats = {
  ...emptyStats("TR_x"),
  packets: 250,
  bytes: 25_000,
  jitterMs: 3,
  silentMs: 20,
};
const UP: StreamContext = { direction: "up", mime: "audio/opus", idle: false, sparse: false, rttMs: 0 };
const DOWN: StreamContext = { ...UP, direction: "down", rttMs: 40 };
const VIDEO: StreamContext = { ...UP, mime: "video/vp8" };
const SILENT = { ...FLOWING, packets: 0, bytes: 0 };

/** The quality after these intervals. */
function after(context: StreamContext, ...intervals: Partial<StreamStats>[]): ConnectionQuality {
  let score: StreamScore = FRESH_SCORE;
  for (const stats of intervals) score = nextScore(score, { ...FLOWING, ...stats }, context);
  return qualityOf(score.score);
}

// In percent of packets, steady: where the quality falls (livekit.md 3.17).
const losses: [string, StreamContext, number, ConnectionQuality][] = [
  ["opus", UP, 3, EXCELLENT],
  ["opus", UP, 5, GOOD],
  ["opus", UP, 13, POOR],
  ["RED", { ...UP, mime: "audio/red" }, 7, EXCELLENT],
  ["RED", { ...UP, mime: "audio/red" }, 25, POOR],
  ["video", VIDEO, 1, EXCELLENT],
  ["video", VIDEO, 4, GOOD],
  ["video", VIDEO, 8, POOR],
  ["video", VIDEO, 100, POOR],
];
for (const [what, context, percent, expected] of losses) {
  test(`${what} with ${percent} % loss: ${ConnectionQuality[expected]}`, () => {
    const steady = Array.from({ length: 6 }, () => ({ packets: 1000, lost: 10 * percent }));
    assert.equal(after(context, ...steady), expected);
  });
}

test("it falls at once and recovers within three intervals", () => {
  const bad = { lost: 50 };
  assert.equal(after(VIDEO, {}, bad), POOR);
  assert.equal(after(VIDEO, {}, bad, {}), GOOD);
  assert.equal(after(VIDEO, {}, bad, {}, {}, {}), EXCELLENT);
});

test("each missing layer costs a step, whatever the loss", () => {
  assert.equal(after(VIDEO, { layerDistance: 1 }, { layerDistance: 1 }), GOOD);
  assert.equal(after(VIDEO, { layerDistance: 2 }, { layerDistance: 2 }), POOR);
});

test("delay alone hardly counts below 160 ms, and much above", () => {
  const steady = (jitterMs: number) => Array.from({ length: 6 }, () => ({ jitterMs }));
  assert.equal(after({ ...DOWN, rttMs: 200 }, ...steady(10)), EXCELLENT);
  assert.equal(after({ ...DOWN, rttMs: 900 }, ...steady(10)), GOOD);
  assert.equal(after(UP, ...steady(250)), GOOD);
});

test("nothing comes: POOR, then LOST once the reports stop too; a still screen is no fault", () => {
  assert.equal(after(UP, {}, { ...SILENT, silentMs: 4000 }), POOR);
  assert.equal(after(UP, {}, { ...SILENT, silentMs: 12_000 }), LOST);
  assert.equal(after({ ...UP, sparse: true }, {}, { ...SILENT, silentMs: 4000 }), EXCELLENT);
});

test("a subscriber that does not report is left as it was, and LOST after half a minute", () => {
  assert.equal(after(DOWN, {}, { ...SILENT, silentMs: 29_000 }), EXCELLENT);
  assert.equal(after(DOWN, {}, { ...SILENT, silentMs: 31_000 }), LOST);
});

test("paused for want of bandwidth: POOR", () => {
  assert.equal(after({ ...DOWN, mime: "video/vp8" }, { ...SILENT, paused: true }), POOR);
});

test("what is not meant to flow is EXCELLENT, and its first interval afterwards does not count", () => {
  const idle = nextScore({ ...FRESH_SCORE, score: 30 }, { ...SILENT, silentMs: 60_000 }, { ...UP, idle: true });
  assert.equal(qualityOf(idle.score), EXCELLENT);
  const first = nextScore(idle, { ...FLOWING, lost: 200 }, UP);
  assert.equal(qualityOf(first.score), EXCELLENT);
  assert.notEqual(qualityOf(nextScore(first, { ...FLOWING, lost: 200 }, UP).score), EXCELLENT);
});

test("loss of the few packets of silence (DTX) is missed less", () => {
  const speech = { packets: 250, lost: 0 };
  assert.equal(after(UP, speech, { packets: 12, lost: 1 }), EXCELLENT);
  assert.equal(after(UP, speech, { packets: 250, lost: 21 }), GOOD);
});

test("MOS lies between 1 and 4.5 and rises with the score", () => {
  assert.deepEqual([mosOf(-3), mosOf(0), mosOf(100), mosOf(120)], [1, 1, 4.5, 4.5]);
  for (let score = 21; score <= 100; score++) assert.ok(mosOf(score) > mosOf(score - 1));
});

test("whatever is measured, the score stays in its bounds", () => {
  const figure = fc.double({ min: 0, max: 1e12, noNaN: true });
  const stats = fc.record({
    packets: fc.nat(1_000_000),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    jitterMs: figure,
    silentMs: figure,
    layerDistance: fc.double({ min: 0, max: 3, noNaN: true }),
    paused: fc.boolean(),
  });
  const context = fc.record({
    direction: fc.constantFrom("up" as const, "down" as const),
    mime: fc.constantFrom("audio/opus", "audio/red", "video/av1", "audio/pcmu", ""),
    idle: fc.boolean(),
    sparse: fc.boolean(),
    rttMs: figure,
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(stats, context), { maxLength: 20 }), (intervals) => {
      let score: StreamScore = FRESH_SCORE;
      for (const [{ share, ...rest }, where] of intervals) {
        score = nextScore(score, { ...FLOWING, ...rest, lost: Math.floor(rest.packets * share) }, where);
        assert.ok(score.score >= 20 && score.score <= 100, String(score.score));
      }
    }),
  );
});

test("loss that was repaired in time does not count", () => {
  const steady = (repaired: number) => Array.from({ length: 6 }, () => ({ packets: 1000, lost: 80, repaired }));
  assert.equal(after(VIDEO, ...steady(0)), POOR);
  assert.equal(after(VIDEO, ...steady(40)), GOOD);
  assert.equal(after(VIDEO, ...steady(78)), EXCELLENT);
});
