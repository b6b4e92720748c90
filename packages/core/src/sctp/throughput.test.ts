/** Bytes per virtual second: whether the window grows as far as the path allows. CPU time plays no part. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { Pair } from "./pair.test.ts";
import type { Network } from "./pair.test.ts";

/** Mbit/s over `seconds` after `warmUpSeconds`. */
function measure(network: Network, warmUpSeconds: number, seconds: number): number {
  const pair = new Pair(network).connect();
  const id = pair.open({ ordered: true });
  const message = new Uint8Array(16_384);
  let bytes = 0;
  pair.server.onEvent = (event) => {
    if (event.type === "message") bytes += event.data.length;
  };
  const { association } = pair.client;
  const runFor = (ms: number) => {
    const endMs = pair.nowMs + ms;
    while (pair.nowMs < endMs) {
      while (association.bufferedAmount(id) < 4_000_000) association.send(id, message, true, pair.nowMs);
      pair.run(5);
    }
  };
  runFor(warmUpSeconds * 1000);
  bytes = 0;
  runFor(seconds * 1000);
  return (bytes * 8) / seconds / 1e6;
}

test("a path of 20 ms without loss carries more than 100 Mbit/s within a second", () => {
  const mbps = measure({ delayMs: 10 }, 0.2, 0.3);
  assert.ok(mbps > 100, `${mbps} Mbit/s`);
});

test("a path of 100 ms without loss is filled up to the receive window of 4 MiB", () => {
  const mbps = measure({ delayMs: 50 }, 1.5, 0.5);
  assert.ok(mbps > 300, `${mbps} Mbit/s`);
});

test("without delay nothing but the processor is the limit", () => {
  const pair = new Pair({}).connect();
  const id = pair.open({ ordered: true });
  for (let i = 0; i < 200; i++) pair.client.association.send(id, new Uint8Array(65_536), true, pair.nowMs);
  assert.ok(pair.runUntil(() => pair.server.messages().length === 200, 100));
});

test("a line of 100 Mbit/s with a short queue is kept busy", () => {
  const mbps = measure({ delayMs: 10, bytesPerMs: 12_500, queueBytes: 250_000 }, 1, 2);
  assert.ok(mbps > 85, `${mbps} Mbit/s`);
});

test("rare loss on a long path leaves most of the window", () => {
  // One packet of 10,000, 40 ms: Reno would stay near 30 Mbit/s.
  const mbps = measure({ delayMs: 20, loss: 0.0001, bytesPerMs: 12_500, queueBytes: 500_000 }, 1, 4);
  assert.ok(mbps > 45, `${mbps} Mbit/s`);
});

test("a path that loses by itself is used nearly as if it did not", () => {
  for (const [delayMs, loss, leastMbps] of [
    [20, 0.01, 64],
    [20, 0.05, 60],
    [100, 0.01, 35],
    [100, 0.05, 20],
  ] as const) {
    for (const seed of [1, 2, 3]) {
      const mbps = measure({ seed, delayMs, loss, bytesPerMs: 10_000, queueBytes: 200_000 }, 8, 4);
      assert.ok(mbps > leastMbps, `${delayMs} ms, ${100 * loss} %, seed ${seed}: ${mbps} Mbit/s of 80`);
    }
  }
});

test("a deep queue stays nearly empty, so that media on the same line is not held up", () => {
  const pair = new Pair({ delayMs: 10, bytesPerMs: 1250, queueBytes: 1_000_000 }).connect();
  const id = pair.open({ ordered: true });
  const { association } = pair.client;
  let worstMs = 0;
  for (const endMs = pair.nowMs + 10_000; pair.nowMs < endMs;) {
    while (association.bufferedAmount(id) < 1_000_000) association.send(id, new Uint8Array(16_384), true, pair.nowMs);
    pair.run(20);
    if (endMs - pair.nowMs < 8000) worstMs = Math.max(worstMs, association.rttMs - 20);
  }
  assert.ok(worstMs < 45, `${worstMs} ms of the 800 that it can hold`);
});

test("a short queue costs little more than it must: few packets are lost in it", () => {
  const pair = new Pair({ delayMs: 10, bytesPerMs: 12_500, queueBytes: 50_000 }).connect();
  const id = pair.open({ ordered: true });
  const { association } = pair.client;
  const pump = (ms: number) => {
    for (const endMs = pair.nowMs + ms; pair.nowMs < endMs; pair.run(5)) {
      while (association.bufferedAmount(id) < 1_000_000) association.send(id, new Uint8Array(16_384), true, pair.nowMs);
    }
  };
  pump(2000);
  const { retransmittedChunks, packetsOut } = association.stats;
  pump(8000);
  const share =
    (association.stats.retransmittedChunks - retransmittedChunks) / (association.stats.packetsOut - packetsOut);
  assert.ok(share < 0.02, `${(100 * share).toFixed(1)} % were sent again`);
});
