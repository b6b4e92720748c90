/** The user name of an ICE check, for demultiplexing: "receiver's ufrag:sender's ufrag" (RFC 8445 section 7.2.2). */
import { readU16 } from "./bytes.ts";
import { ATTR_USERNAME, STUN_HEADER_BYTES } from "./constants.ts";
import { isStun } from "./message.ts";

/** Longest ufrag of RFC 8839 section 5.4. */
const MAX_UFRAG = 256;
const COLON = 0x3a;

/**
 * The part of USERNAME before the colon, of a Binding request: the ufrag that the receiver handed out. Nothing else of the
 * message is checked. Undefined for anything else, also for a ufrag with characters outside of printable ASCII.
 */
export function usernameFragment(u8: Uint8Array, at: number, length: number): string | undefined {
  if (!isStun(u8, at, length) || u8[at] !== 0 || u8[at + 1] !== 1) return undefined;
  const end = at + length;
  let next = at + STUN_HEADER_BYTES;
  while (next + 4 <= end) {
    const size = readU16(u8, next + 2);
    const value = next + 4;
    if (value + size > end) return undefined;
    if (readU16(u8, next) === ATTR_USERNAME) return fragment(u8, value, size);
    next = value + ((size + 3) & ~3);
  }
  return undefined;
}

function fragment(u8: Uint8Array, at: number, size: number): string | undefined {
  let text = "";
  for (let i = 0; i < size && i <= MAX_UFRAG; i++) {
    const character = u8[at + i]!;
    if (character === COLON) return text === "" ? undefined : text;
    if (character <= 0x20 || character >= 0x7f) return undefined;
    text += String.fromCharCode(character);
  }
  return undefined;
}
