/**
 * SRTP and SRTCP of one peer, both directions (RFC 3711): packet indices, replay protection, and the order of checks. Packets lie
 * in the slab and nothing is allocated per packet. Invariant: a packet that does not authenticate changes no state.
 */
import type { DtlsRole, Hashes, PacketCrypto, SrtpKeyMaterial } from "../crypto.ts";
import { SLOT_BYTES } from "../slab.ts";
import { CmTransform } from "./cm-transform.ts";
import { GcmTransform } from "./gcm-transform.ts";
import { deriveSessionKeys } from "./key-derivation.ts";
import { isFresh, markSeen } from "./replay-window.ts";
import { HIGHEST, ROC, SsrcTable, WINDOW } from "./ssrc-table.ts";
import { type PacketTransform, RTCP_CLEAR_BYTES } from "./transform.ts";

/** Retransmissions on the original SSRC come some hundred packets late: 1,024 of them still pass. */
const RTP_WINDOW_WORDS = 32;
/** 128 RTCP packets. */
const RTCP_WINDOW_WORDS = 4;
/** A publisher with 100 simulcast tracks has 600 SSRCs. */
const RECEIVE_SSRCS = 1024;
/** Two SSRCs per forwarded track. Our own: losing one's roll-over counter would end its stream, so the bound is far away. */
const SEND_SSRCS = 16384;
const RTP_FIXED_HEADER = 12;
const MAX_SRTCP_INDEX = 0x7fffffff;

/** Why packets were dropped. */
export interface SrtpDrops {
  malformed: number;
  unauthentic: number;
  replayed: number;
}

/** See the file's head. */
export class SrtpSession {
  readonly #u8: Uint8Array;
  readonly #out: PacketTransform;
  /** The record that is in use, -1 at first, and its fields: most sessions send one stream for long, and need no look-up then. */
  #record = -1;
  #ssrc = 0;
  #roc = 0;
  #highest = 0;
  /** Dropped incoming packets so far. */
  readonly drops: SrtpDrops = { malformed: 0, unauthentic: 0, replayed: 0 };
  readonly #in: PacketTransform;
  readonly #sent = new SsrcTable(SEND_SSRCS, 0);
  readonly #received = new SsrcTable(RECEIVE_SSRCS, RTP_WINDOW_WORDS);
  readonly #receivedRtcp = new SsrcTable(RECEIVE_SSRCS, RTCP_WINDOW_WORDS);
  /** One count for all SSRCs of the session keeps every (SSRC, index) unique. */
  #rtcpIndex = 0;

  /** `role`: our side of the DTLS handshake that made `keys`. */
  constructor(crypto: PacketCrypto, hashes: Hashes, keys: SrtpKeyMaterial, role: DtlsRole) {
    const client = deriveSessionKeys(hashes, keys.clientKey, keys.clientSalt);
    const server = deriveSessionKeys(hashes, keys.serverKey, keys.serverSalt);
    const ours = role === "client" ? client : server;
    const theirs = role === "client" ? server : client;
    const gcm = keys.profile === "SRTP_AEAD_AES_128_GCM";
    this.#u8 = crypto.slab.u8;
    this.#out = gcm ? new GcmTransform(crypto, ours) : new CmTransform(crypto, ours);
    this.#in = gcm ? new GcmTransform(crypto, theirs) : new CmTransform(crypto, theirs);
  }

