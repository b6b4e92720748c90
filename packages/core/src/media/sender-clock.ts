/**
 * How the RTP timestamps of one incoming stream relate to the sender's wall clock, from its newest sender report.
 * With it streams of one sender are aligned (layers, and audio with video).
 */
import { ntpToUnixMs } from "@stoa/wire/rtcp/ntp";
import type { SenderInfo } from "@stoa/wire/rtcp/report";

/** Packets and reports of one sender are not further apart than this, unless its timestamps stood still (LiveKit: 200 ms). */
const MAX_APART_MS = 200;

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

  /**
   * Whether a packet with this timestamp, which came at `arrivalMs`, is on the time line of the last report. It is not when
   * the sender paused and its timestamps did not go on meanwhile; its next report will say.
   */
  agrees(timestamp: number, arrivalMs: number, clockRate: number): boolean {
    const apartMs = arrivalMs - this.arrivalMs - (((timestamp - this.timestamp) | 0) * 1000) / clockRate;
    return Math.abs(apartMs) <= MAX_APART_MS;
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
