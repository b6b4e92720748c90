/**
 * Writing one packet for one subscriber: header and extensions into a send slot, the payload encrypted from where it lies
 * in the ring. The payload is copied only if bytes of it change (VP8 picture numbers, RTX).
 */
import { shortenLastUnit } from "@stoa/wire/codec/packet-trailer";
import { RTP_HEADER_BYTES, writeRtpHeader } from "@stoa/wire/rtp/header";
import { UNSTAMPED } from "../congestion/sent-history.ts";
import type { PacketSink } from "../paths.ts";
import { SLOT_BYTES } from "../slab.ts";
import type { Slab } from "../slab.ts";
import type { ExtensionPlan } from "./extension-plan.ts";
import { NO_DELAY } from "./playout-delay.ts";
import { copyVp8 } from "./rewrite-vp8.ts";
import { AGGREGATE_SHIFT, HAS_PICTURE_ID, MARKER, NARROW_PICTURE_ID } from "./ring.ts";
import type { PacketRing } from "./ring.ts";
import { NO_MASK } from "./select-svc.ts";
import type { Subscriber } from "./subscriber.ts";
import type { BatchTime } from "./transport.ts";

/** What a packet may grow by behind its header: RTX number, a longer picture id, an authentication tag of 16 bytes. */
const GROWTH_BYTES = 2 + 1 + 16;
/** `original` when the packet is not a retransmission. */
export const NOT_RTX = -1;
/** `transportSequence` when the packet is sent for the first time under its number. */
export const FIRST_TIME = -1;
/** Its length stands in one byte. */
export const MAX_PADDING = 255;
/** The padding bit of an RTP header. */
const PADDED = 0x20;

/** What of a packet is to change; a reusable value. */
export interface PayloadChange {
  /** Number of the packet that is repeated, put in front of the payload (RFC 4588), or `NOT_RTX`. */
  original: number;
  /** Only the number goes out, without payload. */
  blank: boolean;
  widePictureId: boolean;
  pictureIdOffset: number;
  tl0Offset: number;
  keyIdxOffset: number;
  /** The marker is set: what follows in the picture is left out. */
  endsPicture: boolean;
  /** For the dependency descriptor: what is added to the frame number, and the active decode targets or `NO_MASK`. */
  frameOffset: number;
  mask: number;
  /** Of the playout-delay extension (`PlayoutDelay.take`), or `NO_DELAY`. */
  playoutDelay: number;
  /** With which number and at what time it was sent before under the same sequence number, or `FIRST_TIME`. */
  transportSequence: number;
  sendTime: number;
}

function noChange(): PayloadChange {
  return {
    original: NOT_RTX,
    blank: false,
    widePictureId: false,
    pictureIdOffset: 0,
    tl0Offset: 0,
    keyIdxOffset: 0,
    endsPicture: false,
    frameOffset: 0,
    mask: NO_MASK,
    playoutDelay: NO_DELAY,
    transportSequence: FIRST_TIME,
    sendTime: 0,
  };
}

export class PacketWriter {
  /** For the callers of `write`, who fill it in: one for all streams stays in the processor's cache. */
  readonly change = noChange();
  readonly #u8: Uint8Array;
  readonly #view: DataView;
  readonly #sink: PacketSink;
  readonly #time: BatchTime;
  /** Payload as prepared by `#prepare`. */
  #from = 0;
  #length = 0;

  constructor(slab: Slab, sink: PacketSink, time: BatchTime) {
    this.#u8 = slab.u8;
    this.#view = slab.view;
    this.#sink = sink;
    this.#time = time;
  }

