/**
 * The chunks between the peer's cumulative TSN and the last TSN sent: what a SACK says of them, which are lost, which are
 * given up (RFC 9260 sections 6.2.1, 6.3.3, 7.2.4; RFC 3758 section 3.5).
 *
 * A position is the distance from the oldest chunk: position p carries TSN `cumulativeTsn + 1 + p`.
 * Invariant: the chunk at position 0 is never ACKED for long, since the next SACK moves the cumulative TSN over it.
 */
import { gapEnd, gapStart } from "@stoa/wire/sctp/sack";
import type { SackChunk } from "@stoa/wire/sctp/sack";
import { tsnAdd, tsnDiff } from "@stoa/wire/sctp/serial";
import { ABANDONED, ACKED, ChunkRing, FLIGHT, LOST } from "./chunk-ring.ts";
import { isPartiallyReliable } from "./outbound-message.ts";
import type { OutboundMessage } from "./outbound-message.ts";
import { ReportedBlocks } from "./reported-blocks.ts";
import { SendTimes } from "./send-times.ts";
import type { SctpStats } from "./stats.ts";

/** Bounds memory and the work of one SACK; a gap block could not name more than 65,535 anyway. */
const MAX_CHUNKS = 16_384;
/** SACKs that must report a chunk missing before it is sent again. */
const MISSES = 3;
/** What a SACK with fewer gap blocks does not report, the peer does not have; one with more may be cut short (libwebrtc stops at 20). */
const WHOLE_BLOCKS = 16;

/** Sent chunks in order of their TSN. */
export class Outstanding {
  /** For reading: message, offset and length of the chunk at a position. */
  readonly ring = new ChunkRing();
  /** Last TSN that the peer has acknowledged together with all before it. */
  cumulativeTsn: number;
  /** The peer knows FORWARD TSN; without it everything is reliable. */
  mayAbandon = true;
  /** Set by `handleSack`: payload bytes that it acknowledged for the first time. */
  ackedBytes = 0;
  /** Set by `handleSack`: by how much the cumulative TSN moved. */
  advance = 0;
  /** Set by `handleSack`: round trip time, -1 if it gave none. */
  rttMs = -1;
  /** Set by `handleSack`: chunks that it acknowledged for the first time, and those that it reported missing for the third time. */
  ackedChunks = 0;
  lostChunks = 0;
  /** The same in packets, as they were sent last. */
  ackedPackets = 0;
  lostPackets = 0;
  /** Set by `handleSack`: chunks among the acknowledged ones that were taken for lost and had not been sent again. */
  lateChunks = 0;

  readonly #stats: SctpStats;
  readonly #finish: (message: OutboundMessage) => void;
  readonly #times = new SendTimes();
  readonly #blocks = new ReportedBlocks();
  /** Follows the last chunk that was ever reported behind a gap. */
  #ackedEndTsn: number;
  /** Chunks from this position on are not in the last SACK's blocks. */
  #reported = 0;
  /** No chunk before this position is LOST. */
  #firstLost = 0;

  /** `finish` is called once for each message when its last chunk leaves the ring. */
  constructor(initialTsn: number, stats: SctpStats, finish: (message: OutboundMessage) => void) {
    this.cumulativeTsn = tsnAdd(initialTsn, -1);
    this.#ackedEndTsn = initialTsn;
    this.#stats = stats;
    this.#finish = finish;
  }

  /** Chunks in the ring. */
  get count(): number {
    return this.ring.count;
  }

  get flightBytes(): number {
    return this.ring.flightBytes;
  }

  /** Chunks to be sent again. */
  get lostCount(): number {
    return this.ring.lostCount;
  }

  /** Chunks that were given up, and of which the peer has not acknowledged that. */
  get abandonedCount(): number {
    return this.ring.abandonedCount;
  }

  get nextTsn(): number {
    return tsnAdd(this.cumulativeTsn, this.count + 1);
  }

  get full(): boolean {
    return this.count >= MAX_CHUNKS;
  }

  tsnAt(position: number): number {
    return tsnAdd(this.cumulativeTsn, position + 1);
  }

  /** Notes a chunk that goes out now, and gives its TSN. `leads`: it is the first of its packet. */
  push(message: OutboundMessage, from: number, length: number, leads: boolean, nowMs: number): number {
    const slot = this.#append(message, from, length, FLIGHT);
    this.ring.leads[slot] = leads ? 1 : 0;
    this.ring.sentAtMs[slot] = nowMs;
    return this.tsnAt(this.count - 1);
  }

  /** Takes a TSN for the unsent rest of an abandoned message, so that FORWARD TSN covers its end. */
  pushPlaceholder(message: OutboundMessage): void {
    this.#append(message, message.data.length, 0, ABANDONED);
  }

