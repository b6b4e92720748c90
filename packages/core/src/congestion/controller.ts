/**
 * Congestion control of one subscriber: what was sent, what came back, what it wants; out comes how much its link carries, and how much
 * padding to send to find out more. Which estimator runs is decided by what the client sends: transport-wide feedback, or else REMB.
 * Invariant: without evidence there is no limit (`estimateBps` 0); a limit is never without a way up, for a probe follows as long as more is wanted.
 */
import type { TwccArrivals } from "@stoa/wire/rtcp/twcc";
import { NEVER, earlier } from "../clock.ts";
import { LossControl } from "./loss-control.ts";
import { ProbeControl } from "./probe-control.ts";
import type { Demand, ProbeShape } from "./probe-control.ts";
import { LONG_QUEUE_MS, MAX_RATE_BPS, MIN_RATE_BPS, RateControl } from "./rate-control.ts";
import { RembEstimate } from "./remb-estimate.ts";
import { SendSide } from "./send-side.ts";
import { countedSince, MAX_CLUSTER, SentHistory } from "./sent-history.ts";
import { SentRate } from "./sent-rate.ts";

/** Feedback tells of each packet: a moment is enough. */
const FEEDBACK_PROBE: ProbeShape = { clusterMs: 150, settleMs: 300, boldFactor: 2, cautiousFactor: 1.35 };
/** The client's estimate moves slowly: longer and gentler. */
const REMB_PROBE: ProbeShape = { clusterMs: 1000, settleMs: 1500, boldFactor: 1.5, cautiousFactor: 1.2 };

const TICK_MS = 100;
/** Nothing was sent for so long: nothing is to be done. */
const IDLE_MS = 3000;
/** For want of bandwidth nothing was sent for so long, not even a probe: what was known is forgotten. */
const STARVED_MS = 15_000;
/** A probe is given up when the queue is longer. */
const PROBE_QUEUE_MS = 80;
/** The queue that a probe made needs this long to go. */
const PROBE_ECHO_MS = 250;
/** Of the goal: less was found, the link is full. */
const PROBE_REACHED = 0.85;
/** A client's word is good for so much more than it gets; beyond that it claims what was never tested. */
const REMB_TESTED = 1.15;
/** Clients cut their estimate to this share of what comes in (the β of GCC) … */
const REMB_SHARE = 0.85;
/** … and do not say how long the queue is: about this … */
const REMB_QUEUE_MS = 150;
/** … and gone after this. */
const REMB_DRAIN_MS = 1200;
const INITIAL_RTT_MS = 100;
const RTT_WEIGHT = 0.25;
/** The least round trip is forgotten slowly: by this much with each report. */
const LEAST_RTT_GROWTH = 1.02;
/** A report that comes sooner was on its way before. */
const MIN_ANSWER_MS = 30;
/** Behind a probe that fits the round trip is no longer than this, beside the least, and hardly anything is lost. */
const SOME_QUEUE_MS = 50;
const SOME_LOSS = 0.05;

export class CongestionController {
  /** What was sent; the packet path writes to it. */
  readonly sent = new SentHistory();
  readonly #sent = new SentRate(this.sent);
  readonly #remb = new RembEstimate();
  readonly #rembLoss = new LossControl(3, 0);
  /** Made by the first feedback. */
  #sendSide: SendSide | undefined;
  /** The rate by REMB, and until when the queue behind the client's last word is taken to drain. */
  readonly #rembRate = new RateControl();
  #rembDrainMs = -1;
  #probe = new ProbeControl(REMB_PROBE);
  /** The link was full, and has not been found wide enough for everything since. */
  #bounded = false;
  #demand: Demand = { allocatedBps: 0, nextStepBps: 0, desiredBps: 0 };
  #limitBps = 0;
  #rttMs = INITIAL_RTT_MS;
  /** The shortest round trip lately: without a queue. */
  #leastRttMs = 0;
  /** When a sender report was asked for, to measure the round trip behind a probe; -1 = none is. */
  #askedMs = -1;
  #wantsReport = false;
  #lossShare = 0;
  #clusterFrom = 0;
  #clusterBytes = 0;
  /** Number of its last packet. */
  #clusterEnd = -1;
  #echoUntilMs = -1;
  #tickMs = NEVER;
  #sentPackets = 0;
  #sentMs = -1;

