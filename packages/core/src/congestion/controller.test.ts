import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { NOT_ARRIVED, newTwccArrivals } from "@stoa/wire/rtcp/twcc";
import type { TwccArrivals } from "@stoa/wire/rtcp/twcc";
import { NEVER } from "../clock.ts";
import { CongestionController } from "./controller.ts";
import { UNSTAMPED } from "./sent-history.ts";

const DEMAND = { allocatedBps: 500_000, nextStepBps: 1_200_000, desiredBps: 1_700_000 };

function feedback(base: number, ticks: readonly number[], reference = 0): TwccArrivals {
  const arrivals = newTwccArrivals();
  Object.assign(arrivals, { baseSequence: base, count: ticks.length, reference });
  arrivals.ticks.set(ticks);
  return arrivals;
}

/** A subscriber who gets 100 packets of 1,000 bytes a second and whose link lets everything through. */
class Subscriber {
  readonly controller = new CongestionController();
  nowMs = 0;
  padded = 0;
  #sequence = 0;
  #reported = 0;

  run(durationMs: number, afterStep: () => void = () => undefined): void {
    for (const endMs = this.nowMs + durationMs; this.nowMs < endMs;) {
      this.nowMs += 10;
      this.#send(1000);
      if (this.nowMs >= this.controller.nextTimeoutMs()) this.controller.handleTimeout(this.nowMs);
      const padding = this.controller.paddingBytes(this.nowMs);
      this.padded += padding;
      for (let left = padding; left > 0; left -= 250) this.#send(250);
      if (this.nowMs % 100 === 0) this.#answer();
      afterStep();
    }
  }

  readonly #sentAt: number[] = [];

  #send(bytes: number): void {
    this.#sentAt[this.#sequence] = this.nowMs;
    this.controller.sent.note(this.#sequence++ & 0xffff, bytes, this.nowMs);
  }

