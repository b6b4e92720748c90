/**
 * What an established association does: dispatch of its chunks to sender, receiver and resets, the contents of its packets,
 * its timers, and the end that the peer asks for (SHUTDOWN, RFC 9260 section 9.2, the passive side).
 * A peer that restarts gets a new session.
 */
import { readI32 } from "@stoa/wire/sctp/bytes";
import {
  DATA,
  FORWARD_TSN,
  HEARTBEAT_ACK,
  RE_CONFIG,
  SACK,
  SHUTDOWN,
  SHUTDOWN_ACK,
  SHUTDOWN_COMPLETE,
} from "@stoa/wire/sctp/chunk-types";
import { parseData } from "@stoa/wire/sctp/data";
import { parseForwardTsn } from "@stoa/wire/sctp/forward-tsn";
import { CHUNK_HEADER_BYTES } from "@stoa/wire/sctp/packet";
import { parseReConfig } from "@stoa/wire/sctp/re-config";
import { parseSack } from "@stoa/wire/sctp/sack";
import { NEVER, earlier } from "../clock.ts";
import type { Channels } from "./channels.ts";
import { opaqueChunk } from "./control-chunks.ts";
import type { PeerInit } from "./cookie.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { SctpSettings } from "./options.ts";
import type { Outbox } from "./outbox.ts";
import type { PacketWriter } from "./packet-writer.ts";
import type { ReceiveBuffer } from "./receive-buffer.ts";
import { Receiver } from "./receiver.ts";
import type { Rto } from "./rto.ts";
import type { SendQueue } from "./send-queue.ts";
import { Sender } from "./sender.ts";
import type { SctpStats } from "./stats.ts";
import { StreamResets } from "./stream-resets.ts";
import type { ResetListener } from "./stream-resets.ts";

/** What a session shares with its association. */
export interface SessionDeps {
  readonly settings: SctpSettings;
  readonly queue: SendQueue;
  readonly channels: Channels;
  readonly memory: ReceiveBuffer;
  readonly outbox: Outbox;
  readonly rto: Rto;
  readonly stats: SctpStats;
}

/** One established association, until it ends or the peer restarts it. */
export class Session {
  /** The peer ends the association; "complete": it is over. */
  shutdown: "none" | "received" | "acknowledged" | "complete" = "none";
  readonly sender: Sender;
  readonly #deps: SessionDeps;
  readonly #receiver: Receiver;
  readonly #resets: StreamResets;
  readonly #heartbeat: Heartbeat;
  #shutdownDeadlineMs = NEVER;
  #shutdownTimeouts = 0;
  readonly #want: (stream: number) => void;

