/**
 * The SCTP packet: common header, checksum, and the walk over its chunks (RFC 9260 sections 3.1 and 3.2).
 * A chunk is named by the offset of its header; its length there may lie, so `chunkEnd` comes before any field.
 */
import { padded, readU16, readU32, writeU16, writeU32 } from "./bytes.ts";
import { CRC32C_START, crc32cUpdate } from "./crc32c.ts";

/** Bytes of the common header. */
export const PACKET_HEADER_BYTES = 12;

/** Bytes of a chunk's type, flags and length. */
export const CHUNK_HEADER_BYTES = 4;

const NO_BYTES = new Uint8Array(4);

function checksum(bytes: Uint8Array, length: number): number {
  let register = crc32cUpdate(CRC32C_START, bytes, 0, 8);
  register = crc32cUpdate(register, NO_BYTES, 0, 4);
  return ~crc32cUpdate(register, bytes, PACKET_HEADER_BYTES, length);
}

/** Writes ports, tag and a checksum of zero, which `finishPacket` replaces. Returns where the first chunk goes. */
export function startPacket(bytes: Uint8Array, sourcePort: number, destinationPort: number, tag: number): number {
  writeU16(bytes, 0, sourcePort);
  writeU16(bytes, 2, destinationPort);
  writeU32(bytes, 4, tag);
  writeU32(bytes, 8, 0);
  return PACKET_HEADER_BYTES;
}

/** Writes the checksum over the first `length` bytes; it is stored with its low byte first (appendix A). */
export function finishPacket(bytes: Uint8Array, length: number): void {
  const sum = checksum(bytes, length);
  bytes[8] = sum;
  bytes[9] = sum >>> 8;
  bytes[10] = sum >>> 16;
  bytes[11] = sum >>> 24;
}

/** What a packet says before its chunks. */
export interface PacketHeader {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Verification tag, unsigned. */
  readonly tag: number;
}

/**
 * The common header, or undefined when the packet is too short for a chunk or the checksum is wrong. `zeroAccepted`: a
 * checksum of zero will do, because DTLS protects the packet and the peer was told so (RFC 9653).
 */
export function parsePacket(bytes: Uint8Array, zeroAccepted = false): PacketHeader | undefined {
  const length = bytes.length;
  if (length < PACKET_HEADER_BYTES + CHUNK_HEADER_BYTES) return undefined;
  const stored = bytes[8]! | (bytes[9]! << 8) | (bytes[10]! << 16) | (bytes[11]! << 24);
  if (!(zeroAccepted && stored === 0) && stored !== checksum(bytes, length)) return undefined;
  return { sourcePort: readU16(bytes, 0), destinationPort: readU16(bytes, 2), tag: readU32(bytes, 4) };
}

/** End of the chunk at `at` without its padding, or -1 when there is no whole chunk. */
export function chunkEnd(bytes: Uint8Array, at: number): number {
  if (at + CHUNK_HEADER_BYTES > bytes.length) return -1;
  const length = readU16(bytes, at + 2);
  if (length < CHUNK_HEADER_BYTES || at + length > bytes.length) return -1;
  return at + length;
}

/** Where the chunk after the one that lies between `at` and `end` starts. */
export function nextChunk(at: number, end: number): number {
  return at + padded(end - at);
}

/** Writes a chunk header at `at` for a chunk that ends at `end`, and zeroes the padding. Returns the padded end. */
export function closeChunk(bytes: Uint8Array, at: number, type: number, flags: number, end: number): number {
  bytes[at] = type;
  bytes[at + 1] = flags;
  writeU16(bytes, at + 2, end - at);
  const next = nextChunk(at, end);
  for (let i = end; i < next; i++) bytes[i] = 0;
  return next;
}
