import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DrainMeter } from "./drain-meter.ts";

/** What a channel is given and how much of it leaves, step by step. */
const notes = fc.array(
  fc.record({ waitMs: fc.constantFrom(0, 10, 99, 100, 450, 3000), sent: fc.nat(5000), left: fc.nat(8000) }),
  { maxLength: 40 },
);

test("of the channel before it says nothing: a meter that starts anew measures like a fresh one", () => {
  fc.assert(
    fc.property(notes, notes, fc.nat(10_000), (before, after, bufferedBytes) => {
      const used = new DrainMeter();
      let nowMs = 1000;
      let buffered = 0;
      const each = (list: typeof before, note: (sent: number) => void) => {
        for (const { waitMs, sent, left } of list) {
          nowMs += waitMs;
          buffered = Math.max(0, buffered + sent - left);
          note(sent);
        }
      };
      each(before, (sent) => used.note(sent, buffered, nowMs));
      const fresh = new DrainMeter();
      buffered = bufferedBytes;
      for (const meter of [used, fresh]) meter.restart(buffered, nowMs);
      const figures = (meter: DrainMeter) => [meter.bps, meter.atMostBps, meter.stalledMs(nowMs)];
      assert.deepEqual(figures(used), figures(fresh));
      each(after, (sent) => {
        for (const meter of [used, fresh]) meter.note(sent, buffered, nowMs);
        assert.deepEqual(figures(used), figures(fresh));
      });
    }),
    { numRuns: 300 },
  );
});

test("says bytes over the time in which something was left, and nothing of less than a tenth of a second", () => {
  const meter = new DrainMeter();
  meter.restart(100_000, 0);
  meter.note(0, 99_000, 50);
  assert.equal(meter.bps, -1);
  for (let nowMs = 100; nowMs <= 1000; nowMs += 50) meter.note(0, 100_000 - 20 * nowMs, nowMs);
  assert.equal(meter.bps, 160_000);
  assert.equal(meter.stalledMs(1300), 300);
  for (let nowMs = 1050; nowMs <= 4000; nowMs += 50) meter.note(0, 80_000, nowMs);
  assert.equal(meter.bps, 0);
});
