/**
 * The estimate from transport-wide feedback: what arrived when, put through the boxes of the algorithm.
 *   sent history → arrival groups → trendline → overuse detector ┐
 *                → queue delay                                   ├→ rate control
 *                → acknowledged rate, loss control, probe estimate ┘
 * Feedback is a stranger's word: packets that were not sent, times that jump and repetitions change nothing.
 */
import { NOT_ARRIVED, REFERENCE_TICKS, TWCC_TICKS_PER_MS } from "@stoa/wire/rtcp/twcc";
import type { TwccArrivals } from "@stoa/wire/rtcp/twcc";
import { AcknowledgedRate } from "./acknowledged-rate.ts";
import { ArrivalGroups } from "./arrival-groups.ts";
import { LossControl } from "./loss-control.ts";
import { OVERUSE, OveruseDetector } from "./overuse-detector.ts";
import { ProbeEstimate } from "./probe-estimate.ts";
import { QueueDelay } from "./queue-delay.ts";
import { LONG_QUEUE_MS, RateControl } from "./rate-control.ts";
import type { SentHistory } from "./sent-history.ts";
import { Trendline } from "./trendline.ts";

const REFERENCE_MS = REFERENCE_TICKS / TWCC_TICKS_PER_MS;
/** The receiver's clock may go this much apart from ours between two messages. */
const MAX_JUMP_MS = 5000;
/** Packets that a lost message would have told of. */
const MAX_UNTOLD = 256;
/** A growing trend is believed only if there is a queue. */
const SOME_QUEUE_MS = 12;
/** A long queue is too much after this. */
const STANDING_MS = 500;
/** While packets go out and no feedback comes back the link is believed to break down: at first after this long … */
const SILENCE_MS = 2000;
/** … then again and again. */
const SILENCE_STEP_MS = 1000;
const SILENCE_CUT = 0.8;

export class SendSide {
  readonly history: SentHistory;
  readonly rate = new RateControl();
  readonly probe = new ProbeEstimate();
  readonly #groups = new ArrivalGroups();
  readonly #trendline = new Trendline();
  readonly #detector = new OveruseDetector();
  readonly #queue = new QueueDelay();
  readonly #acked = new AcknowledgedRate();
  readonly #loss = new LossControl(2, 3.5);
  #reference = -1;
  /** Of the newest reference time since the first, in units of 64 ms. */
  #references = 0;
  #feedbackMs = -1;
  #arrivalMs = 0;
  #nextSequence = -1;
  #standingSinceMs = -1;
  #silentMs = 0;

  constructor(history: SentHistory) {
    this.history = history;
  }

  get queueMs(): number {
    return this.#queue.queueMs;
  }

  get ackedBps(): number {
    return this.#acked.bps;
  }

  /** Whether feedback has told of everything up to this number. */
  covers(sequence: number): boolean {
    return this.#nextSequence >= 0 && ((this.#nextSequence - sequence) << 16) >> 16 > 0;
  }

