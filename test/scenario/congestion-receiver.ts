/**
 * The receiving end of a simulated link: transport-wide feedback as a browser sends it, or the estimate that it works out itself (REMB):
 * the delay filter, and the receive-side AIMD of libwebrtc around it, with its limit of one and a half times what comes in.
 */
import { AcknowledgedRate } from "@stoa/core/congestion/acknowledged-rate";
import { ArrivalGroups } from "@stoa/core/congestion/arrival-groups";
import { NORMAL, OVERUSE, OveruseDetector } from "@stoa/core/congestion/overuse-detector";
import { Trendline } from "@stoa/core/congestion/trendline";
import { TWCC_TICKS_PER_MS, writeTwccFeedback } from "@stoa/wire/rtcp/twcc";

/** Chromium sends it every 50 … 250 ms. */
const FEEDBACK_MS = 100;
const MASK = 8191;

/** The receiver's clock is nobody else's. */
const CLOCK_OFFSET_MS = 7_654_321;

/** Notes arrivals, writes messages. */
export class FeedbackWriter {
  readonly #ticks = new Float64Array(MASK + 1).fill(-1);
  #base = -1;
  #newest = -1;
  #nextMs = 0;
  #count = 0;

  /** `sequence` unwrapped. */
  arrived(sequence: number, nowMs: number): void {
    if (this.#base < 0) this.#base = sequence;
    if (sequence < this.#base) return;
    this.#ticks[sequence & MASK] = Math.round((nowMs + CLOCK_OFFSET_MS) * TWCC_TICKS_PER_MS);
    this.#newest = Math.max(this.#newest, sequence);
  }

  /** Messages that are due. */
  poll(nowMs: number): Uint8Array[] {
    if (nowMs < this.#nextMs) return [];
    this.#nextMs = nowMs + FEEDBACK_MS;
    const messages: Uint8Array[] = [];
    while (this.#base >= 0 && this.#base <= this.#newest) {
      const u8 = new Uint8Array(1200);
      const written = { length: 0, count: 0 };
      const report = {
        sender: 1,
        media: 2,
        feedbackCount: this.#count++,
        baseSequence: this.#base & 0xffff,
        count: this.#newest - this.#base + 1,
        ticks: this.#ticks,
        mask: MASK,
      };
      writeTwccFeedback(u8, 0, u8.length, report, written);
      if (written.count === 0) break;
      for (let i = 0; i < written.count; i++) this.#ticks[(this.#base + i) & MASK] = -1;
      this.#base += written.count;
      messages.push(u8.subarray(0, written.length));
    }
    return messages;
  }
}

const REMB_MS = 1000;
const BETA = 0.85;
const DECREASED = 0.97;
/** Until then the first value is what comes in. */
const INITIAL_MS = 5000;

/** What a browser believes. */
export class BrowserEstimate {
  readonly #groups = new ArrivalGroups();
  readonly #trendline = new Trendline();
  readonly #detector = new OveruseDetector();
  readonly #incoming = new AcknowledgedRate();
  #bps = 0;
  #linkBps = 0;
  #state: "increase" | "hold" | "decrease" = "increase";
  #firstMs = -1;
  #updatedMs = 0;
  #sentMs = 0;
  #sentBps = 0;

  arrived(sentMs: number, bytes: number, nowMs: number): void {
    if (this.#firstMs < 0) this.#firstMs = this.#updatedMs = nowMs;
    this.#incoming.add(nowMs, bytes);
    if (!this.#groups.add(sentMs, nowMs)) return;
    const { sentDeltaMs, arrivalDeltaMs } = this.#groups;
    const usage = this.#detector.update(this.#trendline.add(arrivalDeltaMs, sentDeltaMs, nowMs), sentDeltaMs, nowMs);
    if (usage === OVERUSE && (this.#state !== "decrease" || nowMs - this.#updatedMs > 200))
      this.#update(OVERUSE, nowMs);
  }

  /** The value to send now; 0 = none. */
  poll(nowMs: number): number {
    if (this.#firstMs < 0) return 0;
    if (nowMs - this.#updatedMs >= 500) this.#update(this.#detector.usage, nowMs);
    const due = nowMs - this.#sentMs >= REMB_MS || this.#bps < this.#sentBps * DECREASED;
    if (!due || this.#bps === 0) return 0;
    this.#sentMs = nowMs;
    this.#sentBps = this.#bps;
    return this.#bps;
  }

  #update(usage: number, nowMs: number): void {
    const stepMs = Math.min(nowMs - this.#updatedMs, 1000);
    this.#updatedMs = nowMs;
    const incoming = this.#incoming.bps;
    if (incoming === 0) return;
    if (usage === OVERUSE) {
      this.#state = "hold";
      const cut = Math.min(this.#bps === 0 ? Infinity : this.#bps, BETA * incoming);
      this.#linkBps = incoming;
      this.#bps = cut;
      return;
    }
    if (usage !== NORMAL) return;
    this.#state = "increase";
    if (this.#bps === 0) {
      if (nowMs - this.#firstMs >= INITIAL_MS) this.#bps = incoming;
      return;
    }
    if (this.#linkBps > 0 && incoming > this.#linkBps * 1.15) this.#linkBps = 0;
    const grown =
      this.#linkBps > 0
        ? this.#bps + (Math.max(4000, 9600 / 0.3) * stepMs) / 1000
        : this.#bps * 1.08 ** (stepMs / 1000) + 1000;
    this.#bps = Math.max(this.#bps, Math.min(grown, 1.5 * incoming + 10_000));
  }
}
