/**
 * The chunks between the peer's cumulative TSN and the last TSN sent, and what SACKs say of them (RFC 9260 section 6.2.1).
 *
 * Invariant: the chunk at position 0 is never ACKED for long, since the next SACK moves the cumulative TSN over it.
 */
import { gapEnd, gapStart } from "@stoa/wire/sctp/sack";
import type { SackChunk } from "@stoa/wire/sctp/sack";
import { tsnDiff } from "@stoa/wire/sctp/serial";
import { Abandonment } from "./abandonment.ts";
import { ABANDONED, ACKED, ChunkRing, FLIGHT } from "./chunk-ring.ts";
import { LossDetection } from "./loss-detection.ts";
import type { OutboundMessage } from "./outbound-message.ts";
import { ReportedBlocks } from "./reported-blocks.ts";
import { SackReport } from "./sack-report.ts";
import { SendTimes } from "./send-times.ts";
import type { SctpStats } from "./stats.ts";

/** Bounds memory and the work of one SACK; a gap block could not name more than 65,535 anyway. */
const MAX_CHUNKS = 16_384;
/** What a SACK with fewer gap blocks does not report, the peer does not have; one with more may be cut short (libwebrtc stops at 20). */
const WHOLE_BLOCKS = 16;

/** Sent chunks in order of their TSN. */
export class Outstanding {
  /** For reading. */
  readonly ring: ChunkRing;
  readonly abandonment: Abandonment;
  readonly losses: LossDetection;
  /** What the last SACK told. */
  readonly report = new SackReport();
  readonly #stats: SctpStats;
  readonly #finish: (message: OutboundMessage) => void;
  readonly #times = new SendTimes();
  readonly #blocks = new ReportedBlocks();
  /** Follows the last chunk that was ever reported behind a gap. */
  #ackedEndTsn: number;
  /** Chunks from this position on are not in the last SACK's blocks. */
  #reported = 0;

  /** `finish` is called once for each message when its last chunk leaves the ring. */
  constructor(initialTsn: number, stats: SctpStats, finish: (message: OutboundMessage) => void) {
    this.ring = new ChunkRing(initialTsn);
    this.abandonment = new Abandonment(this.ring, stats);
    this.losses = new LossDetection(this.ring, this.abandonment, this.report);
    this.#ackedEndTsn = initialTsn;
    this.#stats = stats;
    this.#finish = finish;
  }

  get full(): boolean {
    return this.ring.count >= MAX_CHUNKS;
  }

  /** Whether the peer has this TSN, one that was sent. */
  hasArrived(tsn: number): boolean {
    const position = this.ring.positionOf(tsn);
    return position < 0 || this.ring.stateAt(position) === ACKED;
  }

  /** Whether this TSN, one that was sent, is given up and not yet passed by the peer. */
  isAbandoned(tsn: number): boolean {
    const position = this.ring.positionOf(tsn);
    return position >= 0 && this.ring.stateAt(position) === ABANDONED;
  }

  /** Notes a chunk that goes out now, and gives its TSN. `leads`: it is the first of its packet. */
  push(message: OutboundMessage, from: number, length: number, leads: boolean, nowMs: number): number {
    const tsn = this.ring.nextTsn;
    const slot = this.ring.append(message, from, length, FLIGHT);
    this.ring.leads[slot] = leads ? 1 : 0;
    this.ring.sentAtMs[slot] = nowMs;
    return tsn;
  }

  /** Takes a TSN for the unsent rest of an abandoned message, so that FORWARD TSN covers its end. */
  pushPlaceholder(message: OutboundMessage): void {
    this.ring.append(message, message.data.length, 0, ABANDONED);
  }

  /** The chunk goes out again; `leads`: as the first of its packet. */
  resent(position: number, leads: boolean, nowMs: number): void {
    const slot = this.ring.slot(position);
    this.ring.become(slot, FLIGHT, 1);
    this.ring.leads[slot] = leads ? 1 : 0;
    this.ring.sentAtMs[slot] = nowMs;
    this.ring.misses[slot] = 0;
    this.ring.missFrom[slot] = this.ring.nextTsn;
    this.#stats.retransmittedChunks++;
  }

