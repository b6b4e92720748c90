import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamTrackers } from "./stream-tracker.ts";

/** A publisher of so many packets per second and layer, looked at every 100 ms. */
class Stream {
  readonly trackers = new StreamTrackers();
  nowMs = 1_700_000_000_000;
  readonly screenShare: boolean;

  constructor(screenShare = false) {
    this.screenShare = screenShare;
  }

  /** Sends for a while; `perSecond`: packets of each layer. Returns which layers flow, lowest first. */
  run(ms: number, ...perSecond: number[]): string {
    const until = this.nowMs + ms;
    const nextMs = perSecond.map((rate) => this.nowMs + 1000 / rate);
    let checkMs = this.nowMs + 100;
    while (this.nowMs < until) {
      this.nowMs++;
      for (const [layer, rate] of perSecond.entries()) {
        if (nextMs[layer]! > this.nowMs) continue;
        nextMs[layer]! += 1000 / rate;
        this.trackers.note(layer, false, this.nowMs);
      }
      if (this.nowMs < checkMs) continue;
      checkMs += 100;
      this.trackers.check(this.screenShare, this.nowMs);
    }
    return this.layers;
  }

  get layers(): string {
    return [0, 1, 2].map((layer) => (this.trackers.flows(layer) ? layer : "-")).join("");
  }
}

test("a layer flows from its first packet on", () => {
  const stream = new Stream();
  assert.equal(stream.layers, "---");
  assert.equal(stream.trackers.note(2, false, stream.nowMs), true);
  assert.equal(stream.layers, "--2");
});

test("a layer that stops is noticed within 700 ms, and so is one of too few packets", () => {
  const stream = new Stream();
  assert.equal(stream.run(3000, 30, 60, 120), "012");
  assert.equal(stream.run(700, 30, 60, 0), "01-");
  assert.equal(stream.run(3000, 30, 60, 120), "012");
  assert.equal(stream.run(1200, 30, 60, 4), "01-");
});

test("one stray packet does not revive a layer, several do, and so does a key frame", () => {
  const stream = new Stream();
  stream.run(2000, 30, 60, 120);
  assert.equal(stream.run(1000, 30, 60, 0), "01-");
  assert.equal(stream.trackers.note(2, false, stream.nowMs), false);
  assert.equal(stream.layers, "01-");
  assert.equal(stream.run(250, 30, 60, 120), "012");
  assert.equal(stream.run(1000, 30, 60, 0), "01-");
  assert.equal(stream.trackers.note(2, true, stream.nowMs), true);
  assert.equal(stream.layers, "012");
});

test("few pictures per second are no reason to give up a layer", () => {
  const stream = new Stream();
  assert.equal(stream.run(20_000, 3, 3, 6), "012");
});

test("when the publisher falls silent as a whole, nothing dies", () => {
  const stream = new Stream();
  stream.run(2000, 30, 60, 120);
  assert.equal(stream.run(20_000, 0, 0, 0), "012");
  assert.equal(stream.run(2000, 30, 60, 120), "012");
});

test("a screen share may be slow", () => {
  const stream = new Stream(true);
  assert.equal(stream.run(20_000, 5, 0.8), "01-");
  assert.equal(stream.run(3000, 5, 0), "0--");
});
