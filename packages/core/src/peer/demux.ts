/** What a datagram is, by its first bytes (RFC 7983; RTCP among RTP by RFC 5761 section 4). */

/** Nothing that we know. */
export const KIND_OTHER = 0;
export const KIND_STUN = 1;
export const KIND_DTLS = 2;
export const KIND_RTP = 3;
export const KIND_RTCP = 4;

/** One of the `KIND_` numbers. */
export type PacketKind = 0 | 1 | 2 | 3 | 4;

/** Shortest protected packet of each sort that can be of use: a fixed RTP header, an RTCP header with an SSRC. */
const MIN_RTP_BYTES = 12;
const MIN_RTCP_BYTES = 8;

/** Kind of the `length` bytes at `at`. Looks at two bytes and allocates nothing. */
export function packetKind(u8: Uint8Array, at: number, length: number): PacketKind {
  if (length < MIN_RTCP_BYTES) return KIND_OTHER;
  const first = u8[at]!;
  if (first >= 128 && first < 192) {
    const second = u8[at + 1]!;
    if (second >= 192 && second < 224) return KIND_RTCP;
    return length < MIN_RTP_BYTES ? KIND_OTHER : KIND_RTP;
  }
  if (first >= 20 && first < 64) return KIND_DTLS;
  return first < 4 ? KIND_STUN : KIND_OTHER;
}
