/** ICE user fragments and passwords of our side (RFC 8839: ≥ 4 and ≥ 22 ice-chars, ≥ 24 and ≥ 128 bits of randomness). */
import type { Random } from "../crypto.ts";
import type { IceCredentials } from "./types.ts";

const ICE_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const UFRAG_LENGTH = 12;
const PWD_LENGTH = 24;

/** Fresh credentials; the user fragment has 72 bits, so that it also names the peer within a process. */
export function drawIceCredentials(random: Random): IceCredentials {
  return { ufrag: iceChars(random, UFRAG_LENGTH), pwd: iceChars(random, PWD_LENGTH) };
}

function iceChars(random: Random, length: number): string {
  let chars = "";
  for (const byte of random.bytes(length)) chars += ICE_CHARS[byte & 63]!;
  return chars;
}
