/** The first bytes of VP8 packets, as much as a server looks at. */

const DESCRIPTOR_BYTES = 6;

/**
 * Writes the payload descriptor (RFC 7741) with a 15-bit picture id, TL0PICIDX and key index, one temporal layer, and the head of the
 * frame: whether it is a key frame and, at its start, the size 640x360 (RFC 6386 section 9.1).
 */
export function writeVp8Payload(
  u8: Uint8Array,
  at: number,
  frameStart: boolean,
  keyFrame: boolean,
  pictureId: number,
  tl0PicIdx: number,
): void {
  u8[at] = 0x80 | (frameStart ? 0x10 : 0);
  u8[at + 1] = 0x80 | 0x40 | 0x20;
  u8[at + 2] = 0x80 | ((pictureId >> 8) & 0x7f);
  u8[at + 3] = pictureId & 255;
  u8[at + 4] = tl0PicIdx & 255;
  u8[at + 5] = 0;
  u8[at + DESCRIPTOR_BYTES] = keyFrame ? 0x10 : 0x11;
  if (!frameStart || !keyFrame) return;
  u8.set([0, 0, 0x9d, 0x01, 0x2a, 640 & 255, 640 >> 8, 360 & 255, 360 >> 8], at + DESCRIPTOR_BYTES + 1);
}
