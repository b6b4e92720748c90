/** The AV1 aggregation header (AV1 RTP payload specification, section 4.4). */

/** N: the packet is the first of a coded video sequence, which begins with a key frame. */
export function isAv1KeyFrameStart(u8: Uint8Array, at: number, length: number): boolean {
  // Z (continuation of an OBU) and N together are forbidden.
  return length > 1 && (u8[at]! & 0x88) === 0x08;
}
