/** The VP9 payload descriptor (RFC 9628 section 4.2), as far as forwarding needs it. */

/** The descriptor of one packet; filled in by `readVp9Descriptor`, meant to be reused. */
export interface Vp9Descriptor {
  /** Bytes up to and including the layer indices (reference lists and scalability structure not counted). */
  length: number;
  /** P: the picture refers to earlier ones. */
  interPredicted: boolean;
  startsFrame: boolean;
  endsFrame: boolean;
  /** -1 if absent. */
  pictureId: number;
  /** 15 bits rather than 7. */
  widePictureId: boolean;
  temporalLayer: number;
  /** U: a point to switch up to a higher temporal layer. */
  switchingUp: boolean;
  spatialLayer: number;
  /** D: depends on the lower spatial layer of the same picture. */
  interLayer: boolean;
}

/** An empty descriptor to be filled in. */
export function newVp9Descriptor(): Vp9Descriptor {
  return {
    length: 0,
    interPredicted: false,
    startsFrame: false,
    endsFrame: false,
    pictureId: -1,
    widePictureId: false,
    temporalLayer: 0,
    switchingUp: false,
    spatialLayer: 0,
    interLayer: false,
  };
}

/** Reads the descriptor at the start of a payload. False if it is cut off; `into` is then undefined. */
export function readVp9Descriptor(u8: Uint8Array, at: number, length: number, into: Vp9Descriptor): boolean {
  if (length < 1) return false;
  const first = u8[at]!;
  let offset = 1;
  into.pictureId = -1;
  into.widePictureId = false;
  if (first & 0x80) {
    if (offset >= length) return false;
    into.pictureId = u8[at + offset++]!;
    if (into.pictureId & 0x80) {
      if (offset >= length) return false;
      into.widePictureId = true;
      into.pictureId = ((into.pictureId & 0x7f) << 8) | u8[at + offset++]!;
    }
  }
  let layers = 0;
  if (first & 0x20) {
    if (offset >= length) return false;
    layers = u8[at + offset++]!;
    // Without the flexible mode TL0PICIDX follows.
    if ((first & 0x10) === 0 && offset++ >= length) return false;
  }
  into.temporalLayer = layers >> 5;
  into.switchingUp = (layers & 0x10) !== 0;
  into.spatialLayer = (layers >> 1) & 7;
  into.interLayer = (layers & 1) !== 0;
  into.interPredicted = (first & 0x40) !== 0;
  into.startsFrame = (first & 0x08) !== 0;
  into.endsFrame = (first & 0x04) !== 0;
  into.length = offset;
  return true;
}

/** First packet of the lowest spatial layer of a key picture. */
export function isVp9KeyFrameStart(u8: Uint8Array, at: number, length: number): boolean {
  if (length < 1) return false;
  const first = u8[at]!;
  // B must be set and P clear; what is left is the spatial layer id, if there are layer indices.
  if ((first & 0x48) !== 0x08) return false;
  if ((first & 0x20) === 0) return true;
  let offset = 1;
  if (first & 0x80) {
    if (offset >= length) return false;
    offset += u8[at + offset]! & 0x80 ? 2 : 1;
  }
  return offset < length && ((u8[at + offset]! >> 1) & 7) === 0;
}
