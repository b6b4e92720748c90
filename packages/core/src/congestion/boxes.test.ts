/** The boxes of the send-side estimator, one by one. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AcknowledgedRate } from "./acknowledged-rate.ts";
import { ArrivalGroups } from "./arrival-groups.ts";
import { SeededRandom } from "@stoa/testkit/node-crypto";
import { LossControl } from "./loss-control.ts";
import { NORMAL, OVERUSE, OveruseDetector, UNDERUSE } from "./overuse-detector.ts";
import { ProbeEstimate } from "./probe-estimate.ts";
import { QueueDelay } from "./queue-delay.ts";
import { MIN_RATE_BPS, RateControl } from "./rate-control.ts";
import { SentHistory } from "./sent-history.ts";
import { Trendline } from "./trendline.ts";

describe("sent history", () => {
  test("knows the last 1,024 packets, across the wrap of the numbers", () => {
    const history = new SentHistory();
    for (let i = 0; i < 1100; i++) {
      history.cluster = i % 64;
      history.note((65_000 + i) & 0xffff, 100 + i, i);
    }
    assert.equal(history.find(65_000), -1, "forgotten");
    assert.equal(history.find((65_000 + 1100) & 0xffff), -1, "never sent");
    const index = history.find((65_000 + 1099) & 0xffff);
    assert.deepEqual([history.sentMs(index), history.bytesOf(index), history.clusterOf(index)], [1099, 1199, 11]);
  });

  test("each packet is judged once; an arrival overrules a loss", () => {
    const history = new SentHistory();
    history.note(7, 100, 5);
    const index = history.find(7);
    assert.equal(history.judged(index), false);
    assert.ok(history.markMissed(index));
    assert.equal(history.markMissed(index), false);
    assert.ok(history.missed(index));
    assert.ok(history.markArrived(index));
    assert.equal(history.markArrived(index), false);
    assert.equal(history.missed(index), false);
  });

  test("of a packet that is sent again under its number, feedback says nothing any more", () => {
    const sent = new SentHistory();
    for (let i = 0; i < 3; i++) sent.note(i, 100, i);
    sent.markMissed(sent.find(1));
    for (const number of [1, 2, 77]) sent.disregard(number);
    assert.equal(sent.markArrived(sent.find(1)), false, "which of the two arrived, and when was it sent?");
    assert.equal(sent.markMissed(sent.find(2)), false);
    assert.equal(sent.markArrived(sent.find(0)), true);
  });

  test("a jump of the numbers begins it anew", () => {
    const history = new SentHistory();
    history.note(7, 100, 5);
    history.note(20, 100, 6);
    assert.equal(history.find(7), -1);
    assert.ok(history.find(20) >= 0);
  });
});

describe("arrival groups", () => {
  test("packets sent together are one; the deltas are between the last of each", () => {
    const groups = new ArrivalGroups();
    const deltas: number[][] = [];
    for (const [sent, arrival] of [
      [0, 100],
      [2, 103],
      [20, 125],
      [21, 127],
      [40, 150],
    ] as const) {
      if (groups.add(sent, arrival)) deltas.push([groups.sentDeltaMs, groups.arrivalDeltaMs]);
    }
    assert.deepEqual(deltas, [[19, 24]]);
  });

  test("what comes out of somebody's buffer in one burst is one group", () => {
    const groups = new ArrivalGroups();
    for (const [sent, arrival] of [
      [0, 50],
      [10, 51],
      [20, 52],
      [30, 53],
    ] as const) {
      assert.equal(groups.add(sent, arrival), false);
    }
  });
});

/** Runs groups of 20 ms through trendline and detector; `delayMs` gives the queue of the i-th. */
function usages(count: number, delayMs: (i: number) => number): number[] {
  const trendline = new Trendline();
  const detector = new OveruseDetector();
  const seen: number[] = [];
  for (let i = 1; i < count; i++) {
    const arrivalMs = i * 20 + delayMs(i);
    const arrivalDelta = arrivalMs - ((i - 1) * 20 + delayMs(i - 1));
    seen.push(detector.update(trendline.add(arrivalDelta, 20, arrivalMs), 20, arrivalMs));
  }
  return seen;
}