  /** Bits per second that the link carries; 0 = no limit is known. */
  get estimateBps(): number {
    const known = this.#knownBps;
    if (this.#limitBps === 0) return known;
    return known === 0 ? this.#limitBps : Math.min(known, this.#limitBps);
  }

  /** Bits per second that may be granted; 0 = no limit: an estimate alone is none, for it is never more than what was tried. */
  get budgetBps(): number {
    return this.#bounded ? this.estimateBps : this.#limitBps;
  }

  /** The same for what flows already: after the link was found wider than ever seen full, only congestion ends it. */
  get holdBps(): number {
    return this.#rate.capacityBps === 0 ? this.#limitBps : this.budgetBps;
  }

  /** How long packets wait in queues, milliseconds; known by transport-wide feedback only. */
  get queueMs(): number {
    return this.#sendSide?.queueMs ?? 0;
  }

  /** Bits per second sent in the last second. */
  get sentBps(): number {
    return this.#sent.bps;
  }

  /** A probe is sending: padding may be due. */
  get probing(): boolean {
    return this.sent.cluster !== 0;
  }

  /** Probes begun so far. */
  get probes(): number {
    return this.#probe.clusters;
  }

  /** A message of transport-wide feedback. */
  handleFeedback(feedback: TwccArrivals, nowMs: number): void {
    if (this.sent.newest < 0) return;
    if (this.#sendSide === undefined) {
      this.#sendSide = new SendSide(this.sent);
      this.#probe = new ProbeControl(FEEDBACK_PROBE);
      this.sent.cluster = 0;
    }
    const sendSide = this.#sendSide;
    sendSide.handleFeedback(feedback, nowMs);
    this.#sent.tick(nowMs);
    this.#probe.start(nowMs);
    if (this.#probe.sending && (sendSide.isOverused(nowMs) || sendSide.queueMs > PROBE_QUEUE_MS)) {
      this.#endCluster();
      this.#probe.stop(this.#rttMs, nowMs);
    }
    const answered = this.#probe.active && this.sent.cluster === 0 && sendSide.covers(this.#clusterEnd);
    if (answered) this.#conclude(nowMs);
    const probing = this.#probe.active || nowMs < this.#echoUntilMs;
    if (sendSide.update(probing, this.#sent.bps, this.#rttMs, nowMs)) this.#congested(nowMs);
  }

  /** The client's own estimate. */
  handleRemb(bps: number, nowMs: number): void {
    if (this.#sendSide !== undefined) return;
    this.#sent.tick(nowMs);
    const full = this.#remb.handle(bps, this.#sent.bps, nowMs);
    const value = this.#remb.lastBps;
    if (value === 0) return;
    this.#probe.start(nowMs);
    if (full) {
      this.#rembFull(value, nowMs);
    } else if (this.#rembRate.rateBps > 0 && !this.#rembLoss.holds(nowMs)) {
      this.#rembRate.set(Math.max(this.#rembRate.rateBps, Math.min(value, this.#sent.bps * REMB_TESTED)));
    }
  }

  /** A sender report should go out now: the answer tells whether a probe has made a queue. Said once. */
  takeReportWish(): boolean {
    const wanted = this.#wantsReport;
    this.#wantsReport = false;
    return wanted;
  }

  /** A receiver report of one stream: the share of its last `packets` that was lost, and the round trip time (0 = unknown). */
  handleReport(lossShare: number, packets: number, rttMs: number, nowMs: number): void {
    if (rttMs > 0) this.#measured(rttMs, lossShare, nowMs);
    if (this.#sendSide !== undefined || packets <= 0) return;
    const lost = Math.min(Math.max(lossShare, 0), 1) * packets;
    this.#lossShare = lossShare;
    this.#rembLoss.add(packets - lost, lost);
  }

  /** What is granted and wanted now. */
  setDemand(demand: Demand, nowMs: number): void {
    this.#demand = demand;
    const { rateBps, capacityBps } = this.#rate;
    if (capacityBps === 0 && rateBps >= demand.desiredBps && demand.allocatedBps >= demand.desiredBps) {
      this.#bounded = false;
    }
    if (this.#tickMs === NEVER && demand.desiredBps > 0) this.#tickMs = nowMs;
  }

  /** Holds the estimate to this; 0 lets go. */
  limit(bps: number): void {
    this.#limitBps = bps > 0 ? Math.min(Math.max(bps, MIN_RATE_BPS), MAX_RATE_BPS) : 0;
  }

  /** Bytes of padding to send now; 0 nearly always. */
  paddingBytes(nowMs: number): number {
    if (this.sent.cluster === 0) return 0;
    return this.#probe.paddingBytes(countedSince(this.sent.bytes, this.#clusterFrom), nowMs);
  }

  nextTimeoutMs(): number {
    return this.#tickMs === NEVER ? NEVER : earlier(this.#tickMs, this.#probe.nextTimeoutMs());
  }

  handleTimeout(nowMs: number): void {
    if (nowMs >= this.#tickMs) this.#tick(nowMs);
    if (this.#tickMs === NEVER) return;
    this.#stepProbe(nowMs);
  }

  get #rate(): RateControl {
    return this.#sendSide ? this.#sendSide.rate : this.#rembRate;
  }

  get #knownBps(): number {
    return this.#rate.rateBps;
  }

  #congested(nowMs: number): void {
    this.#bounded = true;
    this.#probe.congested(nowMs);
  }

  #measured(rttMs: number, lossShare: number, nowMs: number): void {
    this.#rttMs += (rttMs - this.#rttMs) * RTT_WEIGHT;
    this.#leastRttMs = this.#leastRttMs === 0 ? rttMs : Math.min(rttMs, this.#leastRttMs * LEAST_RTT_GROWTH);
    if (this.#askedMs < 0 || nowMs < this.#askedMs + Math.max(this.#leastRttMs, MIN_ANSWER_MS)) return;
    this.#askedMs = -1;
    const empty = rttMs <= this.#leastRttMs + SOME_QUEUE_MS && lossShare < SOME_LOSS;
    if (this.#probe.active && empty && this.#remb.holds) this.#concludeRemb(true, nowMs);
  }

  /** The client cut its estimate: that is a fixed share of what it gets. */
  #rembFull(value: number, nowMs: number): void {
    const carriedBps = Math.min(value / REMB_SHARE, this.#sent.bps);
    this.#rembLoss.showsDelay();
    this.#rembRate.overuse(carriedBps, REMB_QUEUE_MS, this.#rttMs, nowMs);
    this.#rembDrainMs = nowMs + REMB_DRAIN_MS;
    this.#endCluster();
    this.#congested(nowMs);
  }

  #tick(nowMs: number): void {
    this.#sent.tick(nowMs);
    if (this.sent.packets !== this.#sentPackets || this.#sentMs < 0) {
      this.#sentPackets = this.sent.packets;
      this.#sentMs = nowMs;
    }
    const quietMs = nowMs - this.#sentMs;
    if (quietMs > STARVED_MS && this.#demand.desiredBps > this.#demand.allocatedBps) this.#forget();
    this.#tickMs = quietMs > IDLE_MS + STARVED_MS ? NEVER : nowMs + TICK_MS;
    if (this.#sendSide !== undefined) {
      if (quietMs > TICK_MS) this.#sendSide.excuseSilence(nowMs);
      else if (this.#sendSide.checkSilence(nowMs)) this.#congested(nowMs);
      return;
    }
    this.#rembTick(nowMs);
  }

  #rembTick(nowMs: number): void {
    const rate = this.#rembRate;
    const arrivedBps = this.#sent.bps * (1 - this.#lossShare);
    // A probe shows by the client's estimate alone.
    const sentBps = this.#probe.active ? 0 : this.#sent.bps;
    rate.calm(arrivedBps, nowMs < this.#rembDrainMs ? REMB_QUEUE_MS : 0, sentBps, nowMs);
    const before = rate.rateBps;
    rate.set(this.#rembLoss.update(before, arrivedBps, nowMs));
    if (rate.rateBps < before) this.#congested(nowMs);
  }

  #stepProbe(nowMs: number): void {
    const probe = this.#probe;
    if (probe.sent(this.#rttMs, nowMs)) {
      this.#endCluster();
      this.#wantsReport = this.#sendSide === undefined;
      this.#askedMs = this.#sendSide !== undefined ? -1 : nowMs;
    }
    if (probe.overdue(nowMs)) this.#conclude(nowMs);
    if (probe.begin(this.#knownBps, this.#demand, this.#limitBps, nowMs)) this.#beginCluster();
  }

  #beginCluster(): void {
    this.sent.cluster = 1 + (this.#probe.clusters % MAX_CLUSTER);
    this.#clusterFrom = this.sent.bytes;
    if (this.#sendSide) this.#sendSide.probe.begin(this.sent.cluster);
    else this.#remb.beginProbe();
  }

  #endCluster(): void {
    if (this.sent.cluster === 0) return;
    this.#clusterBytes = countedSince(this.sent.bytes, this.#clusterFrom);
    this.#clusterEnd = this.sent.newest;
    this.sent.cluster = 0;
  }

  #conclude(nowMs: number): void {
    const probe = this.#probe;
    const { goalBps } = probe;
    if (this.#sendSide) {
      const { probe: found, rate } = this.#sendSide;
      const before = rate.rateBps;
      const measured = found.conclude(this.#clusterBytes);
      if (measured) rate.probed(found.bps, found.full);
      if (measured && found.full) {
        this.#bounded = true;
        // The queue that the probe left is ours: let it drain at once.
        const { queueMs } = this.#sendSide;
        if (queueMs > LONG_QUEUE_MS) rate.overuse(found.bps, queueMs, this.#rttMs, nowMs);
      }
      this.#echoUntilMs = measured && !found.full ? -1 : nowMs + PROBE_ECHO_MS;
      probe.finish(measured && !found.full && rate.rateBps > before, nowMs);
      return;
    }
    this.#concludeRemb(this.#remb.probeSucceeded(goalBps), nowMs);
  }

  #concludeRemb(succeeded: boolean, nowMs: number): void {
    const { goalBps } = this.#probe;
    this.#askedMs = -1;
    const sentBps = (this.#clusterBytes * 8000) / REMB_PROBE.clusterMs;
    if (succeeded && sentBps >= goalBps * PROBE_REACHED) this.#rembRate.probed(goalBps, false);
    this.#probe.finish(succeeded, nowMs);
  }

  /** Nothing flows, and what is known would keep it so. */
  #forget(): void {
    this.#sendSide?.rate.reset();
    this.#rembRate.reset();
    this.#bounded = false;
  }
}
