/** Congestion control against simulated bottlenecks: what a subscriber gets, and what it does to the link. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SCENARIOS, type Scenario } from "./congestion-scenarios.ts";
import { CongestionWorld, run, type Sample } from "./congestion-world.ts";

/** Time to find the rate, after the start and after each change of the link. */
const SETTLE_MS = 15_000;
const RECOVERY_MS = 30_000;

const named = (name: string): Scenario => SCENARIOS.find((scenario) => scenario.name === name)!;
const between = (samples: readonly Sample[], fromMs: number, toMs: number): Sample[] =>
  samples.filter(({ atMs }) => atMs > fromMs && atMs <= toMs);
const mean = (samples: readonly Sample[], of: (sample: Sample) => number): number =>
  samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
/** The longest time that the queue was above so much, milliseconds. */
function longestQueue(samples: readonly Sample[], queueMs: number): number {
  let longest = 0;
  let current = 0;
  for (const sample of samples) {
    current = sample.queueMs > queueMs ? current + 100 : 0;
    longest = Math.max(longest, current);
  }
  return longest;
}

/** Estimate and sent rate lie within `share` of what the link carries on average, and hardly ever far away. */
function assertNear(samples: readonly Sample[], share: number, freeBps = samples[0]!.capacityBps): void {
  for (const of of [(s: Sample) => s.estimateBps, (s: Sample) => s.sentBps]) {
    const off = mean(samples, of) / freeBps - 1;
    assert.ok(Math.abs(off) <= share, `${Math.round(off * 100)} % off`);
  }
  const far = samples.filter((s) => Math.abs(s.estimateBps / freeBps - 1) > 2.5 * share).length;
  assert.ok(far < samples.length / 20, `${far} of ${samples.length} samples are far off`);
}

const seeds = (scenario: Scenario): Scenario[] => [1, 2, 3].map((seed) => ({ ...scenario, seed }));

describe("within a tenth of the bottleneck after 15 s", () => {
  const constant = ["constant-1m", "constant-300k", "loss-5", "rtt-jitter", "policed"];
  for (const name of [...constant, "constant-1m-remb", "constant-300k-remb"]) {
    test(named(name).title, () => {
      for (const scenario of seeds(named(name))) {
        const settled = between(run(scenario), SETTLE_MS, scenario.durationMs);
        assertNear(settled, 0.1);
        assert.ok(longestQueue(settled, 150) <= 500, "no queue over 150 ms stays");
      }
    });
  }

  for (const name of ["fall", "fall-remb"]) {
    test(named(name).title, () => {
      for (const scenario of seeds(named(name))) {
        const samples = run(scenario);
        for (const [fromMs, toMs] of [
          [SETTLE_MS, 30_000],
          [30_000 + SETTLE_MS, 60_000],
          [60_000 + RECOVERY_MS, 100_000],
        ] as const) {
          const settled = between(samples, fromMs, toMs);
          assertNear(settled, 0.1);
          assert.ok(longestQueue(settled, 150) <= 500, "no queue over 150 ms stays");
        }
      }
    });
  }

  test("the traffic of others is given way to, and its share is taken back", () => {
    for (const scenario of seeds(named("others"))) {
      const samples = run(scenario);
      assertNear(between(samples, 30_000 + SETTLE_MS, 60_000), 0.1, 1_000_000);
      assertNear(between(samples, 60_000 + SETTLE_MS, 90_000), 0.1);
    }
  });
});

describe("a link that falls and comes back", () => {
  for (const name of ["fall-layers", "fall-layers-remb"]) {
    test(named(name).title, () => {
      for (const scenario of seeds(named(name))) {
        const samples = run(scenario);
        const low = between(samples, 40_000, 60_000);
        assert.ok(
          low.every(({ grantedBps }) => grantedBps === 150_000),
          "the lowest layer and nothing else",
        );
        assert.ok(longestQueue(low, 150) === 0);
        const back = samples.find(({ atMs, grantedBps }) => atMs > 60_000 && grantedBps === 1_700_000)!;
        assert.ok(back && back.atMs <= 60_000 + RECOVERY_MS, `back after ${back?.atMs - 60_000} ms`);
        assert.ok(between(samples, back.atMs, 100_000).every(({ grantedBps }) => grantedBps === 1_700_000));
      }
    });
  }

  test("also after three minutes", () => {
    const samples = run(named("long-cap"));
    const back = samples.find(({ atMs, grantedBps }) => atMs > 180_000 && grantedBps === 1_700_000)!;
    assert.ok(back.atMs <= 180_000 + RECOVERY_MS, `back after ${back.atMs - 180_000} ms`);
    // Asking now and then costs next to nothing.
    const asking = between(samples, 60_000, 180_000);
    assert.ok(mean(asking, ({ sentBps }) => sentBps) < 165_000);
  });
});

describe("a receiver that is kept from running, behind a wide link, is no thin link", () => {
  for (const pauseMs of [2000, 400, 200]) {
    test(`stalls of 50 to 200 ms, ${pauseMs} ms apart`, () => {
      const { stalls, ...rest } = named("stalls");
      for (const scenario of seeds({ ...rest, stalls: { ...stalls!, pauseMs } })) {
        const samples = between(run(scenario), 1000, scenario.durationMs);
        assert.ok(
          samples.every(({ grantedBps }) => grantedBps === 1_700_000),
          "the highest layer, always",
        );
        // 0: nothing is known yet, nothing is limited.
        assert.ok(samples.every(({ estimateBps }) => estimateBps === 0 || estimateBps > 1_700_000));
      }
    });
  }

  test("5 % random loss beside the stalls make it none either", () => {
    const { stalls, link, ...rest } = named("stalls");
    const source = [150_000, 500_000];
    for (let seed = 1; seed <= 40; seed++) {
      const often = { ...stalls!, pauseMs: 400 };
      const lossy = { ...rest, source, stalls: often, link: { ...link, loss: 0.05 }, durationMs: 30_000, seed };
      const settled = between(run(lossy), 3000, lossy.durationMs);
      assert.ok(
        settled.every(({ grantedBps }) => grantedBps === 500_000),
        `seed ${seed}`,
      );
    }
  });

  test("a thin link behind it is found all the same", () => {
    const { stalls } = named("stalls");
    for (const scenario of seeds({ ...named("fall-layers"), stalls: stalls! })) {
      const samples = run(scenario);
      assert.ok(between(samples, 45_000, 60_000).every(({ grantedBps }) => grantedBps === 150_000));
      assert.ok(samples.some(({ atMs, grantedBps }) => atMs > 60_000 && atMs < 90_000 && grantedBps === 1_700_000));
    }
  });
});

test("two subscribers are independent: one has a thin link, the other does not notice", () => {
  const [thin, wide] = [
    named("long-cap"),
    { ...named("fall-layers"), link: { capacity: [[0, 5_000_000]] as const, queueMs: 400, delayMs: 20 } },
  ];
  const worlds = [thin, wide].map((scenario) => new CongestionWorld(scenario));
  while (worlds[0]!.nowMs < 60_000) for (const world of worlds) world.step();
  const [low, high] = worlds.map(({ samples }) => between(samples, SETTLE_MS, 60_000));
  assert.ok(low!.every(({ grantedBps }) => grantedBps === 150_000));
  assert.ok(high!.every(({ grantedBps, queueMs }) => grantedBps === 1_700_000 && queueMs < 20));
});
