import assert from "node:assert/strict";
import { test } from "node:test";
import { RembEstimate } from "./remb-estimate.ts";

const SENT = 1_000_000;

test("a step below what is sent says that the link is full, a step above it says nothing", () => {
  const remb = new RembEstimate();
  assert.equal(remb.handle(3_000_000, SENT, 0), false);
  assert.equal(remb.handle(1_500_000, SENT, 1000), false, "still more than is sent");
  assert.equal(remb.handle(800_000, SENT, 2000), true);
  assert.equal(remb.handle(800_000, SENT, 3000), false, "once");
  assert.equal(remb.handle(850_000, SENT, 4000), false, "it rises");
});

test("a slow fall is seen by its trend", () => {
  const remb = new RembEstimate();
  let full = 0;
  for (let i = 0; i < 12; i++) if (remb.handle(1_040_000 * 0.98 ** i, SENT, i * 800)) full++;
  assert.ok(full > 0);
});

test("the first value says something if it is well below what is sent", () => {
  assert.equal(new RembEstimate().handle(0.95 * SENT, SENT, 0), false);
  assert.equal(new RembEstimate().handle(0.85 * SENT, SENT, 0), true);
});

test("an early low value is the client's ramp only if it rises", () => {
  const remb = new RembEstimate();
  assert.equal(remb.handle(300_000, 0, 0), false, "nothing is sent yet");
  for (let i = 1; i < 10; i++) assert.equal(remb.handle(300_000 * 1.08 ** i, SENT, i * 1000), false);
});

test("a probe succeeds when the value rises while it runs", () => {
  const remb = new RembEstimate();
  remb.handle(500_000, 0, 0);
  remb.beginProbe();
  assert.equal(remb.probeSucceeded(800_000), false);
  remb.handle(530_000, 900_000, 1000);
  assert.equal(remb.probeSucceeded(800_000), true);
  remb.handle(480_000, 900_000, 1500);
  assert.equal(remb.probeSucceeded(800_000), false);
});

test("absurd values are not heard", () => {
  const remb = new RembEstimate();
  remb.handle(900_000, 0, 0);
  for (const bps of [0, 1, -5, Number.NaN, Infinity, 2 ** 63, 0x3ffff * 2 ** 63]) {
    assert.equal(remb.handle(bps, SENT, 1000), false);
  }
  assert.equal(remb.lastBps, 900_000);
});