  constructor(deps: SessionDeps, localTsn: number, peer: PeerInit, nowMs: number) {
    const { settings, queue, channels, memory, outbox, rto, stats } = deps;
    this.#deps = deps;
    this.sender = new Sender({ queue, rto, stats, mtu: settings.mtu }, localTsn, peer);
    this.#receiver = new Receiver(
      {
        memory,
        stats,
        maxMessageBytes: settings.maxReceiveMessageBytes,
        deliver: (message) => channels.deliver(message),
      },
      peer.initialTsn,
    );
    this.#resets = new StreamResets({ rto, stats, listener: this.#resetListener() }, localTsn, peer.initialTsn);
    this.#want = (stream) => this.#resets.want(stream);
    this.#heartbeat = new Heartbeat({ random: settings.random, rto, outbox }, nowMs);
    channels.canReset = peer.reConfig;
  }

  /** Handles the chunk between `at` and `end` if it is one of an established association. */
  handleChunk(kind: number, bytes: Uint8Array, at: number, end: number, nowMs: number): void {
    if (!this.#dispatch(kind, bytes, at, end, nowMs)) this.#deps.stats.badChunks++;
  }

  /** All chunks of a packet were handled. */
  endPacket(nowMs: number): void {
    this.#heartbeat.heard(nowMs);
    this.#receiver.endPacket(nowMs);
    this.#resets.dataCame(this.#receiver.cumulativeTsn);
  }

  /** Appends what is to be said now. */
  write(packet: PacketWriter, nowMs: number): void {
    packet.limit = this.sender.packetBytes(nowMs);
    this.#receiver.writeSack(packet, this.sender.hasWork(nowMs));
    this.#deps.channels.takeResets(this.#want);
    this.#resets.write(packet, this.sender.lastTsn, nowMs);
    this.sender.fill(packet, nowMs);
    if (this.shutdown === "received" && this.sender.idle && !this.#deps.queue.next(nowMs)) {
      this.#acknowledgeShutdown(nowMs);
    }
  }

  /** The owner polled a message. */
  memoryFreed(): void {
    this.#receiver.memoryFreed();
  }

  nextTimeoutMs(): number {
    const dataMs = earlier(this.sender.deadlineMs, this.#receiver.deadlineMs);
    const controlMs = earlier(this.#resets.deadlineMs, this.#shutdownDeadlineMs);
    return earlier(earlier(dataMs, controlMs), this.#heartbeat.deadlineMs);
  }

  /** False when the peer has not answered for too long. */
  handleTimeout(nowMs: number): boolean {
    this.sender.handleTimeout(nowMs);
    this.#receiver.handleTimeout(nowMs);
    this.#resets.handleTimeout(nowMs);
    this.#heartbeat.handleTimeout(nowMs);
    if (nowMs >= this.#shutdownDeadlineMs) {
      this.#shutdownTimeouts++;
      this.#acknowledgeShutdown(nowMs);
    }
    const silent = this.sender.timeouts + this.#resets.timeouts + this.#heartbeat.timeouts + this.#shutdownTimeouts;
    return silent <= this.#deps.settings.maxTimeouts;
  }

  /** Lets go of all memory. */
  clear(): void {
    this.#deps.queue.abort();
    this.#deps.channels.clear();
    this.sender.clear();
    this.#receiver.clear();
  }

  #resetListener(): ResetListener {
    const { channels } = this.#deps;
    return {
      incomingReset: (streams) => {
        if (streams.length === 0) this.#receiver.resetAllStreams();
        for (const stream of streams) this.#receiver.resetStream(stream);
        channels.incomingReset(streams);
      },
      outgoingReset: (stream, ok) => channels.outgoingReset(stream, ok),
      resetWanted: (streams) => channels.resetWanted(streams),
    };
  }

  #dispatch(kind: number, bytes: Uint8Array, at: number, end: number, nowMs: number): boolean {
    switch (kind) {
      case DATA: {
        const chunk = parseData(bytes, at, end);
        if (chunk) this.#receiver.handleData(bytes, chunk);
        return chunk !== undefined;
      }
      case SACK: {
        const chunk = parseSack(bytes, at, end);
        if (chunk) this.sender.handleSack(bytes, chunk, nowMs);
        return chunk !== undefined;
      }
      case FORWARD_TSN: {
        const chunk = parseForwardTsn(bytes, at, end);
        if (chunk) this.#receiver.handleForwardTsn(bytes, chunk);
        return chunk !== undefined;
      }
      case RE_CONFIG: {
        const params = parseReConfig(bytes, at, end);
        if (params) this.#resets.handle(params, this.#receiver.cumulativeTsn, nowMs);
        return params !== undefined;
      }
      case HEARTBEAT_ACK:
        this.#heartbeat.handleAck(bytes, at, end, nowMs);
        return true;
      case SHUTDOWN:
        return this.#handleShutdown(bytes, at, end, nowMs);
      case SHUTDOWN_COMPLETE:
        if (this.shutdown === "acknowledged") this.shutdown = "complete";
        return true;
      default:
        return false;
    }
  }

  #handleShutdown(bytes: Uint8Array, at: number, end: number, nowMs: number): boolean {
    if (end - at !== CHUNK_HEADER_BYTES + 4) return false;
    this.sender.handleCumulative(bytes, readI32(bytes, at + CHUNK_HEADER_BYTES), nowMs);
    // Said again: our acknowledgement was lost.
    if (this.shutdown !== "complete") this.shutdown = "received";
    return true;
  }

  #acknowledgeShutdown(nowMs: number): void {
    this.#deps.outbox.bundle(opaqueChunk(SHUTDOWN_ACK));
    this.shutdown = "acknowledged";
    this.#shutdownDeadlineMs = nowMs + this.#deps.rto.valueMs;
  }
}
