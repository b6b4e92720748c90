/**
 * The frame of RTCP packets (RFC 3550 section 6): walking a compound packet in place, common headers.
 * As in `rtp/header`, SSRCs and RTP timestamps are signed 32-bit integers; the words of NTP times are unsigned.
 *
 *   for (let p = at; p < end; p += size) { size = rtcpPacketLength(u8, p, end); if (size < 0) break; … }
 */
import { readInt32, writeInt32 } from "../rtp/header.ts";

export const SENDER_REPORT = 200;
export const RECEIVER_REPORT = 201;
export const SOURCE_DESCRIPTION = 202;
export const GOODBYE = 203;
/** RTPFB (RFC 4585): feedback about packets. */
export const TRANSPORT_FEEDBACK = 205;
/** PSFB (RFC 4585): feedback about pictures. */
export const PAYLOAD_FEEDBACK = 206;
/** XR (RFC 3611). */
export const EXTENDED_REPORT = 207;

/** Bytes of a packet that has only its header and one SSRC. */
export const RTCP_MIN_BYTES = 8;

/** Whether a datagram that is RTP or RTCP (first byte 128 … 191) is RTCP: RFC 5761 section 4. */
export function isRtcp(u8: Uint8Array, at: number, length: number): boolean {
  return length >= 2 && u8[at + 1]! >= 192 && u8[at + 1]! <= 223;
}

/** Length of the packet at `at` of a compound that ends at `end`; -1 if it is malformed or overruns. */
export function rtcpPacketLength(u8: Uint8Array, at: number, end: number): number {
  if (at < 0 || at + 4 > end || end > u8.length || u8[at]! >> 6 !== 2) return -1;
  const length = (((u8[at + 2]! << 8) | u8[at + 3]!) + 1) * 4;
  return at + length <= end ? length : -1;
}

/** Packet type. */
export function rtcpType(u8: Uint8Array, at: number): number {
  return u8[at + 1]!;
}

/** The five bits that hold a count of items, or the format of a feedback message. */
export function rtcpCount(u8: Uint8Array, at: number): number {
  return u8[at]! & 31;
}

/** The SSRC behind the header: of the sender of the packet. Needs `length >= 8`. */
export function rtcpSender(u8: Uint8Array, at: number): number {
  return readInt32(u8, at + 4);
}

/** Writes a header for a packet of `length` bytes (a multiple of four). */
export function writeRtcpHeader(u8: Uint8Array, at: number, type: number, count: number, length: number): void {
  const words = (length >> 2) - 1;
  writeInt32(u8, at, (0x80000000 | (count << 24) | (type << 16) | words) >> 0);
}
