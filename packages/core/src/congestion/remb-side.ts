/**
 * The estimate for clients without transport-wide feedback. They say what they believe (REMB), and that is little: 85 % of what came in when they found
 * the link full, and a rise of a packet or so each second from there. So their word is taken for what it is good at, a fall, and the rest
 * is seen from here: sender reports go out as questions, and the round trip of the answer says whether there is a queue.
 * Invariant: a cut is taken back as soon as an answer says that the queue is gone.
 */
import { LossControl } from "./loss-control.ts";
import { QueueDelay } from "./queue-delay.ts";
import { LONG_QUEUE_MS, RateControl } from "./rate-control.ts";
import { RembEstimate } from "./remb-estimate.ts";

/** A client's word is good for so much more than it gets; beyond that it claims what was never tested. */
const TESTED = 1.15;
/** Clients cut their estimate to this share of what comes in (the β of GCC) … */
const SHARE = 0.85;
/** … less this … */
const BACKOFF_BPS = 5000;
/** … of payloads: with headers it is about so much more. */
const WITH_HEADERS = 1.025;
/** While a queue drains what comes in is what is sent; a client that cuts then knows more only if it gets much less. */
const MUCH_LESS = 0.8;
/** Until an answer tells the queue is taken to be this long … */
const PRESUMED_QUEUE_MS = 75;
/** … and, if none comes, gone after this. */
const PRESUMED_DRAIN_MS = 1200;
/** How often is asked, and how often while the link is, or looks, full. */
const ASK_MS = 1000;
const ASK_SOON_MS = 300;
/** The times of a report are rounded: one that seems to be so much older than another is the same. */
const SAME_MS = 5;
/** The rate does not grow while less than this share of it is sent: answers are few, so only what was tried is claimed. */
const NEARLY = 0.95;
/** The packets of a frame or two. */
const SHORT_QUEUE_MS = 25;
const STANDING_ANSWERS = 3;
const SHRUNK = 0.8;
/** A packet or two before the question are no queue that the probe made … */
const PROBE_NOISE_MS = 5;
/** … and of what it sent this much has come out, if the link carried it. */
const PROBE_CARRIED = 0.97;
const SOME_LOSS = 0.05;

export class RembSide {
  readonly rate = new RateControl();
  readonly estimate = new RembEstimate();
  readonly #loss = new LossControl(3, 0);
  readonly #queue = new QueueDelay();
  #lossShare = 0;
  /** When the last question was asked; -1 = none was. */
  #askedMs = -1;
  #wantsReport = false;
  #nextAskMs = 0;
  /** When the last question that was answered was asked, and the one before, and what its answer said of the queue. */
  #queueAtMs = -1;
  #formerAtMs = -1;
  #formerQueueMs = 0;
  /** Answers in a row that told of a long queue. */
  #longAnswers = 0;
  /** An answer came since the last conclusions. */
  #fresh = false;
  /** The client has cut, and until when, if nothing is heard of the queue since. */
  #cutMs = -1;
  #presumedUntilMs = -1;

  /** How long packets wait in queues, by the last answer. */
  get queueMs(): number {
    return this.#queue.queueMs;
  }

  /** Whether round trips are known at all. */
  get answers(): boolean {
    return this.#queueAtMs >= 0;
  }

  /** The last question was answered. */
  get answered(): boolean {
    return this.#askedMs >= 0 && this.#queueAtMs >= this.#askedMs - SAME_MS;
  }

  /** A sender report should go out now. Said once. */
  takeReportWish(): boolean {
    const wanted = this.#wantsReport;
    this.#wantsReport = false;
    return wanted;
  }

  /** Asks how long the queue is now. */
  ask(nowMs: number): void {
    this.#wantsReport = true;
    this.#askedMs = nowMs;
    this.#nextAskMs = nowMs + (this.rate.draining || this.queueMs > SHORT_QUEUE_MS ? ASK_SOON_MS : ASK_MS);
  }

  /** The client's own estimate. True if the rate was cut. */
  handleRemb(bps: number, sentBps: number, rttMs: number, nowMs: number): boolean {
    const full = this.estimate.handle(bps, sentBps, nowMs);
    const value = this.estimate.lastBps;
    if (full) return this.#fell(value, sentBps, rttMs, nowMs);
    const { rateBps } = this.rate;
    if (rateBps > 0 && !this.#loss.holds(nowMs) && this.queueMs < LONG_QUEUE_MS) {
      this.rate.set(Math.max(rateBps, Math.min(value, sentBps * (this.answers ? 1 : TESTED))));
    }
    return false;
  }

