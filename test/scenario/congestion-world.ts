/**
 * One subscriber behind a bottleneck, on a clock of its own, a millisecond a step: a source, the congestion controller, a link (a first-in-first-out
 * queue before a rate that changes, delay, jitter, loss, other people's traffic) and a receiver. No packets, only numbers.
 */
import {
  allocate,
  layerAt,
  newTrackShare,
  type Shared,
  SETTLE_MS,
  type TrackShare,
} from "@stoa/core/congestion/allocate";
import { CongestionController } from "@stoa/core/congestion/controller";
import { UNSTAMPED } from "@stoa/core/congestion/sent-history";
import { newTwccArrivals, readTwccFeedback } from "@stoa/wire/rtcp/twcc";
import { SeededRandom } from "@stoa/testkit/node-crypto";
import { BrowserEstimate } from "./congestion-browser.ts";
import { FeedbackWriter } from "./congestion-receiver.ts";
import type { Scenario } from "./congestion-scenarios.ts";

/** One tenth of a second. */
export interface Sample {
  readonly atMs: number;
  readonly capacityBps: number;
  /** 0 = unknown. */
  readonly estimateBps: number;
  /** Over the last second. */
  readonly sentBps: number;
  /** What the subscriber is granted: the rate of its layer, or of the elastic source. */
  readonly grantedBps: number;
  /** Waiting time in the bottleneck. */
  readonly queueMs: number;
}

interface Packet {
  /** `OTHERS`, `SENDER_REPORT`, or of the subscriber's own. */
  readonly sequence: number;
  readonly sentMs: number;
  readonly bytes: number;
}

const OTHERS = -1;
const SENDER_REPORT = -2;
const SENDER_REPORT_BYTES = 70;
const SENDER_REPORT_MS = 3000;
/** Of the receiver; a browser sends another with each REMB. */
const REPORT_MS = 1000;
const STEP_MS = 100;
const FRAME_MS = 33;
/** Publishers pace a frame over this. */
const SPREAD_MS = 15;
const PACKET_BYTES = 1100;
const PADDING_BYTES = 280;

/** Runs a scenario to its end. */
export function run(scenario: Scenario): Sample[] {
  const world = new CongestionWorld(scenario);
  while (world.nowMs < scenario.durationMs) world.step();
  return world.samples;
}

