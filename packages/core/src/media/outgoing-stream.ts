/**
 * One RTP stream to one subscriber: its SSRC, its numbers, what was negotiated for it, what of it can be repeated, and its
 * counters. Which packets it gets is decided elsewhere (`Feed`): what is given to `forward` goes out.
 * Invariant: a number goes out with one content only, whatever the packet comes from. Forwarding allocates nothing.
 */
import { encodeUtf8 } from "@stoa/wire/text";
import type { CodecSpec, SenderSpec } from "../engine/specs.ts";
import type { BlankFrames } from "./blank-frames.ts";
import type { CodecTable } from "./codec-table.ts";
import { NOT_CARRIED } from "./codec-table.ts";
import { Continuity, NO_SEQUENCE } from "./continuity.ts";
import type { ContinuityState, ReferenceKind, SeedResult } from "./continuity.ts";
import type { ExtensionPlan } from "./extension-plan.ts";
import type { FrameTable } from "./frame-table.ts";
import type { LayerSelection } from "./layer-selection.ts";
import { fillChange } from "./outgoing-change.ts";
import { MAX_PADDING } from "./packet-writer.ts";
import type { PacketWriter, PayloadChange } from "./packet-writer.ts";
import { NO_DELAY } from "./playout-delay.ts";
import type { PlayoutDelay } from "./playout-delay.ts";
import { NOT_SENT, Repeater } from "./repeater.ts";
import { ReportTimes } from "./report-times.ts";
import { EMPTY, HAS_FRAME, HAS_PICTURE_ID } from "./ring.ts";
import type { PacketRing } from "./ring.ts";
import { NO_TABLES } from "./shared-tables.ts";
import type { Tables } from "./shared-tables.ts";
import { BYTES_OUT } from "./subscriber.ts";
import type { Subscriber } from "./subscriber.ts";
import { isReady } from "./transport.ts";
import type { BatchTime } from "./transport.ts";
import type { Uplink } from "./uplink.ts";

export class OutgoingStream {
  // What each packet reads and writes stands first, side by side: with 1,000 subscribers every cache line more is a wait.
  readonly subscriber: Subscriber;
  readonly continuity: Continuity;
  readonly ssrc: number;
  readonly isVideo: boolean;
  #plan: ExtensionPlan = NO_TABLES.plan;
  #codecs: CodecTable = NO_TABLES.codecs;
  readonly #repeater: Repeater;
  /** Packets and octets of payload sent, for sender reports; wrap at 32 bits. */
  packets = 0;
  octets = 0;
  /** Packets sent again, and their octets on the wire modulo 2^32. */
  resent = 0;
  resentOctets = 0;
  /** Something was sent since this was cleared: a sender report is due. */
  sentSinceReport = false;
  /** Set for video in rooms that limit it, when the extension is negotiated. */
  playoutDelay: PlayoutDelay | undefined;
  /** The codec that flows, as an index in the publisher's list; -1 = nothing did yet. */
  codec = -1;

  /** Set by the first packet ever sent. */
  begun = false;
  /** The subscriber's codec in which the last packet went out. */
  #lastSent: CodecSpec | undefined;
  #spec: SenderSpec;
  /** SDES CNAME. */
  readonly cname: Uint8Array;
  readonly reportTimes = new ReportTimes();

  constructor(subscriber: Subscriber, spec: SenderSpec, random32: number) {
    this.subscriber = subscriber;
    this.isVideo = spec.kind === "video";
    this.ssrc = spec.ssrc | 0;
    this.cname = encodeUtf8(spec.cname);
    this.#spec = spec;
    this.continuity = new Continuity(random32 & 0x3fff);
    this.#repeater = new Repeater((random32 >>> 16) & 0x3fff);
  }

  get spec(): SenderSpec {
    return this.#spec;
  }

  /** Its packets say when they were sent, or carry transport-wide numbers. */
  get stamped(): boolean {
    return this.#plan.measures;
  }

  /** Packets that were sent again on the stream of retransmissions. */
  get repaired(): number {
    return this.#repeater.repaired;
  }

