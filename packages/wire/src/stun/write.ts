/**
 * Writing STUN messages (RFC 8489): the attributes in a fixed order, then MESSAGE-INTEGRITY if there is a key, then FINGERPRINT.
 * The caller supplies HMAC-SHA1, for `wire` has no cryptography.
 */
import { encodeUtf8 } from "../text.ts";
import { writeXorAddress, xorAddressBytes } from "./attributes.ts";
import { writeU16, writeU32 } from "./bytes.ts";
import {
  ATTR_ERROR_CODE,
  ATTR_FINGERPRINT,
  ATTR_ICE_CONTROLLED,
  ATTR_ICE_CONTROLLING,
  ATTR_MESSAGE_INTEGRITY,
  ATTR_PRIORITY,
  ATTR_UNKNOWN_ATTRIBUTES,
  ATTR_USERNAME,
  ATTR_USE_CANDIDATE,
  ATTR_XOR_MAPPED_ADDRESS,
  FINGERPRINT_XOR,
  INTEGRITY_BYTES,
  MAGIC_COOKIE,
  STUN_HEADER_BYTES,
} from "./constants.ts";
import { crc32 } from "./crc32.ts";
import type { StunClass, StunFields, TieBreaker } from "./message.ts";

/** HMAC-SHA1: 20 bytes over `message`. */
export type HmacSha1 = (key: Uint8Array, message: Uint8Array) => Uint8Array;

/** A short-term key (the UTF-8 password, RFC 8489 section 9.1.1) and the function that uses it. */
export interface StunSigner {
  readonly key: Uint8Array;
  readonly hmacSha1: HmacSha1;
}

const CLASS_BITS: Record<StunClass, number> = { request: 0, indication: 0x010, success: 0x100, error: 0x110 };

/** The message as bytes; without a signer it has no MESSAGE-INTEGRITY. */
export function writeStun(fields: StunFields, signer: StunSigner | undefined): Uint8Array {
  const username = fields.username === undefined ? undefined : encodeUtf8(fields.username);
  const reason = fields.errorCode === undefined ? undefined : encodeUtf8(fields.errorReason ?? "");
  const body = bodyBytes(fields, username, reason);
  const out = new Uint8Array(STUN_HEADER_BYTES + body + (signer ? 4 + INTEGRITY_BYTES : 0) + 8);
  const method = fields.method;
  writeU16(out, 0, CLASS_BITS[fields.class] | (method & 0xf) | ((method & 0x70) << 1) | ((method & 0xf80) << 2));
  writeU32(out, 4, MAGIC_COOKIE);
  out.set(fields.transactionId, 8);
  let at = writeBody(out, fields, username, reason);
  if (signer) {
    // The length that is signed ends behind MESSAGE-INTEGRITY, FINGERPRINT not counted (RFC 8489 section 14.5).
    writeU16(out, 2, at + 4 + INTEGRITY_BYTES - STUN_HEADER_BYTES);
    const mac = signer.hmacSha1(signer.key, out.subarray(0, at));
    at = putHeader(out, at, ATTR_MESSAGE_INTEGRITY, INTEGRITY_BYTES);
    out.set(mac.subarray(0, INTEGRITY_BYTES), at);
    at += INTEGRITY_BYTES;
  }
  writeU16(out, 2, at + 8 - STUN_HEADER_BYTES);
  const fingerprint = crc32(out, 0, at) ^ FINGERPRINT_XOR;
  writeU32(out, putHeader(out, at, ATTR_FINGERPRINT, 4), fingerprint);
  return out;
}

function bodyBytes(fields: StunFields, username: Uint8Array | undefined, reason: Uint8Array | undefined): number {
  let bytes = 0;
  if (username) bytes += 4 + pad(username.length);
  if (fields.priority !== undefined) bytes += 8;
  if (fields.useCandidate) bytes += 4;
  if (fields.controlling) bytes += 12;
  if (fields.controlled) bytes += 12;
  if (fields.mappedAddress) bytes += 4 + xorAddressBytes(fields.mappedAddress.address);
  if (reason) bytes += 8 + pad(reason.length);
  if (fields.unknownAttributes) bytes += 4 + pad(2 * fields.unknownAttributes.length);
  return bytes;
}

/** Writes the attributes before MESSAGE-INTEGRITY; returns the offset behind them. */
function writeBody(
  out: Uint8Array,
  fields: StunFields,
  username: Uint8Array | undefined,
  reason: Uint8Array | undefined,
): number {
  let at = STUN_HEADER_BYTES;
  if (username) {
    at = putHeader(out, at, ATTR_USERNAME, username.length);
    out.set(username, at);
    at += pad(username.length);
  }
  if (fields.priority !== undefined) {
    at = putHeader(out, at, ATTR_PRIORITY, 4);
    writeU32(out, at, fields.priority);
    at += 4;
  }
  if (fields.useCandidate) at = putHeader(out, at, ATTR_USE_CANDIDATE, 0);
  if (fields.controlling) at = putTieBreaker(out, at, ATTR_ICE_CONTROLLING, fields.controlling);
  if (fields.controlled) at = putTieBreaker(out, at, ATTR_ICE_CONTROLLED, fields.controlled);
  if (fields.mappedAddress) {
    const bytes = xorAddressBytes(fields.mappedAddress.address);
    at = putHeader(out, at, ATTR_XOR_MAPPED_ADDRESS, bytes);
    writeXorAddress(out, at, fields.mappedAddress, fields.transactionId);
    at += bytes;
  }
  if (reason && fields.errorCode !== undefined) {
    at = putHeader(out, at, ATTR_ERROR_CODE, 4 + reason.length);
    out[at + 2] = Math.trunc(fields.errorCode / 100);
    out[at + 3] = fields.errorCode % 100;
    out.set(reason, at + 4);
    at += 4 + pad(reason.length);
  }
  if (fields.unknownAttributes) {
    const bytes = 2 * fields.unknownAttributes.length;
    at = putHeader(out, at, ATTR_UNKNOWN_ATTRIBUTES, bytes);
    for (const [i, type] of fields.unknownAttributes.entries()) writeU16(out, at + 2 * i, type);
    at += pad(bytes);
  }
  return at;
}

function putHeader(out: Uint8Array, at: number, type: number, size: number): number {
  writeU16(out, at, type);
  writeU16(out, at + 2, size);
  return at + 4;
}

function putTieBreaker(out: Uint8Array, at: number, type: number, value: TieBreaker): number {
  const start = putHeader(out, at, type, 8);
  writeU32(out, start, value.high);
  writeU32(out, start + 4, value.low);
  return start + 8;
}

function pad(bytes: number): number {
  return (bytes + 3) & ~3;
}
