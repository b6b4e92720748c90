import { test } from "node:test";
import assert from "node:assert/strict";
import { NEVER } from "../clock.ts";
import { Pacer } from "./pacer.ts";

const MTU = 1200;

/** Packets that go out at once. */
function burst(pacer: Pacer, windowBytes: number, rttMs: number, nowMs: number): number {
  let packets = 0;
  while (pacer.mayGo(windowBytes, rttMs, nowMs)) {
    pacer.went(MTU);
    packets++;
  }
  return packets;
}

test("a window is spread over its round trip, in small bursts", () => {
  const pacer = new Pacer(MTU);
  burst(pacer, 1_000_000, 100, 1000);
  let packets = 0;
  for (let ms = 1; ms <= 100; ms++) {
    const now = burst(pacer, 1_000_000, 100, 1000 + ms);
    assert.ok(now <= 16, `${now} at once`);
    packets += now;
  }
  assert.ok(Math.abs(packets * MTU - 1_000_000) < 20_000, `${packets * MTU} bytes`);
});

test("after a pause a burst stays far below a short socket's queue, on short paths too", () => {
  const pacer = new Pacer(MTU);
  assert.ok(burst(pacer, 8_000_000, 0.2, 1000) <= 64);
  assert.ok(burst(pacer, 8_000_000, 0.2, 9000) <= 64);
  assert.ok(burst(pacer, 20_000, 100, 20_000) <= 16);
});

test("whoever has to wait is told until when, and then not again", () => {
  const pacer = new Pacer(MTU);
  assert.equal(pacer.deadlineMs, NEVER);
  burst(pacer, 100_000, 10, 1000);
  assert.equal(pacer.deadlineMs, 1001);
  pacer.handleTimeout(1001);
  assert.equal(pacer.deadlineMs, NEVER);
  assert.ok(pacer.mayGo(100_000, 10, 1001));
});

test("a slow path is not asked every millisecond", () => {
  const pacer = new Pacer(MTU);
  burst(pacer, 2400, 1000, 1000);
  pacer.went(MTU);
  pacer.handleTimeout(2000);
  let wakes = 0;
  for (let nowMs = 1000; nowMs < 4000; wakes++) {
    burst(pacer, 2400, 1000, nowMs);
    nowMs = pacer.deadlineMs;
    pacer.handleTimeout(nowMs);
  }
  assert.ok(wakes < 20, `${wakes}`);
});
