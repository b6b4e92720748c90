/** Redundant audio (RFC 2198): where the primary encoding lies in a payload. */

/** Offset of the primary block from the payload's start, or -1 if the payload is malformed. */
export function redPrimaryOffset(u8: Uint8Array, at: number, length: number): number {
  let head = 0;
  let redundant = 0;
  while (head < length) {
    if ((u8[at + head]! & 0x80) === 0) {
      const primary = head + 1 + redundant;
      return primary <= length ? primary : -1;
    }
    if (head + 4 > length) return -1;
    redundant += ((u8[at + head + 2]! & 3) << 8) | u8[at + head + 3]!;
    head += 4;
  }
  return -1;
}
