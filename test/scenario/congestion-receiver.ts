/** The receiving end of a simulated link: transport-wide feedback as a browser sends it. */
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
