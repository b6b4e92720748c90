/**
 * Session keys from a master key and salt: RFC 3711 section 4.3 with a key derivation rate of zero, that is once per session.
 * For the GCM profiles the 96-bit salt is extended by zeros to 112 bits (RFC 7714 section 11).
 */
import type { Hashes } from "../crypto.ts";

/** Which stream of key bits; the numbers of RFC 3711 section 4.3.2. */
const LABEL_RTP_KEY = 0;
const LABEL_RTP_AUTH = 1;
const LABEL_RTP_SALT = 2;
const LABEL_RTCP_KEY = 3;
const LABEL_RTCP_AUTH = 4;
const LABEL_RTCP_SALT = 5;

const BLOCK = 16;
/** Byte of the label in the 112-bit number (label · 2^48) that is XORed to the salt. */
const LABEL_AT = 7;

/** `length` bytes of the key stream of `label`. `masterSalt`: 14 bytes, or 12 for GCM. */
export function deriveKey(
  hashes: Hashes,
  masterKey: Uint8Array,
  masterSalt: Uint8Array,
  label: number,
  length: number,
): Uint8Array {
  const counter = new Uint8Array(BLOCK);
  counter.set(masterSalt);
  counter[LABEL_AT]! ^= label;
  const out = new Uint8Array(Math.ceil(length / BLOCK) * BLOCK);
  for (let i = 0; i * BLOCK < length; i++) {
    counter[BLOCK - 1] = i;
    out.set(hashes.aes128Block(masterKey, counter), i * BLOCK);
  }
  return out.slice(0, length);
}

/** The keys of one direction. Authentication keys are used by the CM profile only. */
export interface SessionKeys {
  readonly rtpKey: Uint8Array;
  readonly rtpAuth: Uint8Array;
  readonly rtpSalt: Uint8Array;
  readonly rtcpKey: Uint8Array;
  readonly rtcpAuth: Uint8Array;
  readonly rtcpSalt: Uint8Array;
}

/** All keys of one direction; the salts are as long as the master salt. */
export function deriveSessionKeys(hashes: Hashes, masterKey: Uint8Array, masterSalt: Uint8Array): SessionKeys {
  const derive = (label: number, length: number) => deriveKey(hashes, masterKey, masterSalt, label, length);
  return {
    rtpKey: derive(LABEL_RTP_KEY, 16),
    rtpAuth: derive(LABEL_RTP_AUTH, 20),
    rtpSalt: derive(LABEL_RTP_SALT, masterSalt.length),
    rtcpKey: derive(LABEL_RTCP_KEY, 16),
    rtcpAuth: derive(LABEL_RTCP_AUTH, 20),
    rtcpSalt: derive(LABEL_RTCP_SALT, masterSalt.length),
  };
}
