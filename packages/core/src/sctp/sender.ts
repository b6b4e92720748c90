/**
 * The sending half of an association: which chunk goes into the packet that is being built, what a SACK or a timeout
 * changes. RFC 9260 sections 6.1 to 6.3 and 7.2, RFC 3758 section 3.5, RFC 7053.
 *
 * Invariant: while a chunk is unacknowledged, a FORWARD TSN unanswered or a closed window to be probed, the timer runs.
 */
import { padded } from "@stoa/wire/sctp/bytes";
import { DATA_HEADER_BYTES, FLAG_BEGIN, FLAG_END, FLAG_IMMEDIATE, FLAG_UNORDERED } from "@stoa/wire/sctp/data";
import { writeDataHeader } from "@stoa/wire/sctp/data";
import { PACKET_HEADER_BYTES } from "@stoa/wire/sctp/packet";
import type { SackChunk } from "@stoa/wire/sctp/sack";
import { nextSsn, tsnAdd, tsnDiff } from "@stoa/wire/sctp/serial";
import { NEVER, earlier } from "../clock.ts";
import { CongestionControl } from "./congestion-control.ts";
import { ForwardTsn } from "./forward-tsn.ts";
import { isPartiallyReliable } from "./outbound-message.ts";
import type { OutboundMessage } from "./outbound-message.ts";
import { Outstanding } from "./outstanding.ts";
import { Pacer } from "./pacer.ts";
import type { PacketWriter } from "./packet-writer.ts";
import { PathSize } from "./path-size.ts";
import type { Rto } from "./rto.ts";
import type { SendQueue } from "./send-queue.ts";
import type { SctpStats } from "./stats.ts";

/** A message longer than a packet starts in the rest of one only if this much of it fits. */
const MIN_FIRST_FRAGMENT_BYTES = 256;

/**
 * After a loss the window is smaller than what is in flight. Until they are even, so much of what arrives is sent again: waiting
 * would never end if a peer's SACKs cannot name all that it has.
 */
const REPAIR = 0.7;

/** What the sender shares with the rest of the association. */
export interface SenderDeps {
  readonly queue: SendQueue;
  readonly rto: Rto;
  readonly stats: SctpStats;
  readonly mtu: number;
}

/** Sends the messages of the queue reliably, or less so if they say. */
export class Sender {
  /** Timeouts since the peer last acknowledged something. */
  timeouts = 0;
  readonly #queue: SendQueue;
  readonly #rto: Rto;
  readonly #stats: SctpStats;
  readonly #maxPayload: number;
  readonly #outstanding: Outstanding;
  readonly #window: CongestionControl;
  readonly #path: PathSize;
  /** The chunk that was written last. */
  #writtenTsn = 0;
  /** Where the first data chunk of the packet starts. */
  #dataAt = 0;
  readonly #forward: ForwardTsn;
  /** What the peer can still take, less what was sent since its last SACK. */
  #peerWindowBytes = 0;
  #deadlineMs = NEVER;
  /** A closed window is not probed before this. */
  #nextProbeMs = 0;
  #lastSendMs = 0;
  /** The congestion window was what stopped `fill` last. */
  #limited = false;
  readonly #pacer: Pacer;
  #recovering = false;
  /** Fast recovery ends with the acknowledgement of this TSN. */
  #recoveryTsn = 0;
  /** The first packet of a fast retransmit ignores the window. */
  #fastRetransmit = false;
  /** The timer expired, and nothing has been acknowledged since. */
  #timedOut = false;
  /** What may be sent again although the window is full, for what has arrived meanwhile (RFC 6937). */
  #repairBytes = 0;

  constructor(deps: SenderDeps, initialTsn: number) {
    this.#queue = deps.queue;
    this.#rto = deps.rto;
    this.#stats = deps.stats;
    this.#maxPayload = deps.mtu - PACKET_HEADER_BYTES - DATA_HEADER_BYTES;
    this.#outstanding = new Outstanding(initialTsn, deps.stats, (message) => deps.queue.finish(message));
    this.#window = new CongestionControl(this.#maxPayload);
    this.#pacer = new Pacer(deps.mtu);
    this.#path = new PathSize(deps.mtu);
    this.#forward = new ForwardTsn(this.#outstanding, deps.rto);
  }

