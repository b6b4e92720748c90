/**
 * When the packets of one peer arrived, by their transport-wide sequence number, and the feedback about them
 * (draft-holmer-rmcat-transport-wide-cc-extensions). Numbers that were missing when reported are reported again if they
 * come later. Bounded: the last 2,048 packets.
 */
import { TWCC_TICKS_PER_MS, writeTwccFeedback } from "@stoa/wire/rtcp/twcc";
import type { TwccReport, TwccWritten } from "@stoa/wire/rtcp/twcc";
import { NEVER } from "../clock.ts";

const CAPACITY = 2048;
const MASK = CAPACITY - 1;
/** Not arrived. */
const MISSING = -1;
/** Feedback goes out after this long … */
const INTERVAL_MS = 100;
/** … or earlier when much came: a fast sender wants to react fast. */
const FAST_INTERVAL_MS = 50;
const MANY_PACKETS = 20;

const NO_TICKS = new Float64Array(0);

export class Arrivals {
  /** Made at the first packet: most peers only listen. */
  #ticks: Float64Array = NO_TICKS;
  readonly #written: TwccWritten = { length: 0, count: 0 };
  readonly #report: TwccReport;
  #started = false;
  /** Extended numbers: the first to report and the highest seen. */
  #next = 0;
  #highest = 0;
  #unreported = 0;
  #baseMs = 0.5;
  #sinceMs = 0.5;

  constructor(sender: number) {
    this.#report = {
      sender,
      media: 0,
      feedbackCount: 0,
      baseSequence: 0,
      count: 0,
      ticks: this.#ticks,
      mask: MASK,
    };
  }

  /** A packet of stream `ssrc` with this number arrived. */
  record(sequence: number, ssrc: number, nowMs: number): void {
    this.#report.media = ssrc;
    if (!this.#started) {
      this.#started = true;
      this.#ticks = this.#report.ticks = new Float64Array(CAPACITY).fill(MISSING);
      // Ticks are counted from somewhat earlier, so that none is negative.
      this.#baseMs = nowMs - 1000;
      this.#next = this.#highest = sequence;
    }
    const extended = (this.#highest + (((sequence - this.#highest) << 16) >> 16)) | 0;
    const ahead = (extended - this.#highest) | 0;
    if (ahead > 0) this.#advance(extended, ahead);
    else if (ahead <= -CAPACITY) return;
    if (this.#ticks[extended & MASK]! >= 0) return;
    this.#ticks[extended & MASK] = Math.floor((nowMs - this.#baseMs) * TWCC_TICKS_PER_MS);
    if (((extended - this.#next) | 0) < 0) this.#next = extended;
    if (this.#unreported++ === 0) this.#sinceMs = nowMs;
  }

  /** When `write` is due. */
  nextTimeoutMs(): number {
    if (this.#unreported === 0) return NEVER;
    return this.#sinceMs + (this.#unreported > MANY_PACKETS ? FAST_INTERVAL_MS : INTERVAL_MS);
  }

  /** Writes one message of at most `capacity` bytes; 0 when there is nothing (more) to say. */
  write(u8: Uint8Array, at: number, capacity: number): number {
    if (this.#unreported === 0) return 0;
    const report = this.#report;
    const oldest = (this.#highest - MASK) | 0;
    if (((this.#next - oldest) | 0) < 0) this.#next = oldest;
    report.baseSequence = this.#next & 0xffff;
    report.count = ((this.#highest - this.#next) | 0) + 1;
    writeTwccFeedback(u8, at, capacity, report, this.#written);
    if (this.#written.length === 0) {
      this.#unreported = 0;
      return 0;
    }
    report.feedbackCount = (report.feedbackCount + 1) & 255;
    this.#next = (this.#next + this.#written.count) | 0;
    if (((this.#highest - this.#next) | 0) < 0) this.#unreported = 0;
    return this.#written.length;
  }

  #advance(extended: number, ahead: number): void {
    if (ahead >= CAPACITY) {
      this.#ticks.fill(MISSING);
      this.#next = extended;
    } else {
      for (let s = (this.#highest + 1) | 0; s !== extended; s = (s + 1) | 0) this.#ticks[s & MASK] = MISSING;
      this.#ticks[extended & MASK] = MISSING;
    }
    this.#highest = extended;
  }
}
