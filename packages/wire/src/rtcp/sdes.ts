/** Source descriptions with one CNAME (RFC 3550 section 6.5). */
import { writeInt32 } from "../rtp/header.ts";
import { SOURCE_DESCRIPTION, rtcpCount, writeRtcpHeader } from "./packet.ts";

const CNAME = 1;
const MAX_ITEM_BYTES = 255;

/** Writes a description of one source; `cname` is UTF-8, cut at 255 bytes. Returns the length. */
export function writeSdes(u8: Uint8Array, at: number, ssrc: number, cname: Uint8Array): number {
  const size = Math.min(cname.length, MAX_ITEM_BYTES);
  writeInt32(u8, at + 4, ssrc);
  u8[at + 8] = CNAME;
  u8[at + 9] = size;
  for (let i = 0; i < size; i++) u8[at + 10 + i] = cname[i]!;
  // At least one zero ends the items, then up to the next 32-bit word.
  let end = 10 + size;
  do u8[at + end++] = 0;
  while (end & 3);
  writeRtcpHeader(u8, at, SOURCE_DESCRIPTION, 1, end);
  return end;
}

/** The CNAME of the first chunk (bytes as Latin-1), or undefined. */
export function parseSdesCname(u8: Uint8Array, at: number, length: number): string | undefined {
  if (rtcpCount(u8, at) === 0) return undefined;
  let offset = 8;
  while (offset + 2 <= length && u8[at + offset] !== 0) {
    const size = u8[at + offset + 1]!;
    if (offset + 2 + size > length) return undefined;
    if (u8[at + offset] === CNAME) {
      let text = "";
      for (let i = 0; i < size; i++) text += String.fromCharCode(u8[at + offset + 2 + i]!);
      return text;
    }
    offset += 2 + size;
  }
  return undefined;
}
