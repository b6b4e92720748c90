/** What a subscriber counts of one SSRC: packets, gaps, jitter, and what receiver reports say of it (RFC 3550 section 6.4, A.8). */
import { readInt32 } from "@stoa/wire/rtp/header";
import type { ReportBlock } from "@stoa/wire/rtcp/report";

/** One incoming stream. */
export class ReceivedStream {
  readonly ssrc: number;
  readonly payloadType: number;
  /** Carries retransmissions (RFC 4588) and probes, no media of its own. */
  readonly isRtx: boolean;
  packets = 0;
  bytes = 0;
  /** Packets that came behind a later one; duplicates are dropped by SRTP. */
  reordered = 0;
  #first = -1;
  /** Extended highest sequence number. */
  #highest = -1;
  #lastReport = 0;
  #lastReportMs = 0;
  #expectedBefore = 0;
  #packetsBefore = 0;

  constructor(ssrc: number, payloadType: number, isRtx: boolean) {
    this.ssrc = ssrc;
    this.payloadType = payloadType;
    this.isRtx = isRtx;
  }

  /** Packets that should have come: from the first to the highest sequence number. */
  get expected(): number {
    return this.#highest - this.#first + 1;
  }

  /** Missing so far; some may only be late. */
  get lost(): number {
    return this.expected - this.packets;
  }

  handle(u8: Uint8Array, at: number, length: number): void {
    const sequence = (u8[at + 2]! << 8) | u8[at + 3]!;
    this.packets += 1;
    this.bytes += length;
    if (this.#first < 0) {
      this.#first = sequence;
      this.#highest = sequence;
      return;
    }
    const ahead = ((sequence - this.#highest) << 16) >> 16;
    if (ahead > 0) this.#highest += ahead;
    else this.reordered += 1;
  }

  /** A sender report about this stream at slab offset `at`. */
  handleSenderReport(u8: Uint8Array, at: number, nowMs: number): void {
    this.#lastReport = ((readInt32(u8, at + 8) << 16) | (readInt32(u8, at + 12) >>> 16)) >>> 0;
    this.#lastReportMs = nowMs;
  }

  /** The next report block; jitter is not measured. */
  report(nowMs: number): ReportBlock {
    const expected = this.expected - this.#expectedBefore;
    const lost = expected - (this.packets - this.#packetsBefore);
    this.#expectedBefore = this.expected;
    this.#packetsBefore = this.packets;
    return {
      ssrc: this.ssrc,
      fractionLost: expected > 0 && lost > 0 ? Math.floor((lost * 256) / expected) & 255 : 0,
      cumulativeLost: this.lost,
      highestSequence: this.#highest >>> 0,
      jitter: 0,
      lastReport: this.#lastReport,
      delaySinceLastReport: this.#lastReport === 0 ? 0 : Math.round((nowMs - this.#lastReportMs) * 65.536),
    };
  }
}
