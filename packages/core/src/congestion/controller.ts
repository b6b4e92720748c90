/**
 * Congestion control of one subscriber: what was sent, what came back, what it wants; out comes how much its link carries, and how much
 * padding to send to find out more. Which estimator runs is decided by what the client sends: transport-wide feedback, or else REMB.
 * Invariant: without evidence there is no limit (`estimateBps` 0); a limit is never without a way up, for a probe follows as long as more is wanted.
 */
import type { TwccArrivals } from "@stoa/wire/rtcp/twcc";
import { NEVER, earlier } from "../clock.ts";
import { ProbeControl } from "./probe-control.ts";
import type { Demand, ProbeShape } from "./probe-control.ts";
import { LONG_QUEUE_MS, MAX_RATE_BPS, MIN_RATE_BPS } from "./rate-control.ts";
import type { RateControl } from "./rate-control.ts";
import { RembSide } from "./remb-side.ts";
import { SendSide } from "./send-side.ts";
import { countedSince, MAX_CLUSTER, SentHistory } from "./sent-history.ts";
import { SentRate } from "./sent-rate.ts";

/** Feedback tells of each packet: a moment is enough. */
const FEEDBACK_PROBE: ProbeShape = { clusterMs: 150, settleMs: 300, boldFactor: 2, cautiousFactor: 1.35 };
/** The answer tells how long the queue is behind it, but may take a second. */
const ANSWERED_PROBE: ProbeShape = { clusterMs: 200, settleMs: 1500, boldFactor: 1.5, cautiousFactor: 1.25 };
/** There is nothing but the client's estimate, and that moves slowly: longer and gentler. */
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
const INITIAL_RTT_MS = 100;
const RTT_WEIGHT = 0.25;

export class CongestionController {
  /** What was sent; the packet path writes to it. */
  readonly sent = new SentHistory();
  readonly #sent = new SentRate(this.sent);
  readonly #remb = new RembSide();
  /** Made by the first feedback. */
  #sendSide: SendSide | undefined;
  #probe = new ProbeControl(REMB_PROBE);
  /** The link was full, and has not been found wide enough for everything since. */
  #bounded = false;
  #demand: Demand = { allocatedBps: 0, nextStepBps: 0, desiredBps: 0 };
  #limitBps = 0;
  #rttMs = INITIAL_RTT_MS;
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

  /** How long packets wait in queues, milliseconds. */
  get queueMs(): number {
    return (this.#sendSide ?? this.#remb).queueMs;
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
    const cut = this.#remb.handleRemb(bps, this.#sent.bps, this.#rttMs, nowMs);
    if (this.#remb.estimate.lastBps > 0) this.#probe.start(nowMs);
    if (!cut) return;
    this.#endCluster();
    this.#congested(nowMs);
  }

  /** A sender report should go out now: the answer tells how long the queue is. Said once. */
  takeReportWish(): boolean {
    return this.#sendSide === undefined && this.#remb.takeReportWish();
  }

  /**
   * A receiver report of one stream: the share of its last `packets` that was lost, the round trip time (0 = unknown), and how long the
   * client had held the sender report that it answers.
   */
  handleReport(lossShare: number, packets: number, rttMs: number, heldMs: number, nowMs: number): void {
    if (rttMs > 0) this.#rttMs += (rttMs - this.#rttMs) * RTT_WEIGHT;
    if (this.#sendSide !== undefined) return;
    this.#remb.handleReport(lossShare, packets, rttMs, heldMs, nowMs);
    if (this.#probe.waiting && this.#remb.answered) this.#concludeAnswered(nowMs);
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
    return (this.#sendSide ?? this.#remb).rate;
  }

  get #knownBps(): number {
    return this.#rate.rateBps;
  }

  #congested(nowMs: number): void {
    this.#bounded = true;
    this.#probe.congested(nowMs);
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
    if (this.#remb.tick(this.#probe.active, this.#sent.bps, this.#rttMs, nowMs)) this.#congested(nowMs);
  }

  #stepProbe(nowMs: number): void {
    const probe = this.#probe;
    if (probe.sent(this.#rttMs, nowMs)) {
      this.#endCluster();
      if (this.#sendSide === undefined) this.#remb.ask(nowMs);
    }
    if (probe.overdue(nowMs)) this.#conclude(nowMs);
    if (this.#sendSide === undefined) probe.shape = this.#remb.answers ? ANSWERED_PROBE : REMB_PROBE;
    if (probe.begin(this.#knownBps, this.#demand, this.#limitBps, nowMs)) this.#beginCluster();
  }

  #beginCluster(): void {
    this.sent.cluster = 1 + (this.#probe.clusters % MAX_CLUSTER);
    this.#clusterFrom = this.sent.bytes;
    if (this.#sendSide) this.#sendSide.probe.begin(this.sent.cluster);
    else this.#remb.estimate.beginProbe();
  }

  #endCluster(): void {
    if (this.sent.cluster === 0) return;
    this.#clusterBytes = countedSince(this.sent.bytes, this.#clusterFrom);
    this.#clusterEnd = this.sent.newest;
    this.sent.cluster = 0;
  }

  #conclude(nowMs: number): void {
    const probe = this.#probe;
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
    this.#concludeRemb(nowMs);
  }

  /** The client says how long the queue behind the probe is. */
  #concludeAnswered(nowMs: number): void {
    const { clusterMs } = this.#probe.shape;
    const carried = this.#remb.concludeProbe((this.#clusterBytes * 8000) / clusterMs, clusterMs, this.#rttMs, nowMs);
    this.#probe.finish(carried, nowMs);
    if (this.#remb.rate.draining) this.#bounded = true;
  }

  /** No answer came: did the client's estimate rise? */
  #concludeRemb(nowMs: number): void {
    const { goalBps, shape } = this.#probe;
    const succeeded = this.#remb.estimate.probeSucceeded(goalBps);
    const sentBps = (this.#clusterBytes * 8000) / shape.clusterMs;
    if (succeeded && sentBps >= goalBps * PROBE_REACHED) this.#remb.rate.probed(goalBps, false);
    this.#probe.finish(succeeded, nowMs);
  }

  /** Nothing flows, and what is known would keep it so. */
  #forget(): void {
    this.#sendSide?.rate.reset();
    this.#remb.rate.reset();
    this.#bounded = false;
  }
}
