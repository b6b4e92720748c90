import { test } from "node:test";
import assert from "node:assert/strict";
import { CongestionWindow } from "./congestion-window.ts";
import { RTO_INITIAL_MS, RTO_MAX_MS, RTO_MIN_MS, Rto } from "./rto.ts";

const MTU = 1132;

/** One round trip in which the whole window is acknowledged, two packets at a time. */
function roundTrip(window: CongestionWindow, rttMs: number, nowMs: number): void {
  const flight = window.bytes;
  for (let acked = 0; acked < flight; acked += 2 * MTU) window.acked(2 * MTU, true, rttMs, nowMs);
}

test("slow start doubles the window each round trip, up to a bound", () => {
  const window = new CongestionWindow(MTU);
  assert.equal(window.bytes, 10 * MTU);
  for (let i = 1; i <= 6; i++) {
    roundTrip(window, 100, i * 100);
    assert.ok(Math.abs(window.bytes - 10 * MTU * 2 ** i) <= 2 ** i * 2 * MTU, `${window.bytes / MTU} packets`);
  }
  for (let i = 0; i < 20; i++) roundTrip(window, 100, 1000 + i * 100);
  assert.equal(window.bytes, 8 * 1024 * 1024);
});

test("a loss takes three tenths; the old size is back in seconds even at 4 MB and 100 ms", () => {
  const window = new CongestionWindow(MTU);
  while (window.bytes < 4_000_000) roundTrip(window, 100, 1);
  const before = window.bytes;
  window.lost();
  assert.ok(Math.abs(window.bytes / before - 0.7) < 0.01);
  let nowMs = 1000;
  let last = window.bytes;
  while (window.bytes < before * 0.98 && nowMs < 60_000) {
    nowMs += 100;
    roundTrip(window, 100, nowMs);
    assert.ok(window.bytes >= last, "only grows");
    last = window.bytes;
  }
  assert.ok(nowMs < 20_000, `${nowMs} ms; one packet per round trip would take 100 s`);
});

test("on a short path it grows at least as one packet per round trip would", () => {
  const window = new CongestionWindow(MTU);
  for (let i = 0; i < 2; i++) roundTrip(window, 10, 1);
  window.lost();
  const start = window.bytes;
  for (let i = 0; i < 100; i++) roundTrip(window, 10, 10 + i * 10);
  assert.ok(window.bytes > start + 45 * MTU, `${(window.bytes - start) / MTU} packets more`);
});

test("a timeout leaves one packet, and a second one does not lower the threshold further", () => {
  const window = new CongestionWindow(MTU);
  while (window.bytes < 200 * MTU) roundTrip(window, 100, 1);
  const half = window.bytes / 2;
  window.timedOut();
  assert.equal(window.bytes, MTU);
  window.timedOut();
  let rounds = 0;
  while (window.inSlowStart && rounds++ < 50) roundTrip(window, 100, 1000);
  assert.ok(Math.abs(window.bytes - half) < 8 * MTU);
});

test("a window that is not used does not grow, and one that rests shrinks to the first size", () => {
  const window = new CongestionWindow(MTU);
  for (let i = 0; i < 100; i++) window.acked(MTU, false, 100, i);
  assert.equal(window.bytes, 10 * MTU);
  while (window.bytes < 1000 * MTU) roundTrip(window, 100, 1);
  const full = window.bytes;
  window.idle(0);
  assert.equal(window.bytes, full);
  window.idle(1);
  assert.equal(window.bytes, full / 2);
  window.idle(1000);
  assert.equal(window.bytes, 10 * MTU);
});

test("the timeout follows the round trip time within its bounds", () => {
  const rto = new Rto();
  assert.equal(rto.valueMs, RTO_INITIAL_MS);
  for (let i = 0; i < 50; i++) rto.sample(20);
  assert.equal(rto.valueMs, RTO_MIN_MS);
  assert.ok(Math.abs(rto.smoothedMs - 20) < 1e-6);
  for (let i = 0; i < 10; i++) rto.backOff();
  assert.equal(rto.valueMs, RTO_MAX_MS);
  rto.sample(20);
  assert.equal(rto.valueMs, RTO_MIN_MS);
  for (let i = 0; i < 100; i++) rto.sample(300);
  assert.ok(rto.valueMs > 399, "a steady long path keeps a margin");
  rto.sample(-5);
  rto.sample(Number.NaN);
  assert.ok(rto.valueMs > 399);
});
