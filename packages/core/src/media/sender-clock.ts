/**
 * How the RTP timestamps of one incoming stream relate to the sender's wall clock, from its newest sender report.
 * With it streams of one sender are aligned (layers, and audio with video).
 */
import { ntpToUnixMs } from "@stoa/wire/rtcp/ntp";
import type { SenderInfo } from "@stoa/wire/rtcp/report";

export class SenderClock {
  /** False until the first report. */
  known = false;
  /** The sender's wall clock as Unix milliseconds. */
  senderMs = 0.5;
  timestamp = 0;
  /** When the report came, by our clock. */
  arrivalMs = 0.5;

  update(info: SenderInfo, nowMs: number): void {
    this.known = true;
    this.senderMs = ntpToUnixMs(info.ntpSeconds, info.ntpFraction);
    this.timestamp = info.rtpTimestamp;
    this.arrivalMs = nowMs;
  }

  /** A new source under the same layer. */
  clear(): void {
    this.known = false;
  }

  /** What to add to a timestamp of `other` to get this stream's timestamp of the same instant. Both are known. */
  offsetFrom(other: SenderClock, clockRate: number): number {
    const apart = Math.round(((other.senderMs - this.senderMs) * clockRate) / 1000);
    return (this.timestamp - other.timestamp + apart) | 0;
  }
}
