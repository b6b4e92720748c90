/**
 * What a STUN message says (RFC 8489, ICE attributes of RFC 8445), and reading one in place. A message that is malformed in
 * any part, or whose FINGERPRINT is wrong, is `undefined`. Whether MESSAGE-INTEGRITY is right is `integrity.ts`'s affair: it
 * needs a key. Attributes behind MESSAGE-INTEGRITY are not protected and are ignored, FINGERPRINT excepted.
 */
import { readU16, readU32 } from "./bytes.ts";
import { readErrorCode, readXorAddress, type StunAddress } from "./attributes.ts";
import {
  ATTR_ERROR_CODE,
  ATTR_FINGERPRINT,
  ATTR_ICE_CONTROLLED,
  ATTR_ICE_CONTROLLING,
  ATTR_MAPPED_ADDRESS,
  ATTR_MESSAGE_INTEGRITY,
  ATTR_NONCE,
  ATTR_PRIORITY,
  ATTR_REALM,
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
import { decodeUtf8 } from "../text.ts";

export type StunClass = "request" | "indication" | "success" | "error";

/** The random number of ICE-CONTROLLED or ICE-CONTROLLING, as two unsigned halves. */
export interface TieBreaker {
  readonly high: number;
  readonly low: number;
}

/** What ICE needs of a message, for reading and for writing. Absent attributes are undefined (or false). */
export interface StunFields {
  readonly class: StunClass;
  /** Below 0x80, so that the first byte stays in STUN's range of RFC 7983. */
  readonly method: number;
  /** 12 bytes. */
  readonly transactionId: Uint8Array;
  readonly username?: string | undefined;
  readonly priority?: number | undefined;
  readonly useCandidate?: boolean | undefined;
  readonly controlling?: TieBreaker | undefined;
  readonly controlled?: TieBreaker | undefined;
  readonly mappedAddress?: StunAddress | undefined;
  readonly errorCode?: number | undefined;
  readonly errorReason?: string | undefined;
  /** Written in a 420 answer; never filled by parsing. */
  readonly unknownAttributes?: readonly number[] | undefined;
}

/** A message as it was received. */
export interface StunMessage extends StunFields {
  /** Offset of the MESSAGE-INTEGRITY attribute behind the start of the message, or -1. */
  readonly integrityOffset: number;
  readonly hasFingerprint: boolean;
  /** Attribute types that must be understood and are not (at most `MAX_UNKNOWN`). */
  readonly unknown: readonly number[];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const CLASSES: readonly StunClass[] = ["request", "indication", "success", "error"];
/** More need not be told in one answer. */
const MAX_UNKNOWN = 8;
/** RFC 8489 section 14.3: fewer than 509 bytes. */
const MAX_USERNAME_BYTES = 508;

/** Whether the bytes have the header of a STUN message of exactly this length. */
export function isStun(u8: Uint8Array, at: number, length: number): boolean {
  return (
    length >= STUN_HEADER_BYTES &&
    at >= 0 &&
    at + length <= u8.length &&
    u8[at]! < 4 &&
    readU32(u8, at + 4) === MAGIC_COOKIE &&
    readU16(u8, at + 2) === length - STUN_HEADER_BYTES &&
    (length & 3) === 0
  );
}

/** Reads the message of `length` bytes at `at`. The result keeps no reference to `u8`. */
export function parseStun(u8: Uint8Array, at: number, length: number): StunMessage | undefined {
  if (!isStun(u8, at, length)) return undefined;
  const type = readU16(u8, at);
  const message: Mutable<StunMessage> = {
    class: CLASSES[((type >> 7) & 2) | ((type >> 4) & 1)]!,
    method: (type & 0xf) | ((type >> 1) & 0x70) | ((type >> 2) & 0xf80),
    transactionId: u8.slice(at + 8, at + STUN_HEADER_BYTES),
    integrityOffset: -1,
    hasFingerprint: false,
    unknown: [],
  };
  const end = at + length;
  let next = at + STUN_HEADER_BYTES;
  while (next < end) {
    if (next + 4 > end || message.hasFingerprint) return undefined;
    const attribute = readU16(u8, next);
    const size = readU16(u8, next + 2);
    const value = next + 4;
    if (value + size > end) return undefined;
    if (!readAttribute(message, u8, at, attribute, value, size)) return undefined;
    next = value + ((size + 3) & ~3);
  }
  return next === end ? message : undefined;
}

/** False when the attribute is malformed. The first of several of one type counts (RFC 8489 section 14). */
function readAttribute(
  message: Mutable<StunMessage>,
  u8: Uint8Array,
  at: number,
  attribute: number,
  value: number,
  size: number,
): boolean {
  if (attribute === ATTR_FINGERPRINT) {
    if (size !== 4) return false;
    message.hasFingerprint = true;
    return readU32(u8, value) === (crc32(u8, at, value - 4 - at) ^ FINGERPRINT_XOR) >>> 0;
  }
  if (message.integrityOffset >= 0) return true;
  switch (attribute) {
    case ATTR_MESSAGE_INTEGRITY:
      message.integrityOffset = value - 4 - at;
      return size === INTEGRITY_BYTES;
    case ATTR_USERNAME:
      if (size > MAX_USERNAME_BYTES) return false;
      message.username ??= decodeUtf8(u8, value, size);
      return true;
    case ATTR_PRIORITY:
      if (size !== 4) return false;
      message.priority ??= readU32(u8, value);
      return true;
    case ATTR_USE_CANDIDATE:
      message.useCandidate = true;
      return true;
    case ATTR_ICE_CONTROLLED:
    case ATTR_ICE_CONTROLLING:
      if (size !== 8) return false;
      return readTieBreaker(message, attribute, { high: readU32(u8, value), low: readU32(u8, value + 4) });
    case ATTR_XOR_MAPPED_ADDRESS:
      message.mappedAddress ??= readXorAddress(u8, value, size, message.transactionId);
      return message.mappedAddress !== undefined;
    case ATTR_ERROR_CODE:
      message.errorCode ??= readErrorCode(u8, value, size);
      return message.errorCode !== undefined;
    default:
      noteUnknown(message, attribute);
      return true;
  }
}

function readTieBreaker(message: Mutable<StunMessage>, attribute: number, tieBreaker: TieBreaker): boolean {
  if (attribute === ATTR_ICE_CONTROLLED) message.controlled ??= tieBreaker;
  else message.controlling ??= tieBreaker;
  return true;
}

/** Types below 0x8000 must be understood. A few are known but say nothing to ICE. */
function noteUnknown(message: Mutable<StunMessage>, attribute: number): void {
  if (attribute >= 0x8000) return;
  if (
    attribute === ATTR_MAPPED_ADDRESS ||
    attribute === ATTR_UNKNOWN_ATTRIBUTES ||
    attribute === ATTR_REALM ||
    attribute === ATTR_NONCE
  )
    return;
  if (message.unknown.length < MAX_UNKNOWN) message.unknown = [...message.unknown, attribute];
}
