/**
 * RED made into opus and opus into RED (RFC 2198), once per track for all subscribers that need it (livekit.md 3.11).
 * Towards opus, frames that were lost come back out of the packets behind them: up to two, each with the number and the
 * time that it would have had. Nothing here allocates.
 */
import { MAX_EARLIER, newRedFrames, readRed, writeRed } from "@stoa/wire/codec/red";
import type { CodecSpec, SenderSpec } from "../engine/specs.ts";
import type { PacketPool } from "../slab.ts";
import { DerivedStream, NO_ROOM } from "./derived-stream.ts";
import { ABSENT, EMPTY } from "./ring.ts";
import type { PacketRing } from "./ring.ts";
import type { Derivation } from "./track.ts";
import type { Uplink } from "./uplink.ts";

export const OPUS_MIME = "audio/opus";
export const RED_MIME = "audio/red";

/** Within RED, opus has the payload type that every client is offered (livekit.md 3.1). */
const OPUS_IN_RED = 111;
/** Earlier frames are added as long as the payload stays below this: it is to fit in one datagram everywhere. */
const MAX_RED_BYTES = 1100;

const CODEC = { clockRate: 48_000, channels: 2, fmtp: "", rtxPayloadType: 0, nack: false };
/** The payload types name the codecs within their uplink only. */
const OPUS: CodecSpec = { ...CODEC, mime: OPUS_MIME, payloadType: OPUS_IN_RED };
const RED: CodecSpec = { ...CODEC, mime: RED_MIME, payloadType: 63 };

const frames = newRedFrames();

/** What is made of an audio codec of a track. */
export interface AudioDerivation extends Derivation {
  readonly mime: string;
  readonly stream: DerivedStream;
}

/** Whether a subscriber takes a codec. */
export function takes({ codecs }: SenderSpec, mime: string): boolean {
  return codecs.some((codec) => codec.mime === mime);
}

/** Opus for subscribers that do not take RED. */
export class RedToOpus implements AudioDerivation {
  readonly mime = OPUS_MIME;
  readonly stream: DerivedStream;
  readonly uplink: Uplink;
  readonly #u8: Uint8Array;

  constructor(source: Uplink, pool: PacketPool) {
    this.stream = new DerivedStream(source, OPUS, pool);
    this.uplink = this.stream.uplink;
    this.#u8 = pool.slab.u8;
  }

  /** Also for plain packets between those of RED: nobody is to change back and forth. */
  prefers(spec: SenderSpec): boolean {
    return !takes(spec, RED_MIME);
  }

  derive(source: Uplink, nowMs: number): void {
    const { ring } = source.layers[0]!;
    for (let i = 0; i < source.pendingCount; i++) {
      const sequence = source.pendingSequence[i]!;
      const index = ring.find(sequence);
      if (index === ABSENT) continue;
      this.stream.follow(sequence);
      const at = ring.payloadAt[index]!;
      const length = ring.payloadLength[index]!;
      const isRed = source.codecs[ring.codec[index]!]?.mime === RED_MIME;
      if (!isRed || (ring.flags[index]! & EMPTY) !== 0) {
        this.#feed(ring, index, sequence, ring.timestamp[index]!, at, length, nowMs);
      } else if (readRed(this.#u8, at, length, frames)) {
        this.#recover(ring, index, sequence, nowMs);
        this.#feed(ring, index, sequence, ring.timestamp[index]!, frames.primaryAt, frames.primaryLength, nowMs);
      }
    }
  }

  /** Feeds the lost ones among the earlier frames of a packet, the oldest first. */
  #recover(ring: PacketRing, index: number, sequence: number, nowMs: number): void {
    for (let i = frames.count - 1; i >= 0; i--) {
      const lost = (sequence - 1 - i) | 0;
      if (frames.length[i] === 0 || ring.find(lost) !== ABSENT || this.stream.hasFed(lost)) continue;
      const timestamp = (ring.timestamp[index]! - frames.ageTicks[i]!) | 0;
      const before = ring.find((lost - 1) | 0);
      // A frame that is not younger than the one before it is not the one that was lost.
      if (before !== ABSENT && ((timestamp - ring.timestamp[before]!) | 0) <= 0) continue;
      this.#feed(ring, -1, lost, timestamp, frames.at[i]!, frames.length[i]!, nowMs);
    }
  }

  #feed(
    ring: PacketRing,
    index: number,
    sequence: number,
    timestamp: number,
    from: number,
    length: number,
    nowMs: number,
  ): void {
    if (this.stream.hasFed(sequence)) return;
    const to = this.stream.begin(ring, index);
    if (to === NO_ROOM) return;
    this.#u8.copyWithin(to, from, from + length);
    this.stream.finish(sequence, timestamp, length, nowMs);
  }
}

/** RED for subscribers that take it, of a publisher that sends none. */
export class OpusToRed implements AudioDerivation {
  readonly mime = RED_MIME;
  readonly stream: DerivedStream;
  readonly uplink: Uplink;
  readonly #u8: Uint8Array;

  constructor(source: Uplink, pool: PacketPool) {
    this.stream = new DerivedStream(source, RED, pool);
    this.uplink = this.stream.uplink;
    this.#u8 = pool.slab.u8;
  }

  prefers(spec: SenderSpec): boolean {
    return takes(spec, RED_MIME);
  }

  derive(source: Uplink, nowMs: number): void {
    const { ring } = source.layers[0]!;
    for (let i = 0; i < source.pendingCount; i++) {
      const sequence = source.pendingSequence[i]!;
      const index = ring.find(sequence);
      if (index === ABSENT) continue;
      this.stream.follow(sequence);
      if (!this.stream.hasFed(sequence)) this.#encode(ring, index, sequence, nowMs);
    }
  }

  #encode(ring: PacketRing, index: number, sequence: number, nowMs: number): void {
    const to = this.stream.begin(ring, index);
    if (to === NO_ROOM) return;
    let length = 0;
    if ((ring.flags[index]! & EMPTY) === 0) {
      frames.payloadType = OPUS_IN_RED;
      frames.primaryAt = ring.payloadAt[index]!;
      frames.primaryLength = ring.payloadLength[index]!;
      frames.count = 0;
      while (frames.count < MAX_EARLIER && this.#addEarlier(ring, index, (sequence - 1 - frames.count) | 0));
      const wanted = Math.max(MAX_RED_BYTES, 1 + frames.primaryLength);
      length = writeRed(this.#u8, to, Math.min(wanted, this.stream.room), frames);
    }
    if (length < 0) this.stream.cancel();
    else this.stream.finish(sequence, ring.timestamp[index]!, length, nowMs);
  }

  #addEarlier(ring: PacketRing, index: number, sequence: number): boolean {
    const earlier = ring.find(sequence);
    if (earlier === ABSENT || (ring.flags[earlier]! & EMPTY) !== 0) return false;
    if (ring.codec[earlier] !== ring.codec[index]) return false;
    const i = frames.count++;
    frames.at[i] = ring.payloadAt[earlier]!;
    frames.length[i] = ring.payloadLength[earlier]!;
    frames.ageTicks[i] = (ring.timestamp[index]! - ring.timestamp[earlier]!) | 0;
    return true;
  }
}
