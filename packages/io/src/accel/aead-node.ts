/**
 * The portable packet ciphers, by node:crypto and WebAssembly alone. Per key one AES-ECB object lives on and makes the
 * counter-mode key stream of a whole packet in one call (a new cipher object per packet would cost 4 µs); SHA-1 runs
 * in WebAssembly on the slab. GCM needs a new object per packet, so sessions should prefer AES-CM here.
 */
import type { Cipher, KeyObject } from "node:crypto";
import { createCipheriv, createDecipheriv, createSecretKey } from "node:crypto";
import type { CmHmac, Gcm, PacketCrypto } from "@stoa/core/crypto";
import { StoaError } from "@stoa/core/errors";
import { SLOT_BYTES, type Slab } from "@stoa/core/slab";
import type { CipherCounters } from "./aead-openssl.ts";
import { swap32, writeTag } from "./aead-openssl.ts";
import type { Sha1Wasm } from "./sha1-wasm.ts";
import { createSha1Wasm } from "./sha1-wasm.ts";
import type { PacketMemory } from "./slab-native.ts";

const TAG_BYTES = 16;
const CM_TAG_BYTES = 10;

/** Blocks of key stream that one packet can need. */
const STREAM_BLOCKS = SLOT_BYTES / 16;

const SHA1_INITIAL = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];

/** What every cipher of one slab shares. */
interface Shared {
  readonly slab: Slab;
  readonly words: Int32Array;
  readonly counters: CipherCounters;
  readonly wasm: Sha1Wasm;
  /** Counter blocks, and windows of 0, 1, 2 … blocks on them. */
  readonly counterWords: Int32Array;
  readonly counterWindows: readonly Uint8Array[];
  /** Slab offsets: key stream, SHA-1 state, two blocks for a message's tail. */
  readonly stream: number;
  readonly state: number;
  readonly tail: number;
}

/** Packet ciphers over portable memory. */
export function createNodeCrypto(memory: PacketMemory): PacketCrypto & { counters: CipherCounters } {
  const { slab, wasm } = memory;
  if (!wasm) throw new StoaError("invalid_argument", "the portable ciphers need portable packet memory");
  const counters: CipherCounters = { failures: 0 };
  const counterBytes = new Uint8Array(STREAM_BLOCKS * 16);
  const shared: Shared = {
    slab,
    words: new Int32Array(slab.u8.buffer),
    counters,
    wasm: createSha1Wasm(wasm),
    counterWords: new Int32Array(counterBytes.buffer),
    counterWindows: Array.from({ length: STREAM_BLOCKS + 1 }, (_, blocks) => counterBytes.subarray(0, blocks * 16)),
    stream: slab.alloc(STREAM_BLOCKS * 16),
    state: slab.alloc(64),
    tail: slab.alloc(128),
  };
  return {
    slab,
    counters,
    gcm: (key) => new NodeGcm(slab, counters, key),
    cmHmac: (key, authKey) => new NodeCmHmac(shared, key, authKey),
  };
}

class NodeGcm implements Gcm {
  readonly #slab: Slab;
  readonly #counters: CipherCounters;
  #key: KeyObject | undefined;

  constructor(slab: Slab, counters: CipherCounters, key: Uint8Array) {
    if (key.length !== 16) throw new StoaError("invalid_argument", "an AES-128 key has 16 bytes");
    this.#slab = slab;
    this.#counters = counters;
    this.#key = createSecretKey(key);
  }