  /** What the handshake told of the peer. */
  start(peerWindowBytes: number, peerForwardTsn: boolean): void {
    this.#peerWindowBytes = peerWindowBytes;
    this.#outstanding.mayAbandon = peerForwardTsn;
  }

  get deadlineMs(): number {
    return earlier(this.#deadlineMs, this.#pacer.deadlineMs);
  }

  /** Last TSN that was given out. */
  get lastTsn(): number {
    return tsnAdd(this.#outstanding.nextTsn, -1);
  }

  /** Nothing is unacknowledged. */
  get idle(): boolean {
    return this.#outstanding.count === 0;
  }

  /** Largest packet that the path is known to take. */
  packetBytes(nowMs: number): number {
    return this.#path.packetBytes(this.#outstanding.lostCount > 0, nowMs);
  }

  /** False when the SACK is of no use. */
  handleSack(bytes: Uint8Array, sack: SackChunk, nowMs: number): boolean {
    const outstanding = this.#outstanding;
    if (!outstanding.handleSack(bytes, sack, this.#recovering, nowMs)) return false;
    if (this.#path.watching && outstanding.hasArrived(this.#path.watchedTsn)) this.#path.arrived();
    this.#peerWindowBytes = Math.max(0, sack.window - outstanding.flightBytes);
    this.timeouts = 0;
    if (outstanding.rttMs >= 0) this.#rto.sample(outstanding.rttMs);
    if (this.#recovering && tsnDiff(outstanding.cumulativeTsn, this.#recoveryTsn) >= 0) this.#recovering = false;
    if (outstanding.lostChunks > 0 && !this.#recovering) this.#enterRecovery();
    if (this.#timedOut && outstanding.ackedChunks > 0) this.#judgeTimeout();
    const { ackedBytes, ackedPackets, lostPackets, rttMs } = outstanding;
    this.#repairBytes = outstanding.lostCount === 0 ? 0 : this.#repairBytes + REPAIR * ackedBytes;
    this.#window.sackCame(ackedBytes, ackedPackets, lostPackets, rttMs, this.#limited, this.#rto.smoothedMs, nowMs);
    if (outstanding.count === 0) this.#deadlineMs = NEVER;
    else if (outstanding.advance > 0) this.#deadlineMs = nowMs + this.#rto.valueMs;
    this.#forward.sackCame(nowMs);
    return true;
  }

  /** A SHUTDOWN acknowledges like a SACK without gaps. */
  handleCumulative(bytes: Uint8Array, cumulativeTsn: number, nowMs: number): void {
    const window = this.#peerWindowBytes + this.#outstanding.flightBytes;
    this.handleSack(bytes, { cumulativeTsn, window, gapCount: 0, duplicateCount: 0, gapsAt: 0 }, nowMs);
  }

  handleTimeout(nowMs: number): void {
    this.#pacer.handleTimeout(nowMs);
    if (nowMs < this.#deadlineMs) return;
    this.#deadlineMs = NEVER;
    // Only a closed window was waited for: `fill` may probe it now.
    if (this.#outstanding.count === 0) return;
    this.timeouts++;
    this.#stats.timeouts++;
    this.#rto.backOff();
    this.#window.timedOut();
    this.#recovering = false;
    this.#repairBytes = 0;
    this.#timedOut = true;
    this.#outstanding.loseAll(nowMs);
    if (this.#path.watching) this.#path.failed(nowMs);
    this.#forward.timedOut();
  }

  /** Whether `fill` would add something; an estimate that a SACK may ride on. */
  hasWork(nowMs: number): boolean {
    return this.#wants(nowMs) && this.#mayGo(nowMs);
  }

  /** Appends what may be sent now. */
  fill(packet: PacketWriter, nowMs: number): void {
    if (this.#wants(nowMs) && !this.#mayGo(nowMs)) {
      // The pace follows the window.
      this.#limited = true;
      return;
    }
    const before = packet.end;
    this.#cutExpired(nowMs);
    // Before the peer is told to skip it, and says that it has it.
    if (this.#path.watching && this.#outstanding.isAbandoned(this.#path.watchedTsn)) this.#path.failed(nowMs);
    // The peer needs a round trip to follow: without a restart a long path would time out.
    if (this.#forward.write(packet, nowMs)) this.#deadlineMs = NEVER;
    this.#dataAt = packet.end;
    this.#resend(packet, nowMs);
    // What expired while it waited to be sent again may be the message whose turn it is.
    this.#cutExpired(nowMs);
    this.#sendNew(packet, nowMs);
    if (packet.end === before) return;
    if (packet.end > this.#dataAt) this.#path.sent(packet.end, this.#writtenTsn);
    this.#lastSendMs = nowMs;
    this.#pacer.went(packet.end - before);
    if (this.#deadlineMs === NEVER) this.#deadlineMs = nowMs + this.#rto.valueMs;
  }

  /** Finishes every message that is out: the association ended or restarted. */
  clear(): void {
    this.#outstanding.clear();
    this.#deadlineMs = NEVER;
  }

  #wants(nowMs: number): boolean {
    if (this.#outstanding.lostCount > 0) return true;
    return this.#queue.next(nowMs) !== undefined && this.#outstanding.flightBytes < this.#window.bytes;
  }

  #mayGo(nowMs: number): boolean {
    return this.#pacer.mayGo(this.#window.paceBytes, this.#rto.smoothedMs, nowMs);
  }

  /** Acknowledged first after a timeout: what was sent again, or what had been on its way all the time (RFC 5682). */
  #judgeTimeout(): void {
    this.#timedOut = false;
    if (2 * this.#outstanding.lateChunks < this.#outstanding.ackedChunks) return;
    this.#outstanding.findAll();
    this.#window.timedOutInVain();
  }

  #enterRecovery(): void {
    this.#recovering = true;
    this.#recoveryTsn = this.lastTsn;
    this.#fastRetransmit = true;
  }

  /** The message whose turn it is may have been given up, or its time is over: its rest is not sent. */
  #cutExpired(nowMs: number): void {
    const message = this.#queue.next(nowMs);
    if (!message || message.sentBytes === 0) return;
    if (!message.abandoned && nowMs >= message.expiresAtMs && this.#outstanding.mayAbandon) {
      this.#outstanding.abandonCurrent(message);
    }
    if (message.abandoned && this.#queue.cut(message)) this.#outstanding.pushPlaceholder(message);
  }

  #resend(packet: PacketWriter, nowMs: number): void {
    const outstanding = this.#outstanding;
    const free = this.#fastRetransmit;
    for (let p = outstanding.firstLost(nowMs); p >= 0; p = outstanding.firstLost(nowMs)) {
      const length = outstanding.ring.lengthAt(p);
      // A chunk from before the path narrowed goes alone and whole: the path may widen again.
      if (packet.empty) packet.limit = Math.max(packet.limit, packet.end + DATA_HEADER_BYTES + padded(length));
      if (!packet.fits(DATA_HEADER_BYTES + length)) break;
      if (!free && outstanding.flightBytes >= this.#window.bytes && this.#repairBytes < length) {
        this.#limited = true;
        break;
      }
      this.#repairBytes = Math.max(0, this.#repairBytes - length);
      if (p === 0) this.#deadlineMs = NEVER;
      if (this.#path.watching && outstanding.tsnAt(p) === this.#path.watchedTsn) this.#path.failed(nowMs);
      outstanding.resent(p, packet.end === this.#dataAt, nowMs);
      // Asking for a SACK at once: what follows waits for it.
      const flags = outstanding.lostCount === 0 ? FLAG_IMMEDIATE : 0;
      this.#write(
        packet,
        outstanding.ring.messageAt(p),
        outstanding.ring.fromAt(p),
        length,
        outstanding.tsnAt(p),
        flags,
      );
    }
    // The packet that may ignore the window has been filled.
    if (!packet.empty) this.#fastRetransmit = false;
  }

  #sendNew(packet: PacketWriter, nowMs: number): void {
    const outstanding = this.#outstanding;
    while (outstanding.lostCount === 0 && !outstanding.full) {
      const message = this.#queue.next(nowMs);
      this.#limited = outstanding.flightBytes + (message ? 0 : this.#maxPayload) >= this.#window.bytes;
      if (!message || this.#limited) return;
      const length = this.#fragmentBytes(message, packet);
      if (length === 0 || (length > this.#peerWindowBytes && !this.#mayProbe(nowMs))) return;
      if (outstanding.count === 0) this.#window.idle(Math.floor((nowMs - this.#lastSendMs) / this.#rto.valueMs));
      const from = message.sentBytes;
      if (from === 0 && !message.unordered) {
        message.ssn = message.stream.nextSsn;
        message.stream.nextSsn = nextSsn(message.ssn);
      }
      const tsn = outstanding.push(message, from, length, packet.end === this.#dataAt, nowMs);
      this.#peerWindowBytes = Math.max(0, this.#peerWindowBytes - length);
      this.#queue.advance(message, length);
      const ends = outstanding.flightBytes >= this.#window.bytes || !this.#fitsNext(nowMs);
      this.#write(packet, message, from, length, tsn, ends ? FLAG_IMMEDIATE : 0);
    }
  }

  /** Whether there is more to send, and the peer's window has room for it. */
  #fitsNext(nowMs: number): boolean {
    const message = this.#queue.next(nowMs);
    return !!message && Math.min(message.data.length - message.sentBytes, this.#maxPayload) <= this.#peerWindowBytes;
  }

  /**
   * With nothing in flight one chunk may go into a window that is too small for it, and one per timeout into a closed one,
   * to learn when it opens (section 6.1 A): peers as pion's never tell by themselves.
   */
  #mayProbe(nowMs: number): boolean {
    if (this.#outstanding.flightBytes > 0) return false;
    if (this.#peerWindowBytes > 0) return true;
    if (nowMs < this.#nextProbeMs) {
      this.#deadlineMs = earlier(this.#deadlineMs, this.#nextProbeMs);
      return false;
    }
    this.#nextProbeMs = nowMs + this.#rto.valueMs;
    return true;
  }

  /** Payload of the next fragment in this packet, 0 if it has to wait for the next one. */
  #fragmentBytes(message: OutboundMessage, packet: PacketWriter): number {
    const left = message.data.length - message.sentBytes;
    const largest = this.#path.payloadBytes(this.#queue.heldBytes, isPartiallyReliable(message));
    const room = Math.min(largest, packet.room - DATA_HEADER_BYTES);
    if (padded(left) <= room) return left;
    // Spreading what fits into one packet over two would only double its chance to be lost.
    const whole = padded(left) + (left <= largest ? DATA_HEADER_BYTES : 2 * DATA_HEADER_BYTES);
    const fitsNext = whole <= packet.limit - PACKET_HEADER_BYTES;
    if (message.sentBytes === 0 && fitsNext && whole > packet.room) return 0;
    return room >= Math.min(MIN_FIRST_FRAGMENT_BYTES, this.#maxPayload) ? room : 0;
  }

  #write(
    packet: PacketWriter,
    message: OutboundMessage,
    from: number,
    length: number,
    tsn: number,
    moreFlags: number,
  ): void {
    let flags = moreFlags;
    if (from === 0) flags |= FLAG_BEGIN;
    if (from + length === message.data.length) flags |= FLAG_END;
    if (message.unordered) flags |= FLAG_UNORDERED;
    this.#writtenTsn = tsn;
    const at = packet.end;
    const payload = length === message.data.length ? message.data : message.data.subarray(from, from + length);
    packet.bytes.set(payload, at + DATA_HEADER_BYTES);
    packet.end = writeDataHeader(packet.bytes, at, flags, tsn, message.stream.id, message.ssn, message.ppid, length);
  }
}
