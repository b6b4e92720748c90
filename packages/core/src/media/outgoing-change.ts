/** What of a packet goes out changed, worked out for one subscriber on the packet path. */
import type { Continuity } from "./continuity.ts";
import type { FrameTable } from "./frame-table.ts";
import type { LayerSelection } from "./layer-selection.ts";
import { FIRST_TIME, NOT_RTX } from "./packet-writer.ts";
import type { PayloadChange } from "./packet-writer.ts";
import { NO_DELAY } from "./playout-delay.ts";
import { HAS_FRAME, HAS_PICTURE_ID, MARKER, NARROW_PICTURE_ID } from "./ring.ts";
import type { PacketRing } from "./ring.ts";
import { NO_MASK } from "./select-svc.ts";

/**
 * Fills in `change`, of which `playoutDelay` is set, and notes the numbers that go out; undefined if nothing changes. `blank`: only the packet's number goes
 * out; `highest`: it has the highest number so far.
 */
export function fillChange(
  ring: PacketRing,
  index: number,
  blank: boolean,
  highest: boolean,
  continuity: Continuity,
  selection: LayerSelection,
  frames: FrameTable | undefined,
  change: PayloadChange,
): PayloadChange | undefined {
  const flags = ring.flags[index]!;
  let { pictureIdOffset, frameOffset } = continuity;
  let changed = blank || change.playoutDelay !== NO_DELAY;
  let endsPicture = false;
  let mask = NO_MASK;
  if (blank) {
    frameOffset = 0;
  } else if ((flags & HAS_PICTURE_ID) !== 0) {
    const narrow = (flags & NARROW_PICTURE_ID) !== 0;
    pictureIdOffset = continuity.pictureOffsetOf(ring.frame[index]!);
    if (highest) {
      const { pictureId, tl0PicIdx, keyIdx } = ring;
      continuity.notePictures(pictureId[index]!, pictureIdOffset, tl0PicIdx[index]!, keyIdx[index]!, !narrow);
    }
    changed ||= continuity.rewritesPictures || pictureIdOffset !== 0 || (narrow && continuity.widePictureId);
  } else {
    endsPicture = (flags & MARKER) === 0 && selection.endsPicture(ring, index);
    if ((flags & HAS_FRAME) !== 0) {
      continuity.noteFrame(ring.frame[index]!);
      mask = selection.mask(ring, index, frames);
    }
    changed ||= endsPicture || frameOffset !== 0 || mask !== NO_MASK;
  }
  if (!changed) return undefined;
  change.original = NOT_RTX;
  change.transportSequence = FIRST_TIME;
  change.blank = blank;
  change.widePictureId = continuity.widePictureId;
  change.pictureIdOffset = pictureIdOffset;
  change.tl0Offset = continuity.tl0Offset;
  change.keyIdxOffset = continuity.keyIdxOffset;
  change.endsPicture = endsPicture;
  change.frameOffset = frameOffset;
  change.mask = mask;
  return change;
}
