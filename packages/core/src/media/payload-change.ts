/**
 * What of a packet goes out otherwise than it came, for one subscriber: a reusable value, and working it out for a packet
 * that is forwarded. What was changed can be repeated from the record of `sent-change`.
 */
import type { Continuity } from "./continuity.ts";
import type { FrameTable } from "./frame-table.ts";
import type { LayerSelection } from "./layer-selection.ts";
import { NO_DELAY } from "./playout-delay.ts";
import { HAS_FRAME, HAS_PICTURE_ID, NARROW_PICTURE_ID } from "./ring.ts";
import type { PacketRing } from "./ring.ts";
import { NO_MASK } from "./select-svc.ts";

/** `original` when the packet is not a retransmission. */
export const NOT_RTX = -1;

/** What of a packet is to change. */
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
}

/** Nothing changes. */
export function noChange(): PayloadChange {
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
  };
}

/**
 * Fills in what changes of the packet at `index`, and notes its picture or frame number with `continuity`. `outgoing`: the
 * number it gets; `frames`: of its layer; `unwanted`: only its number goes out. True if anything changes.
 */
export function workOutChange(
  change: PayloadChange,
  ring: PacketRing,
  index: number,
  outgoing: number,
  unwanted: boolean,
  continuity: Continuity,
  selection: LayerSelection | undefined,
  frames: FrameTable | undefined,
): boolean {
  const flags = ring.flags[index]!;
  change.original = NOT_RTX;
  change.blank = unwanted;
  change.widePictureId = continuity.widePictureId;
  change.pictureIdOffset = continuity.pictureIdOffset;
  change.tl0Offset = continuity.tl0Offset;
  change.keyIdxOffset = continuity.keyIdxOffset;
  change.frameOffset = continuity.frameOffset;
  change.mask = NO_MASK;
  change.endsPicture = false;
  if (unwanted) return true;
  if ((flags & HAS_PICTURE_ID) !== 0) return changesPicture(change, ring, index, outgoing, continuity);
  if (selection !== undefined) change.endsPicture = selection.endsPicture(ring, index);
  if ((flags & HAS_FRAME) !== 0) {
    continuity.noteFrame(ring.frame[index]!);
    if (selection !== undefined) change.mask = selection.mask(ring, index, frames);
  }
  return change.endsPicture || change.mask !== NO_MASK || change.frameOffset !== 0;
}

function changesPicture(
  change: PayloadChange,
  ring: PacketRing,
  index: number,
  outgoing: number,
  continuity: Continuity,
): boolean {
  const offset = continuity.pictureOffsetOf(ring.frame[index]!);
  const narrow = (ring.flags[index]! & NARROW_PICTURE_ID) !== 0;
  change.pictureIdOffset = offset;
  if (outgoing === continuity.sequence) {
    const { pictureId, tl0PicIdx, keyIdx } = ring;
    continuity.notePictures(pictureId[index]!, offset, tl0PicIdx[index]!, keyIdx[index]!, !narrow);
  }
  return continuity.rewritesPictures || offset !== 0 || (narrow && continuity.widePictureId);
}
