/** When and what FORWARD TSN is sent for the chunks that were given up (RFC 3758 section 3.5). */
import { FORWARD_TSN_HEADER_BYTES, writeForwardTsn } from "@stoa/wire/sctp/forward-tsn";
import { ssnDiff, tsnDiff } from "@stoa/wire/sctp/serial";
import type { Abandonment } from "./abandonment.ts";
import { ABANDONED } from "./chunk-ring.ts";
import type { ChunkRing } from "./chunk-ring.ts";
import type { PacketWriter } from "./packet-writer.ts";
import type { Rto } from "./rto.ts";

/** Streams in one chunk; what lies behind the last of them waits for the next one. */
const MAX_STREAMS = 128;
/** Not more often than this on a path of unknown or tiny round trip time. */
const MIN_REPEAT_MS = 10;

/** Watches the front of the ring. */
export class ForwardTsn {
  readonly #ring: ChunkRing;
  readonly #abandonment: Abandonment;
  readonly #rto: Rto;
  #lastTsn: number;
  #lastMs = 0;
  /** The peer may have missed the last one. */
  #repeat = false;
  /** Chunks given up when the front was looked at last. */
  #seenCount = 0;
  #look = false;

  constructor(ring: ChunkRing, abandonment: Abandonment, rto: Rto) {
    this.#ring = ring;
    this.#abandonment = abandonment;
    this.#rto = rto;
    this.#lastTsn = ring.cumulativeTsn;
  }

  /** A SACK may uncover chunks that were given up, or show that the peer missed a FORWARD TSN. */
  sackCame(nowMs: number): void {
    if (this.#ring.abandonedCount === 0) return;
    this.#look = true;
    this.#repeat = nowMs - this.#lastMs > Math.max(this.#rto.smoothedMs, MIN_REPEAT_MS);
  }

  timedOut(): void {
    this.#look = true;
    this.#repeat = true;
  }

  /** Appends a FORWARD TSN if the peer has to hear of one; true when it skips more than the last one did. */
  write(packet: PacketWriter, nowMs: number): boolean {
    const ring = this.#ring;
    if (!this.#look && ring.abandonedCount === this.#seenCount) return false;
    if (!packet.fits(FORWARD_TSN_HEADER_BYTES)) return false;
    this.#look = false;
    this.#seenCount = ring.abandonedCount;
    const streams: number[] = [];
    const maxStreams = Math.min(MAX_STREAMS, (packet.room - FORWARD_TSN_HEADER_BYTES) >> 2);
    const covered = this.#collect(this.#abandonment.skippable(), maxStreams, streams);
    if (covered === 0) return false;
    const tsn = ring.tsnAt(covered - 1);
    const further = tsnDiff(tsn, this.#lastTsn) > 0;
    if (!further && !this.#repeat) return false;
    this.#repeat = false;
    this.#lastTsn = tsn;
    this.#lastMs = nowMs;
    packet.end = writeForwardTsn(packet.bytes, packet.end, tsn, streams);
    return further;
  }

  /** Gathers the last SSN of each stream among the first `skip` chunks; gives how many chunks that covers. */
  #collect(skip: number, maxStreams: number, streams: number[]): number {
    for (let p = 0; p < skip; p++) {
      if (this.#ring.stateAt(p) !== ABANDONED) continue;
      const message = this.#ring.messageAt(p);
      if (message.unordered) continue;
      let i = 0;
      while (i < streams.length && streams[i] !== message.stream.id) i += 2;
      if (i === streams.length) {
        if (streams.length >= 2 * maxStreams) return p;
        streams.push(message.stream.id, message.ssn);
      } else if (ssnDiff(message.ssn, streams[i + 1]!) > 0) streams[i + 1] = message.ssn;
    }
    return skip;
  }
}
