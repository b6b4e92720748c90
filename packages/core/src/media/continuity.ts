/**
 * One outgoing stream's continuity: sequence numbers, timestamps and VP8 picture numbers that never break, whatever feeds the
 * stream: another layer, a publisher that began anew, the time after a mute, another worker or node.
 *
 * Invariants: sequence numbers rise strictly with the input's order; a gap goes out only where the input has one; a
 * packet is never given a number that another one had. `take` ends this stream and yields its state as one plain value;
 * `seed` lets another one that has not begun go on from there. Each happens once.
 */

import { FOUND, LEFT_OUT, Runs } from "./runs.ts";

/** No number for this packet: it lies before the start, or too far back. */
export const NO_SEQUENCE = -0x80000000;

/** The state of a stream that ended, to be carried elsewhere. */
export interface ContinuityState {
  readonly ssrc: number;
  /** Last sequence number of 16 bits. */
  readonly sequence: number;
  /** Last RTP timestamp, unsigned. */
  readonly timestamp: number;
  /** When that was sent, Unix milliseconds. */
  readonly atMs: number;
  /** Last VP8 picture numbers, -1 if there were none. */
  readonly pictureId: number;
  readonly tl0PicIdx: number;
  readonly keyIdx: number;
  /** Last frame number of dependency descriptors, 16 bits, -1 if there were none. */
  readonly frame: number;
  /** Picture ids had 15 bits. */
  readonly widePictureId: boolean;
  /** Next sequence number of the RTX stream. */
  readonly rtxSequence: number;
  /** For sender reports. */
  readonly packets: number;
  readonly octets: number;
}

export type SeedResult = "applied" | "alreadyStarted" | "otherSsrc" | "empty";

/** A new source this far behind must wait: its pictures are older than what was shown (LiveKit: 50 ms). */
const MAX_BEHIND_MS = 50;
/** Outside of these the reference is not believed, the wall clock is (LiveKit: 2 s, 200 ms). */
const MAX_LAG_MS = 2000;
const MAX_MUTE_LAG_MS = 200;
const MAX_LEAD_MS = 10_000;
const PICTURE_ID_MASK = 0x7fff;

/** How the source's clock relates to what was sent before. */
export const NO_REFERENCE = 0;
/** The reference is that of a stream which may take over or wait. */
export const MAY_WAIT = 1;
/** There is nothing else to send: start now. */
export const MUST_START = 2;
/** The same, of a source that was muted: its clock may have stood still meanwhile. */
export const AFTER_MUTE = 3;
export type ReferenceKind = 0 | 1 | 2 | 3;

export class Continuity {
  // What each packet reads and writes stands first, side by side: two cache lines of each subscriber.
  /** Extended number sent last. */
  sequence: number;
  timestamp = 0;
  /** `BatchTime.ticksMs` when `timestamp` was sent. */
  sentTicksMs = 0;
  /** What is added to the current source's numbers. */
  timestampOffset = 0;
  pictureIdOffset = 0;
  tl0Offset = 0;
  keyIdxOffset = 0;
  #sequenceOffset = 0;
  #first = 0;
  #highest = 0;
  /** Packets that were left out; made for the first one. */
  #dropped: Runs | undefined;
  /** Pictures that were left out, the same way. */
  #droppedPictures: Runs | undefined;
  pictureId = -1;
  tl0PicIdx = -1;
  keyIdx = -1;
  /** Last frame number that went out in a dependency descriptor (extended, by no fixed origin), and the same for its source. */
  frame = -1;
  frameOffset = 0;
  /** Picture ids of 15 bits went out: those of 7 bits no longer do. */
  widePictureId = false;

  /** Something was sent, here or before `seed`. */
  started = false;
  /** Nothing more is sent: `take` was called. */
  ended = false;
  #lastDroppedPicture = 0;

  /** `initialSequence`: of the first packet, if nothing is seeded; below 2^15, so that the SRTP rollover is never in doubt. */
  constructor(initialSequence: number) {
    this.sequence = ((initialSequence & 0x7fff) - 1) | 0;
  }