  /**
   * Takes in a SACK; false when it is old or claims TSNs that were never sent. `recovering`: a fast recovery is under way,
   * in which every advance counts as one more report of what is missing (RFC 9260 section 7.2.4).
   */
  handleSack(bytes: Uint8Array, sack: SackChunk, recovering: boolean, nowMs: number): boolean {
    const advance = tsnDiff(sack.cumulativeTsn, this.ring.cumulativeTsn);
    this.report.begin(advance);
    if (advance < 0 || advance > this.ring.count) return false;
    const { newestMs } = this.#times;
    for (let i = 0; i < advance; i++) this.#popHead(nowMs);
    if (sack.gapCount > 0 || this.ring.ackedCount > 0) this.#applyGaps(bytes, sack, recovering, nowMs);
    if (this.ring.resentCount > 0 && this.#times.newestMs > newestMs)
      this.losses.findOvertaken(this.#times.overtakenMs, nowMs);
    return true;
  }

  /** The retransmission timer expired: whatever the last SACK did not report is lost or given up. */
  loseAll(nowMs: number): void {
    this.#takeBack(Math.min(this.#reported, this.ring.count), this.ring.count);
    this.losses.loseAll(nowMs);
  }

  /** Forgets everything, finishing all messages: the association ended or restarted. */
  clear(): void {
    while (this.ring.count > 0) this.#popHead(0);
  }

  #popHead(nowMs: number): void {
    const slot = this.ring.slot(0);
    const length = this.ring.length[slot]!;
    const message = this.ring.message[slot]!;
    this.#acknowledge(slot, nowMs);
    this.ring.pop();
    this.losses.popped();
    if (this.#reported > 0) this.#reported--;
    // A placeholder starts at the end of its message, so this holds for it too.
    if (this.ring.from[slot]! + length === message.data.length) this.#finish(message);
  }

  /** The peer has it, as far as it is concerned. */
  #acknowledge(slot: number, nowMs: number): void {
    const { ring, report } = this;
    const state = ring.state[slot]!;
    if (state === ACKED || state === ABANDONED) return;
    report.ackedBytes += ring.length[slot]!;
    report.ackedChunks++;
    report.ackedPackets += ring.leads[slot]!;
    if (state !== FLIGHT) {
      if (ring.sends[slot] === 1) report.lateChunks++;
      return;
    }
    const rttMs = this.#times.arrived(ring.sends[slot]!, ring.sentAtMs[slot]!, nowMs);
    if (rttMs >= 0) report.rttMs = rttMs;
  }

  #applyGaps(bytes: Uint8Array, sack: SackChunk, recovering: boolean, nowMs: number): void {
    let next = 0;
    let highestNew = -1;
    let blocks = 0;
    this.#blocks.begin();
    for (; blocks < sack.gapCount; blocks++) {
      const from = gapStart(bytes, sack, blocks) - 1;
      const to = gapEnd(bytes, sack, blocks) - 1;
      if (from < next || to < from || to >= this.ring.count) {
        this.#stats.badChunks++;
        break;
      }
      if (this.ring.ackedCount > 0) this.#takeBack(next, from);
      const unknown = this.#blocks.add(this.ring.tsnAt(from), this.ring.tsnAt(to));
      for (let p = from + tsnDiff(unknown, this.ring.tsnAt(from)); p <= to; p++) {
        if (this.#markAcked(p, nowMs)) highestNew = p;
      }
      next = to + 1;
    }
    this.#blocks.end();
    this.#reported = next;
    const acked = this.ring.positionOf(this.#ackedEndTsn);
    if (acked > next && sack.gapCount < WHOLE_BLOCKS) this.#takeBack(next, acked);
    if (recovering && this.report.advance > 0) highestNew = Math.max(highestNew, next - 1);
    if (highestNew > 0) this.losses.countMisses(bytes, sack, blocks, highestNew, nowMs);
  }

  /** True when the chunk is reported for the first time. */
  #markAcked(position: number, nowMs: number): boolean {
    const slot = this.ring.slot(position);
    const state = this.ring.state[slot]!;
    if (state === ABANDONED || state === ACKED) return false;
    this.#acknowledge(slot, nowMs);
    this.ring.become(slot, ACKED);
    const end = this.ring.tsnAt(position + 1);
    if (tsnDiff(end, this.#ackedEndTsn) > 0) this.#ackedEndTsn = end;
    return true;
  }

  /** Chunks that an earlier SACK reported and this one does not: the peer dropped them (RFC 9260 section 6.2.1 D iii). */
  #takeBack(from: number, to: number): void {
    for (let p = from; p < to; p++) {
      const slot = this.ring.slot(p);
      if (this.ring.state[slot] !== ACKED) continue;
      if (this.ring.message[slot]!.abandoned) this.ring.become(slot, ABANDONED);
      // As if sent once more: no measure of time must come of it when it is acknowledged again.
      else this.ring.become(slot, FLIGHT, 1);
    }
  }
}
