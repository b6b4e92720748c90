/**
 * One SCTP association over DTLS for data channels: RFC 9260 with RFC 3758, 6525, 7053, 8831, 8832, 9653. No I/O, no clock.
 *
 * 1. `connect`, `handlePacket`, `handleTimeout`, `openChannel`, `send`, `closeChannel` and `abort` change the state.
 * 2. After any of them poll `pollEvent` until it gives nothing, then `pollPacket` until it gives nothing.
 *    (In this order, because polling a message may open the receive window, of which the peer has to hear.)
 * 3. Then wait for the earlier of the next packet and `nextTimeoutMs()`.
 *
 * Invariant: whatever the peer sends, nothing is thrown and memory stays within the limits of the options.
 */
import { CAUSE_STALE_COOKIE, firstCause } from "@stoa/wire/sctp/causes";
import {
  ABORT,
  COOKIE_ACK,
  COOKIE_ECHO,
  ERROR,
  HEARTBEAT,
  INIT,
  INIT_ACK,
  isKnownChunk,
  reportsUnknownChunk,
  skipsUnknownChunk,
} from "@stoa/wire/sctp/chunk-types";
import { PACKET_HEADER_BYTES, chunkEnd, nextChunk } from "@stoa/wire/sctp/packet";
import { NEVER } from "../clock.ts";
import type { SctpChannelSpec } from "./channel.ts";
import { abortChunk, heartbeatAck, unknownChunkError } from "./control-chunks.ts";
import { Channels } from "./channels.ts";
import { EventQueue } from "./events.ts";
import type { SctpEvent } from "./events.ts";
import { Handshake } from "./handshake.ts";
import type { HandshakeResult } from "./handshake.ts";
import { resolveSettings } from "./options.ts";
import type { SctpOptions } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { PacketWriter } from "./packet-writer.ts";
import { ReceiveBuffer } from "./receive-buffer.ts";
import { Rto } from "./rto.ts";
import { SendQueue } from "./send-queue.ts";
import { Session } from "./session.ts";
import type { SessionDeps } from "./session.ts";
import { newStats } from "./stats.ts";
import type { SctpStats } from "./stats.ts";
import { Verification } from "./verification.ts";

/** Result of `send`. "tooLarge": longer than the peer's `a=max-message-size`. */
export type SctpSendResult = "queued" | "full" | "closed" | "tooLarge";

/** One association, from `connect` (or the peer's INIT) to its end. */
export class SctpAssociation {
  readonly stats: SctpStats = newStats();
  readonly #deps: SessionDeps;
  readonly #events: EventQueue;
  readonly #channels: Channels;
  readonly #outbox = new Outbox();
  readonly #packet: PacketWriter;
  readonly #rto = new Rto();
  readonly #handshake: Handshake;
  readonly #verification: Verification;
  #session: Session | undefined;
  #ended = false;

