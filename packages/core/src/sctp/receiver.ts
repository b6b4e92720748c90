/**
 * The receiving half of an association: DATA and FORWARD TSN in, messages in order out, SACKs when they are due
 * (RFC 9260 sections 6.2 and 6.5 to 6.9, RFC 3758 section 3.6).
 */
import { DATA_HEADER_BYTES, FLAG_IMMEDIATE } from "@stoa/wire/sctp/data";
import type { DataChunk } from "@stoa/wire/sctp/data";
import { skippedSsn, skippedStream } from "@stoa/wire/sctp/forward-tsn";
import type { ForwardTsnChunk } from "@stoa/wire/sctp/forward-tsn";
import { SACK_HEADER_BYTES } from "@stoa/wire/sctp/sack";
import { tsnDiff } from "@stoa/wire/sctp/serial";
import { NEVER } from "../clock.ts";
import { InboundStreams } from "./inbound-streams.ts";
import { SACK_DELAY_MS } from "./options.ts";
import type { PacketWriter } from "./packet-writer.ts";
import { Reassembly } from "./reassembly.ts";
import type { InboundMessage } from "./reassembly.ts";
import type { ReceiveBuffer } from "./receive-buffer.ts";
import type { SctpStats } from "./stats.ts";
import { TsnTracker } from "./tsn-tracker.ts";

/** No honest peer has more outstanding: a FORWARD TSN beyond is absurd. */
const MAX_SKIP = 1 << 17;

/**
 * Packets behind the last gap of which each is acknowledged at once (RFC 9260 section 6.7), so that the sender learns of the loss; after
 * them, and with nothing new between, every second one will do again.
 */
const PROMPT_PACKETS = 6;

/** What the receiver shares with the rest of the association. */
export interface ReceiverDeps {
  readonly memory: ReceiveBuffer;
  readonly stats: SctpStats;
  readonly maxMessageBytes: number;
  /** Gets every message, in the order of its stream. */
  readonly deliver: (message: InboundMessage) => void;
}

/** Receives what one peer sends. */
export class Receiver {
  /** When a SACK is due at the latest. */
  deadlineMs = NEVER;
  readonly #memory: ReceiveBuffer;
  readonly #stats: SctpStats;
  readonly #tracker: TsnTracker;
  readonly #reassembly: Reassembly;
  readonly #streams: InboundStreams;
  /** Packets with DATA since the last SACK. */
  #packets = 0;
  #dataInPacket = false;
  #sackNow = false;
  /** Packets since the last gap opened. */
  #sinceGap = 0;
  #advertisedBytes: number;

  constructor(deps: ReceiverDeps, initialTsn: number) {
    this.#memory = deps.memory;
    this.#stats = deps.stats;
    this.#tracker = new TsnTracker(initialTsn);
    this.#reassembly = new Reassembly(deps.memory, deps.stats, deps.maxMessageBytes);
    this.#streams = new InboundStreams(deps.memory, deps.stats, deps.deliver);
    this.#advertisedBytes = deps.memory.windowBytes;
  }

  get cumulativeTsn(): number {
    return this.#tracker.cumulativeTsn;
  }

  handleData(bytes: Uint8Array, chunk: DataChunk): void {
    this.#dataInPacket = true;
    if ((chunk.flags & FLAG_IMMEDIATE) !== 0) this.#sackNow = true;
    const verdict = this.#tracker.check(chunk.tsn);
    if (verdict === "duplicate") {
      this.#stats.duplicateChunks++;
      this.#sackNow = true;
      return;
    }
    const size = chunk.to - chunk.from + DATA_HEADER_BYTES;
    const isNext = tsnDiff(chunk.tsn, this.#tracker.cumulativeTsn) === 1;
    const fits = this.#memory.accepts(size, this.#tracker.fillsGap(chunk.tsn));
    if (verdict === "refused" || !fits || !(isNext || this.#reassembly.hasRoom)) {
      this.#stats.droppedChunks++;
      this.#sackNow = true;
      return;
    }
    // It opens a gap, or fills one.
    if (!isNext && !this.#tracker.follows(chunk.tsn)) this.#sinceGap = 0;
    else if (isNext && this.#tracker.hasGaps) this.#sackNow = true;
    const before = this.#tracker.cumulativeTsn;
    this.#tracker.mark(chunk.tsn);
    const message = this.#reassembly.add(bytes, chunk, before);
    if (message) this.#streams.add(message);
    this.#reassembly.purge(this.#tracker.cumulativeTsn);
  }

  handleForwardTsn(bytes: Uint8Array, chunk: ForwardTsnChunk): void {
    this.#sackNow = true;
    const skip = tsnDiff(chunk.newCumulativeTsn, this.#tracker.cumulativeTsn);
    if (skip > MAX_SKIP) this.#stats.badChunks++;
    if (skip <= 0 || skip > MAX_SKIP) return;
    this.#tracker.skipTo(chunk.newCumulativeTsn);
    this.#reassembly.skipTo(chunk.newCumulativeTsn);
    for (let i = 0; i < chunk.streamCount; i++) {
      this.#streams.skipTo(skippedStream(bytes, chunk, i), skippedSsn(bytes, chunk, i));
    }
    this.#reassembly.purge(this.#tracker.cumulativeTsn);
  }

  /** All chunks of a packet were handled: every second packet with DATA is acknowledged at once. */
  endPacket(nowMs: number): void {
    if (!this.#dataInPacket) return;
    this.#dataInPacket = false;
    if (++this.#packets >= 2 || (this.#tracker.hasGaps && this.#sinceGap++ < PROMPT_PACKETS)) this.#sackNow = true;
    if (this.deadlineMs === NEVER) this.deadlineMs = nowMs + SACK_DELAY_MS;
  }

  handleTimeout(nowMs: number): void {
    if (nowMs >= this.deadlineMs) this.#sackNow = true;
  }

  /** The owner polled messages: a peer that was told of a small window has to hear of a large one. */
  memoryFreed(): void {
    const limit = this.#memory.limitBytes;
    if (this.#advertisedBytes < limit >> 2 && this.#memory.windowBytes >= limit >> 1) this.#sackNow = true;
  }

  /** Appends a SACK if one is due, or if one is pending and can ride along with data. */
  writeSack(packet: PacketWriter, ride: boolean): void {
    if (!this.#sackNow && !(ride && this.#packets > 0)) return;
    if (!packet.fits(SACK_HEADER_BYTES)) return;
    this.#advertisedBytes = this.#memory.windowBytes;
    this.#tracker.writeSack(packet, this.#advertisedBytes);
    this.#sackNow = false;
    this.#packets = 0;
    this.deadlineMs = NEVER;
  }

  /** The peer restarts these streams. */
  resetStream(streamId: number): void {
    this.#streams.reset(streamId);
  }

  resetAllStreams(): void {
    this.#streams.resetAll();
  }

  /** Frees what is held: the association ended or restarted. */
  clear(): void {
    this.#reassembly.clear();
    this.#streams.resetAll();
  }
}
