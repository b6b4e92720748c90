import { test } from "node:test";
import assert from "node:assert/strict";
import { CongestionControl } from "./congestion-control.ts";
import { SackReport } from "./sack-report.ts";

const MTU = 1132;

/** A window that is always used up, over a path whose queue grows with it. */
class Path {
  readonly control = new CongestionControl(MTU);
  nowMs = 1_000_000;
  baseMs: number;
  readonly bytesPerMs: number;
  rttMs = 0;

  constructor(baseMs: number, bytesPerMs: number) {
    this.baseMs = baseMs;
    this.bytesPerMs = bytesPerMs;
  }

  /** Round trips, lossless: a SACK for every second packet. */
  run(ms: number): this {
    const report = new SackReport();
    report.ackedBytes = 2 * MTU;
    report.ackedPackets = 2;
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      const flight = this.control.bytes;
      this.rttMs = Math.max(this.baseMs, flight / this.bytesPerMs);
      report.rttMs = this.rttMs;
      const sacks = Math.max(1, Math.floor(flight / (2 * MTU)));
      for (let i = 0; i < sacks; i++) {
        this.nowMs += this.rttMs / sacks;
        this.control.sackCame(report, true, this.rttMs, this.nowMs);
      }
    }
    return this;
  }

  get queueMs(): number {
    return this.rttMs - this.baseMs;
  }
}

test("a path is used up without a queue that media would feel", () => {
  for (const [baseMs, bytesPerMs] of [
    [20, 12_500],
    [100, 1250],
    [5, 1250],
    [200, 12_500],
  ] as const) {
    // prettier-ignore
    const path = new Path(baseMs, bytesPerMs).run(5000);
    let most = 0;
    let sum = 0;
    for (let i = 0; i < 100; i++) {
      path.run(baseMs);
      most = Math.max(most, path.queueMs);
      sum += path.control.bytes / 100;
    }
    assert.ok(most <= 40, `${baseMs} ms: a queue of ${most} ms`);
    assert.ok(sum > 0.95 * baseMs * bytesPerMs, `${baseMs} ms: ${sum} bytes of ${baseMs * bytesPerMs}`);
  }
});

test("the first overshoot is gone within a second", () => {
  const path = new Path(20, 1250).run(1500);
  assert.ok(path.queueMs < 40, `${path.queueMs}`);
});

test("a path that becomes longer is soon known to be, and costs the window little", () => {
  const path = new Path(20, 12_500).run(5000);
  path.baseMs = 220;
  path.run(4000);
  assert.ok(path.control.bytes > 0.1 * 220 * 12_500, `${path.control.bytes}`);
  path.run(4000);
  assert.ok(path.control.bytes > 0.5 * 220 * 12_500, `${path.control.bytes}`);
});

test("a path that becomes longer is measured anew, and used up again", () => {
  const path = new Path(20, 12_500).run(5000);
  path.baseMs = 120;
  path.run(30_000);
  assert.ok(path.control.bytes > 0.8 * 120 * 12_500, `${path.control.bytes}`);
  assert.ok(path.queueMs <= 40);
});

test("a queue of our own is not taken for a longer path, however long the transfer", () => {
  const path = new Path(20, 1250).run(300_000);
  assert.ok(path.queueMs <= 40, `${path.queueMs}`);
});
