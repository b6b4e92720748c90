/** Values of single STUN attributes: XOR-MAPPED-ADDRESS (RFC 8489 section 14.2) and ERROR-CODE (14.8). */
import { readU16, writeU16, writeU32 } from "./bytes.ts";
import { FAMILY_IPV4, FAMILY_IPV6, MAGIC_COOKIE } from "./constants.ts";

/** An address in network order (4 or 16 bytes) and a port. */
export interface StunAddress {
  readonly address: Uint8Array;
  readonly port: number;
}

const COOKIE_HIGH = MAGIC_COOKIE >>> 16;

/** Bytes of the value that `writeXorAddress` writes. */
export function xorAddressBytes(address: Uint8Array): number {
  return 4 + address.length;
}

/** Reads a value of `size` bytes at `at`; `transactionId` masks the end of an IPv6 address. */
export function readXorAddress(
  u8: Uint8Array,
  at: number,
  size: number,
  transactionId: Uint8Array,
): StunAddress | undefined {
  if (size !== 8 && size !== 20) return undefined;
  const bytes = size - 4;
  if (u8[at + 1] !== (bytes === 4 ? FAMILY_IPV4 : FAMILY_IPV6)) return undefined;
  const address = new Uint8Array(bytes);
  const mask = addressMask(transactionId);
  for (let i = 0; i < bytes; i++) address[i] = u8[at + 4 + i]! ^ mask[i]!;
  return { address, port: readU16(u8, at + 2) ^ COOKIE_HIGH };
}

/** Writes the value at `at`. */
export function writeXorAddress(u8: Uint8Array, at: number, value: StunAddress, transactionId: Uint8Array): void {
  u8[at] = 0;
  u8[at + 1] = value.address.length === 4 ? FAMILY_IPV4 : FAMILY_IPV6;
  writeU16(u8, at + 2, value.port ^ COOKIE_HIGH);
  const mask = addressMask(transactionId);
  for (let i = 0; i < value.address.length; i++) u8[at + 4 + i] = value.address[i]! ^ mask[i]!;
}

/** The number of an ERROR-CODE value: 300 … 699. */
export function readErrorCode(u8: Uint8Array, at: number, size: number): number | undefined {
  if (size < 4) return undefined;
  const hundreds = u8[at + 2]! & 7;
  const rest = u8[at + 3]!;
  if (hundreds < 3 || hundreds > 6 || rest > 99) return undefined;
  return hundreds * 100 + rest;
}

function addressMask(transactionId: Uint8Array): Uint8Array {
  const mask = new Uint8Array(16);
  writeU32(mask, 0, MAGIC_COOKIE);
  mask.set(transactionId, 4);
  return mask;
}
