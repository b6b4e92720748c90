/**
 * Which chunks are lost: what SACKs report missing three times (RFC 9260 section 7.2.4), what others have overtaken that were sent
 * later (RFC 8985), and everything when the timer expires (section 6.3.3). And which of them is sent again first.
 *
 * Invariant: a lost chunk is LOST or, when its message may not be sent again, ABANDONED.
 */
import { gapEnd, gapStart } from "@stoa/wire/sctp/sack";
import type { SackChunk } from "@stoa/wire/sctp/sack";
import { tsnDiff } from "@stoa/wire/sctp/serial";
import type { Abandonment } from "./abandonment.ts";
import { FLIGHT, LOST } from "./chunk-ring.ts";
import type { ChunkRing } from "./chunk-ring.ts";
import type { SackReport } from "./sack-report.ts";

/** SACKs that must report a chunk missing before it is sent again. */
const MISSES = 3;

/** Among the chunks of one ring. */
export class LossDetection {
  readonly #ring: ChunkRing;
  readonly #abandonment: Abandonment;
  readonly #report: SackReport;
  /** No chunk before this position is LOST. */
  #firstLost = 0;

  /** `report` is told what is lost by a SACK. */
  constructor(ring: ChunkRing, abandonment: Abandonment, report: SackReport) {
    this.#ring = ring;
    this.#abandonment = abandonment;
    this.#report = report;
  }

  /** Position of the first chunk to send again, -1 if none; gives up those that expired while they waited. */
  first(nowMs: number): number {
    const ring = this.#ring;
    for (; ring.lostCount > 0 && this.#firstLost < ring.count; this.#firstLost++) {
      const slot = ring.slot(this.#firstLost);
      if (ring.state[slot] !== LOST) continue;
      if (!this.#abandonment.hasExpired(ring.message[slot]!, nowMs)) return this.#firstLost;
      this.#abandonment.abandon(this.#firstLost);
    }
    return -1;
  }

  /** The oldest chunk left the ring. */
  popped(): void {
    if (this.#firstLost > 0) this.#firstLost--;
  }

  /** One report more for what lies between the first `blocks` gap blocks of a SACK, before position `highest`. */
  countMisses(bytes: Uint8Array, sack: SackChunk, blocks: number, highest: number, nowMs: number): void {
    const ring = this.#ring;
    const highestTsn = ring.tsnAt(highest);
    let p = 0;
    for (let i = 0; i < blocks && p < highest; i++) {
      for (const from = gapStart(bytes, sack, i) - 1; p < from && p < highest; p++) {
        const slot = ring.slot(p);
        if (ring.state[slot] !== FLIGHT || tsnDiff(ring.missFrom[slot]!, highestTsn) > 0) continue;
        if (++ring.misses[slot]! < MISSES) continue;
        this.#reportLost(p, nowMs);
      }
      p = gapEnd(bytes, sack, i);
    }
  }

  /**
   * Chunks that were sent again before `overtakenMs`, when others that have arrived were still to be sent: lost again. By time, for
   * without new data to send, as when the peer's window is closed, no report of later TSNs would tell.
   */
  findOvertaken(overtakenMs: number, nowMs: number): void {
    const ring = this.#ring;
    let left = ring.resentCount;
    for (let p = 0; left > 0 && p < ring.count; p++) {
      const slot = ring.slot(p);
      if (ring.state[slot] !== FLIGHT || ring.sends[slot] === 1) continue;
      left--;
      if (ring.sentAtMs[slot]! < overtakenMs) this.#reportLost(p, nowMs);
    }
  }

  /** The timer expired: whatever is in flight is lost. */
  loseAll(nowMs: number): void {
    const ring = this.#ring;
    for (let p = 0; p < ring.count; p++) if (ring.state[ring.slot(p)] === FLIGHT) this.#lose(p, nowMs);
  }

  /** The timer expired in vain: what has not been sent again yet is still on its way (RFC 5682). */
  findAll(): void {
    const ring = this.#ring;
    for (let p = 0; ring.lostCount > 0 && p < ring.count; p++) {
      const slot = ring.slot(p);
      if (ring.state[slot] === LOST && ring.sends[slot] === 1) ring.become(slot, FLIGHT);
    }
  }

  #reportLost(position: number, nowMs: number): void {
    this.#report.lostChunks++;
    this.#report.lostPackets += this.#ring.leads[this.#ring.slot(position)]!;
    this.#lose(position, nowMs);
  }

  #lose(position: number, nowMs: number): void {
    const ring = this.#ring;
    const slot = ring.slot(position);
    if (this.#abandonment.isSpent(ring.message[slot]!, ring.sends[slot]!, nowMs)) {
      this.#abandonment.abandon(position);
      return;
    }
    ring.become(slot, LOST);
    if (position < this.#firstLost) this.#firstLost = position;
  }
}
