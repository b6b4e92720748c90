/**
 * What the two protection profiles have in common: encrypting and authenticating one packet whose 48-bit index is known.
 * Replay and roll-over are `session.ts`'s. All arguments are small integers: offsets in the slab, int32 SSRC and ROC.
 */
export interface PacketTransform {
  /** Bytes by which a protected RTP packet is longer. */
  readonly rtpOverhead: number;
  /** Bytes by which a protected RTCP packet is longer. */
  readonly rtcpOverhead: number;
  /** Distance of the word with E flag and SRTCP index from the end of a protected RTCP packet. */
  readonly rtcpIndexFromEnd: number;
  /** Header at `at` (left in the clear), payload at `from`; ciphertext and tag go behind the header. Returns the total length. */
  sealRtp(
    at: number,
    headerLength: number,
    from: number,
    payloadLength: number,
    ssrc: number,
    roc: number,
    seq: number,
  ): number;
  /** In place. Returns the length of the plain packet, -1 if it is not authentic (its bytes are then undefined). */
  openRtp(at: number, headerLength: number, length: number, ssrc: number, roc: number, seq: number): number;
  /** In place. Returns the total length. */
  sealRtcp(at: number, length: number, ssrc: number, index: number): number;
  /** In place. Returns the length of the plain packet, or -1. `length` ≥ 8 + `rtcpOverhead`. */
  openRtcp(at: number, length: number, ssrc: number, index: number): number;
  close(): void;
}

/** The part of an RTCP packet that stays in the clear: first header and SSRC. */
export const RTCP_CLEAR_BYTES = 8;
/** The E flag in front of the SRTCP index: the packet is encrypted. */
export const RTCP_ENCRYPTED = 0x80000000 | 0;

/** A salt as the `count` words of an IV, followed by zeros where it is shorter. */
export function saltWords(salt: Uint8Array, count: number): Int32Array {
  const words = new Int32Array(count);
  for (let i = 0; i < 4 * count; i++) words[i >> 2] = (words[i >> 2]! << 8) | (salt[i] ?? 0);
  return words;
}
