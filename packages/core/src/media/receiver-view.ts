/** What a client says about one stream that it is sent: its newest report block (RFC 3550 section 6.4.1), what it asked for. */
import type { ReportBlock } from "@stoa/wire/rtcp/report";

export class ReceiverView {
  readonly #times = new Float64Array(1);
  /** Extended highest sequence number. */
  highest = 0;
  /** Packets lost so far. */
  lost = 0;
  /** The same of the stream of retransmissions. */
  rtxLost = 0;
  /** In timestamp units. */
  jitter = 0;
  /** Reports so far. */
  reports = 0;
  /** Packets and key frames that it asked for so far. */
  nacks = 0;
  keyFrameRequests = 0;
  /** Those of them that came as FIR. */
  firs = 0;

  /** When the newest report came; 0 = none yet. */
  get atMs(): number {
    return this.#times[0]!;
  }

  /** A report came. */
  update(block: ReportBlock, nowMs: number): void {
    this.highest = block.highestSequence;
    this.lost = block.cumulativeLost;
    this.jitter = block.jitter;
    this.reports++;
    this.#times[0] = nowMs;
  }
}
