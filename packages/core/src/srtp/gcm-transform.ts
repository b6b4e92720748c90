/** SRTP_AEAD_AES_128_GCM: RFC 7714. The header is associated data, the tag of 16 bytes follows the ciphertext. */
import type { Gcm, PacketCrypto } from "../crypto.ts";
import { SCRATCH_AT } from "../slab.ts";
import type { SessionKeys } from "./key-derivation.ts";
import { type PacketTransform, RTCP_CLEAR_BYTES, RTCP_ENCRYPTED, saltWords } from "./transform.ts";

const TAG = 16;
const INDEX = 4;
/** The IV, and the associated data of an RTCP packet. */
const IV_AT = SCRATCH_AT;
const AAD_AT = SCRATCH_AT + 16;

/** One direction under AES-128-GCM. */
export class GcmTransform implements PacketTransform {
  readonly rtpOverhead = TAG;
  readonly #view: DataView;
  readonly #rtp: Gcm;
  // Words of the salt as fields: an array would be three more cache lines of each subscriber for each packet.
  readonly #salt0: number;
  readonly #salt1: number;
  readonly #salt2: number;
  readonly rtcpOverhead = TAG + INDEX;
  readonly rtcpIndexFromEnd = INDEX;
  readonly #rtcp: Gcm;
  readonly #rtcpSalt: Int32Array;

  constructor(crypto: PacketCrypto, keys: SessionKeys) {
    this.#view = crypto.slab.view;
    this.#rtp = crypto.gcm(keys.rtpKey);
    this.#rtcp = crypto.gcm(keys.rtcpKey);
    const rtpSalt = saltWords(keys.rtpSalt, 3);
    this.#salt0 = rtpSalt[0]!;
    this.#salt1 = rtpSalt[1]!;
    this.#salt2 = rtpSalt[2]!;
    this.#rtcpSalt = saltWords(keys.rtcpSalt, 3);
  }

  sealRtp(
    at: number,
    headerLength: number,
    from: number,
    payloadLength: number,
    ssrc: number,
    roc: number,
    seq: number,
  ): number {
    this.#writeRtpIv(ssrc, roc, seq);
    this.#rtp.seal(IV_AT, at, headerLength, from, payloadLength, at + headerLength);
    return headerLength + payloadLength + TAG;
  }

  openRtp(at: number, headerLength: number, length: number, ssrc: number, roc: number, seq: number): number {
    const cipherLength = length - headerLength - TAG;
    if (cipherLength < 0) return -1;
    this.#writeRtpIv(ssrc, roc, seq);
    const body = at + headerLength;
    return this.#rtp.open(IV_AT, at, headerLength, body, cipherLength, body) ? length - TAG : -1;
  }

  sealRtcp(at: number, length: number, ssrc: number, index: number): number {
    const word = index | RTCP_ENCRYPTED;
    this.#writeRtcpIv(at, ssrc, index, word);
    const body = at + RTCP_CLEAR_BYTES;
    this.#rtcp.seal(IV_AT, AAD_AT, RTCP_CLEAR_BYTES + INDEX, body, length - RTCP_CLEAR_BYTES, body);
    this.#view.setInt32(at + length + TAG, word);
    return length + TAG + INDEX;
  }

  openRtcp(at: number, length: number, ssrc: number, index: number): number {
    const plainLength = length - TAG - INDEX;
    this.#writeRtcpIv(at, ssrc, index, index | RTCP_ENCRYPTED);
    const body = at + RTCP_CLEAR_BYTES;
    const bodyLength = plainLength - RTCP_CLEAR_BYTES;
    const open = this.#rtcp.open(IV_AT, AAD_AT, RTCP_CLEAR_BYTES + INDEX, body, bodyLength, body);
    return open ? plainLength : -1;
  }

  close(): void {
    this.#rtp.close();
    this.#rtcp.close();
  }

  /** RFC 7714 section 8.1: 16 zero bits, SSRC, ROC, SEQ, XORed with the salt. */
  #writeRtpIv(ssrc: number, roc: number, seq: number): void {
    const view = this.#view;
    view.setInt32(IV_AT, this.#salt0 ^ (ssrc >>> 16));
    view.setInt32(IV_AT + 4, this.#salt1 ^ (ssrc << 16) ^ (roc >>> 16));
    view.setInt32(IV_AT + 8, this.#salt2 ^ (roc << 16) ^ seq);
  }

  /** RFC 7714 section 9.1: 16 zero bits, SSRC, 16 zero bits, index. The associated data (9.2) is the header and the index word. */
  #writeRtcpIv(at: number, ssrc: number, index: number, word: number): void {
    const view = this.#view;
    const salt = this.#rtcpSalt;
    view.setInt32(IV_AT, salt[0]! ^ (ssrc >>> 16));
    view.setInt32(IV_AT + 4, salt[1]! ^ (ssrc << 16));
    view.setInt32(IV_AT + 8, salt[2]! ^ index);
    view.setInt32(AAD_AT, view.getInt32(at));
    view.setInt32(AAD_AT + 4, view.getInt32(at + 4));
    view.setInt32(AAD_AT + 8, word);
  }
}