  /**
   * Takes in a SACK; false when it is old or claims TSNs that were never sent. `recovering`: a fast recovery is under way,
   * in which every advance counts as one more report of what is missing (RFC 9260 section 7.2.4).
   */
  handleSack(bytes: Uint8Array, sack: SackChunk, recovering: boolean, nowMs: number): boolean {
    this.ackedBytes = 0;
    this.rttMs = -1;
    this.ackedChunks = 0;
    this.lostChunks = 0;
    this.ackedPackets = 0;
    this.lostPackets = 0;
    this.lateChunks = 0;
    this.advance = tsnDiff(sack.cumulativeTsn, this.cumulativeTsn);
    if (this.advance < 0 || this.advance > this.count) return false;
    const { newestMs } = this.#times;
    for (let i = 0; i < this.advance; i++) this.#popHead(nowMs);
    if (sack.gapCount > 0 || this.ring.ackedCount > 0) this.#applyGaps(bytes, sack, recovering, nowMs);
    if (this.ring.resentCount > 0 && this.#times.newestMs > newestMs) this.#findOvertaken(nowMs);
    return true;
  }

  /** The retransmission timer expired: whatever is in flight is lost or given up. */
  loseAll(nowMs: number): void {
    this.#takeBack(Math.min(this.#reported, this.count), this.count);
    for (let p = 0; p < this.count; p++) {
      if (this.ring.state[this.ring.slot(p)] === FLIGHT) this.#lose(p, nowMs);
    }
  }

  /** The timer expired in vain: what has not been sent again yet is still on its way. */
  findAll(): void {
    for (let p = 0; this.lostCount > 0 && p < this.count; p++) {
      const slot = this.ring.slot(p);
      if (this.ring.state[slot] === LOST && this.ring.sends[slot] === 1) this.ring.become(slot, FLIGHT);
    }
  }

  /** Position of the first chunk to send again, -1 if none; gives up those that expired while they waited. */
  firstLost(nowMs: number): number {
    for (; this.lostCount > 0 && this.#firstLost < this.count; this.#firstLost++) {
      const slot = this.ring.slot(this.#firstLost);
      if (this.ring.state[slot] !== LOST) continue;
      if (nowMs < this.ring.message[slot]!.expiresAtMs || !this.mayAbandon) return this.#firstLost;
      this.#abandon(this.#firstLost);
    }
    return -1;
  }

  /** The chunk goes out again; `leads`: as the first of its packet. */
  resent(position: number, leads: boolean, nowMs: number): void {
    const slot = this.ring.slot(position);
    this.ring.leads[slot] = leads ? 1 : 0;
    this.ring.become(slot, FLIGHT, 1);
    this.ring.sentAtMs[slot] = nowMs;
    this.ring.misses[slot] = 0;
    this.ring.missFrom[slot] = this.nextTsn;
    this.#stats.retransmittedChunks++;
  }

  /** Gives up the message that is being sent: its chunks, if any are left, are the last ones. */
  abandonCurrent(message: OutboundMessage): void {
    if (this.count > 0 && this.ring.messageAt(this.count - 1) === message) this.#abandon(this.count - 1);
    else this.#noteAbandoned(message);
  }

  /**
   * How many chunks from the front the peer is to skip. Chunks that it has are passed over when their message is only
   * partially reliable; a reliable one might still be taken back.
   */
  skippable(): number {
    let skip = 0;
    let left = this.abandonedCount;
    for (let p = 0; left > 0; p++) {
      const slot = this.ring.slot(p);
      if (this.ring.state[slot] === ABANDONED) {
        skip = p + 1;
        left--;
      } else if (this.ring.state[slot] !== ACKED || !isPartiallyReliable(this.ring.message[slot]!)) break;
    }
    return skip;
  }

  isAbandonedAt(position: number): boolean {
    return this.ring.state[this.ring.slot(position)] === ABANDONED;
  }

  /** Whether the peer has this TSN, one that was sent. */
  hasArrived(tsn: number): boolean {
    const position = tsnDiff(tsn, this.cumulativeTsn) - 1;
    return position < 0 || this.ring.state[this.ring.slot(position)] === ACKED;
  }

  /** Whether this TSN, one that was sent, is given up and not yet passed by the peer. */
  isAbandoned(tsn: number): boolean {
    const position = tsnDiff(tsn, this.cumulativeTsn) - 1;
    return position >= 0 && this.isAbandonedAt(position);
  }

  /** Forgets everything, finishing all messages: the association ended or restarted. */
  clear(): void {
    while (this.count > 0) this.#popHead(0);
  }

  #append(message: OutboundMessage, from: number, length: number, state: number): number {
    const tsn = this.nextTsn;
    const slot = this.ring.append(message, from, length, state);
    this.ring.missFrom[slot] = tsn;
    return slot;
  }

  #popHead(nowMs: number): void {
    const slot = this.ring.slot(0);
    const length = this.ring.length[slot]!;
    const message = this.ring.message[slot]!;
    this.#acknowledge(slot, nowMs);
    this.ring.pop();
    this.cumulativeTsn = tsnAdd(this.cumulativeTsn, 1);
    if (this.#firstLost > 0) this.#firstLost--;
    if (this.#reported > 0) this.#reported--;
    // A placeholder starts at the end of its message, so this holds for it too.
    if (this.ring.from[slot]! + length === message.data.length) this.#finish(message);
  }

  /** The peer has it, as far as it is concerned. */
  #acknowledge(slot: number, nowMs: number): void {
    const state = this.ring.state[slot]!;
    if (state === ACKED || state === ABANDONED) return;
    this.ackedBytes += this.ring.length[slot]!;
    this.ackedChunks++;
    this.ackedPackets += this.ring.leads[slot]!;
    if (state !== FLIGHT) {
      if (this.ring.sends[slot] === 1) this.lateChunks++;
      return;
    }
    const rttMs = this.#times.arrived(this.ring.sends[slot]!, this.ring.sentAtMs[slot]!, nowMs);
    if (rttMs >= 0) this.rttMs = rttMs;
  }

  #applyGaps(bytes: Uint8Array, sack: SackChunk, recovering: boolean, nowMs: number): void {
    let next = 0;
    let highestNew = -1;
    let blocks = 0;
    this.#blocks.begin();
    for (; blocks < sack.gapCount; blocks++) {
      const from = gapStart(bytes, sack, blocks) - 1;
      const to = gapEnd(bytes, sack, blocks) - 1;
      if (from < next || to < from || to >= this.count) {
        this.#stats.badChunks++;
        break;
      }
      if (this.ring.ackedCount > 0) this.#takeBack(next, from);
      const unknown = this.#blocks.add(this.tsnAt(from), this.tsnAt(to));
      for (let p = from + tsnDiff(unknown, this.tsnAt(from)); p <= to; p++) {
        if (this.#markAcked(p, nowMs)) highestNew = p;
      }
      next = to + 1;
    }
    this.#blocks.end();
    this.#reported = next;
    const acked = tsnDiff(this.#ackedEndTsn, this.tsnAt(0));
    if (acked > next && sack.gapCount < WHOLE_BLOCKS) this.#takeBack(next, acked);
    if (recovering && this.advance > 0) highestNew = Math.max(highestNew, next - 1);
    if (highestNew > 0) this.#countMisses(bytes, sack, blocks, highestNew, nowMs);
  }

  /** True when the chunk is reported for the first time. */
  #markAcked(position: number, nowMs: number): boolean {
    const slot = this.ring.slot(position);
    const state = this.ring.state[slot]!;
    if (state === ABANDONED || state === ACKED) return false;
    this.#acknowledge(slot, nowMs);
    this.ring.become(slot, ACKED);
    const end = this.tsnAt(position + 1);
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

  /** One report more for what lies between the first `blocks` gap blocks, before position `highest`. */
  #countMisses(bytes: Uint8Array, sack: SackChunk, blocks: number, highest: number, nowMs: number): void {
    const highestTsn = this.tsnAt(highest);
    let p = 0;
    for (let i = 0; i < blocks && p < highest; i++) {
      for (const from = gapStart(bytes, sack, i) - 1; p < from && p < highest; p++) {
        const slot = this.ring.slot(p);
        if (this.ring.state[slot] !== FLIGHT || tsnDiff(this.ring.missFrom[slot]!, highestTsn) > 0) continue;
        if (++this.ring.misses[slot]! < MISSES) continue;
        this.#reportLost(p, nowMs);
      }
      p = gapEnd(bytes, sack, i);
    }
  }

  /**
   * Chunks that were sent again, and a while before others that have arrived since: lost again. By time, for without new data to
   * send, as when the peer's window is closed, no report of later TSNs would tell (RFC 8985).
   */
  #findOvertaken(nowMs: number): void {
    const beforeMs = this.#times.overtakenMs;
    let left = this.ring.resentCount;
    for (let p = 0; left > 0 && p < this.count; p++) {
      const slot = this.ring.slot(p);
      if (this.ring.state[slot] !== FLIGHT || this.ring.sends[slot] === 1) continue;
      left--;
      if (this.ring.sentAtMs[slot]! >= beforeMs) continue;
      this.#reportLost(p, nowMs);
    }
  }