export class CongestionWorld {
  readonly samples: Sample[] = [];
  readonly controller = new CongestionController();
  readonly share: TrackShare = newTrackShare();
  nowMs = 0;
  readonly #scenario: Scenario;
  readonly #random: SeededRandom;
  readonly #feedback = new FeedbackWriter();
  readonly #browser = new BrowserEstimate();
  readonly #read = newTwccArrivals();
  readonly #queue: Packet[] = [];
  readonly #arrivals: { atMs: number; packet: Packet }[] = [];
  readonly #returns: { atMs: number; run: () => void }[] = [];
  readonly #paced: { atMs: number; bytes: number }[] = [];
  readonly #sentLog: { atMs: number; bytes: number }[] = [];
  #credit = 0;
  #lastArrivalMs = 0;
  #sequence = 0;
  #fellMs = -1e12;
  #grantedBps = 0;
  #received = 0;
  #reported = 0;
  #highest = 0;
  #highestAtReport = 0;
  #nextReportMs = REPORT_MS / 2;
  #senderReportMs = 1000;
  /** Of the last sender report that arrived; 0 = none did. */
  #heardMs = 0;
  #heardSentMs = 0;
  #nextStallMs = -1;
  #stalledUntilMs = -1;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.#random = new SeededRandom(scenario.seed ?? 1);
    for (const [layer, bps] of scenario.source.entries()) this.share.bps[layerAt(layer, 0)] = bps;
  }

  get capacityBps(): number {
    let bps = 0;
    for (const [fromMs, value] of this.#scenario.link.capacity) if (fromMs <= this.nowMs) bps = value;
    return bps;
  }

  /** Lets a millisecond pass. */
  step(): void {
    this.nowMs++;
    const { nowMs } = this;
    if (nowMs % STEP_MS === 0) this.#allocate();
    if (nowMs % FRAME_MS === 0) this.#frame();
    while (this.#paced[0] && this.#paced[0].atMs <= nowMs) this.#send(this.#paced.shift()!.bytes);
    this.#pad();
    this.#senderReport();
    this.#others();
    this.#serve();
    this.#stall();
    if (nowMs >= this.#stalledUntilMs) {
      while (this.#arrivals[0] && this.#arrivals[0].atMs <= nowMs) this.#arrive(this.#arrivals.shift()!);
    }
    this.#answer();
    while (this.#returns[0] && this.#returns[0].atMs <= nowMs) this.#returns.shift()!.run();
    if (nowMs % STEP_MS === 0) this.#sample();
  }

  #allocate(): void {
    const { budgetBps, holdBps } = this.controller;
    if (this.#scenario.source.length === 1) {
      const desiredBps = this.#scenario.source[0]!;
      this.#grantedBps = budgetBps === 0 ? desiredBps : Math.min(budgetBps, desiredBps);
      const nextStepBps = desiredBps - this.#grantedBps;
      this.controller.setDemand({ allocatedBps: this.#grantedBps, nextStepBps, desiredBps }, this.nowMs);
      return;
    }
    const shared: Shared = { allocatedBps: 0, desiredBps: 0, nextStepBps: 0, fell: false };
    const mayRaise = this.nowMs - this.#fellMs >= SETTLE_MS;
    allocate([this.share], { budgetBps, holdBps, allowPause: false, mayRaise }, shared);
    if (shared.fell) this.#fellMs = this.nowMs;
    this.#grantedBps = shared.allocatedBps;
    this.controller.setDemand(shared, this.nowMs);
  }

  #frame(): void {
    let left = Math.round(((this.#grantedBps * FRAME_MS) / 8000) * (0.8 + 0.4 * this.#random.unit()));
    const packets = Math.ceil(left / PACKET_BYTES);
    for (let i = 0; i < packets; i++) {
      const bytes = Math.min(left, PACKET_BYTES);
      left -= bytes;
      this.#paced.push({ atMs: this.nowMs + Math.floor((i * SPREAD_MS) / packets), bytes });
    }
  }

  #pad(): void {
    const { controller, nowMs } = this;
    if (nowMs < controller.nextTimeoutMs()) return;
    controller.handleTimeout(nowMs);
    for (let left = controller.paddingBytes(nowMs); left > 0; left -= PADDING_BYTES) this.#send(PADDING_BYTES);
  }

  /** Every three seconds, and when the controller wishes. */
  #senderReport(): void {
    if (this.nowMs < this.#senderReportMs && !this.controller.takeReportWish()) return;
    this.#senderReportMs = this.nowMs + SENDER_REPORT_MS;
    this.#enqueue({ sequence: SENDER_REPORT, sentMs: this.nowMs, bytes: SENDER_REPORT_BYTES });
  }

  #send(bytes: number): void {
    const stamped = this.#scenario.estimator === "transport-cc";
    const sequence = this.#sequence++;
    this.controller.sent.note(stamped ? sequence & 0xffff : UNSTAMPED, bytes, this.nowMs);
    this.#sentLog.push({ atMs: this.nowMs, bytes });
    this.#enqueue({ sequence, sentMs: this.nowMs, bytes });
  }

  #enqueue(packet: Packet): void {
    if (this.#queueMs() <= this.#scenario.link.queueMs) this.#queue.push(packet);
  }

  #queueMs(): number {
    let bytes = 0;
    for (const packet of this.#queue) bytes += packet.bytes;
    return (bytes * 8000) / Math.max(this.capacityBps, 1);
  }

  #others(): void {
    const { others } = this.#scenario.link;
    if (!others || this.nowMs < others.fromMs || this.nowMs >= others.toMs) return;
    const everyMs = Math.round((PACKET_BYTES * 8000) / others.bps);
    if (this.nowMs % everyMs === 0) this.#enqueue({ sequence: OTHERS, sentMs: this.nowMs, bytes: PACKET_BYTES });
  }

  #serve(): void {
    const { delayMs, jitterMs = 0, loss = 0 } = this.#scenario.link;
    this.#credit += this.capacityBps / 8000;
    while (this.#queue[0] && this.#credit >= this.#queue[0].bytes) {
      const packet = this.#queue.shift()!;
      this.#credit -= packet.bytes;
      if (packet.sequence === OTHERS || this.#random.unit() < loss) continue;
      const atMs = Math.max(this.nowMs + delayMs + jitterMs * this.#random.unit(), this.#lastArrivalMs);
      this.#lastArrivalMs = atMs;
      this.#arrivals.push({ atMs, packet });
    }
    if (this.#queue.length === 0) this.#credit = Math.min(this.#credit, this.capacityBps / 8000);
  }

  #stall(): void {
    const { stalls } = this.#scenario;
    if (!stalls || this.nowMs < this.#nextStallMs) return;
    if (this.#nextStallMs >= 0) {
      const { leastMs, mostMs } = stalls;
      this.#stalledUntilMs = this.nowMs + Math.round(leastMs + (mostMs - leastMs) * this.#random.unit());
    }
    const from = Math.max(this.#stalledUntilMs, this.nowMs);
    this.#nextStallMs = from + 1 + Math.round(-Math.log(1 - this.#random.unit()) * stalls.pauseMs);
  }

  #arrive(arrival: { atMs: number; packet: Packet }): void {
    const { packet } = arrival;
    const atMs = Math.max(arrival.atMs, this.#stalledUntilMs);
    if (packet.sequence === SENDER_REPORT) {
      this.#heardMs = atMs;
      this.#heardSentMs = packet.sentMs;
      return;
    }
    this.#received++;
    this.#highest = packet.sequence + 1;
    if (this.#scenario.estimator === "transport-cc") this.#feedback.arrived(packet.sequence, atMs);
    else this.#browser.arrived(packet.sentMs, packet.bytes, atMs);
  }

  #answer(): void {
    const { delayMs, loss = 0 } = this.#scenario.link;
    const { controller } = this;
    if (this.nowMs < this.#stalledUntilMs) return;
    const back = (answer: () => void): void => {
      if (this.#random.unit() >= loss) this.#returns.push({ atMs: this.nowMs + delayMs, run: answer });
    };
    if (this.#scenario.estimator === "transport-cc") {
      for (const message of this.#feedback.poll(this.nowMs)) {
        back(() => {
          if (readTwccFeedback(message, 0, message.length, this.#read))
            controller.handleFeedback(this.#read, this.nowMs);
        });
      }
    } else {
      const bps = this.#browser.poll();
      if (bps > 0) {
        back(() => controller.handleRemb(bps, this.nowMs));
        this.#nextReportMs = this.nowMs;
      }
    }
    if (this.nowMs < this.#nextReportMs) return;
    this.#nextReportMs = this.nowMs + REPORT_MS;
    // By the numbers that came: what is on its way is not lost.
    const sent = this.#highest - this.#highestAtReport;
    const share = sent === 0 ? 0 : Math.max(0, 1 - (this.#received - this.#reported) / sent);
    this.#highestAtReport = this.#highest;
    this.#reported = this.#received;
    // What the server works out of the report that it last heard of.
    const rttMs = this.#heardMs === 0 ? 0 : this.#heardMs - this.#heardSentMs + delayMs;
    const heldMs = this.nowMs - this.#heardMs;
    back(() => controller.handleReport(share, sent, rttMs, heldMs, this.nowMs));
  }

  #sample(): void {
    while (this.#sentLog[0] && this.#sentLog[0].atMs <= this.nowMs - 1000) this.#sentLog.shift();
    let bytes = 0;
    for (const sent of this.#sentLog) bytes += sent.bytes;
    this.samples.push({
      atMs: this.nowMs,
      capacityBps: this.capacityBps,
      estimateBps: this.controller.estimateBps,
      sentBps: bytes * 8,
      grantedBps: this.#grantedBps,
      queueMs: this.#queueMs(),
    });
  }
}