  /** Sends the ring's entry with these numbers. Returns the bytes of payload sent, -1 if it did not go out. */
  write(
    to: Subscriber,
    plan: ExtensionPlan,
    ring: PacketRing,
    index: number,
    payloadType: number,
    sequence: number,
    timestamp: number,
    ssrc: number,
    change: PayloadChange | undefined,
  ): number {
    const at = this.#sink.reserve();
    let marker = (ring.flags[index]! & MARKER) !== 0;
    let frameOffset = 0;
    let mask = NO_MASK;
    let playoutDelay = NO_DELAY;
    let { absSendTime } = this.#time;
    let { transportSequence } = to;
    const again = change !== undefined && change.transportSequence !== FIRST_TIME;
    if (change !== undefined) {
      ({ frameOffset, mask, playoutDelay } = change);
      if (again) {
        ({ transportSequence } = change);
        absSendTime = change.sendTime;
      }
      marker = !change.blank && (marker || change.endsPicture);
    }
    const extended = plan.applies(ring, index, playoutDelay);
    writeRtpHeader(this.#view, at, extended, marker, payloadType, sequence, timestamp, ssrc);
    let end = at + RTP_HEADER_BYTES;
    if (extended) {
      end = plan.write(this.#u8, end, ring, index, absSendTime, transportSequence, frameOffset, mask, playoutDelay);
    }
    this.#from = ring.payloadAt[index]!;
    this.#length = ring.payloadLength[index]!;
    if (end - at + this.#length + GROWTH_BYTES > SLOT_BYTES) return -1;
    if (this.#length === 0) this.#from = end;
    if (to.stripsTrailers && ring.trailer[index] !== 0) this.#strip(ring.trailer[index]!, end);
    if (change !== undefined) this.#change(change, ring, index, end);
    const total = to.transport.protectRtp(at, end - at, this.#from, this.#length);
    if (total <= 0) return -1;
    this.#sink.commit(to.transport.path, total);
    if (again) this.#countAgain(to, plan, total, transportSequence);
    else this.#count(to, plan, total);
    return this.#length;
  }

  /** Sends a packet without content, of `padding` bytes (1 … `MAX_PADDING`). False if it did not go out. */
  writePadding(
    to: Subscriber,
    plan: ExtensionPlan,
    payloadType: number,
    sequence: number,
    timestamp: number,
    ssrc: number,
    padding: number,
  ): boolean {
    const at = this.#sink.reserve();
    writeRtpHeader(this.#view, at, true, false, payloadType, sequence, timestamp, ssrc);
    this.#u8[at] = this.#u8[at]! | PADDED;
    const end = plan.writeTimes(this.#u8, at + RTP_HEADER_BYTES, this.#time.absSendTime, to.transportSequence);
    this.#u8.fill(0, end, end + padding - 1);
    this.#u8[end + padding - 1] = padding;
    const total = to.transport.protectRtp(at, end - at, end, padding);
    if (total <= 0) return false;
    this.#sink.commit(to.transport.path, total);
    this.#count(to, plan, total);
    return true;
  }

  /** A packet of `bytes` went out. */
  #count(to: Subscriber, plan: ExtensionPlan, bytes: number): void {
    const stamped = plan.transportCc !== 0;
    const { sent } = to;
    // What the client's answers do not speak of is no part of the estimate either.
    if (sent !== undefined && plan.measures) {
      sent.note(stamped ? to.transportSequence : UNSTAMPED, bytes, this.#time.ticksMs);
    }
    if (stamped) to.transportSequence = (to.transportSequence + 1) & 0xffff;
    to.countSent(bytes);
  }

  /** The same, under a transport-wide number that was used before: feedback on that no longer says when what arrived. */
  #countAgain(to: Subscriber, plan: ExtensionPlan, bytes: number, transportSequence: number): void {
    const { sent } = to;
    if (sent !== undefined && plan.measures) {
      sent.note(UNSTAMPED, bytes, this.#time.ticksMs);
      if (plan.transportCc !== 0) sent.disregard(transportSequence);
    }
    to.countSent(bytes);
  }

  /** Leaves out the packet trailer; `end`: behind the header, where an aggregate is copied to, which says how long it is. */
  #strip(trailer: number, end: number): void {
    const bytes = trailer & ((1 << AGGREGATE_SHIFT) - 1);
    const headerBytes = trailer >> AGGREGATE_SHIFT;
    if (headerBytes !== 0) {
      this.#u8.copyWithin(end, this.#from, this.#from + this.#length);
      this.#from = end;
      if (!shortenLastUnit(this.#u8, end, this.#length, headerBytes, bytes)) return;
    }
    this.#length -= bytes;
    if (this.#length === 0) this.#from = end;
  }

  /** Puts the changed payload behind the header at `end`; nothing to change, it stays where it is. */
  #change(change: PayloadChange, ring: PacketRing, index: number, end: number): void {
    if (change.blank) this.#length = 0;
    const { original } = change;
    const to = original === NOT_RTX ? end : end + 2;
    if (this.#length > 0 && changesPicture(change, ring.flags[index]!)) {
      const pictureId = (ring.pictureId[index]! + change.pictureIdOffset) & 0x7fff;
      const { widePictureId, tl0Offset, keyIdxOffset } = change;
      this.#length = copyVp8(this.#u8, this.#from, this.#length, to, pictureId, widePictureId, tl0Offset, keyIdxOffset);
    } else if (to !== end) {
      this.#u8.copyWithin(to, this.#from, this.#from + this.#length);
    } else {
      return;
    }
    this.#length += to - end;
    this.#from = end;
    if (original === NOT_RTX) return;
    // Only now: the payload may have stood here.
    this.#u8[end] = original >> 8;
    this.#u8[end + 1] = original;
  }
}

function changesPicture(change: PayloadChange, flags: number): boolean {
  if ((flags & HAS_PICTURE_ID) === 0) return false;
  if (change.widePictureId && (flags & NARROW_PICTURE_ID) !== 0) return true;
  return (change.pictureIdOffset | change.tl0Offset | change.keyIdxOffset) !== 0;
}