  /** Takes a renegotiated description of the same stream; `bind` follows. */
  update(spec: SenderSpec): void {
    this.#spec = spec;
    // A packet that was sent under another payload type or with other extensions is not repeated.
    this.#repeater.startOver();
    this.#lastSent = spec.codecs.find((codec) => codec.mime === this.#lastSent?.mime);
  }

  /** How packets go out, of the uplink that feeds the stream or will. */
  bind({ codecs, plan }: Tables): void {
    this.#codecs = codecs;
    this.#plan = plan;
  }

  /** Lets go of packets that nobody has any more. */
  letGo(): void {
    this.#repeater.letGo();
  }

  /**
   * Goes on with this packet of another source (or after a break), whose clock is `apart` from that of the last one.
   * False if it would run backwards and may wait; nothing has changed then.
   */
  begin(
    uplink: Uplink,
    tables: Tables,
    ring: PacketRing,
    index: number,
    kind: ReferenceKind,
    apart: number,
    time: BatchTime,
  ): boolean {
    const { continuity } = this;
    const { codecs } = tables;
    const codec = ring.codec[index]!;
    const timestamp = ring.timestamp[index]!;
    const reference = (timestamp + apart + continuity.timestampOffset) | 0;
    const clockRate = codecs.clockRate[codec]!;
    if (!continuity.begin(ring.sequence[index]!, timestamp, kind, reference, clockRate, time.ticksMs)) return false;
    const flags = ring.flags[index]!;
    if ((flags & HAS_PICTURE_ID) !== 0) {
      continuity.beginPictures(ring.pictureId[index]!, ring.tl0PicIdx[index]!, ring.keyIdx[index]!);
    }
    if ((flags & HAS_FRAME) !== 0) continuity.beginFrames(ring.frame[index]!);
    this.bind(tables);
    this.codec = codec;
    this.begun = true;
    this.#lastSent = codecs.chosen[codec];
    this.#repeater.serve(uplink, codecs.nack);
    return true;
  }

  /** Forwards a packet of the source it goes on with: of this stream of the uplink, with these frames, if `selection` wants it. */
  forward(
    ring: PacketRing,
    index: number,
    sequence: number,
    layer: number,
    selection: LayerSelection,
    frames: FrameTable | undefined,
    time: BatchTime,
    writer: PacketWriter,
  ): void {
    const continuity = this.continuity;
    const flags = ring.flags[index]!;
    const payloadType = this.#codecs.payloadType[ring.codec[index]!]!;
    const newest = continuity.isNewest(sequence);
    const unwanted = this.isVideo && !selection.wants(ring, index, newest, frames, continuity);
    if (payloadType === NOT_CARRIED || (newest && (unwanted || (flags & EMPTY) !== 0))) {
      if (newest) continuity.drop(sequence);
      return;
    }
    const outgoing = continuity.map(sequence, ring.timestamp[index]!, time.ticksMs);
    if (outgoing === NO_SEQUENCE) return;
    const timestamp = (ring.timestamp[index]! + continuity.timestampOffset) | 0;
    let change: PayloadChange | undefined;
    let decodeTarget = 0;
    if (this.isVideo) {
      const highest = outgoing === continuity.sequence;
      const delay = this.playoutDelay === undefined ? NO_DELAY : this.playoutDelay.take(outgoing, time.ticksMs);
      writer.change.playoutDelay = delay;
      change = fillChange(ring, index, unwanted, highest, continuity, selection, frames, writer.change);
      ({ decodeTarget } = selection);
    }
    this.#repeater.note(outgoing, sequence, timestamp, layer, flags, decodeTarget, change);
    if (this.#plan.repeatsPlainly) this.#repeater.stamp(outgoing, this.subscriber.transportSequence, time.absSendTime);
    this.#count(
      writer.write(this.subscriber, this.#plan, ring, index, payloadType, outgoing, timestamp, this.ssrc, change),
    );
  }

  #count(octets: number): void {
    if (octets < 0) return;
    this.packets = (this.packets + 1) | 0;
    this.octets = (this.octets + octets) | 0;
    this.sentSinceReport = true;
  }

