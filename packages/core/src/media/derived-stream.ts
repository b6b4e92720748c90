/**
 * Packets that the server makes, on their way into the uplink of a derived codec (`Derivation` in `track.ts`). They keep
 * the sequence numbers and timestamps of their source and live in slots of their own. Invariant: no number is fed twice,
 * none from before the stream's start, and a slot that the uplink does not keep goes back to the pool.
 */
import { RTP_HEADER_BYTES, newRtpHeader } from "@stoa/wire/rtp/header";
import type { CodecSpec, ReceiverSpec } from "../engine/specs.ts";
import { SLOT_BYTES } from "../slab.ts";
import type { PacketPool } from "../slab.ts";
import { EMPTY, MARKER } from "./ring.ts";
import type { PacketRing } from "./ring.ts";
import { Uplink } from "./uplink.ts";

/** There is no room for a packet. */
export const NO_ROOM = -1;
/** Numbers that are remembered: what comes later than that nobody can play. */
const WINDOW = 32;

export class DerivedStream {
  readonly uplink: Uplink;
  readonly source: Uplink;
  readonly #codec: CodecSpec;
  readonly #pool: PacketPool;
  readonly #u8: Uint8Array;
  readonly #header = newRtpHeader();
  #slot = 0;
  /** Of the source that is followed. */
  #epoch = -1;
  /** The highest number fed, and those before it: bit i stands for `#highest` - i. */
  #highest = 0;
  #fed = -1;

  /** `codec`: what is made. */
  constructor(source: Uplink, codec: CodecSpec, pool: PacketPool) {
    this.source = source;
    this.#codec = codec;
    this.#pool = pool;
    this.#u8 = pool.slab.u8;
    this.#header.payloadType = codec.payloadType;
    this.uplink = new Uplink(source.publisher, this.#spec(), pool, source);
  }

  /** The source was renegotiated. */
  update(): void {
    this.uplink.update(this.#spec());
  }

  /** A packet of the source is about to be used: notices when the source began anew. */
  follow(sequence: number): void {
    const { epoch } = this.source.layers[0]!;
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    this.#highest = (sequence - 1) | 0;
    this.#fed = -1;
    this.uplink.layers[0]!.restart();
  }

  /** Whether this number was fed, lies too far back, or before the start. */
  hasFed(sequence: number): boolean {
    const behind = (this.#highest - sequence) | 0;
    if (behind < 0) return false;
    return behind >= WINDOW || (this.#fed & (1 << behind)) !== 0;
  }

  /**
   * Begins a packet with the header and the extensions of the source's packet `index`, or without extensions if that is
   * negative. Returns where the payload is to be written, or `NO_ROOM`.
   */
  begin(ring: PacketRing, index: number): number {
    if (this.uplink.full) return NO_ROOM;
    this.#slot = this.#pool.take();
    if (this.#slot < 0) return NO_ROOM;
    this.#u8[this.#slot] = 0x80;
    let headerLength = RTP_HEADER_BYTES;
    if (index >= 0 && (ring.flags[index]! & EMPTY) === 0) {
      const from = ring.slot[index]!;
      headerLength = ring.payloadAt[index]! - from;
      this.#u8.copyWithin(this.#slot, from, from + headerLength);
    }
    this.#header.headerLength = headerLength;
    this.#header.marker = index >= 0 && (ring.flags[index]! & MARKER) !== 0;
    return this.#slot + headerLength;
  }

  /** Room behind the header of the packet that was begun, in bytes. */
  get room(): number {
    return SLOT_BYTES - this.#header.headerLength;
  }

  /** Feeds the packet that was begun. */
  finish(sequence: number, timestamp: number, payloadLength: number, nowMs: number): void {
    const ahead = (sequence - this.#highest) | 0;
    if (ahead > 0) {
      this.#highest = sequence;
      this.#fed = ahead >= WINDOW ? 1 : (this.#fed << ahead) | 1;
    } else {
      this.#fed |= 1 << -ahead;
    }
    const header = this.#header;
    header.sequence = sequence & 0xffff;
    header.timestamp = timestamp;
    header.payloadLength = payloadLength;
    const kept = this.uplink.receive(this.uplink.layers[0]!, false, header, this.#slot, nowMs);
    if (!kept) this.#pool.give(this.#slot);
  }

  /** Gives up the packet that was begun. */
  cancel(): void {
    this.#pool.give(this.#slot);
  }

  #spec(): ReceiverSpec {
    const { mid, kind, track, extensions, codecIndex } = this.source.spec;
    return { mid, kind, track, extensions, codecIndex, codecs: [this.#codec], ssrcs: [], rids: [] };
  }
}
