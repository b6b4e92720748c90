/** The bottlenecks that congestion control is held against; `npm run plot:congestion` draws them. */

interface LinkSpec {
  /** From when on (ms) it carries how much (bit/s). */
  readonly capacity: readonly (readonly [fromMs: number, bps: number])[];
  /** What does not fit in so much waiting time is dropped. */
  readonly queueMs: number;
  /** One way. */
  readonly delayMs: number;
  readonly jitterMs?: number;
  /** 0 … 1, both ways. */
  readonly loss?: number;
  /** Traffic of others through the same queue. */
  readonly others?: { readonly fromMs: number; readonly toMs: number; readonly bps: number };
}

/** A receiver that is kept from running: what came meanwhile seems to have come at the end, and nothing is answered. */
interface Stalls {
  readonly leastMs: number;
  readonly mostMs: number;
  /** From the end of one to the beginning of the next, on average. */
  readonly pauseMs: number;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly estimator: "transport-cc" | "REMB";
  readonly durationMs: number;
  readonly link: LinkSpec;
  /** One number: a source that follows the estimate up to there. More: layers of a simulcast track, cumulative. */
  readonly source: readonly number[];
  readonly stalls?: Stalls;
  readonly seed?: number;
}

const LAYERS = [150_000, 500_000, 1_700_000];
const FALL = [
  [0, 2_500_000],
  [30_000, 300_000],
  [60_000, 2_500_000],
] as const;

function both(scenario: Omit<Scenario, "estimator">): Scenario[] {
  return [
    { ...scenario, estimator: "transport-cc" },
    { ...scenario, name: `${scenario.name}-remb`, title: `${scenario.title}, by REMB`, estimator: "REMB" },
  ];
}

export const SCENARIOS: readonly Scenario[] = [
  ...both({
    name: "constant-1m",
    title: "1 Mbit/s, a source that takes what it gets",
    durationMs: 60_000,
    link: { capacity: [[0, 1_000_000]], queueMs: 400, delayMs: 20 },
    source: [2_500_000],
  }),
  ...both({
    name: "constant-300k",
    title: "300 kbit/s, a source that takes what it gets",
    durationMs: 60_000,
    link: { capacity: [[0, 300_000]], queueMs: 400, delayMs: 20 },
    source: [2_500_000],
  }),
  ...both({
    name: "fall",
    title: "2.5 Mbit/s falls to 300 kbit/s and comes back",
    durationMs: 100_000,
    link: { capacity: FALL, queueMs: 400, delayMs: 20 },
    source: [2_500_000],
  }),
  ...both({
    name: "fall-layers",
    title: "2.5 Mbit/s falls to 300 kbit/s and comes back, simulcast of 150, 500 and 1,700 kbit/s",
    durationMs: 100_000,
    link: { capacity: FALL, queueMs: 400, delayMs: 20 },
    source: LAYERS,
  }),
  {
    name: "loss-5",
    title: "1 Mbit/s with 5 % random loss",
    estimator: "transport-cc",
    durationMs: 60_000,
    link: { capacity: [[0, 1_000_000]], queueMs: 400, delayMs: 20, loss: 0.05 },
    source: [2_500_000],
  },
  {
    name: "rtt-jitter",
    title: "1 Mbit/s, 100 ms round trip, 30 ms jitter",
    estimator: "transport-cc",
    durationMs: 60_000,
    link: { capacity: [[0, 1_000_000]], queueMs: 400, delayMs: 50, jitterMs: 30 },
    source: [2_500_000],
  },
  {
    name: "policed",
    title: "1 Mbit/s with a queue of 30 ms",
    estimator: "transport-cc",
    durationMs: 60_000,
    link: { capacity: [[0, 1_000_000]], queueMs: 30, delayMs: 20 },
    source: [2_500_000],
  },
  {
    name: "others",
    title: "others take 1 of 2 Mbit/s for half a minute",
    estimator: "transport-cc",
    durationMs: 90_000,
    link: {
      capacity: [[0, 2_000_000]],
      queueMs: 400,
      delayMs: 20,
      others: { fromMs: 30_000, toMs: 60_000, bps: 1_000_000 },
    },
    source: [2_500_000],
  },
  {
    name: "stalls",
    title: "10 Mbit/s, and a receiver that stalls for 50 to 200 ms, simulcast of 150, 500 and 1,700 kbit/s",
    estimator: "transport-cc",
    durationMs: 60_000,
    link: { capacity: [[0, 10_000_000]], queueMs: 400, delayMs: 20 },
    source: LAYERS,
    stalls: { leastMs: 50, mostMs: 200, pauseMs: 400 },
  },
  {
    name: "long-cap",
    title: "300 kbit/s for three minutes, then 2.5 Mbit/s, simulcast",
    estimator: "transport-cc",
    durationMs: 220_000,
    link: {
      capacity: [
        [0, 300_000],
        [180_000, 2_500_000],
      ],
      queueMs: 400,
      delayMs: 20,
    },
    source: LAYERS,
  },
];
