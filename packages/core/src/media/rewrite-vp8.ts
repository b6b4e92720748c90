/**
 * Copying a VP8 payload with other picture numbers (RFC 7741 section 4.2). Only needed after a stream took over from another;
 * before that, payloads are encrypted from where they lie.
 */
import { newVp8Descriptor, readVp8Descriptor } from "@stoa/wire/codec/vp8";

const vp8 = newVp8Descriptor();

/**
 * Copies `length` bytes at `from` to `to` with these numbers added to those of the descriptor. `pictureId` is the id to
 * send (15 bits); `wide`: send it with 15 bits even if it has 7 here. Returns the length at `to`, at most one byte more.
 */
export function copyVp8(
  u8: Uint8Array,
  from: number,
  length: number,
  to: number,
  pictureId: number,
  wide: boolean,
  tl0Offset: number,
  keyIdxOffset: number,
): number {
  if (!readVp8Descriptor(u8, from, length, vp8) || vp8.pictureIdOffset === 0) {
    u8.copyWithin(to, from, from + length);
    patchLayers(u8, to, 0, tl0Offset, keyIdxOffset);
    return length;
  }
  const idAt = vp8.pictureIdOffset;
  if (vp8.widePictureId || !wide) {
    u8.copyWithin(to, from, from + length);
    if (vp8.widePictureId) {
      u8[to + idAt] = 0x80 | (pictureId >> 8);
      u8[to + idAt + 1] = pictureId;
    } else {
      u8[to + idAt] = pictureId & 0x7f;
    }
    patchLayers(u8, to, 0, tl0Offset, keyIdxOffset);
    return length;
  }
  u8.copyWithin(to, from, from + idAt);
  u8[to + idAt] = 0x80 | (pictureId >> 8);
  u8[to + idAt + 1] = pictureId;
  u8.copyWithin(to + idAt + 2, from + idAt + 1, from + length);
  patchLayers(u8, to, 1, tl0Offset, keyIdxOffset);
  return length + 1;
}

/** Patches what follows the picture id in the copy, `shift` bytes further than in the original. */
function patchLayers(u8: Uint8Array, to: number, shift: number, tl0Offset: number, keyIdxOffset: number): void {
  if (vp8.tl0Offset !== 0) u8[to + vp8.tl0Offset + shift] = vp8.tl0PicIdx + tl0Offset;
  if (!vp8.hasKeyIdx) return;
  const at = to + vp8.layerOffset + shift;
  u8[at] = (u8[at]! & 0xe0) | ((vp8.keyIdx + keyIdxOffset) & 31);
}
