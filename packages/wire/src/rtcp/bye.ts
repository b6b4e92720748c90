/** Goodbyes (RFC 3550 section 6.6). */
import { readInt32, writeInt32 } from "../rtp/header.ts";
import { GOODBYE, rtcpCount, writeRtcpHeader } from "./packet.ts";

/** Writes the goodbye of one source; returns the length. */
export function writeBye(u8: Uint8Array, at: number, ssrc: number): number {
  writeRtcpHeader(u8, at, GOODBYE, 1, 8);
  writeInt32(u8, at + 4, ssrc);
  return 8;
}

/** How many sources a goodbye of `length` bytes names; never more than fit. */
export function byeCount(u8: Uint8Array, at: number, length: number): number {
  return Math.min(rtcpCount(u8, at), (length - 4) >> 2);
}

/** The source number `index` of a goodbye. */
export function byeSsrc(u8: Uint8Array, at: number, index: number): number {
  return readInt32(u8, at + 4 + index * 4);
}
