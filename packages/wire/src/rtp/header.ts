/**
 * The fixed header of an RTP packet (RFC 3550 section 5.1), read and written in place.
 * Timestamps and SSRCs are signed 32-bit integers here, because those are small integers in V8: compare timestamps
 * with `(a - b) | 0`, show an SSRC with `>>> 0`. Every reader stays inside `length` bytes from `at`.
 */

/** Bytes of the header without CSRCs and extensions. */
export const RTP_HEADER_BYTES = 12;

/** The fields of one packet; filled in by `readRtpHeader`, meant to be reused. */
export interface RtpHeader {
  /** Bytes up to the payload: fixed header, CSRCs, extension block. */
  headerLength: number;
  /** Bytes of payload, padding not counted. */
  payloadLength: number;
  marker: boolean;
  payloadType: number;
  sequence: number;
  /** Signed 32 bits. */
  timestamp: number;
  /** Signed 32 bits. */
  ssrc: number;
}

/** An empty header to be filled in. */
export function newRtpHeader(): RtpHeader {
  return { headerLength: 0, payloadLength: 0, marker: false, payloadType: 0, sequence: 0, timestamp: 0, ssrc: 0 };
}

/** Four bytes in network order as a signed integer. */
export function readInt32(u8: Uint8Array, at: number): number {
  return (u8[at]! << 24) | (u8[at + 1]! << 16) | (u8[at + 2]! << 8) | u8[at + 3]!;
}

/** Writes 32 bits in network order; signed and unsigned numbers give the same bytes. */
export function writeInt32(u8: Uint8Array, at: number, value: number): void {
  u8[at] = value >> 24;
  u8[at + 1] = value >> 16;
  u8[at + 2] = value >> 8;
  u8[at + 3] = value;
}

/** Length of the whole header if it is sound and fits in `length`, otherwise -1. Padding is not looked at. */
export function rtpHeaderLength(u8: Uint8Array, at: number, length: number): number {
  if (length < RTP_HEADER_BYTES || at < 0 || at + length > u8.length) return -1;
  const first = u8[at]!;
  if (first >> 6 !== 2) return -1;
  let header = RTP_HEADER_BYTES + (first & 15) * 4;
  if (first & 0x10) {
    if (header + 4 > length) return -1;
    header += 4 + ((u8[at + header + 2]! << 8) | u8[at + header + 3]!) * 4;
  }
  return header <= length ? header : -1;
}

/**
 * Reads a plain RTP packet. False if it is malformed, which includes padding that is longer than the payload or
 * claims to be of no bytes; `into` is then undefined.
 */
export function readRtpHeader(u8: Uint8Array, at: number, length: number, into: RtpHeader): boolean {
  const header = rtpHeaderLength(u8, at, length);
  if (header < 0) return false;
  let payload = length - header;
  if (u8[at]! & 0x20) {
    if (payload === 0) return false;
    const padding = u8[at + length - 1]!;
    if (padding === 0 || padding > payload) return false;
    payload -= padding;
  }
  into.headerLength = header;
  into.payloadLength = payload;
  into.marker = u8[at + 1]! > 127;
  into.payloadType = u8[at + 1]! & 127;
  into.sequence = (u8[at + 2]! << 8) | u8[at + 3]!;
  into.timestamp = readInt32(u8, at + 4);
  into.ssrc = readInt32(u8, at + 8);
  return true;
}

/** Writes the fixed header without CSRCs; `hasExtensions` sets the X bit for a block that follows. 12 bytes. */
export function writeRtpHeader(
  view: DataView,
  at: number,
  hasExtensions: boolean,
  marker: boolean,
  payloadType: number,
  sequence: number,
  timestamp: number,
  ssrc: number,
): void {
  const first = hasExtensions ? 0x90 : 0x80;
  const second = marker ? payloadType | 128 : payloadType;
  view.setInt32(at, (first << 24) | (second << 16) | (sequence & 0xffff));
  view.setInt32(at + 4, timestamp);
  view.setInt32(at + 8, ssrc);
}
