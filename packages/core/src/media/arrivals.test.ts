import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTwccFeedback } from "@stoa/wire/rtcp/twcc";
import { NEVER } from "../clock.ts";
import { Arrivals } from "./arrivals.ts";
import { seeded } from "./harness.test.ts";

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
