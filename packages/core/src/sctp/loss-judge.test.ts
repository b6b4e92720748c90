import { test } from "node:test";
import assert from "node:assert/strict";
import { LossJudge, type Verdict } from "./loss-judge.ts";
import { SeededRandom } from "./pair.test.ts";

const ROUND_MS = 50;

/** Reports round trips of `window` packets; the share that is lost may depend on the window. */
class Path {
  readonly judge = new LossJudge();
  window: number;
  nowMs = 1_000_000;
  decreases = 0;
  takenBack = 0;
  /** Mean of the window over the last run. */
  meanWindow = 0;
  /** Packets of the round trip that was sent before a decrease. */
  #sentBefore = 0;
  /** Grows to this size again, by a tenth each round trip. */
  growsTo = 0;
  readonly #share: (window: number) => number;
  readonly #random: SeededRandom;

  constructor(window: number, share: (window: number) => number, seed = 1) {
    this.window = window;
    this.#share = share;
    this.#random = new SeededRandom(seed);
  }

  run(rounds: number, queued = false): this {
    this.meanWindow = 0;
    for (let i = 0; i < rounds; i++) {
      this.meanWindow += this.window / rounds;
      const sent = this.#sentBefore || this.window;
      this.#sentBefore = 0;
      const share = this.#share(sent);
      // After a decrease the reports of one more round trip are those of the larger window.
      for (let n = 0; n < sent && this.#sentBefore === 0; n++) {
        const lost = this.#random.fraction() < share;
        this.#follow(this.judge.report(lost ? 0 : 1, lost ? 1 : 0, this.nowMs), sent);
      }
      this.nowMs += ROUND_MS;
      if (!this.judge.holds) this.window = Math.max(this.window, Math.min(this.window * 1.1, this.growsTo));
      if (this.#sentBefore === 0) this.#follow(this.judge.endRound(queued, this.nowMs), sent);
    }
    return this;
  }

  #follow(verdict: Verdict, sent: number): void {
    if (verdict === "decrease") {
      this.decreases++;
      this.#sentBefore = sent;
      this.window *= 0.7;
    } else if (verdict === "takeBack") {
      this.takenBack++;
      this.window /= 0.7;
    }
  }
}

test("what is lost alike through a smaller window is not ours: the decrease is taken back, and the loss is expected", () => {
  for (const share of [0.03, 0.05, 0.08]) {
    let taken = 0;
    for (let seed = 1; seed <= 20; seed++) taken += new Path(500, () => share, seed).run(30).takenBack > 0 ? 1 : 0;
    assert.ok(taken >= 18, `${share}: ${taken} of 20`);
    const settled = new Path(500, () => share);
    settled.growsTo = 500;
    settled.run(30).run(150);
    assert.ok(settled.meanWindow > 450, `${share}: ${settled.meanWindow} of 500`);
  }
});

test("what ends with a smaller window was ours", () => {
  const path = new Path(300, (window) => (window > 250 ? 1 - 250 / window : 0)).run(40);
  assert.equal(path.decreases, 1);
  assert.equal(path.takenBack, 0);
  assert.ok(path.window < 250);
});

test("on a path that loses by itself, what comes on top of it is ours", () => {
  const path = new Path(200, (window) => 0.03 + (window > 250 ? 1 - 250 / window : 0));
  path.growsTo = 200;
  path.run(30).run(100);
  assert.ok(path.meanWindow > 170, `${path.meanWindow}: only the path's own loss so far`);
  path.window = 330;
  path.run(10).run(50);
  assert.ok(path.meanWindow < 250, `${path.meanWindow}`);
});

test("a loss while a queue stands is ours, whatever comes later", () => {
  assert.equal(new Path(500, () => 0.05).run(10, true).takenBack, 0);
});

test("one packet of a hundred is nobody's fault, one of five always ours", () => {
  let decreases = 0;
  for (let seed = 1; seed <= 20; seed++) decreases += new Path(500, () => 0.008, seed).run(20).decreases;
  assert.ok(decreases <= 8, `${decreases} of 400 round trips`);
  const path = new Path(500, () => 0.2).run(60);
  assert.ok(path.window < 200, `${path.window}`);
});

test("what was expected is forgotten after some seconds without loss", () => {
  const path = new Path(500, () => 0.05).run(30);
  path.nowMs += 20_000;
  const before = path.decreases;
  path.run(2);
  assert.equal(path.decreases, before + 1, "another trial");
});
