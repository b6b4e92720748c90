/** What `core` needs of cryptography and randomness; `io/accel` implements it, in a fast and a portable way. */
import type { Slab } from "./slab.ts";

/** Randomness. Tests inject a seeded one. */
export interface Random {
  /** `length` unpredictable bytes. */
  bytes(length: number): Uint8Array;
  /** An unpredictable integer of 0 … 2^32 − 1. */
  uint32(): number;
}

/** Small primitives that are never on the packet path. */
export interface Hashes {
  /** HMAC-SHA1 (20 bytes) over one message: STUN MESSAGE-INTEGRITY. */
  hmacSha1(key: Uint8Array, message: Uint8Array): Uint8Array;
  /** One 16-byte block through AES-128 in ECB mode: SRTP key derivation. */
  aes128Block(key: Uint8Array, block: Uint8Array): Uint8Array;
}

/**
 * AES-128-GCM under one key, on slab offsets. Nothing is allocated. `iv` is the offset of 12 bytes;
 * the 16-byte tag follows the ciphertext. `src` and `dst` may be equal.
 */
export interface Gcm {
  /** Encrypts `length` bytes at `src` to `dst`, then writes the tag at `dst + length`. */
  seal(iv: number, aad: number, aadLength: number, src: number, length: number, dst: number): void;
  /** Checks the tag at `src + length` and decrypts to `dst`. False (and `dst` undefined) when it does not match. */
  open(iv: number, aad: number, aadLength: number, src: number, length: number, dst: number): boolean;
  close(): void;
}

/** AES-128 counter mode and HMAC-SHA1-80 under one pair of keys, on slab offsets. Nothing is allocated. */
export interface CmHmac {
  /** XORs the key stream of the 16-byte `iv` over `length` bytes at `src` into `dst`. */
  crypt(iv: number, src: number, length: number, dst: number): void;
  /** Writes the first 10 bytes of HMAC-SHA1 over `length` bytes at `at` to `tag` (may lie directly behind). */
  sign(at: number, length: number, tag: number): void;
  close(): void;
}

/** A back end of packet ciphers over one slab. */
export interface PacketCrypto {
  readonly slab: Slab;
  /** `key`: 16 bytes. */
  gcm(key: Uint8Array): Gcm;
  /** `key`: 16 bytes; `authKey`: 20 bytes. */
  cmHmac(key: Uint8Array, authKey: Uint8Array): CmHmac;
}

/** SRTP protection profiles, names of RFC 5764 and RFC 7714. */
export type SrtpProfile = "SRTP_AEAD_AES_128_GCM" | "SRTP_AES128_CM_SHA1_80";

/** Which side of the DTLS handshake. */
export type DtlsRole = "client" | "server";

/** Creates DTLS sessions that share one certificate. */
export interface DtlsFactory {
  /** SHA-256 of the certificate as in SDP: upper-case hex pairs joined by colons. */
  readonly fingerprint: string;
  create(role: DtlsRole): DtlsSession;
}

/** Master key and salt of both directions (RFC 5764 section 4.2). */
export interface SrtpKeyMaterial {
  readonly profile: SrtpProfile;
  readonly clientKey: Uint8Array;
  readonly clientSalt: Uint8Array;
  readonly serverKey: Uint8Array;
  readonly serverSalt: Uint8Array;
}

/**
 * One DTLS 1.2 session without I/O: datagrams in, datagrams out. After any call of `receive`, `send`, `handleTimeout`
 * or `start`, drain `pollDatagram` and `pollData`, then read `state` and `timeoutMs`.
 * Hostile bytes are dropped inside; only a fatal handshake failure moves `state` to "failed".
 */
export interface DtlsSession {
  readonly state: "handshaking" | "open" | "closed" | "failed";
  /** One clear sentence when `state` is "failed". */
  readonly failure: string | undefined;
  /** The client's first flight; a server does nothing. */
  start(): void;
  receive(datagram: Uint8Array): void;
  /** Application data; false when not open. */
  send(data: Uint8Array): boolean;
  /** Next datagram (≤ 1,200 bytes) to put on the wire; a fresh array that the caller may keep. */
  pollDatagram(): Uint8Array | undefined;
  /** Next decrypted application record; a fresh array that the caller may keep. */
  pollData(): Uint8Array | undefined;
  /** Milliseconds until `handleTimeout` is due (handshake retransmission), or undefined. */
  timeoutMs(): number | undefined;
  handleTimeout(): void;
  /** SHA-256 of the peer's certificate in SDP form, once the handshake is done. */
  peerFingerprint(): string | undefined;
  /** Keys for SRTP, once open; undefined if no profile was negotiated. */
  exportSrtpKeys(): SrtpKeyMaterial | undefined;
  /** Sends close_notify if open and frees native memory once drained by a last `pollDatagram` loop; idempotent. */
  close(): void;
}