describe("trendline and overuse detector", () => {
  test("a queue that grows is overuse, one that drains is underuse, one that stands is neither", () => {
    assert.ok(usages(60, (i) => 5 * i).includes(OVERUSE));
    assert.ok(usages(100, (i) => (i < 40 ? 200 : Math.max(0, 200 - 8 * (i - 40)))).includes(UNDERUSE));
    assert.deepEqual([...new Set(usages(100, () => 300))], [NORMAL]);
  });

  test("jitter is overuse now and then at most: whether there is a queue is asked elsewhere", () => {
    let state = 1;
    const jitter = (): number => ((state = (state * 48_271) % 0x7fffffff) / 0x7fffffff) * 15;
    const seen = usages(500, jitter);
    const overused = seen.filter((usage) => usage === OVERUSE).length;
    assert.ok(overused < 100, `${overused} of 500`);
  });
});

describe("queue delay", () => {
  test("is what packets wait above the least, and jitter is not", () => {
    const queue = new QueueDelay();
    for (let t = 0; t < 1000; t += 10) queue.add(t, t + 5000 + (t % 30));
    assert.ok(queue.queueMs < 1);
    for (let t = 1000; t < 2000; t += 10) queue.add(t, t + 5090 + (t % 30));
    assert.ok(Math.abs(queue.queueMs - 90) < 1);
  });

  test("a receiver that stalls finds the last packets fresh", () => {
    const queue = new QueueDelay();
    for (let t = 0; t < 1000; t += 10) queue.add(t, t + 50);
    for (let burst = 1000; burst < 4000; burst += 210) {
      for (let t = burst; t < burst + 210; t += 10) queue.add(t, burst + 250);
      assert.ok(queue.queueMs < 1, `${queue.queueMs} ms`);
    }
  });

  test("a queue that stands for long is the new ground", () => {
    const queue = new QueueDelay();
    queue.add(0, 50);
    for (let t = 10; t < 40_000; t += 10) queue.add(t, t + 150);
    assert.equal(queue.queueMs, 0);
  });

  test("settling makes it the ground at once", () => {
    const queue = new QueueDelay();
    for (let t = 0; t < 1000; t += 10) queue.add(t, t + (t < 500 ? 50 : 150));
    assert.equal(queue.queueMs, 100);
    queue.settle();
    for (let t = 1000; t < 2000; t += 10) queue.add(t, t + 160);
    assert.equal(queue.queueMs, 10);
  });
});

test("the acknowledged rate is that of the last half second", () => {
  const acked = new AcknowledgedRate();
  assert.equal(acked.bps, 0);
  for (let t = 0; t < 2000; t += 10) acked.add(t, t < 1000 ? 1250 : 625);
  assert.equal(acked.bps, 500_000);
  for (let t = 10_000; t < 10_300; t += 10) acked.add(t, 1250);
  assert.equal(acked.bps, 1_000_000, "a pause does not count");
});

describe("rate control", () => {
  const calm = (rate: RateControl, fromMs: number, seconds: number, queueMs = 0): number => {
    let nowMs = fromMs;
    for (; nowMs < fromMs + seconds * 1000; nowMs += 100) rate.calm(rate.rateBps, queueMs, rate.rateBps, nowMs);
    return nowMs;
  };

  test("nothing is known until the link was full", () => {
    const rate = new RateControl();
    calm(rate, 0, 10);
    assert.equal(rate.rateBps, 0);
    assert.ok(rate.overuse(1_000_000, 50, 50, 10_000));
    assert.ok(rate.rateBps > 800_000 && rate.rateBps < 900_000);
  });

  test("drains deeper the longer the queue, then resumes just below the capacity", () => {
    const rate = new RateControl();
    rate.set(2_000_000);
    rate.overuse(1_000_000, 400, 50, 0);
    assert.ok(rate.rateBps < 700_000);
    calm(rate, 100, 1, 200);
    assert.ok(rate.draining);
    calm(rate, 1100, 0.2, 0);
    assert.ok(rate.rateBps >= 950_000 && rate.rateBps < 960_000);
    calm(rate, 1300, 5);
    assert.ok(rate.rateBps > 980_000 && rate.rateBps < 1_050_000, "near the capacity it creeps");
  });

  test("a queue that does not shrink though much less is sent is somebody else's", () => {
    const rate = new RateControl();
    rate.set(1_000_000);
    rate.overuse(500_000, 100, 50, 0);
    let settled = false;
    for (let nowMs = 100; nowMs < 4000; nowMs += 100) settled = rate.calm(300_000, 100, 300_000, nowMs) || settled;
    assert.ok(settled);
    assert.equal(rate.draining, false);
  });

  test("who sends less than allowed tests nothing", () => {
    const rate = new RateControl();
    rate.set(1_000_000);
    for (let nowMs = 0; nowMs < 10_000; nowMs += 100) rate.calm(300_000, 0, 300_000, nowMs);
    assert.equal(rate.rateBps, 1_000_000);
  });

  test("never below the minimum", () => {
    const rate = new RateControl();
    rate.set(1);
    assert.equal(rate.rateBps, MIN_RATE_BPS);
  });
});

