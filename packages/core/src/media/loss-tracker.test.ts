import assert from "node:assert/strict";
import { test } from "node:test";
import { NEVER } from "../clock.ts";
import { LossTracker } from "./loss-tracker.ts";

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
