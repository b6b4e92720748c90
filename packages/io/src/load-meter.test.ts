/** What a worker says of itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FORWARD_LATENCY_BOUNDS_US } from "@stoa/core/engine/figures";
import { createCounters } from "./accel/udp.ts";
import { LoadMeter } from "./load-meter.ts";
import { BatchBuffer } from "./receive-batch.ts";

function batchOf(...lengths: number[]): BatchBuffer {
  const batch = new BatchBuffer(8);
  for (const length of lengths) batch.add(0, length, 0);
  return batch;
}

test("counts packets by the time between their arrival and their departure", () => {
  const counters = createCounters();
  const network = { counters, bytesOut: 0 };
  let nowMs = 1000;
  const meter = new LoadMeter(network, () => nowMs);
  const turn = (lengths: number[], sent: number, tookUs: number) => {
    meter.beginBatch(batchOf(...lengths));
    counters.received += lengths.length;
    counters.sent += sent;
    network.bytesOut += sent * 100;
    nowMs += tookUs / 1000;
    meter.endBatch();
  };
  turn([100, 50], 10, 40);
  turn([100], 3, 700);
  turn([100], 2, 90_000);
  turn([100], 0, 10);
  const load = meter.report(2);
  const expected = FORWARD_LATENCY_BOUNDS_US.map((bound) => (bound === 50 ? 10 : bound === 1000 ? 3 : 0));
  assert.deepEqual(load.forwardLatency, [...expected, 2]);
  assert.equal(Math.round(load.forwardLatencyUs), 10 * 40 + 3 * 700 + 2 * 90_000);
  assert.deepEqual([load.packetsIn, load.packetsOut, load.bytesIn, load.bytesOut], [5, 15, 450, 1500]);
  assert.equal(Math.round(load.lagMs), 90);
  assert.ok(load.utilization >= 0 && load.utilization <= 1);
});

test("the lag is that since the last report", () => {
  let nowMs = 0;
  const meter = new LoadMeter({ counters: createCounters(), bytesOut: 0 }, () => nowMs);
  meter.beginBatch(batchOf(1));
  nowMs += 30;
  meter.endBatch();
  assert.equal(meter.report(0).lagMs, 30);
  assert.equal(meter.report(7).lagMs, 7);
  assert.equal(meter.report(-1).lagMs, 0);
});