describe("loss control", () => {
  /** Seconds of a stream whose loss depends on the rate; gives the rate of each second. */
  const play = (seconds: number, lossAt: (rateBps: number) => number): number[] => {
    const loss = new LossControl(2, 3.5);
    let rateBps = 2_000_000;
    const rates: number[] = [];
    for (let second = 0; second < seconds; second++) {
      const share = lossAt(rateBps);
      loss.add(Math.round(200 * (1 - share)), Math.round(200 * share));
      rateBps = loss.update(rateBps, rateBps * (1 - share), second * 1000);
      rates.push(rateBps);
    }
    return rates;
  };

  test("loss that does not depend on the rate costs one test", () => {
    const rates = play(30, () => 0.2);
    assert.equal(rates.at(-1), 2_000_000);
    assert.ok(rates.filter((bps) => bps < 2_000_000).length <= 3);
  });

  test("5 % are not even tested", () => {
    assert.ok(play(30, () => 0.05).every((bps) => bps === 2_000_000));
  });

  test("chance alone: of few packets, 5 % of which are lost on average, one second in thousands looks worse than it is", () => {
    const random = new SeededRandom(1);
    const loss = new LossControl(2, 3.5);
    for (let second = 0; second < 20_000; second++) {
      let lost = 0;
      for (let packet = 0; packet < 55; packet++) if (random.unit() < 0.05) lost++;
      loss.add(55 - lost, lost);
      assert.equal(loss.update(500_000, 480_000, second * 1000), 500_000, `after ${second} s, ${lost} lost`);
    }
  });

  test("20 % of few packets are believed within five seconds, half of them at once", () => {
    for (const [share, seconds] of [
      [0.2, 5],
      [0.5, 2],
    ] as const) {
      const loss = new LossControl(2, 3.5);
      let cutAfter = -1;
      for (let second = 0; second < 10 && cutAfter < 0; second++) {
        loss.add(Math.round(55 * (1 - share)), Math.round(55 * share));
        if (loss.update(500_000, 500_000 * (1 - share), second * 1000) < 500_000) cutAfter = second;
      }
      assert.ok(cutAfter > 0 && cutAfter <= seconds, `${share}: after ${cutAfter} s`);
    }
  });

  test("loss that goes away with the rate cuts it to what passes", () => {
    const rates = play(30, (bps) => Math.max(0, 1 - 1_000_000 / bps));
    assert.ok(Math.abs(rates.at(-1)! / 1_000_000 - 1) < 0.1, `${rates.at(-1)}`);
  });
});

describe("probe estimate", () => {
  /** A cluster of 30 packets at 2 Mbit/s over a link that carries so much. */
  const probe = (linkBps: number): ProbeEstimate => {
    const estimate = new ProbeEstimate();
    estimate.begin(1);
    let freeMs = 0;
    for (let i = 0; i < 30; i++) {
      const sentMs = i * 4;
      freeMs = Math.max(freeMs, sentMs) + 8_000_000 / linkBps;
      estimate.add(sentMs, freeMs + 20, 1000);
    }
    assert.ok(estimate.conclude(30_000));
    return estimate;
  };

  test("a link that carries it gives what was sent, a full one what it carries", () => {
    const wide = probe(20_000_000);
    assert.ok(Math.abs(wide.bps / 2_000_000 - 1) < 0.02);
    assert.equal(wide.full, false);
    const thin = probe(500_000);
    assert.ok(Math.abs(thin.bps / 500_000 - 1) < 0.02);
    assert.equal(thin.full, true);
  });

  test("packets that come all at once after a pause have waited for the receiver", () => {
    for (const [stalledFrom, stalledTo, known] of [
      [10, 90, true],
      [80, 200, false],
    ] as const) {
      const estimate = new ProbeEstimate();
      estimate.begin(1);
      for (let i = 0; i < 30; i++) {
        const atMs = i * 4 + 20;
        estimate.add(i * 4, atMs > stalledFrom && atMs < stalledTo ? stalledTo : atMs, 1000);
      }
      assert.equal(estimate.conclude(30_000), known, `stalled until ${stalledTo}`);
      if (known) assert.deepEqual([Math.round(estimate.bps / 100_000), estimate.full], [20, false]);
    }
  });

  test("too few packets say nothing", () => {
    const estimate = new ProbeEstimate();
    estimate.begin(1);
    for (let i = 0; i < 4; i++) estimate.add(i * 10, i * 10, 1000);
    assert.equal(estimate.conclude(4000), false);
  });
});
