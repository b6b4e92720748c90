import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { gapEnd, gapStart, parseSack } from "@stoa/wire/sctp/sack";
import { PacketWriter } from "./packet-writer.ts";
import { TsnTracker } from "./tsn-tracker.ts";

/** The SACK that a tracker would send, as distances from the first TSN. */
function report(tracker: TsnTracker, first: number, mtu = 1160): { cumulative: number; held: number[] } {
  const packet = new PacketWriter(mtu, 1, 2);
  packet.start(0);
  tracker.writeSack(packet, 1000);
  const sack = parseSack(packet.bytes, 12, packet.end)!;
  const cumulative = (sack.cumulativeTsn - first) | 0;
  const held: number[] = [];
  for (let i = 0; i < sack.gapCount; i++) {
    for (let d = gapStart(packet.bytes, sack, i); d <= gapEnd(packet.bytes, sack, i); d++) held.push(cumulative + d);
  }
  return { cumulative, held };
}

test("the tracker agrees with a set of numbers, also across the wrap", () => {
  const step = fc.oneof(
    { weight: 9, arbitrary: fc.record({ skip: fc.constant(false), at: fc.nat(60) }) },
    { weight: 1, arbitrary: fc.record({ skip: fc.constant(true), at: fc.nat(70) }) },
  );
  const firsts = fc.constantFrom(0, 1, 0x7fffffff - 20, -20, 123_456);
  fc.assert(
    fc.property(firsts, fc.array(step, { maxLength: 100 }), (first, steps) => {
      const tracker = new TsnTracker(first);
      const seen = new Set<number>();
      let cumulative = -1;
      for (const { skip, at } of steps) {
        const tsn = (first + at) | 0;
        if (skip) {
          tracker.skipTo(tsn);
          cumulative = Math.max(cumulative, at);
        } else {
          const isNew = at > cumulative && !seen.has(at);
          assert.equal(tracker.check(tsn), isNew ? "new" : "duplicate");
          if (isNew) tracker.mark(tsn);
          seen.add(at);
        }
        while (seen.has(cumulative + 1)) cumulative++;
        const held = [...seen].filter((n) => n > cumulative).toSorted((a, b) => a - b);
        assert.deepEqual(report(tracker, first), { cumulative, held });
        assert.equal(tracker.hasGaps, held.length > 0);
      }
    }),
    { numRuns: 300 },
  );
});

test("a SACK reports the first gaps that fit, and duplicates once", () => {
  const tracker = new TsnTracker(1);
  for (let i = 0; i < 1000; i++) {
    tracker.check(3 + 2 * i);
    tracker.mark(3 + 2 * i);
  }
  const { held } = report(tracker, 0, 12 + 16 + 40);
  assert.deepEqual(held, [3, 5, 7, 9, 11, 13, 15, 17, 19, 21]);
  const packet = new PacketWriter(1160, 1, 2);
  const fresh = new TsnTracker(1);
  fresh.check(0);
  fresh.check(-5);
  packet.start(0);
  fresh.writeSack(packet, 1);
  assert.equal(parseSack(packet.bytes, 12, packet.end)!.duplicateCount, 2);
  packet.start(0);
  fresh.writeSack(packet, 1);
  assert.equal(parseSack(packet.bytes, 12, packet.end)!.duplicateCount, 0);
});

test("beyond its number of blocks it refuses new ones, but not what joins or fills", () => {
  const tracker = new TsnTracker(0);
  let taken = 0;
  for (let i = 0; i < 4000; i++) {
    if (tracker.check(2 + 2 * i) !== "new") continue;
    tracker.mark(2 + 2 * i);
    taken++;
  }
  assert.equal(taken, 2048);
  assert.equal(tracker.check(9000), "refused");
  assert.equal(tracker.check(3), "new", "between two blocks");
  tracker.mark(3);
  assert.equal(tracker.check(9000), "new", "that freed one");
  assert.equal(tracker.check(0), "new");
  assert.equal(tracker.check(70_000), "refused");
});
