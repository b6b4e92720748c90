/** SACK chunks (RFC 9260 section 3.3.4). Gap blocks are read in place; they come from a stranger and may be absurd. */
import { readI32, readU16, readU32, writeU16, writeU32 } from "./bytes.ts";
import { SACK } from "./chunk-types.ts";
import { closeChunk } from "./packet.ts";

/** Bytes before the gap blocks, chunk header included. */
export const SACK_HEADER_BYTES = 16;

/** One SACK; its gap blocks and duplicates stay in the packet. */
export interface SackChunk {
  /** Signed, see `serial.ts`. */
  readonly cumulativeTsn: number;
  /** The peer's receive window in bytes. */
  readonly window: number;
  readonly gapCount: number;
  readonly duplicateCount: number;
  /** Offset of the first gap block in the packet. */
  readonly gapsAt: number;
}

/** The SACK between `at` and `end`, or undefined when its counts do not fit. */
export function parseSack(bytes: Uint8Array, at: number, end: number): SackChunk | undefined {
  if (end - at < SACK_HEADER_BYTES) return undefined;
  const gapCount = readU16(bytes, at + 12);
  const duplicateCount = readU16(bytes, at + 14);
  if (end - at < SACK_HEADER_BYTES + 4 * (gapCount + duplicateCount)) return undefined;
  return {
    cumulativeTsn: readI32(bytes, at + 4),
    window: readU32(bytes, at + 8),
    gapCount,
    duplicateCount,
    gapsAt: at + SACK_HEADER_BYTES,
  };
}

/** First TSN of gap block `index` as distance from the cumulative TSN. */
export function gapStart(bytes: Uint8Array, sack: SackChunk, index: number): number {
  return readU16(bytes, sack.gapsAt + 4 * index);
}

/** Last TSN of gap block `index` as distance from the cumulative TSN. */
export function gapEnd(bytes: Uint8Array, sack: SackChunk, index: number): number {
  return readU16(bytes, sack.gapsAt + 4 * index + 2);
}

/** TSN of duplicate `index`. */
export function duplicateTsn(bytes: Uint8Array, sack: SackChunk, index: number): number {
  return readI32(bytes, sack.gapsAt + 4 * (sack.gapCount + index));
}

/** Writes the fixed part of a SACK whose blocks and duplicates stand already behind it. Returns the end. */
export function writeSackHeader(
  bytes: Uint8Array,
  at: number,
  cumulativeTsn: number,
  window: number,
  gapCount: number,
  duplicateCount: number,
): number {
  writeU32(bytes, at + 4, cumulativeTsn);
  writeU32(bytes, at + 8, window);
  writeU16(bytes, at + 12, gapCount);
  writeU16(bytes, at + 14, duplicateCount);
  return closeChunk(bytes, at, SACK, 0, at + SACK_HEADER_BYTES + 4 * (gapCount + duplicateCount));
}