  /**
   * Encrypts `payloadLength` bytes at `from` behind the header of `headerLength` bytes that stands at `at`; `from` is left as it is.
   * Returns the total length, or -1 when it does not fit a slot or the number lies before the stream's first one.
   * A sequence number that is sent a second time must be sent with the same bytes (the nonce is the same): use RTX for anything
   * else. A stream should start below 2^15, or a receiver that misses the packets before the first wrap never decrypts it.
   */
  protectRtp(at: number, headerLength: number, from: number, payloadLength: number): number {
    if (headerLength + payloadLength + this.#out.rtpOverhead > SLOT_BYTES) return -1;
    const u8 = this.#u8;
    const seq = (u8[at + 2]! << 8) | u8[at + 3]!;
    const ssrc = readInt32(u8, at + 8);
    if (ssrc !== this.#ssrc || this.#record < 0) this.#turnTo(ssrc, seq);
    const highest = this.#highest;
    const delta = ((seq - highest) << 16) >> 16;
    const roc = (this.#roc + ((highest + delta) >> 16)) | 0;
    if (roc === -1) return -1;
    if (delta > 0) {
      this.#highest = seq;
      this.#roc = roc;
    }
    return this.#out.sealRtp(at, headerLength, from, payloadLength, ssrc, roc, seq);
  }

  /** Puts the record in use back and takes that of another stream, whose first number is `seq` if it is new. */
  #turnTo(ssrc: number, seq: number): void {
    const table = this.#sent;
    if (this.#record >= 0) {
      table.words[this.#record + ROC] = this.#roc;
      table.words[this.#record + HIGHEST] = this.#highest;
      table.use(this.#record);
    }
    let record = table.find(ssrc);
    if (record < 0) {
      record = table.insert(ssrc);
      table.words[record + HIGHEST] = seq;
    }
    this.#record = record;
    this.#ssrc = ssrc;
    this.#roc = table.words[record + ROC]!;
    this.#highest = table.words[record + HIGHEST]!;
  }

  /** Authenticates and decrypts in place. Returns the length of the plain packet, or -1: drop it. */
  unprotectRtp(at: number, length: number): number {
    const u8 = this.#u8;
    const headerLength = rtpHeaderLength(u8, at, length);
    if (headerLength < 0) {
      this.drops.malformed++;
      return -1;
    }
    const seq = (u8[at + 2]! << 8) | u8[at + 3]!;
    const ssrc = readInt32(u8, at + 8);
    const table = this.#received;
    let record = table.find(ssrc);
    let roc = 0;
    let delta = 1;
    if (record >= 0) {
      const highest = table.words[record + HIGHEST]!;
      delta = ((seq - highest) << 16) >> 16;
      roc = (table.words[record + ROC]! + ((highest + delta) >> 16)) | 0;
      if (roc === -1 || !isFresh(table.words, record + WINDOW, RTP_WINDOW_WORDS, seq, delta)) {
        this.drops.replayed++;
        return -1;
      }
    }
    const plainLength = this.#in.openRtp(at, headerLength, length, ssrc, roc, seq);
    if (plainLength < 0) {
      this.drops.unauthentic++;
      return -1;
    }
    if (record < 0) record = table.insert(ssrc);
    markSeen(table.words, record + WINDOW, RTP_WINDOW_WORDS, seq, delta);
    if (delta > 0) {
      table.words[record + HIGHEST] = seq;
      table.words[record + ROC] = roc;
    }
    return plainLength;
  }

  /** Encrypts a (compound) RTCP packet in place. Returns the total length, or -1 when it does not fit a slot. */
  protectRtcp(at: number, length: number): number {
    if (length < RTCP_CLEAR_BYTES || length + this.#out.rtcpOverhead > SLOT_BYTES) return -1;
    if (this.#rtcpIndex === MAX_SRTCP_INDEX) return -1;
    this.#rtcpIndex++;
    return this.#out.sealRtcp(at, length, readInt32(this.#u8, at + 4), this.#rtcpIndex);
  }

  /** Authenticates and decrypts in place. Returns the length of the plain packet, or -1: drop it. */
  unprotectRtcp(at: number, length: number): number {
    const u8 = this.#u8;
    const word =
      length < RTCP_CLEAR_BYTES + this.#in.rtcpOverhead ? 0 : readInt32(u8, at + length - this.#in.rtcpIndexFromEnd);
    // Without the E flag (sign bit) it claims to be unencrypted, which was not negotiated.
    if (word >= 0 || u8[at]! >> 6 !== 2) {
      this.drops.malformed++;
      return -1;
    }
    const index = word & MAX_SRTCP_INDEX;
    const ssrc = readInt32(u8, at + 4);
    const table = this.#receivedRtcp;
    let record = table.find(ssrc);
    const delta = record < 0 ? 1 : index - table.words[record + HIGHEST]!;
    if (record >= 0 && !isFresh(table.words, record + WINDOW, RTCP_WINDOW_WORDS, index, delta)) {
      this.drops.replayed++;
      return -1;
    }
    const plainLength = this.#in.openRtcp(at, length, ssrc, index);
    if (plainLength < 0) {
      this.drops.unauthentic++;
      return -1;
    }
    if (record < 0) record = table.insert(ssrc);
    markSeen(table.words, record + WINDOW, RTCP_WINDOW_WORDS, index, delta);
    if (delta > 0) table.words[record + HIGHEST] = index;
    return plainLength;
  }

  /** Frees native memory. The session must not be used afterwards. */
  close(): void {
    this.#out.close();
    this.#in.close();
  }
}

/** Length of the RTP header with CSRCs and extension, or -1 if the packet cannot hold it (RFC 3550 section 5.1). */
function rtpHeaderLength(u8: Uint8Array, at: number, length: number): number {
  if (length < RTP_FIXED_HEADER || u8[at]! >> 6 !== 2) return -1;
  let headerLength = RTP_FIXED_HEADER + ((u8[at]! & 0x0f) << 2);
  if ((u8[at]! & 0x10) !== 0) {
    if (headerLength + 4 > length) return -1;
    const words = (u8[at + headerLength + 2]! << 8) | u8[at + headerLength + 3]!;
    headerLength += 4 + (words << 2);
  }
  return headerLength <= length ? headerLength : -1;
}

function readInt32(u8: Uint8Array, at: number): number {
  return (u8[at]! << 24) | (u8[at + 1]! << 16) | (u8[at + 2]! << 8) | u8[at + 3]!;
}