  #answer(): void {
    const reference = Math.floor(this.#sentAt[this.#reported]! / 64);
    const ticks = this.#sentAt.slice(this.#reported).map((ms) => (ms + 20 - reference * 64) * 4);
    this.controller.handleFeedback(feedback(this.#reported & 0xffff, ticks, reference), this.nowMs);
    this.#reported = this.#sequence;
  }
}

describe("the way up", () => {
  test("a wide link is known after the first probe, and no more is asked when all is granted", () => {
    const subscriber = new Subscriber();
    subscriber.controller.setDemand({ allocatedBps: 800_000, nextStepBps: 0, desiredBps: 800_000 }, 0);
    subscriber.run(3000);
    assert.ok(subscriber.controller.estimateBps > 1_000_000);
    const { probes } = subscriber.controller;
    subscriber.run(10_000);
    assert.equal(subscriber.controller.probes, probes);
  });

  test("a step that is wanted is probed for, by padding of less than a second", () => {
    const subscriber = new Subscriber();
    subscriber.controller.setDemand(DEMAND, 0);
    subscriber.run(5000);
    assert.ok(subscriber.controller.estimateBps >= 1_700_000);
    assert.ok(subscriber.padded > 10_000 && subscriber.padded < 100_000, `${subscriber.padded}`);
  });

  test("a limit holds, and lets go", () => {
    const subscriber = new Subscriber();
    const { controller } = subscriber;
    controller.limit(300_000);
    assert.equal(controller.estimateBps, 300_000, "before anything is known");
    controller.setDemand(DEMAND, 0);
    subscriber.run(5000, () => assert.ok(controller.estimateBps <= 300_000));
    controller.limit(0);
    subscriber.run(5000);
    assert.ok(controller.estimateBps >= 1_700_000);
  });

  test("nobody is woken when nothing flows", () => {
    const controller = new CongestionController();
    assert.equal(controller.nextTimeoutMs(), NEVER);
    controller.setDemand(DEMAND, 0);
    for (let nowMs = 0; nowMs < 20_000 && controller.nextTimeoutMs() !== NEVER; nowMs += 100) {
      controller.handleTimeout(nowMs);
    }
    assert.equal(controller.nextTimeoutMs(), NEVER);
  });

  test("when feedback stops while packets go out, the estimate breaks down", () => {
    const subscriber = new Subscriber();
    const { controller } = subscriber;
    controller.setDemand(DEMAND, 0);
    subscriber.run(5000);
    const before = controller.estimateBps;
    for (let nowMs = subscriber.nowMs; nowMs < subscriber.nowMs + 8000; nowMs += 10) {
      controller.sent.note(UNSTAMPED, 1000, nowMs);
      if (nowMs >= controller.nextTimeoutMs()) controller.handleTimeout(nowMs);
    }
    assert.ok(controller.estimateBps < before / 2);
  });
});

test("an estimate is no limit before the link was full", () => {
  const subscriber = new Subscriber();
  subscriber.controller.setDemand({ allocatedBps: 800_000, nextStepBps: 0, desiredBps: 800_000 }, 0);
  subscriber.run(3000);
  assert.ok(subscriber.controller.estimateBps > 0);
  assert.equal(subscriber.controller.budgetBps, 0);
});

describe("hostile feedback", () => {
  test("about packets that were never sent, or told of before, changes nothing", () => {
    const subscriber = new Subscriber();
    const { controller } = subscriber;
    controller.setDemand({ allocatedBps: 800_000, nextStepBps: 0, desiredBps: 800_000 }, 0);
    subscriber.run(5000);
    const before = controller.estimateBps;
    for (let i = 0; i < 50; i++) {
      controller.handleFeedback(
        feedback(
          30_000 + i,
          Array.from({ length: 500 }, () => NOT_ARRIVED),
        ),
        subscriber.nowMs,
      );
      controller.handleFeedback(feedback(400, [1, 2, 3, 4, 5]), subscriber.nowMs);
    }
    assert.equal(controller.estimateBps, before);
  });

  test("whatever comes, nothing throws and the estimate is a number within bounds", () => {
    const anyFeedback = fc.record({
      kind: fc.constant("feedback" as const),
      base: fc.nat(0xffff),
      reference: fc.nat(0xffffff),
      ticks: fc.array(fc.oneof(fc.integer({ min: -0x7fffffff, max: 0x7ffffffe }), fc.constant(NOT_ARRIVED)), {
        minLength: 1,
        maxLength: 60,
      }),
    });
    const anyRemb = fc.record({
      kind: fc.constant("remb" as const),
      bps: fc.oneof(fc.double(), fc.constantFrom(0, 2 ** 63, 300_000)),
    });
    const anyReport = fc.record({
      kind: fc.constant("report" as const),
      loss: fc.double(),
      rttMs: fc.nat(100_000),
      heldMs: fc.nat(100_000),
    });
    const sent = fc.record({ kind: fc.constant("sent" as const), count: fc.nat(50), stamped: fc.boolean() });
    fc.assert(
      fc.property(fc.array(fc.oneof(anyFeedback, anyRemb, anyReport, sent), { maxLength: 80 }), (steps) => {
        const controller = new CongestionController();
        let sequence = 0;
        let nowMs = 1e12;
        controller.setDemand(DEMAND, nowMs);
        for (const step of steps) {
          nowMs += 70;
          if (step.kind === "feedback")
            controller.handleFeedback(feedback(step.base, step.ticks, step.reference), nowMs);
          else if (step.kind === "remb") controller.handleRemb(step.bps, nowMs);
          else if (step.kind === "report") controller.handleReport(step.loss, 50, step.rttMs, step.heldMs, nowMs);
          else {
            for (let i = 0; i < step.count; i++) {
              controller.sent.note(step.stamped ? sequence++ & 0xffff : UNSTAMPED, 1000, nowMs & 0x7fffffff);
            }
          }
          if (nowMs >= controller.nextTimeoutMs()) controller.handleTimeout(nowMs);
          const padding = controller.paddingBytes(nowMs);
          assert.ok(padding >= 0 && padding < 10_000_000);
          const { estimateBps } = controller;
          assert.ok(estimateBps === 0 || (estimateBps >= 30_000 && estimateBps <= 1e9), `${estimateBps}`);
        }
      }),
    );
  });
});
