/**
 * Whose fault is a loss? One that our own sending causes ends, or nearly, when we send less; one of a radio link goes on. So a loss is
 * taken for ours first and the window shrinks. Then the share that is lost through the smaller window is compared with the share before:
 * if it is about the same, the loss was not ours, the decrease is to be taken back, and as much is expected of the path from then on.
 *
 * Invariants: what is lost beyond what is expected always counts as ours; nothing above `MAX_EXPECTED` is ever expected, and
 * nothing for longer than `EXPECT_MS` without another trial.
 */

/** What is to become of the congestion window. */
export type Verdict = "none" | "decrease" | "takeBack";

/** What any path may lose without anybody's fault. */
const MIN_EXPECTED = 0.01;
/** Nor does anybody cause this much; more is congestion wherever it comes from. */
const MAX_EXPECTED = 0.1;
/** The path may have changed by then. */
const EXPECT_MS = 10_000;
/** A trial lasts until so many losses should have come if nothing had changed … */
const TRIAL_LOSSES = 3;
/** … and so many of them must have. */
const SAME_LOSSES = 2;
/** A trial that takes longer finds too little loss to matter. */
const MAX_TRIAL_ROUNDS = 16;
/** The share before a trial is that of about so many packets, or of four round trips. */
const MEMORY_PACKETS = 400;
/** A little too much in every round shows in so many packets. */
const LONG_MEMORY_PACKETS = 4000;

/** Judges the losses of one path, by packets: a packet may hold many chunks. */
export class LossJudge {
  /** "steady": as usual. "before": the window has shrunk, but what is reported was sent before. "trial": what is reported was sent since. */
  #phase: "steady" | "before" | "trial" = "steady";
  #rounds = 0;
  #expected = MIN_EXPECTED;
  #expectedUntilMs = 0;
  /** Through the window before and after a decrease. */
  #beforeAcked = 0;
  #beforeLost = 0;
  #trialAcked = 0;
  #trialLost = 0;
  #roundAcked = 0;
  #roundLost = 0;
  #longAcked = 0;
  #longLost = 0;

  /** The window is under trial, and must not grow. */
  get holds(): boolean {
    return this.#phase !== "steady";
  }

  /** What a SACK reported. A decrease is followed by whole rounds, of which the first reports what was sent before it. */
  report(acked: number, lost: number, nowMs: number): Verdict {
    this.#roundAcked += acked;
    this.#roundLost += lost;
    this.#longAcked += acked;
    this.#longLost += lost;
    if (this.#phase === "trial") {
      this.#trialAcked += acked;
      this.#trialLost += lost;
    } else {
      this.#beforeAcked += acked;
      this.#beforeLost += lost;
    }
    if (lost === 0 || this.#phase === "before") return "none";
    if (nowMs > this.#expectedUntilMs) this.#expected = MIN_EXPECTED;
    return this.#lostTooMuch() ? this.#decrease() : "none";
  }

  /** A round trip is over. `queued`: a queue stands in the path, so that a loss is ours whatever the trial says. */
  endRound(queued: boolean, nowMs: number): Verdict {
    this.#roundAcked = 0;
    this.#roundLost = 0;
    switch (this.#phase) {
      case "steady":
        this.#forget();
        return "none";
      case "before":
        this.#phase = "trial";
        this.#rounds = 0;
        return "none";
      case "trial":
        return this.#tryOn(queued, nowMs);
    }
  }

  /** The window started over. */
  restart(): void {
    this.#phase = "steady";
    this.#beforeAcked = this.#beforeLost = 0;
  }

  #decrease(): Verdict {
    this.#phase = "before";
    this.#trialAcked = this.#trialLost = 0;
    this.#roundAcked = this.#roundLost = 0;
    this.#longAcked = this.#longLost = 0;
    return "decrease";
  }

  /** In this round, or in many. */
  #lostTooMuch(): boolean {
    if (this.#phase === "trial") {
      return isTooMuch(this.#roundAcked, this.#roundLost, Math.max(this.#shareBefore(), MIN_EXPECTED));
    }
    const share = this.#expected;
    return isTooMuch(this.#roundAcked, this.#roundLost, share) || isTooMuch(this.#longAcked, this.#longLost, share);
  }

  #tryOn(queued: boolean, nowMs: number): Verdict {
    const share = this.#shareBefore();
    const packets = this.#trialAcked + this.#trialLost;
    const wanted = Math.max(TRIAL_LOSSES, Math.ceil(share * packets)) * (SAME_LOSSES / TRIAL_LOSSES);
    const same = this.#trialLost >= wanted && !queued;
    this.#rounds++;
    if (!same && packets * share < TRIAL_LOSSES && this.#rounds < MAX_TRIAL_ROUNDS) return "none";
    this.#phase = "steady";
    const lost = this.#trialLost + (same ? this.#beforeLost : 0);
    const all = packets + (same ? this.#beforeLost + this.#beforeAcked : 0);
    // An estimate that is too low by chance would cause one trial after the other: one standard deviation more.
    const estimate = (lost + (same ? Math.sqrt(lost) : 0)) / Math.max(1, all);
    this.#expected = Math.min(Math.max(estimate, MIN_EXPECTED), MAX_EXPECTED);
    this.#expectedUntilMs = nowMs + EXPECT_MS;
    this.#longAcked = this.#longLost = 0;
    this.#beforeAcked = this.#trialAcked;
    this.#beforeLost = this.#trialLost;
    return same ? "takeBack" : "none";
  }

  #shareBefore(): number {
    return this.#beforeLost / Math.max(1, this.#beforeAcked + this.#beforeLost);
  }

  /** Old reports count less and less. */
  #forget(): void {
    if (this.#beforeAcked + this.#beforeLost > MEMORY_PACKETS) {
      this.#beforeAcked >>= 1;
      this.#beforeLost >>= 1;
    }
    if (this.#longAcked + this.#longLost > LONG_MEMORY_PACKETS) {
      this.#longAcked >>= 1;
      this.#longLost >>= 1;
    }
  }
}

/** More than chance makes of this share (three standard deviations). */
function isTooMuch(acked: number, lost: number, share: number): boolean {
  const mean = Math.min(share, MAX_EXPECTED) * (acked + lost);
  return lost > mean + 3 * Math.sqrt(mean) + 1;
}
