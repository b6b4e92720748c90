/**
 * What the congestion window hears of (decision 0008): losses that are ours, and the delay that our own queue makes, which media on the
 * same path would feel long before anything is lost.
 *
 * Invariant: a queue that stands for a round trip longer than `QUEUE_LIMIT_MS` makes the window smaller, whatever else is true.
 */
import { CongestionWindow } from "./congestion-window.ts";
import { LossJudge } from "./loss-judge.ts";
import type { SackReport } from "./sack-report.ts";

/** Data may make others wait for so long: a frame of video, and half of what makes a video sender slow down. */
const QUEUE_LIMIT_MS = 25;
/** From here on the window does not grow. */
const QUEUE_ENOUGH_MS = QUEUE_LIMIT_MS / 2;
/**
 * In slow start a queue is looked for in so many reports, and in a quarter of a round trip, for a round later the window will have
 * doubled. In no less, for one moment in which a machine was busy delays many reports alike.
 */
const EARLY_SAMPLES = 8;
const EARLY_PART = 0.25;
/** Shorter round trips are judged together. */
const MIN_ROUND_MS = 10;
/** The path may have become longer: after this long without a round trip as short as the shortest, it is measured anew … */
const BASE_AGE_MS = 10_000;
/** … or when smaller and smaller windows have not made it shorter for so many rounds … */
const FUTILE_ROUNDS = 4;
/** … with this part of the window, so that our own queue is not taken for a long path. */
const DRAIN = 0.5;
/** A round trip counts as short with so much more. */
const BASE_TOLERANCE_MS = 2;

/** Faster than one window in a round trip, or the window would never be what limits. */
const PACE = 1.25;
const SLOW_START_PACE = 2;
/** After so many round trips in which nothing said that the window is large enough, it is looked for faster; each mistake doubles them. */
const CALM_ROUNDS = 4;
const MAX_CALM_ROUNDS = 32;

/** One path. Sizes in bytes of payload. */
export class CongestionControl {
  readonly #window: CongestionWindow;
  readonly #judge = new LossJudge();
  #baseRttMs = Number.POSITIVE_INFINITY;
  #baseAtMs = 0;
  #roundRttMs = Number.POSITIVE_INFINITY;
  #roundEndMs = 0;
  /** Of the last few reports. */
  #earlyRttMs = Number.POSITIVE_INFINITY;
  #earlySamples = 0;
  #earlyEndMs = 0;
  #queueMs = 0;
  /** The window was used up in this round, so that its delays are of our making. */
  #used = false;
  #calmRounds = 0;
  /** Rounds in a row with too long a queue. */
  #queuedRounds = 0;
  #patienceRounds = CALM_ROUNDS;
  /** Rounds left in which the queue drains. */
  #draining = 0;

  constructor(mtu: number) {
    this.#window = new CongestionWindow(mtu);
  }

  /** How much may be in flight. */
  get bytes(): number {
    return this.#draining > 0 ? this.#window.bytes * DRAIN : this.#window.bytes;
  }