  constructor(options: SctpOptions) {
    const settings = resolveSettings(options);
    const { stats } = this;
    const memory = new ReceiveBuffer(settings.receiveWindowBytes);
    this.#events = new EventQueue(memory);
    const queue = new SendQueue(this.#events, stats, settings.sendBufferBytes);
    this.#channels = new Channels({
      queue,
      events: this.#events,
      stats,
      maxMessageBytes: settings.maxSendMessageBytes,
      firstId: settings.role === "client" ? 0 : 1,
    });
    this.#packet = new PacketWriter(settings.mtu, settings.localPort, settings.remotePort);
    this.#handshake = new Handshake({
      random: settings.random,
      rto: this.#rto,
      outbox: this.#outbox,
      stats,
      windowBytes: settings.receiveWindowBytes,
    });
    this.#verification = new Verification(settings, this.#handshake, stats);
    this.#deps = { settings, queue, channels: this.#channels, memory, outbox: this.#outbox, rto: this.#rto, stats };
  }

  /** The handshake is done and the association has not ended. */
  get connected(): boolean {
    return this.#session !== undefined;
  }

  /** Smoothed round trip time in milliseconds, 0 when unknown. */
  get rttMs(): number {
    return this.#rto.smoothedMs;
  }

  /** Bytes of received data that wait for a missing piece or to be polled. */
  get receiveHeldBytes(): number {
    return this.#deps.memory.usedBytes;
  }

  /** Bytes of messages that are queued or unacknowledged, 256 more for each. */
  get sendHeldBytes(): number {
    return this.#deps.queue.heldBytes;
  }

  /** Starts the handshake; both sides may. Without it an association waits for the peer. */
  connect(nowMs: number): void {
    if (!this.#ended) this.#handshake.connect(nowMs);
  }

  /** Takes in one packet from DTLS; keeps no reference to it. */
  handlePacket(bytes: Uint8Array, nowMs: number): void {
    this.stats.packetsIn++;
    if (this.#ended) {
      this.stats.badPackets++;
      return;
    }
    const tag = this.#verification.tagOf(bytes);
    if (tag < 0) return;
    this.#handleChunks(bytes, tag, nowMs);
    this.#session?.endPacket(nowMs);
    if (this.#session?.shutdown === "complete") this.#end("the peer shut the association down");
  }

  /** The next packet for DTLS, a view that is valid until the next call; undefined when there is nothing to send now. */
  pollPacket(nowMs: number): Uint8Array | undefined {
    const packet = this.#packet;
    let withChecksum = true;
    if (!this.#outbox.writeAlone(packet)) {
      const peer = this.#handshake.peer;
      if (!this.#session || !peer) return undefined;
      withChecksum = !peer.zeroChecksum;
      packet.start(peer.tag);
      this.#outbox.writeBundled(packet);
      this.#session.write(packet, nowMs);
      // The session may have queued a control chunk just now.
      this.#outbox.writeBundled(packet);
    }
    const bytes = packet.finish(withChecksum);
    if (bytes) this.stats.packetsOut++;
    return bytes;
  }

  /**
   * Opens a channel and gives its stream id, also before the association is up; -1 when 1,024 are open.
   * "channelOpen" follows when the peer has acknowledged it; messages may be sent at once.
   */
  openChannel(spec: SctpChannelSpec): number {
    return this.#ended ? -1 : this.#channels.open(spec);
  }

  /**
   * Queues a message; `data` is not copied and must not change until the peer has it, so the same bytes can go to many.
   * "full": the send buffer is; a "bufferedLow" of this channel follows when there is room.
   */
  send(channel: number, data: Uint8Array, binary: boolean, nowMs: number): SctpSendResult {
    if (this.#ended || (this.#session && this.#session.shutdown !== "none")) return "closed";
    return this.#channels.send(channel, data, binary, nowMs);
  }

  /** Bytes of user messages of this channel that were not put into a packet yet. */
  bufferedAmount(channel: number): number {
    return this.#channels.bufferedAmount(channel);
  }

  /** "bufferedLow" comes when `bufferedAmount` falls from above to this or below. Default 0. */
  setLowWater(channel: number, bytes: number): void {
    this.#channels.setLowWater(channel, bytes);
  }

  /** Closes a channel in both directions once what is queued on it is through. */
  closeChannel(channel: number): void {
    this.#channels.close(channel);
  }

  /** When `handleTimeout` is due, `NEVER` if it is not. */
  nextTimeoutMs(): number {
    if (this.#ended) return NEVER;
    return this.#session ? this.#session.nextTimeoutMs() : this.#handshake.deadlineMs;
  }

  handleTimeout(nowMs: number): void {
    if (this.#ended) return;
    if (!this.#handshake.handleTimeout(nowMs)) this.#end("the peer does not answer the SCTP handshake");
    else if (this.#session && !this.#session.handleTimeout(nowMs)) this.#end("the peer stopped answering");
  }

  /** What happened since, in order; undefined when that was all. */
  pollEvent(): SctpEvent | undefined {
    const event = this.#events.poll();
    if (event?.type === "message") this.#session?.memoryFreed();
    return event;
  }

  /** Ends the association at once and tells the peer (one last packet). */
  abort(reason: string): void {
    if (this.#ended) return;
    const { peer } = this.#handshake;
    this.#end(reason);
    if (peer) this.#outbox.sendAlone(peer.tag, abortChunk(reason));
  }

  #handleChunks(bytes: Uint8Array, tag: number, nowMs: number): void {
    let at = PACKET_HEADER_BYTES;
    while (at < bytes.length && !this.#ended) {
      const end = chunkEnd(bytes, at);
      if (end < 0) {
        this.stats.badChunks++;
        return;
      }
      if (!this.#handleChunk(bytes, at, end, tag, nowMs)) return;
      at = nextChunk(at, end);
    }
  }

  /** False when the rest of the packet is not to be read. */
  #handleChunk(bytes: Uint8Array, at: number, end: number, tag: number, nowMs: number): boolean {
    const kind = bytes[at]!;
    switch (kind) {
      case INIT:
        // An INIT travels alone; a second chunk behind it is none of ours.
        if (at === PACKET_HEADER_BYTES) this.#handshake.handleInit(bytes, at, end);
        return false;
      case INIT_ACK:
        this.#handshake.handleInitAck(bytes, at, end, nowMs);
        return false;
      case COOKIE_ECHO:
        this.#follow(this.#handshake.handleCookieEcho(bytes, at, end, tag), nowMs);
        return tag === this.#handshake.localTag;
      case COOKIE_ACK:
        this.#follow(this.#handshake.handleCookieAck(nowMs), nowMs);
        return true;
      case ABORT:
        this.#end(`the peer aborted the association (cause ${firstCause(bytes, at, end)})`);
        return false;
      case ERROR:
        if (firstCause(bytes, at, end) === CAUSE_STALE_COOKIE) this.#handshake.handleStaleCookie(nowMs);
        return true;
      case HEARTBEAT:
        this.#outbox.bundle(heartbeatAck(bytes, at, end));
        return true;
      default:
        if (!isKnownChunk(kind)) return this.#skipUnknown(bytes, at, end);
        this.#follow(this.#handshake.handleImplicitAck(), nowMs);
        if (this.#session) this.#session.handleChunk(kind, bytes, at, end, nowMs);
        else this.stats.strayPackets++;
        return true;
    }
  }

  #follow(result: HandshakeResult, nowMs: number): void {
    if (result === "none") return;
    this.#session?.clear();
    const { localTsn, peer } = this.#handshake;
    this.#session = new Session(this.#deps, localTsn, peer!, nowMs);
    this.#events.push({ type: "connected" });
  }

  #skipUnknown(bytes: Uint8Array, at: number, end: number): boolean {
    this.stats.badChunks++;
    const kind = bytes[at]!;
    if (reportsUnknownChunk(kind)) this.#outbox.bundle(unknownChunkError(bytes, at, end));
    return skipsUnknownChunk(kind);
  }

  #end(reason: string): void {
    this.#ended = true;
    this.#outbox.clear();
    if (this.#session) this.#session.clear();
    else this.#channels.clear();
    this.#session = undefined;
    this.#events.push({ type: "closed", reason });
  }
}
