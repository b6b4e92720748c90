/** SRTP_AES128_CM_SHA1_80: RFC 3711 sections 4.1.1 and 4.2. Encrypt, then authenticate with 10 bytes of HMAC-SHA1. */
import type { CmHmac, PacketCrypto } from "../crypto.ts";
import { SCRATCH_AT } from "../slab.ts";
import type { SessionKeys } from "./key-derivation.ts";
import { type PacketTransform, RTCP_CLEAR_BYTES, RTCP_ENCRYPTED, saltWords } from "./transform.ts";

const TAG = 10;
const INDEX = 4;
/** The IV, a computed tag, a received tag. */
const IV_AT = SCRATCH_AT;
const COMPUTED_AT = SCRATCH_AT + 16;
const RECEIVED_AT = SCRATCH_AT + 32;

/** One direction under AES-CM and HMAC-SHA1-80. */
export class CmTransform implements PacketTransform {
  readonly rtpOverhead = TAG;
  readonly rtcpOverhead = TAG + INDEX;
  readonly rtcpIndexFromEnd = TAG + INDEX;
  readonly #u8: Uint8Array;
  readonly #view: DataView;
  readonly #rtp: CmHmac;
  readonly #rtcp: CmHmac;
  readonly #rtpSalt: Int32Array;
  readonly #rtcpSalt: Int32Array;

  constructor(crypto: PacketCrypto, keys: SessionKeys) {
    this.#u8 = crypto.slab.u8;
    this.#view = crypto.slab.view;
    this.#rtp = crypto.cmHmac(keys.rtpKey, keys.rtpAuth);
    this.#rtcp = crypto.cmHmac(keys.rtcpKey, keys.rtcpAuth);
    this.#rtpSalt = saltWords(keys.rtpSalt, 4);
    this.#rtcpSalt = saltWords(keys.rtcpSalt, 4);
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
    const length = headerLength + payloadLength;
    this.#writeRtpIv(ssrc, roc, seq);
    this.#rtp.crypt(IV_AT, from, payloadLength, at + headerLength);
    // The ROC is authenticated behind the packet but not sent; the tag takes its place.
    this.#view.setInt32(at + length, roc);
    this.#rtp.sign(at, length + 4, COMPUTED_AT);
    this.#copyTag(COMPUTED_AT, at + length);
    return length + TAG;
  }

  openRtp(at: number, headerLength: number, length: number, ssrc: number, roc: number, seq: number): number {
    const plainLength = length - TAG;
    if (plainLength < headerLength) return -1;
    this.#copyTag(at + plainLength, RECEIVED_AT);
    this.#view.setInt32(at + plainLength, roc);
    this.#rtp.sign(at, plainLength + 4, COMPUTED_AT);
    if (!this.#tagsMatch()) return -1;
    this.#writeRtpIv(ssrc, roc, seq);
    this.#rtp.crypt(IV_AT, at + headerLength, plainLength - headerLength, at + headerLength);
    return plainLength;
  }

  sealRtcp(at: number, length: number, ssrc: number, index: number): number {
    const body = at + RTCP_CLEAR_BYTES;
    this.#writeRtcpIv(ssrc, index);
    this.#rtcp.crypt(IV_AT, body, length - RTCP_CLEAR_BYTES, body);
    this.#view.setInt32(at + length, index | RTCP_ENCRYPTED);
    this.#rtcp.sign(at, length + INDEX, COMPUTED_AT);
    this.#copyTag(COMPUTED_AT, at + length + INDEX);
    return length + INDEX + TAG;
  }

  openRtcp(at: number, length: number, ssrc: number, index: number): number {
    const plainLength = length - INDEX - TAG;
    const body = at + RTCP_CLEAR_BYTES;
    this.#copyTag(at + plainLength + INDEX, RECEIVED_AT);
    this.#rtcp.sign(at, plainLength + INDEX, COMPUTED_AT);
    if (!this.#tagsMatch()) return -1;
    this.#writeRtcpIv(ssrc, index);
    this.#rtcp.crypt(IV_AT, body, plainLength - RTCP_CLEAR_BYTES, body);
    return plainLength;
  }

  close(): void {
    this.#rtp.close();
    this.#rtcp.close();
  }

  /** Salt · 2^16 XOR SSRC · 2^64 XOR index · 2^16, where the index is ROC and SEQ. */
  #writeRtpIv(ssrc: number, roc: number, seq: number): void {
    const view = this.#view;
    const salt = this.#rtpSalt;
    view.setInt32(IV_AT, salt[0]!);
    view.setInt32(IV_AT + 4, salt[1]! ^ ssrc);
    view.setInt32(IV_AT + 8, salt[2]! ^ roc);
    view.setInt32(IV_AT + 12, salt[3]! ^ (seq << 16));
  }

  #writeRtcpIv(ssrc: number, index: number): void {
    const view = this.#view;
    const salt = this.#rtcpSalt;
    view.setInt32(IV_AT, salt[0]!);
    view.setInt32(IV_AT + 4, salt[1]! ^ ssrc);
    view.setInt32(IV_AT + 8, salt[2]! ^ (index >>> 16));
    view.setInt32(IV_AT + 12, salt[3]! ^ (index << 16));
  }

  #copyTag(from: number, to: number): void {
    const u8 = this.#u8;
    for (let i = 0; i < TAG; i++) u8[to + i] = u8[from + i]!;
  }

  /** In a time that does not depend on where the first difference is. */
  #tagsMatch(): boolean {
    const u8 = this.#u8;
    let difference = 0;
    for (let i = 0; i < TAG; i++) difference |= u8[COMPUTED_AT + i]! ^ u8[RECEIVED_AT + i]!;
    return difference === 0;
  }
}
