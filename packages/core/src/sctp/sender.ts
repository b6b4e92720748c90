/**
 * The sending half of an association: which chunk goes into the packet that is being built, what a SACK or a timeout
 * changes. RFC 9260 sections 6.1 to 6.3 and 7.2, RFC 3758 section 3.5, RFC 7053.
 *
 * Invariant: while a chunk is unacknowledged, a FORWARD TSN unanswered or a closed window to be probed, the timer runs.
 */
import { padded } from "@stoa/wire/sctp/bytes";
import { DATA_HEADER_BYTES, FLAG_IMMEDIATE } from "@stoa/wire/sctp/data";
import { PACKET_HEADER_BYTES } from "@stoa/wire/sctp/packet";
import type { SackChunk } from "@stoa/wire/sctp/sack";
import { nextSsn } from "@stoa/wire/sctp/serial";
import { NEVER, earlier } from "../clock.ts";
import type { ChunkRing } from "./chunk-ring.ts";
import { CongestionControl } from "./congestion-control.ts";
import type { PeerInit } from "./cookie.ts";
import { FastRecovery } from "./fast-recovery.ts";
import { ForwardTsn } from "./forward-tsn.ts";
import { appendFragment, fragmentBytes } from "./fragments.ts";
import { isPartiallyReliable } from "./outbound-message.ts";
import { Outstanding } from "./outstanding.ts";
import { Pacer } from "./pacer.ts";
import type { PacketWriter } from "./packet-writer.ts";
import { PathSize } from "./path-size.ts";
import { PeerWindow } from "./peer-window.ts";
import type { Rto } from "./rto.ts";
import type { SendQueue } from "./send-queue.ts";
import type { SctpStats } from "./stats.ts";

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
  readonly #ring: ChunkRing;
  readonly #window: CongestionControl;
  readonly #peerWindow: PeerWindow;
  readonly #recovery = new FastRecovery();
  readonly #pacer: Pacer;
  readonly #path: PathSize;
  readonly #forward: ForwardTsn;
  /** The chunk that was written last. */
  #writtenTsn = 0;
  /** Where the first data chunk of the packet starts. */
  #dataAt = 0;
  #deadlineMs = NEVER;
  #lastSendMs = 0;
  /** The congestion window was what stopped `fill` last. */
  #limited = false;
  /** The timer expired, and nothing has been acknowledged since. */
  #timedOut = false;

  /** `peer`: what the handshake told of it. */
  constructor(deps: SenderDeps, initialTsn: number, peer: PeerInit) {
    this.#queue = deps.queue;
    this.#rto = deps.rto;
    this.#stats = deps.stats;
    this.#maxPayload = deps.mtu - PACKET_HEADER_BYTES - DATA_HEADER_BYTES;
    this.#outstanding = new Outstanding(initialTsn, deps.stats, (message) => deps.queue.finish(message));
    this.#ring = this.#outstanding.ring;
    this.#window = new CongestionControl(this.#maxPayload);
    this.#outstanding.abandonment.allowed = peer.forwardTsn;
    this.#peerWindow = new PeerWindow(deps.rto);
    this.#peerWindow.told(peer.windowBytes, 0);
    this.#pacer = new Pacer(deps.mtu);
    this.#path = new PathSize(deps.mtu);
    this.#forward = new ForwardTsn(this.#ring, this.#outstanding.abandonment, deps.rto);
  }

  get deadlineMs(): number {
    return earlier(this.#deadlineMs, this.#pacer.deadlineMs);
  }

  /** Last TSN that was given out. */
  get lastTsn(): number {
    return this.#ring.lastTsn;
  }

  /** Nothing is unacknowledged. */
  get idle(): boolean {
    return this.#ring.count === 0;
  }

  /** Largest packet that the path is known to take. */
  packetBytes(nowMs: number): number {
    return this.#path.packetBytes(this.#ring.lostCount > 0, nowMs);
  }

  handleSack(bytes: Uint8Array, sack: SackChunk, nowMs: number): void {
    const outstanding = this.#outstanding;
    if (!outstanding.handleSack(bytes, sack, this.#recovery.active, nowMs)) return;
    const { report } = outstanding;
    const ring = this.#ring;
    if (this.#path.watching && outstanding.hasArrived(this.#path.watchedTsn)) this.#path.arrived();
    this.#peerWindow.told(sack.window, ring.flightBytes);
    this.timeouts = 0;
    if (report.rttMs >= 0) this.#rto.sample(report.rttMs);
    if (this.#timedOut && report.ackedChunks > 0) this.#judgeTimeout();
    this.#recovery.sackCame(report, ring);
    this.#window.sackCame(report, this.#limited, this.#rto.smoothedMs, nowMs);
    if (ring.count === 0) this.#deadlineMs = NEVER;
    else if (report.advance > 0) this.#deadlineMs = nowMs + this.#rto.valueMs;
    this.#forward.sackCame(nowMs);
  }

  /** A SHUTDOWN acknowledges like a SACK without gaps. */
  handleCumulative(bytes: Uint8Array, cumulativeTsn: number, nowMs: number): void {
    const window = this.#peerWindow.bytes + this.#ring.flightBytes;
    this.handleSack(bytes, { cumulativeTsn, window, gapCount: 0, duplicateCount: 0, gapsAt: 0 }, nowMs);
  }

  handleTimeout(nowMs: number): void {
    this.#pacer.handleTimeout(nowMs);
    if (nowMs < this.#deadlineMs) return;
    this.#deadlineMs = NEVER;
    // Only a closed window was waited for: `fill` may probe it now.
    if (this.#ring.count === 0) return;
    this.timeouts++;
    this.#stats.timeouts++;
    this.#rto.backOff();
    this.#window.timedOut();
    this.#recovery.timedOut();
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
    if (this.#ring.lostCount > 0) return true;
    return this.#queue.next(nowMs) !== undefined && this.#ring.flightBytes < this.#window.bytes;
  }

  #mayGo(nowMs: number): boolean {
    return this.#pacer.mayGo(this.#window.paceBytes, this.#rto.smoothedMs, nowMs);
  }

  /** Acknowledged first after a timeout: what was sent again, or what had been on its way all the time (RFC 5682). */
  #judgeTimeout(): void {
    this.#timedOut = false;
    const { report, losses } = this.#outstanding;
    if (2 * report.lateChunks < report.ackedChunks) return;
    losses.findAll();
    this.#window.timedOutInVain();
  }

  /** The message whose turn it is may have been given up, or its time is over: its rest is not sent. */
  #cutExpired(nowMs: number): void {
    const message = this.#queue.next(nowMs);
    if (!message || message.sentBytes === 0) return;
    const { abandonment } = this.#outstanding;
    if (!message.abandoned && abandonment.hasExpired(message, nowMs)) abandonment.abandonCurrent(message);
    if (message.abandoned && this.#queue.cut(message)) this.#outstanding.pushPlaceholder(message);
  }

  #resend(packet: PacketWriter, nowMs: number): void {
    const outstanding = this.#outstanding;
    const { losses } = outstanding;
    const ring = this.#ring;
    for (let p = losses.first(nowMs); p >= 0; p = losses.first(nowMs)) {
      const length = ring.lengthAt(p);
      // A chunk from before the path narrowed goes alone and whole: the path may widen again.
      if (packet.empty) packet.limit = Math.max(packet.limit, packet.end + DATA_HEADER_BYTES + padded(length));
      if (!packet.fits(DATA_HEADER_BYTES + length)) break;
      if (ring.flightBytes >= this.#window.bytes && !this.#recovery.allows(length)) {
        this.#limited = true;
        break;
      }
      this.#recovery.resent(length);
      if (p === 0) this.#deadlineMs = NEVER;
      const tsn = ring.tsnAt(p);
      if (this.#path.watching && tsn === this.#path.watchedTsn) this.#path.failed(nowMs);
      outstanding.resent(p, packet.end === this.#dataAt, nowMs);
      // Asking for a SACK at once: what follows waits for it.
      const flags = ring.lostCount === 0 ? FLAG_IMMEDIATE : 0;
      appendFragment(packet, ring.messageAt(p), ring.fromAt(p), length, tsn, flags);
      this.#writtenTsn = tsn;
    }
    if (!packet.empty) this.#recovery.filled();
  }

  #sendNew(packet: PacketWriter, nowMs: number): void {
    const outstanding = this.#outstanding;
    const ring = this.#ring;
    while (ring.lostCount === 0 && !outstanding.full) {
      const message = this.#queue.next(nowMs);
      this.#limited = ring.flightBytes + (message ? 0 : this.#maxPayload) >= this.#window.bytes;
      if (!message || this.#limited) return;
      const largest = this.#path.payloadBytes(this.#queue.heldBytes, isPartiallyReliable(message));
      const length = fragmentBytes(message, packet, largest);
      if (length === 0 || !this.#peerTakes(length, nowMs)) return;
      if (ring.count === 0) this.#window.idle(Math.floor((nowMs - this.#lastSendMs) / this.#rto.valueMs));
      const from = message.sentBytes;
      if (from === 0 && !message.unordered) {
        message.ssn = message.stream.nextSsn;
        message.stream.nextSsn = nextSsn(message.ssn);
      }
      const tsn = outstanding.push(message, from, length, packet.end === this.#dataAt, nowMs);
      this.#peerWindow.sent(length);
      this.#queue.advance(message, length);
      const ends = ring.flightBytes >= this.#window.bytes || !this.#fitsNext(nowMs);
      appendFragment(packet, message, from, length, tsn, ends ? FLAG_IMMEDIATE : 0);
      this.#writtenTsn = tsn;
    }
  }

  #peerTakes(bytes: number, nowMs: number): boolean {
    const { flightBytes } = this.#ring;
    if (this.#peerWindow.takes(bytes, flightBytes, nowMs)) return true;
    if (flightBytes === 0) this.#deadlineMs = earlier(this.#deadlineMs, this.#peerWindow.nextProbeMs);
    return false;
  }

  /** Whether there is more to send, and the peer's window has room for it. */
  #fitsNext(nowMs: number): boolean {
    const message = this.#queue.next(nowMs);
    return !!message && Math.min(message.data.length - message.sentBytes, this.#maxPayload) <= this.#peerWindow.bytes;
  }
}
