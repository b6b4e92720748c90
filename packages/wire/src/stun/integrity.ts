/** Checking MESSAGE-INTEGRITY of a received message (RFC 8489 section 14.5). */
import { writeU16 } from "./bytes.ts";
import { INTEGRITY_BYTES, STUN_HEADER_BYTES } from "./constants.ts";
import type { StunSigner } from "./write.ts";

/**
 * Whether the MESSAGE-INTEGRITY at `integrityOffset` (from `parseStun`) of the message at `at` was made with this key. False without
 * the attribute. The comparison takes the same time wherever the first difference is.
 */
export function hasIntegrity(u8: Uint8Array, at: number, integrityOffset: number, signer: StunSigner): boolean {
  if (integrityOffset < STUN_HEADER_BYTES) return false;
  const end = at + integrityOffset;
  if (at < 0 || end + 4 + INTEGRITY_BYTES > u8.length) return false;
  const signed = u8.slice(at, end);
  // The sender had not counted what follows the attribute.
  writeU16(signed, 2, integrityOffset + 4 + INTEGRITY_BYTES - STUN_HEADER_BYTES);
  const mac = signer.hmacSha1(signer.key, signed);
  let difference = 0;
  for (let i = 0; i < INTEGRITY_BYTES; i++) difference |= mac[i]! ^ u8[end + 4 + i]!;
  return difference === 0;
}
