import assert from "node:assert/strict";
import { test } from "node:test";
import type { WorkerLoad } from "@stoa/core/engine/figures";
import { isFull, NodeUsage } from "./node-usage.ts";

const load = (bytesIn: number, bytesOut: number): WorkerLoad => ({
  utilization: 0,
  lagMs: 0,
  packetsIn: 0,
  packetsOut: 0,
  bytesIn,
  bytesOut,
  droppedIn: 0,
  droppedOut: 0,
  forwardLatency: [],
  forwardLatencyUs: 0,
  forwardLatencyUs2: 0,
});

test("bytes a second are those of all workers, in and out, over the last ten seconds", () => {
  const usage = new NodeUsage();
  assert.equal(usage.bytesPerSec, 0);
  for (let second = 0; second <= 30; second++) {
    const busy = Math.max(0, second - 20);
    usage.note(0, load(1000 * busy, 2000 * busy), 1000 * second);
    usage.note(1, load(500 * second, 0), 1000 * second);
  }
  assert.equal(usage.bytesPerSec, 3500);
  usage.note(1, undefined, 31_000);
  assert.equal(usage.bytesPerSec, 3000);
  usage.note(1, load(7_000_000, 0), 32_000);
  assert.equal(usage.bytesPerSec, 3000, "one report says nothing yet");
});

test("a limit is reached at its value; 0 and less are no limit", () => {
  assert.equal(isFull({ num_tracks: 10, bytes_per_sec: 0 }, 9, 1e9), false);
  assert.equal(isFull({ num_tracks: 10, bytes_per_sec: 0 }, 10, 0), true);
  assert.equal(isFull({ num_tracks: 0, bytes_per_sec: 1e9 }, 1e6, 1e9), true);
  assert.equal(isFull({ num_tracks: -1, bytes_per_sec: -1 }, 1e6, 1e12), false);
});