  #reportLost(position: number, nowMs: number): void {
    this.lostChunks++;
    this.lostPackets += this.ring.leads[this.ring.slot(position)]!;
    this.#lose(position, nowMs);
  }

  #lose(position: number, nowMs: number): void {
    const slot = this.ring.slot(position);
    const message = this.ring.message[slot]!;
    if (this.mayAbandon && (this.ring.sends[slot]! > message.maxRetransmits || nowMs >= message.expiresAtMs)) {
      this.#abandon(position);
      return;
    }
    this.ring.become(slot, LOST);
    if (position < this.#firstLost) this.#firstLost = position;
  }

  /** Gives up all chunks of the message at `position` that the peer does not have. */
  #abandon(position: number): void {
    const message = this.ring.messageAt(position);
    this.#noteAbandoned(message);
    let first = position;
    while (first > 0 && this.ring.messageAt(first - 1) === message) first--;
    for (let p = first; p < this.count && this.ring.messageAt(p) === message; p++) {
      const slot = this.ring.slot(p);
      const state = this.ring.state[slot]!;
      if (state === ACKED || state === ABANDONED) continue;
      this.ring.become(slot, ABANDONED);
    }
  }

  #noteAbandoned(message: OutboundMessage): void {
    if (!message.abandoned) this.#stats.abandonedMessages++;
    message.abandoned = true;
  }
}