  seal(iv: number, aad: number, aadLength: number, src: number, length: number, dst: number): void {
    const { u8 } = this.#slab;
    if (!this.#key || (iv | aad | aadLength | src | length | dst) < 0 || dst + length + TAG_BYTES > u8.length) {
      this.#counters.failures += 1;
      return;
    }
    try {
      const cipher = createCipheriv("aes-128-gcm", this.#key, u8.subarray(iv, iv + 12));
      if (aadLength > 0) cipher.setAAD(u8.subarray(aad, aad + aadLength));
      const sealed = cipher.update(u8.subarray(src, src + length));
      cipher.final();
      u8.set(sealed, dst);
      u8.set(cipher.getAuthTag(), dst + length);
    } catch {
      this.#counters.failures += 1;
      u8.fill(0, dst, dst + length + TAG_BYTES);
    }
  }

  open(iv: number, aad: number, aadLength: number, src: number, length: number, dst: number): boolean {
    const { u8 } = this.#slab;
    if (!this.#key || (iv | aad | aadLength | src | length | dst) < 0 || src + length + TAG_BYTES > u8.length) {
      this.#counters.failures += 1;
      return false;
    }
    try {
      const cipher = createDecipheriv("aes-128-gcm", this.#key, u8.subarray(iv, iv + 12));
      cipher.setAuthTag(u8.subarray(src + length, src + length + TAG_BYTES));
      if (aadLength > 0) cipher.setAAD(u8.subarray(aad, aad + aadLength));
      const plain = cipher.update(u8.subarray(src, src + length));
      cipher.final();
      u8.set(plain, dst);
      return true;
    } catch {
      return false; // the tag did not match
    }
  }

  close(): void {
    this.#key = undefined;
  }
}

class NodeCmHmac implements CmHmac {
  readonly #shared: Shared;
  #cipher: Cipher | undefined;
  /** SHA-1 states after the key block of HMAC: five words inner, five words outer. */
  readonly #states: Int32Array;

  constructor(shared: Shared, key: Uint8Array, authKey: Uint8Array) {
    if (key.length !== 16) throw new StoaError("invalid_argument", "an AES-128 key has 16 bytes");
    if (authKey.length !== 20) throw new StoaError("invalid_argument", "an HMAC-SHA1 key of SRTP has 20 bytes");
    this.#shared = shared;
    this.#cipher = createCipheriv("aes-128-ecb", key, null).setAutoPadding(false);
    const { words, wasm, state, tail, slab } = shared;
    this.#states = new Int32Array(10);
    for (const [half, pad] of [0x36, 0x5c].entries()) {
      for (let i = 0; i < 64; i++) slab.u8[tail + i] = (authKey[i] ?? 0) ^ pad;
      words.set(SHA1_INITIAL, state >> 2);
      wasm.blocks(state, tail, 1);
      this.#states.set(words.subarray(state >> 2, (state >> 2) + 5), half * 5);
    }
    slab.u8.fill(0, tail, tail + 64);
  }

  crypt(iv: number, src: number, length: number, dst: number): void {
    const { slab, counters, counterWindows, stream, wasm } = this.#shared;
    const { u8 } = slab;
    const blocks = (length + 15) >> 4;
    const within = (iv | src | length | dst) >= 0 && src + length <= u8.length && dst + length <= u8.length;
    if (!this.#cipher || !within || blocks > STREAM_BLOCKS) {
      this.#shared.counters.failures += 1;
      return;
    }
    try {
      this.#writeCounters(iv, blocks);
      u8.set(this.#cipher.update(counterWindows[blocks]!), stream);
    } catch {
      counters.failures += 1;
      u8.fill(0, dst, dst + length);
      return;
    }
    const whole = length & ~7;
    if (whole > 0) wasm.xor(dst, src, stream, whole);
    for (let i = whole; i < length; i++) u8[dst + i] = u8[src + i]! ^ u8[stream + i]!;
  }

  sign(at: number, length: number, tag: number): void {
    const { slab, words, wasm, state, tail, counters } = this.#shared;
    const { u8 } = slab;
    if (!this.#cipher || (at | length | tag) < 0 || at + length > u8.length || tag + CM_TAG_BYTES > u8.length) {
      counters.failures += 1;
      return;
    }
    const h = state >> 2;
    const t = tail >> 2;
    for (let i = 0; i < 5; i++) words[h + i] = this.#states[i]!;
    const whole = length >> 6;
    if (whole > 0) wasm.blocks(state, at, whole);
    // The rest of the message, 80, zeros, and the length in bits with the key block.
    const rest = length & 63;
    const blocks = rest < 56 ? 1 : 2;
    for (let i = 0; i < rest; i++) u8[tail + i] = u8[at + whole * 64 + i]!;
    u8.fill(0, tail + rest, tail + blocks * 64);
    u8[tail + rest] = 0x80;
    words[t + blocks * 16 - 1] = swap32((64 + length) * 8);
    wasm.blocks(state, tail, blocks);
    for (let i = 0; i < 5; i++) words[t + i] = swap32(words[h + i]!);
    words[t + 5] = 0x80;
    for (let i = 6; i < 15; i++) words[t + i] = 0;
    words[t + 15] = swap32((64 + 20) * 8);
    for (let i = 0; i < 5; i++) words[h + i] = this.#states[5 + i]!;
    wasm.blocks(state, tail, 1);
    writeTag(u8, words, h, tag);
  }

  close(): void {
    this.#cipher = undefined;
    this.#states.fill(0);
  }

  /** Counter blocks iv, iv + 1 …; the counter is the whole block, as in OpenSSL, but only its low word moves quickly. */
  #writeCounters(iv: number, blocks: number): void {
    const { slab, counterWords } = this.#shared;
    const { view } = slab;
    let a = view.getInt32(iv, true);
    let b = view.getInt32(iv + 4, true);
    let c = view.getInt32(iv + 8, true);
    let low = view.getInt32(iv + 12);
    for (let i = 0, to = 0; i < blocks; i++, to += 4) {
      counterWords[to] = a;
      counterWords[to + 1] = b;
      counterWords[to + 2] = c;
      counterWords[to + 3] = swap32(low);
      low = (low + 1) | 0;
      if (low !== 0) continue;
      c = swap32((swap32(c) + 1) | 0);
      if (c !== 0) continue;
      b = swap32((swap32(b) + 1) | 0);
      if (b === 0) a = swap32((swap32(a) + 1) | 0);
    }
  }
}