  /**
   * A source begins (or goes on after a break) with this packet, which gets the next number.
   * `reference`: the timestamp it should get by the clocks of the senders, as `kind` says.
   * False if it would run backwards and may wait; nothing has changed then.
   */
  begin(
    sequence: number,
    timestamp: number,
    kind: ReferenceKind,
    reference: number,
    clockRate: number,
    ticksMs: number,
  ): boolean {
    if (this.started) {
      const aligned = this.#align(kind, reference, clockRate, ticksMs);
      if (aligned === this.timestamp) return false;
      this.timestampOffset = (aligned - timestamp) | 0;
    } else {
      this.timestamp = timestamp;
    }
    this.#sequenceOffset = (this.sequence + 1 - sequence) | 0;
    this.#first = sequence;
    this.#highest = (sequence - 1) | 0;
    this.#dropped?.clear();
    this.#droppedPictures?.clear();
    this.started = true;
    return true;
  }

  /** The timestamp for the next packet; the last one if it must wait. */
  #align(kind: ReferenceKind, reference: number, clockRate: number, ticksMs: number): number {
    const ticksPerMs = clockRate / 1000;
    const elapsedMs = (ticksMs - this.sentTicksMs) | 0;
    const expected = (this.timestamp + Math.max(1, Math.round(elapsedMs * ticksPerMs))) | 0;
    if (kind === NO_REFERENCE) return expected;
    const lead = (reference - expected) | 0;
    const maxLagMs = kind === AFTER_MUTE ? MAX_MUTE_LAG_MS : MAX_LAG_MS;
    if (lead < -maxLagMs * ticksPerMs || lead > MAX_LEAD_MS * ticksPerMs) return expected;
    const ahead = (reference - this.timestamp) | 0;
    if (ahead > 0) return reference;
    if (-ahead <= MAX_BEHIND_MS * ticksPerMs) return (this.timestamp + 1) | 0;
    return kind === MAY_WAIT ? this.timestamp : expected;
  }

  /** The new source's picture numbers follow the last ones; call after `begin`. */
  beginPictures(pictureId: number, tl0PicIdx: number, keyIdx: number): void {
    if (this.pictureId < 0) return;
    this.pictureIdOffset = (this.pictureId + 1 - pictureId) & PICTURE_ID_MASK;
    this.tl0Offset = (this.tl0PicIdx + 1 - tl0PicIdx) & 255;
    this.keyIdxOffset = (this.keyIdx + 1 - keyIdx) & 31;
  }

  /** The new source's frame numbers follow the last one; call after `begin`. */
  beginFrames(frame: number): void {
    if (this.frame >= 0) this.frameOffset = (this.frame + 1 - frame) & 0xffff;
    this.frame = (frame + this.frameOffset) & 0xffff;
  }

  /** Notes the frame number (of the source) of a packet that goes out. */
  noteFrame(frame: number): void {
    const sent = (frame + this.frameOffset) & 0xffff;
    if (((sent - this.frame) << 16) >> 16 > 0) this.frame = sent;
  }

  /** Whether picture numbers go out changed. */
  get rewritesPictures(): boolean {
    return (this.pictureIdOffset | this.tl0Offset | this.keyIdxOffset) !== 0;
  }

  /** Whether this packet comes after all that were mapped or dropped. */
  isNewest(sequence: number): boolean {
    return ((sequence - this.#highest) | 0) > 0;
  }

  /** The extended number to send the packet with, or `NO_SEQUENCE`. Each packet is mapped once. */
  map(sequence: number, timestamp: number, ticksMs: number): number {
    let outgoing = (sequence + this.#sequenceOffset) | 0;
    if (((sequence - this.#highest) | 0) > 0) {
      this.#highest = sequence;
    } else {
      if (((sequence - this.#first) | 0) < 0) return NO_SEQUENCE;
      if (this.#dropped !== undefined) outgoing = this.#mapLate(sequence);
      // With dropped packets behind it, even a late one can be the highest that goes out.
      if (outgoing === NO_SEQUENCE || ((outgoing - this.sequence) | 0) <= 0) return outgoing;
    }
    const sent = (timestamp + this.timestampOffset) | 0;
    // Pictures may be sent in another order than they are shown.
    if (((sent - this.timestamp) | 0) > 0) this.timestamp = sent;
    this.sentTicksMs = ticksMs;
    return (this.sequence = outgoing);
  }

  /** Notes the picture numbers (of the source) of a packet whose number is the highest that went out. */
  notePictures(pictureId: number, offset: number, tl0PicIdx: number, keyIdx: number, wide: boolean): void {
    if (wide) this.widePictureId = true;
    this.pictureId = (pictureId + offset) & PICTURE_ID_MASK;
    this.tl0PicIdx = (tl0PicIdx + this.tl0Offset) & 255;
    this.keyIdx = (keyIdx + this.keyIdxOffset) & 31;
  }

  /**
   * Moves on to a frame that comes from no source, due at `ticksMs`: its timestamp lies `stepMs` behind the last one, or as
   * long as the wall clock says. `nextMadeUp` gives the numbers of its packets. The next source must `begin`.
   */
  makeUpFrame(stepMs: number, clockRate: number, ticksMs: number): void {
    const elapsedMs = (ticksMs - this.sentTicksMs) | 0;
    this.timestamp = (this.timestamp + Math.round((Math.max(stepMs, elapsedMs) * clockRate) / 1000)) | 0;
    this.sentTicksMs = ticksMs;
  }

  /** The extended number of the next packet that comes from no source. */
  nextMadeUp(): number {
    return (this.sequence = (this.sequence + 1) | 0);
  }

  /** The picture id of a frame that comes from no source; -1 if the stream has none. */
  makeUpPicture(): number {
    if (this.pictureId >= 0) this.pictureId = (this.pictureId + 1) & PICTURE_ID_MASK;
    return this.pictureId;
  }

  /** Leaves out a packet that `isNewest`: those behind it close up. */
  drop(sequence: number): void {
    (this.#dropped ??= new Runs()).leaveOut(sequence, this.#sequenceOffset);
    this.#highest = sequence;
    this.#sequenceOffset = (this.#sequenceOffset - 1) | 0;
  }

  #mapLate(sequence: number): number {
    const dropped = this.#dropped!;
    // What is forgotten has no number; what was left out is never asked for again.
    return dropped.find(sequence, this.#sequenceOffset) === FOUND ? (sequence + dropped.offset) | 0 : NO_SEQUENCE;
  }

  /** Leaves out a picture (extended number of the source) that is the newest one: those behind it close up. */
  dropPicture(picture: number): void {
    const dropped = (this.#droppedPictures ??= new Runs());
    if (!dropped.empty && ((picture - this.#lastDroppedPicture) | 0) <= 0) return;
    dropped.leaveOut(picture, this.pictureIdOffset);
    this.#lastDroppedPicture = picture;
    this.pictureIdOffset = (this.pictureIdOffset - 1) & PICTURE_ID_MASK;
  }

  /** Whether the picture of a late packet was left out. */
  droppedPicture(picture: number): boolean {
    return this.#droppedPictures !== undefined && this.#droppedPictures.find(picture, 0) === LEFT_OUT;
  }

  /** What to add to the id of a picture, which may be an earlier one. */
  pictureOffsetOf(picture: number): number {
    const dropped = this.#droppedPictures;
    if (dropped === undefined || dropped.empty || ((picture - this.#lastDroppedPicture) | 0) > 0) {
      return this.pictureIdOffset;
    }
    return dropped.find(picture, this.pictureIdOffset) === FOUND ? dropped.offset : this.pictureIdOffset;
  }

  /** Goes on from another stream's state. Refused once anything was sent. */
  seed(state: ContinuityState | undefined, ssrc: number, ticksMs: number): SeedResult {
    if (this.started || this.ended) return "alreadyStarted";
    if (!state) return "empty";
    if (state.ssrc >>> 0 !== ssrc >>> 0) return "otherSsrc";
    this.started = true;
    this.sequence = state.sequence;
    this.timestamp = state.timestamp | 0;
    this.sentTicksMs = ticksMs;
    this.pictureId = state.pictureId;
    this.tl0PicIdx = state.tl0PicIdx;
    this.keyIdx = state.keyIdx;
    this.frame = state.frame;
    this.widePictureId = state.widePictureId;
    return "applied";
  }
}
