/**
 * RTP header extensions (RFC 8285): finding one element in place and writing a block.
 * A found element is one integer, so that nothing is allocated: its offset from the start of the packet, shifted by
 * eight, with its length in the low byte; 0 = not there (no element can lie at offset 0).
 */
import { RTP_HEADER_BYTES } from "./header.ts";

const ONE_BYTE_PROFILE = 0xbede;
/** The low four bits are "appbits" and may be anything. */
const TWO_BYTE_PROFILE = 0x1000;

/** Longest element of a one-byte block. */
export const ONE_BYTE_MAX_LENGTH = 16;
/** Highest id of a one-byte block; 15 stops the parser. */
export const ONE_BYTE_MAX_ID = 14;

/** Offset of a found element from the start of the packet. */
export function elementOffset(element: number): number {
  return element >> 8;
}

/** Length of a found element in bytes. */
export function elementLength(element: number): number {
  return element & 255;
}

/**
 * Finds the element `id` of the packet at `at`, whose header of `headerLength` bytes was validated by `rtpHeaderLength`.
 * An element that overruns the block ends the search.
 */
export function findExtension(u8: Uint8Array, at: number, headerLength: number, id: number): number {
  if ((u8[at]! & 0x10) === 0 || id === 0) return 0;
  const block = RTP_HEADER_BYTES + (u8[at]! & 15) * 4;
  const profile = (u8[at + block]! << 8) | u8[at + block + 1]!;
  if (profile === ONE_BYTE_PROFILE) return findOneByte(u8, at, block + 4, headerLength, id);
  if ((profile & 0xfff0) === TWO_BYTE_PROFILE) return findTwoByte(u8, at, block + 4, headerLength, id);
  return 0;
}

function findOneByte(u8: Uint8Array, at: number, from: number, end: number, id: number): number {
  let offset = from;
  while (offset < end) {
    const head = u8[at + offset]!;
    if (head === 0) {
      offset++;
      continue;
    }
    const found = head >> 4;
    if (found === 15) return 0;
    const length = (head & 15) + 1;
    if (offset + 1 + length > end) return 0;
    if (found === id) return ((offset + 1) << 8) | length;
    offset += 1 + length;
  }
  return 0;
}

function findTwoByte(u8: Uint8Array, at: number, from: number, end: number, id: number): number {
  let offset = from;
  while (offset < end) {
    const found = u8[at + offset]!;
    if (found === 0) {
      offset++;
      continue;
    }
    if (offset + 2 > end) return 0;
    const length = u8[at + offset + 1]!;
    if (offset + 2 + length > end) return 0;
    if (found === id) return ((offset + 2) << 8) | length;
    offset += 2 + length;
  }
  return 0;
}

/** Writes the head of one element at `at`; its bytes follow there. Returns the length of the head: 1 or 2. */
export function writeElementHead(u8: Uint8Array, at: number, twoByte: boolean, id: number, length: number): number {
  if (twoByte) {
    u8[at] = id;
    u8[at + 1] = length;
    return 2;
  }
  u8[at] = (id << 4) | (length - 1);
  return 1;
}

/**
 * Completes a block whose elements were written from `block + 4` up to `end`: pads to 32 bits with zeros and writes
 * the block's own head at `block`. Returns the offset behind it.
 */
export function finishExtensions(u8: Uint8Array, block: number, end: number, twoByte: boolean): number {
  let at = end;
  while ((at - block) & 3) u8[at++] = 0;
  const profile = twoByte ? TWO_BYTE_PROFILE : ONE_BYTE_PROFILE;
  const words = (at - block - 4) >> 2;
  u8[block] = profile >> 8;
  u8[block + 1] = profile;
  u8[block + 2] = words >> 8;
  u8[block + 3] = words;
  return at;
}