  /** The link is fuller than it should be. */
  isOverused(nowMs: number): boolean {
    const { queueMs } = this.#queue;
    if (queueMs < LONG_QUEUE_MS) this.#standingSinceMs = -1;
    else if (this.#standingSinceMs < 0) this.#standingSinceMs = nowMs;
    if (this.#detector.usage === OVERUSE && queueMs > SOME_QUEUE_MS) return true;
    return this.#standingSinceMs >= 0 && nowMs - this.#standingSinceMs >= STANDING_MS;
  }

  /** Takes one message apart. */
  handleFeedback(feedback: TwccArrivals, nowMs: number): void {
    const baseMs = this.#baseMs(feedback, nowMs);
    this.#feedbackMs = nowMs;
    this.#silentMs = nowMs + SILENCE_MS;
    let arrived = 0;
    let lost = 0;
    let untold = this.#untoldBytes(feedback.baseSequence);
    for (let i = 0; i < feedback.count; i++) {
      const index = this.history.find((feedback.baseSequence + i) & 0xffff);
      if (index < 0) continue;
      const probing = this.history.clusterOf(index) !== 0;
      const tick = feedback.ticks[i]!;
      if (tick === NOT_ARRIVED) {
        if (this.history.markMissed(index) && !probing) lost++;
        continue;
      }
      const wasMissed = this.history.missed(index);
      if (!this.history.markArrived(index)) continue;
      // What a probe loses says what it was to find out.
      if (!probing) {
        arrived++;
        if (wasMissed) lost--;
      }
      this.#arrived(index, baseMs + tick / TWCC_TICKS_PER_MS, untold);
      untold = 0;
    }
    this.#nextSequence = (feedback.baseSequence + feedback.count) & 0xffff;
    this.#loss.add(arrived, lost);
  }

  /** Draws the conclusions; `probing`: a queue is what the probe made. True if the rate was cut. */
  update(probing: boolean, sentBps: number, rttMs: number, nowMs: number): boolean {
    const { rate } = this;
    if (probing) return false;
    const ackedBps = this.#acked.bps;
    if (this.isOverused(nowMs)) {
      const { queueMs } = this.#queue;
      const carriedBps = queueMs > LONG_QUEUE_MS ? this.#acked.recentBps : ackedBps;
      const cut = rate.overuse(carriedBps, queueMs, rttMs, nowMs);
      if (cut) this.#loss.cancelTest();
      return cut;
    }
    if (rate.calm(ackedBps, this.#queue.queueMs, sentBps, nowMs)) {
      this.#queue.settle();
      this.#standingSinceMs = -1;
    }
    const before = rate.rateBps;
    rate.set(this.#loss.update(before, ackedBps, nowMs));
    const cut = rate.rateBps < before || (before === 0 && rate.rateBps > 0);
    if (cut) rate.overflowed(ackedBps);
    return cut;
  }

  /** Packets went out lately. True if feedback has been missing for so long that the rate was cut. */
  checkSilence(nowMs: number): boolean {
    if (this.#feedbackMs < 0 || this.rate.rateBps === 0 || nowMs < this.#silentMs) return false;
    this.#silentMs = nowMs + SILENCE_STEP_MS;
    this.rate.set(this.rate.rateBps * SILENCE_CUT);
    return true;
  }

  /** Nothing goes out: no feedback is missing. */
  excuseSilence(nowMs: number): void {
    this.#silentMs = nowMs + SILENCE_MS;
  }

  #arrived(index: number, arrivalMs: number, untoldBytes: number): void {
    const sentMs = this.history.sentMs(index);
    const bytes = this.history.bytesOf(index);
    if (arrivalMs > this.#arrivalMs) this.#arrivalMs = arrivalMs;
    this.#acked.add(arrivalMs, bytes + untoldBytes);
    this.#queue.add(sentMs, arrivalMs);
    if (this.probe.cluster !== 0 && this.history.clusterOf(index) === this.probe.cluster) {
      this.probe.add(sentMs, arrivalMs, bytes);
    }
    if (!this.#groups.add(sentMs, arrivalMs)) return;
    const { sentDeltaMs, arrivalDeltaMs } = this.#groups;
    const trend = this.#trendline.add(arrivalDeltaMs, sentDeltaMs, arrivalMs);
    this.#detector.update(trend, sentDeltaMs, arrivalMs);
  }

  /** Bytes of packets that a lost message told of: they are taken to have arrived. */
  #untoldBytes(baseSequence: number): number {
    if (this.#nextSequence < 0) return 0;
    const untold = (baseSequence - this.#nextSequence) & 0xffff;
    if (untold > MAX_UNTOLD) return 0;
    let bytes = 0;
    for (let i = 0; i < untold; i++) {
      const index = this.history.find((this.#nextSequence + i) & 0xffff);
      if (index >= 0 && !this.history.judged(index)) bytes += this.history.bytesOf(index);
    }
    return bytes;
  }

  /** The reference time of a message on a scale that does not wrap. After a jump of the clock everything timed begins anew. */
  #baseMs(feedback: TwccArrivals, nowMs: number): number {
    const { reference } = feedback;
    if (this.#reference < 0) this.#reference = reference;
    const step = ((reference - this.#reference) << 8) >> 8;
    const jumpMs = step * REFERENCE_MS - (this.#feedbackMs < 0 ? 0 : nowMs - this.#feedbackMs);
    this.#reference = reference;
    if (Math.abs(jumpMs) > MAX_JUMP_MS) {
      this.#resetTimes();
      this.#references = 0;
      return 0;
    }
    this.#references += step;
    return this.#references * REFERENCE_MS;
  }

  #resetTimes(): void {
    this.#groups.reset();
    this.#trendline.reset();
    this.#detector.reset();
    this.#queue.reset();
    this.#acked.reset();
    this.#standingSinceMs = -1;
    this.#arrivalMs = 0;
  }
}
