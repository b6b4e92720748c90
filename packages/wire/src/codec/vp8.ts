/** The VP8 payload descriptor (RFC 7741 section 4.2), read and patched in place. */

/** The descriptor of one packet; filled in by `readVp8Descriptor`, meant to be reused. */
export interface Vp8Descriptor {
  /** Bytes of the descriptor. */
  length: number;
  /** S bit and partition index 0: this packet starts a frame. */
  startsFrame: boolean;
  /** First packet of a key frame. */
  startsKeyFrame: boolean;
  /** Offset of the picture id from the descriptor's start, 0 if absent. */
  pictureIdOffset: number;
  /** 15 bits (two bytes) rather than 7. */
  widePictureId: boolean;
  pictureId: number;
  /** Offset of TL0PICIDX from the descriptor's start, 0 if absent. */
  tl0Offset: number;
  tl0PicIdx: number;
  /** Offset of the byte with TID, Y and KEYIDX, 0 if absent. */
  layerOffset: number;
  temporalLayer: number;
  layerSync: boolean;
  hasKeyIdx: boolean;
  keyIdx: number;
}

/** An empty descriptor to be filled in. */
export function newVp8Descriptor(): Vp8Descriptor {
  return {
    length: 0,
    startsFrame: false,
    startsKeyFrame: false,
    pictureIdOffset: 0,
    widePictureId: false,
    pictureId: 0,
    tl0Offset: 0,
    tl0PicIdx: 0,
    layerOffset: 0,
    temporalLayer: 0,
    layerSync: false,
    hasKeyIdx: false,
    keyIdx: 0,
  };
}

/** Reads the descriptor at the start of a payload. False if it is cut off; `into` is then undefined. */
export function readVp8Descriptor(u8: Uint8Array, at: number, length: number, into: Vp8Descriptor): boolean {
  if (length < 1) return false;
  const first = u8[at]!;
  into.pictureIdOffset = 0;
  into.widePictureId = false;
  into.pictureId = 0;
  into.tl0Offset = 0;
  into.tl0PicIdx = 0;
  into.layerOffset = 0;
  into.temporalLayer = 0;
  into.layerSync = false;
  into.hasKeyIdx = false;
  into.keyIdx = 0;
  const end = first & 0x80 ? readExtended(u8, at, length, into) : 1;
  if (end < 0) return false;
  into.length = end;
  into.startsFrame = (first & 0x17) === 0x10;
  into.startsKeyFrame = into.startsFrame && end < length && (u8[at + end]! & 1) === 0;
  return true;
}

/** The optional bytes; returns the descriptor's length or -1. */
function readExtended(u8: Uint8Array, at: number, length: number, into: Vp8Descriptor): number {
  if (length < 2) return -1;
  const flags = u8[at + 1]!;
  let offset = 2;
  if (flags & 0x80) {
    if (offset >= length) return -1;
    into.pictureIdOffset = offset;
    into.pictureId = u8[at + offset++]!;
    if (into.pictureId & 0x80) {
      if (offset >= length) return -1;
      into.widePictureId = true;
      into.pictureId = ((into.pictureId & 0x7f) << 8) | u8[at + offset++]!;
    }
  }
  if (flags & 0x40) {
    if (offset >= length) return -1;
    into.tl0Offset = offset;
    into.tl0PicIdx = u8[at + offset++]!;
  }
  if (flags & 0x30) {
    if (offset >= length) return -1;
    into.layerOffset = offset;
    const layers = u8[at + offset++]!;
    if (flags & 0x20) {
      into.temporalLayer = layers >> 6;
      into.layerSync = (layers & 0x20) !== 0;
    }
    if (flags & 0x10) {
      into.hasKeyIdx = true;
      into.keyIdx = layers & 31;
    }
  }
  return offset;
}