  /** How much should go out in a round trip, so that a window is always used up in it. */
  get paceBytes(): number {
    return this.bytes * (this.#window.inSlowStart ? SLOW_START_PACE : PACE);
  }

  /** `limited`: the window was what stopped the sender before this SACK came. */
  sackCame(report: SackReport, limited: boolean, smoothedRttMs: number, nowMs: number): void {
    const { ackedBytes, rttMs } = report;
    if (rttMs >= 0) this.#sample(rttMs, nowMs);
    if (limited) this.#used = true;
    const verdict = this.#judge.report(report.ackedPackets, report.lostPackets, nowMs);
    if (verdict === "decrease") {
      this.#window.lost();
      this.#patienceRounds = Math.min(this.#patienceRounds * 2, MAX_CALM_ROUNDS);
      this.#startRound(smoothedRttMs, nowMs);
    } else if (!this.#judge.holds && this.#draining === 0 && ackedBytes > 0) {
      this.#window.acked(ackedBytes, limited && this.#queueMs < QUEUE_ENOUGH_MS, smoothedRttMs, nowMs);
    }
    if (nowMs >= this.#roundEndMs) this.#endRound(smoothedRttMs, nowMs);
  }

  /** The retransmission timer expired. */
  timedOut(): void {
    this.#window.timedOut();
    this.#judge.restart();
    this.#queueMs = 0;
    this.#draining = 0;
  }

  /** What the timer took for lost arrived after all, only late. */
  timedOutInVain(): void {
    this.#window.timedOutInVain();
    this.#patienceRounds = CALM_ROUNDS;
  }

  /** Nothing was sent for this many timeouts. */
  idle(timeouts: number): void {
    this.#window.idle(timeouts);
  }

  #sample(rttMs: number, nowMs: number): void {
    if (rttMs < this.#roundRttMs) this.#roundRttMs = rttMs;
    if (rttMs < this.#baseRttMs) this.#baseRttMs = rttMs;
    if (rttMs <= this.#baseRttMs + BASE_TOLERANCE_MS) this.#baseAtMs = nowMs;
    if (!this.#window.inSlowStart) return;
    if (rttMs < this.#earlyRttMs) this.#earlyRttMs = rttMs;
    if (++this.#earlySamples < EARLY_SAMPLES || nowMs < this.#earlyEndMs) return;
    if (this.#earlyRttMs - this.#baseRttMs > QUEUE_ENOUGH_MS) this.#window.delayed(1);
    this.#earlyEndMs = nowMs + Math.max(EARLY_PART * this.#baseRttMs, MIN_ROUND_MS);
    this.#earlySamples = 0;
    this.#earlyRttMs = Number.POSITIVE_INFINITY;
  }

  #endRound(smoothedRttMs: number, nowMs: number): void {
    const measured = this.#roundRttMs < Number.POSITIVE_INFINITY;
    if (measured) {
      if (!this.#used && nowMs - this.#baseAtMs > BASE_AGE_MS) this.#rebase(nowMs);
      this.#queueMs = this.#roundRttMs - this.#baseRttMs;
      this.#drain(nowMs);
    } else this.#queueMs = 0;
    if (this.#judge.endRound(this.#queueMs > QUEUE_ENOUGH_MS, nowMs) === "takeBack") {
      this.#window.takeBack();
      this.#patienceRounds = CALM_ROUNDS;
    }
    if (measured && this.#used && this.#draining === 0) this.#weigh();
    this.#startRound(smoothedRttMs, nowMs);
  }

  /** What a round in which the window was used up says of its size. */
  #weigh(): void {
    const queued = this.#queueMs > QUEUE_ENOUGH_MS;
    this.#calmRounds = queued || this.#judge.holds || this.#window.inSlowStart ? 0 : this.#calmRounds + 1;
    if (queued) this.#window.delayed((this.#baseRttMs + QUEUE_LIMIT_MS) / this.#roundRttMs);
    else if (this.#calmRounds >= this.#patienceRounds) this.#window.reopen();
  }

  #startRound(smoothedRttMs: number, nowMs: number): void {
    this.#roundEndMs = nowMs + Math.max(smoothedRttMs, MIN_ROUND_MS);
    this.#roundRttMs = Number.POSITIVE_INFINITY;
    this.#used = false;
  }

  /** Two rounds with half of the window: the second one has the round trip time of the path alone. */
  #drain(nowMs: number): void {
    if (this.#draining > 0 && --this.#draining === 0) {
      this.#rebase(nowMs);
      return;
    }
    if (this.#draining > 0) return;
    this.#queuedRounds = this.#used && this.#queueMs > QUEUE_LIMIT_MS ? this.#queuedRounds + 1 : 0;
    if (nowMs - this.#baseAtMs <= BASE_AGE_MS && this.#queuedRounds < FUTILE_ROUNDS) return;
    this.#draining = 2;
    this.#queuedRounds = 0;
  }

  #rebase(nowMs: number): void {
    this.#baseRttMs = this.#roundRttMs;
    this.#baseAtMs = nowMs;
  }
}
