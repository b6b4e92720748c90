/**
 * Dependency descriptors with another mask of active decode targets (AV1 RTP payload specification, appendix A.5), for who is
 * sent fewer layers than there are. Everything else of a descriptor is copied bit by bit.
 */
import { FLAG_BITS, MANDATORY_BITS, MANDATORY_BYTES } from "./dependency-descriptor.ts";

/** Place of the flag that says that a mask of active decode targets follows. */
const ACTIVE_FLAG_BIT = 25;

/** Length of the descriptor that `writeActiveTargets` makes of one of `length` bytes. */
export function lengthWithActiveTargets(length: number, hasMask: boolean, targetCount: number): number {
  if (hasMask) return length;
  const before = length > MANDATORY_BYTES ? length * 8 : MANDATORY_BITS + FLAG_BITS;
  return (before + targetCount + 7) >> 3;
}

/**
 * Copies a descriptor to `to` with this mask of active decode targets, put in place of the one it has, or in where it would
 * stand (`maskBit`). `u8` at `to` must not overlap the original.
 */
export function writeActiveTargets(
  u8: Uint8Array,
  from: number,
  length: number,
  to: number,
  mask: number,
  targetCount: number,
  maskBit: number,
  hasMask: boolean,
): void {
  const end = to + lengthWithActiveTargets(length, hasMask, targetCount);
  u8.fill(0, to, end);
  let at = to * 8;
  if (length === MANDATORY_BYTES) {
    at = copyBits(u8, from * 8, at, MANDATORY_BITS) + FLAG_BITS;
  } else {
    at = copyBits(u8, from * 8, at, maskBit);
  }
  u8[to + (ACTIVE_FLAG_BIT >> 3)]! |= 0x80 >> (ACTIVE_FLAG_BIT & 7);
  for (let target = targetCount - 1; target >= 0; target--, at++) {
    if (mask & (1 << target)) u8[at >> 3]! |= 0x80 >> (at & 7);
  }
  if (length === MANDATORY_BYTES) return;
  const rest = maskBit + (hasMask ? targetCount : 0);
  copyBits(u8, from * 8 + rest, at, length * 8 - rest);
}

/** Copies bits onto zeros; returns the place behind them. */
function copyBits(u8: Uint8Array, from: number, to: number, count: number): number {
  for (let i = 0; i < count; i++) {
    const bit = (u8[(from + i) >> 3]! >> (7 - ((from + i) & 7))) & 1;
    if (bit) u8[(to + i) >> 3]! |= 0x80 >> ((to + i) & 7);
  }
  return to + count;
}
