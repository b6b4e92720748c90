/**
 * LiveKit's packet trailer (livekit.md 3.15): facts about a frame that its publisher appends to the frame's last packet. It ends
 * with its own length, XORed with 255, and the letters "LKTS".
 */

/** "LKTS". */
const MAGIC = 0x4c4b5453;
const MAGIC_BYTES = 4;
/** Length and letters. */
const LEAST_BYTES = 5;

const STAP_A = 24;
const AP = 48;

/** Length of the trailer with which the last payload of a frame ends, 0 if there is none; up to 255. */
export function packetTrailerLength(u8: Uint8Array, at: number, length: number): number {
  if (length < LEAST_BYTES) return 0;
  const end = at + length;
  const letters = (u8[end - 4]! << 24) | (u8[end - 3]! << 16) | (u8[end - 2]! << 8) | u8[end - 1]!;
  if (letters !== MAGIC) return 0;
  const trailer = u8[end - MAGIC_BYTES - 1]! ^ 255;
  return trailer >= LEAST_BYTES && trailer <= length ? trailer : 0;
}

/**
 * Length of the header of a payload whose units each say their size (H.264 STAP-A, RFC 6184 section 5.7.1; H.265 aggregation
 * packet, RFC 7798 section 4.4.2); 0 for all others, from which a trailer can simply be cut off.
 */
export function aggregateHeaderBytes(mime: string, u8: Uint8Array, at: number): number {
  if (mime === "video/h264") return (u8[at]! & 31) === STAP_A ? 1 : 0;
  if (mime === "video/h265") return ((u8[at]! >> 1) & 63) === AP ? 2 : 0;
  return 0;
}

/** Takes `bytes` from the size of the last unit of such a payload. False, with nothing changed, if that has not as many. */
export function shortenLastUnit(
  u8: Uint8Array,
  at: number,
  length: number,
  headerBytes: number,
  bytes: number,
): boolean {
  const end = at + length;
  for (let unit = at + headerBytes; unit + 2 <= end;) {
    const size = (u8[unit]! << 8) | u8[unit + 1]!;
    const next = unit + 2 + size;
    if (next > end) return false;
    if (next === end) {
      if (size <= bytes) return false;
      u8[unit] = (size - bytes) >> 8;
      u8[unit + 1] = size - bytes;
      return true;
    }
    unit = next;
  }
  return false;
}
