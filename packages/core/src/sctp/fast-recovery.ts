/**
 * What is sent again although the congestion window is full: the first packet after a loss was found (RFC 9260 section 7.2.4), and
 * then a part of what arrives (RFC 6937).
 *
 * Invariant: but for that first packet, less goes beyond the window than has arrived.
 */
import { tsnDiff } from "@stoa/wire/sctp/serial";
import type { ChunkRing } from "./chunk-ring.ts";
import type { SackReport } from "./sack-report.ts";

/**
 * After a loss the window is smaller than what is in flight. Until they are even, so much of what arrives is sent again: waiting
 * would never end if a peer's SACKs cannot name all that it has.
 */
const REPAIR = 0.7;

/** From the first loss until everything has arrived that had been sent by then. */
export class FastRecovery {
  active = false;
  /** It ends with the acknowledgement of this TSN. */
  #endTsn = 0;
  #firstPacket = false;
  #repairBytes = 0;

  sackCame(report: SackReport, ring: ChunkRing): void {
    if (this.active && tsnDiff(ring.cumulativeTsn, this.#endTsn) >= 0) this.active = false;
    if (report.lostChunks > 0 && !this.active) {
      this.active = true;
      this.#endTsn = ring.lastTsn;
      this.#firstPacket = true;
    }
    this.#repairBytes = ring.lostCount === 0 ? 0 : this.#repairBytes + REPAIR * report.ackedBytes;
  }

  timedOut(): void {
    this.active = false;
    this.#repairBytes = 0;
  }

  /** Whether a lost chunk may go beyond the window. */
  allows(bytes: number): boolean {
    return this.#firstPacket || this.#repairBytes >= bytes;
  }

  /** A lost chunk goes out. */
  resent(bytes: number): void {
    this.#repairBytes = Math.max(0, this.#repairBytes - bytes);
  }

  /** All that fits is in the packet. */
  filled(): void {
    this.#firstPacket = false;
  }
}