  /** A receiver report of one stream. What it says of the queue was so when the sender report went out that it answers. */
  handleReport(lossShare: number, packets: number, rttMs: number, heldMs: number, nowMs: number): void {
    if (packets > 0) {
      const lost = Math.min(Math.max(lossShare, 0), 1) * packets;
      this.#lossShare = lossShare;
      this.#loss.add(packets - lost, lost);
    }
    const atMs = nowMs - rttMs - heldMs;
    if (!(rttMs > 0) || !(atMs > this.#queueAtMs + SAME_MS)) return;
    this.#formerQueueMs = this.queueMs;
    this.#formerAtMs = this.#queueAtMs;
    this.#queueAtMs = atMs;
    this.#fresh = true;
    this.#queue.add(nowMs - rttMs, nowMs);
    this.#longAnswers = this.queueMs > LONG_QUEUE_MS ? this.#longAnswers + 1 : 0;
    if (atMs > this.#cutMs) this.#presumedUntilMs = -1;
    const calm = this.queueMs < SHORT_QUEUE_MS && !this.rate.draining;
    this.#nextAskMs = Math.min(this.#nextAskMs, nowMs + (calm ? ASK_MS : ASK_SOON_MS));
  }

  /**
   * The answer to a probe that sent so much came: what the link carries beyond what was known is believed. True if it carried all, or
   * nearly; false ends a row of probes.
   */
  concludeProbe(sentBps: number, clusterMs: number, rttMs: number, nowMs: number): boolean {
    const { rate, queueMs } = this;
    const grownMs = Math.max(queueMs - this.#formerQueueMs - PROBE_NOISE_MS, 0);
    const foundBps = (sentBps * clusterMs) / (clusterMs + grownMs);
    const full = foundBps < sentBps * PROBE_CARRIED || this.#lossShare >= SOME_LOSS;
    if (queueMs > LONG_QUEUE_MS) {
      // The queue that the probe left is ours: let it drain at once.
      rate.overuse(foundBps, queueMs, rttMs, nowMs);
      return false;
    }
    if (!this.estimate.holds || foundBps < rate.rateBps) return false;
    rate.probed(foundBps, full);
    return !full;
  }

  /** Draws the conclusions of what was heard; `probing`: a queue is what the probe made. True if the rate was cut. */
  tick(probing: boolean, sentBps: number, rttMs: number, nowMs: number): boolean {
    const { rate } = this;
    if (!probing && nowMs >= this.#nextAskMs) this.ask(nowMs);
    const arrivedBps = sentBps * (1 - this.#lossShare);
    const fresh = this.#fresh;
    this.#fresh = false;
    if (!probing && fresh && this.#isStanding) {
      const cut = rate.overuse(this.#carriedBps(arrivedBps), this.queueMs, rttMs, nowMs);
      if (cut) this.#loss.showsDelay();
      return cut;
    }
    const queueMs = nowMs < this.#presumedUntilMs ? PRESUMED_QUEUE_MS : this.queueMs;
    // A probe shows by its answer alone. What is not sent cannot show at all, and where there is a queue it has shown.
    const untested = probing || (!rate.draining && (sentBps < rate.rateBps * NEARLY || queueMs > SHORT_QUEUE_MS));
    if (rate.calm(arrivedBps, queueMs, untested ? 0 : sentBps, nowMs)) this.#queue.settle();
    const before = rate.rateBps;
    rate.set(this.#loss.update(before, arrivedBps, nowMs));
    return rate.rateBps < before;
  }

  /** There has been a queue for several answers: a client that was kept from running looks so for one or two. One that drains is left to it. */
  get #isStanding(): boolean {
    // Who sends no estimate at all does not take part.
    if (this.estimate.lastBps === 0) return false;
    if (this.rate.draining && this.queueMs < this.#formerQueueMs * SHRUNK) return false;
    return this.#longAnswers >= STANDING_ANSWERS;
  }

  /** The client has cut its estimate: that is a fixed share of what it gets. */
  #fell(value: number, sentBps: number, rttMs: number, nowMs: number): boolean {
    const { rate } = this;
    const carriedBps = Math.min(((value + BACKOFF_BPS) / SHARE) * WITH_HEADERS, sentBps);
    this.#loss.showsDelay();
    this.#nextAskMs = Math.min(this.#nextAskMs, nowMs + ASK_SOON_MS);
    if (rate.draining && carriedBps > rate.rateBps * MUCH_LESS) return false;
    this.#cutMs = nowMs;
    this.#presumedUntilMs = nowMs + PRESUMED_DRAIN_MS;
    rate.overuse(carriedBps, Math.max(this.queueMs, PRESUMED_QUEUE_MS), rttMs, nowMs);
    return true;
  }

  /** What leaves a queue that grows is less than what is sent, and more if it shrinks. */
  #carriedBps(arrivedBps: number): number {
    const growth = (this.queueMs - this.#formerQueueMs) / Math.max(this.#queueAtMs - this.#formerAtMs, 1);
    return arrivedBps / Math.min(Math.max(1 + growth, 0.7), 1.5);
  }
}
