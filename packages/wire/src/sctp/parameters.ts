/** Type-length-value parameters inside chunks (RFC 9260 section 3.2.1). Same walk as over chunks, on 16-bit types. */
import { padded, readU16, writeU16 } from "./bytes.ts";

export const PARAM_STATE_COOKIE = 7;
export const PARAM_UNRECOGNIZED = 8;
export const PARAM_OUTGOING_RESET = 13;
export const PARAM_INCOMING_RESET = 14;
export const PARAM_TSN_RESET = 15;
export const PARAM_RECONFIG_RESPONSE = 16;
export const PARAM_ADD_OUTGOING = 17;
export const PARAM_ADD_INCOMING = 18;
export const PARAM_ZERO_CHECKSUM = 0x8001;
export const PARAM_SUPPORTED_EXTENSIONS = 0x8008;
export const PARAM_FORWARD_TSN_SUPPORTED = 0xc000;

/** Bytes of a parameter's type and length. */
export const PARAM_HEADER_BYTES = 4;

/** End of the parameter at `at` without padding, or -1 when no whole one lies before `limit`. */
export function paramEnd(bytes: Uint8Array, at: number, limit: number): number {
  if (at + PARAM_HEADER_BYTES > limit) return -1;
  const length = readU16(bytes, at + 2);
  if (length < PARAM_HEADER_BYTES || at + length > limit) return -1;
  return at + length;
}

/** Where the parameter after the one between `at` and `end` starts. */
export function nextParam(at: number, end: number): number {
  return at + padded(end - at);
}

/** Writes a parameter header at `at` for a value that ends at `end`; zeroes the padding. Returns the padded end. */
export function closeParam(bytes: Uint8Array, at: number, type: number, end: number): number {
  writeU16(bytes, at, type);
  writeU16(bytes, at + 2, end - at);
  const next = nextParam(at, end);
  for (let i = end; i < next; i++) bytes[i] = 0;
  return next;
}
