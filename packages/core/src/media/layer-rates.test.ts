import assert from "node:assert/strict";
import { test } from "node:test";
import { LayerRates } from "./layer-rates.ts";

/** Feeds frames of 1000 bytes for a while: per second, so many of each temporal layer of each spatial one. */
function feed(rates: LayerRates, fromMs: number, seconds: number, above: boolean, frames: number[][], share = false) {
  rates.update(share, fromMs);
  for (let second = 0; second < seconds; second++) {
    for (const [spatial, temporals] of frames.entries()) {
      for (const [temporal, count] of temporals.entries()) {
        for (let i = 0; i < count; i++) {
          rates.add(spatial, temporal, above, 1000);
          rates.addFrame(spatial, temporal);
        }
      }
    }
    rates.update(share, fromMs + (second + 1) * 1000);
  }
}

const FROM_MS = 1_700_000_000_000;

test("in simulcast a layer costs what its own stream does, up to the temporal layer", () => {
  const rates = new LayerRates();
  feed(rates, FROM_MS, 1, false, [
    [8, 7],
    [8, 8, 16],
  ]);
  assert.deepEqual([rates.bps(0, 0), rates.bps(0, 1)], [64_000, 120_000]);
  assert.deepEqual([rates.bps(1, 0), rates.bps(1, 1), rates.bps(1, 2)], [64_000, 128_000, 256_000]);
  assert.deepEqual([rates.bps(0, 2), rates.bps(2, 0)], [0, 0], "what does not exist costs nothing");
  assert.deepEqual([rates.maxTemporal(0), rates.maxTemporal(1), rates.maxTemporal(2)], [1, 2, -1]);
});

test("in SVC a layer costs what lies below too", () => {
  const rates = new LayerRates();
  feed(rates, FROM_MS, 1, true, [
    [10, 10],
    [10, 10],
    [10, 10],
  ]);
  assert.deepEqual([rates.bps(0, 1), rates.bps(1, 1), rates.bps(2, 1)], [160_000, 320_000, 480_000]);
  assert.equal(rates.bps(2, 0), 240_000);
});

test("a frame rate chooses the lowest temporal layer that has it", () => {
  const rates = new LayerRates();
  feed(rates, FROM_MS, 1, false, [[8, 7, 15]]);
  assert.deepEqual([rates.fps(0, 0), rates.fps(0, 1), rates.fps(0, 2)], [8, 15, 30]);
  assert.equal(rates.temporalFor(0, 5), 0);
  assert.equal(rates.temporalFor(0, 15), 1);
  assert.equal(rates.temporalFor(0, 16), 1, "nearly is enough");
  for (const fps of [0, 20, 60]) assert.ok(rates.temporalFor(0, fps) >= 2, `${fps} fps`);
  assert.ok(rates.temporalFor(1, 5) >= 2, "nothing is known of another layer");
});

test("a layer that stops costs nothing a second later; a screen share is averaged over four", () => {
  for (const share of [false, true]) {
    const rates = new LayerRates();
    feed(rates, FROM_MS, 4, false, [[10]], share);
    assert.equal(rates.bps(0, 0), 80_000);
    feed(rates, FROM_MS + 4000, 1, false, [], share);
    assert.equal(rates.bps(0, 0), share ? 60_000 : 0);
    feed(rates, FROM_MS + 5000, 3, false, [], share);
    assert.equal(rates.bps(0, 0), 0);
  }
});

test("a pause of the server's timer is not taken for a slow stream", () => {
  const rates = new LayerRates();
  feed(rates, FROM_MS, 2, false, [[10]]);
  rates.add(0, 0, false, 1000);
  rates.update(false, FROM_MS + 60_000);
  assert.equal(rates.bps(0, 0), 80_000);
});