  /**
   * Sends a frame that the server makes up, due at `ticksMs`, as the next one of a stream that does not flow; `stepMs`: how
   * long it lasts. False if there is none of the stream's kind, or the stream has ended.
   */
  sendBlank(frames: BlankFrames, trailer: Uint8Array, stepMs: number, ticksMs: number, writer: PacketWriter): boolean {
    const { continuity, subscriber } = this;
    const codec = this.#lastSent;
    if (!codec || continuity.ended) return false;
    const count = frames.prepare(codec, continuity, trailer);
    if (count === 0) return false;
    continuity.makeUpFrame(stepMs, codec.clockRate, ticksMs);
    for (let part = 0; part < count; part++) {
      const { payloadType } = codec;
      const sequence = continuity.nextMadeUp();
      const { timestamp } = continuity;
      this.#count(
        writer.write(subscriber, this.#plan, frames.ring, part, payloadType, sequence, timestamp, this.ssrc, undefined),
      );
    }
    return true;
  }

  /**
   * The subscriber lost this packet (16 bits): sends it again if that may help, and it is not of a layer above `highest`. True if
   * it was sent.
   */
  resend(lost: number, highest: number, time: BatchTime, writer: PacketWriter): boolean {
    const sentBefore = this.subscriber.counters[BYTES_OUT]!;
    const octets = this.#repeater.resend(this, lost, highest, time, writer);
    this.#count(octets);
    if (octets === NOT_SENT) return false;
    this.resent++;
    this.resentOctets = (this.resentOctets + this.subscriber.counters[BYTES_OUT]! - sentBefore) | 0;
    return true;
  }

  /** Sends about `bytes` of padding on the stream of retransmissions, to try the link. False if it has none, or has not begun. */
  pad(bytes: number, writer: PacketWriter): boolean {
    const payloadType = this.codec < 0 ? 0 : (this.#codecs.rtxPayloadType[this.codec] ?? 0);
    const { subscriber, continuity } = this;
    if (!this.begun || payloadType === 0 || this.#spec.rtxSsrc === 0 || !this.stamped) return false;
    if (!isReady(subscriber.transport) || continuity.ended) return false;
    const repeater = this.#repeater;
    for (let left = bytes; left > 0; left -= MAX_PADDING) {
      const ssrc = this.#spec.rtxSsrc | 0;
      const size = Math.max(Math.min(left, MAX_PADDING), 1);
      const { timestamp } = continuity;
      if (!writer.writePadding(subscriber, this.#plan, payloadType, repeater.rtxSequence, timestamp, ssrc, size)) break;
      repeater.rtxSequence = (repeater.rtxSequence + 1) & 0xffff;
    }
    return true;
  }

  /** Stops for good and gives the state to go on from elsewhere; undefined if nothing was ever sent, or taken before. */
  take(time: BatchTime): ContinuityState | undefined {
    const { continuity } = this;
    const taken = continuity.ended || !continuity.started;
    continuity.ended = true;
    if (taken) return undefined;
    return {
      ssrc: this.ssrc >>> 0,
      sequence: continuity.sequence & 0xffff,
      timestamp: continuity.timestamp >>> 0,
      atMs: time.unixMs(continuity.sentTicksMs),
      pictureId: continuity.pictureId,
      tl0PicIdx: continuity.tl0PicIdx,
      keyIdx: continuity.keyIdx,
      frame: continuity.frame,
      widePictureId: continuity.widePictureId,
      rtxSequence: this.#repeater.rtxSequence,
      packets: this.packets >>> 0,
      octets: this.octets >>> 0,
    };
  }

  /** Goes on from such a state, if nothing was sent yet. */
  seed(state: ContinuityState | undefined, time: BatchTime): SeedResult {
    const result = this.continuity.seed(state, this.ssrc, state ? time.ticksAt(state.atMs) : 0);
    if (result === "applied" && state) {
      this.#repeater.rtxSequence = state.rtxSequence;
      this.packets = state.packets | 0;
      this.octets = state.octets | 0;
    }
    return result;
  }
}
