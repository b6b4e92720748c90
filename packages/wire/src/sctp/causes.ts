/** Error causes of ABORT and ERROR chunks (RFC 9260 section 3.3.10), and chunks that carry bytes opaquely. */
import { readU16 } from "./bytes.ts";
import { CHUNK_HEADER_BYTES, closeChunk } from "./packet.ts";
import { closeParam, paramEnd } from "./parameters.ts";

export const CAUSE_STALE_COOKIE = 3;
export const CAUSE_UNRECOGNIZED_CHUNK = 6;
export const CAUSE_NO_USER_DATA = 9;
export const CAUSE_USER_ABORT = 12;
export const CAUSE_PROTOCOL_VIOLATION = 13;

/** Code of the first cause in an ABORT or ERROR, 0 when it has none. */
export function firstCause(bytes: Uint8Array, at: number, end: number): number {
  const cause = at + CHUNK_HEADER_BYTES;
  return paramEnd(bytes, cause, end) < 0 ? 0 : readU16(bytes, cause);
}

/** Writes a chunk of `type` with one cause whose value is `info`. Returns the padded end. */
export function writeCause(bytes: Uint8Array, at: number, type: number, cause: number, info: Uint8Array): number {
  const start = at + CHUNK_HEADER_BYTES;
  const end = start + 4 + info.length;
  bytes.set(info, start + 4);
  closeParam(bytes, start, cause, end);
  return closeChunk(bytes, at, type, 0, end);
}

/** Writes a chunk of `type` whose value is `value`: COOKIE ECHO, HEARTBEAT, or an empty one. Returns the padded end. */
export function writeOpaque(bytes: Uint8Array, at: number, type: number, flags: number, value: Uint8Array): number {
  bytes.set(value, at + CHUNK_HEADER_BYTES);
  return closeChunk(bytes, at, type, flags, at + CHUNK_HEADER_BYTES + value.length);
}
