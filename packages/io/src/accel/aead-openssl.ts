/**
 * The fast packet ciphers: OpenSSL's EVP on addresses inside the slab. A key is expanded once; per packet only the IV
 * changes, and nothing is allocated.
 *
 * Invariants: offsets are checked before a native call sees them; every return code is checked; a failed protection
 * never leaves plaintext at `dst`. Failures are counted, not thrown: the caller drops a packet that nobody can open.
 */
import type { CmHmac, Gcm, PacketCrypto } from "@stoa/core/crypto";
import { StoaError } from "@stoa/core/errors";
import type { Slab } from "@stoa/core/slab";
import type { NativeCall, OpenSsl } from "./native.ts";
import type { PacketMemory } from "./slab-native.ts";

const EVP_CTRL_AEAD_GET_TAG = 0x10;
const EVP_CTRL_AEAD_SET_TAG = 0x11;
const TAG_BYTES = 16;
const CM_TAG_BYTES = 10;

/** `SHA_CTX`: h0 … h4, bits low, bits high, 16 data words, count of bytes in data. 96 bytes. */
const SHA_CTX_BYTES = 96;

/** Counts what the hot path cannot report otherwise. */
export interface CipherCounters {
  failures: number;
}

/** What every cipher of one slab shares: kept out of the ciphers, so that a packet touches little memory of its own cipher. */
interface Shared {
  readonly slab: Slab;
  readonly size: number;
  readonly base: number;
  readonly ssl: OpenSsl;
  readonly init: NativeCall;
  readonly update: NativeCall;
  readonly final: NativeCall;
  readonly control: NativeCall;
  readonly openUpdate: NativeCall;
  readonly openFinal: NativeCall;
  readonly counters: CipherCounters;
  /** Machine address of the int that OpenSSL writes lengths to. */
  readonly written: number;
  /** Slab offsets of a `SHA_CTX`, of a 64-byte block, and of 20 key bytes. */
  readonly sha: number;
  readonly block: number;
  readonly key: number;
}

/** Packet ciphers over a native slab. */
export function createOpenSslCrypto(memory: PacketMemory, ssl: OpenSsl): PacketCrypto & { counters: CipherCounters } {
  const { slab, base } = memory;
  if (base === undefined) throw new StoaError("invalid_argument", "the OpenSSL ciphers need native packet memory");
  const counters: CipherCounters = { failures: 0 };
  const shared: Shared = {
    slab,
    size: slab.u8.length,
    base,
    ssl,
    init: ssl.EVP_CipherInit_ex,
    update: ssl.EVP_EncryptUpdate,
    final: ssl.EVP_EncryptFinal_ex,
    control: ssl.EVP_CIPHER_CTX_ctrl,
    openUpdate: ssl.EVP_DecryptUpdate,
    openFinal: ssl.EVP_DecryptFinal_ex,
    counters,
    written: base + slab.alloc(64),
    sha: slab.alloc(SHA_CTX_BYTES),
    block: slab.alloc(64),
    key: slab.alloc(64),
  };
  return {
    slab,
    counters,
    gcm: (key) => new OpenSslGcm(shared, key),
    cmHmac: (key, authKey) => new OpenSslCmHmac(shared, key, authKey),
  };
}

/** A cipher context under a key; the key leaves the slab at once. */
function createContext(shared: Shared, cipher: number, key: Uint8Array, encrypt: 0 | 1): number {
  if (key.length !== 16) throw new StoaError("invalid_argument", "an AES-128 key has 16 bytes");
  const { ssl, slab, base } = shared;
  const context = ssl.EVP_CIPHER_CTX_new();
  slab.u8.set(key, shared.key);
  const ok = context > 0 && ssl.EVP_CipherInit_ex(context, cipher, 0, base + shared.key, 0, encrypt) === 1;
  slab.u8.fill(0, shared.key, shared.key + 16);
  if (!ok) throw new StoaError("cipher_failed", "OpenSSL refused an AES-128 key");
  return context;
}

class OpenSslGcm implements Gcm {
  readonly #shared: Shared;
  // Addresses above 2^31 as fields that also hold undefined: V8 then keeps the boxed number and a call boxes nothing.
  // A context is made when it is used first, for a session uses its keys in one direction only.
  #sealing: number | undefined = undefined;
  #opening: number | undefined = undefined;
  #key: Uint8Array | undefined;

  constructor(shared: Shared, key: Uint8Array) {
    if (key.length !== 16) throw new StoaError("invalid_argument", "an AES-128 key has 16 bytes");
    this.#shared = shared;
    this.#key = key.slice();
  }

  seal(iv: number, aad: number, aadLength: number, src: number, length: number, dst: number): void {
    const shared = this.#shared;
    const context = this.#sealing ?? (this.#sealing = this.#create(1));
    if (context === undefined || !within(shared.size, iv, aad, aadLength, src, length, dst)) {
      shared.counters.failures += 1;
      return;
    }
    const { base, written } = shared;
    const to = base + dst;
    if (
      shared.init(context, 0, 0, 0, base + iv, 1) === 1 &&
      shared.update(context, 0, written, base + aad, aadLength) === 1 &&
      shared.update(context, to, written, base + src, length) === 1 &&
      shared.final(context, to + length, written) === 1 &&
      shared.control(context, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, to + length) === 1
    ) {
      return;
    }
    shared.counters.failures += 1;
    shared.slab.u8.fill(0, dst, dst + length + TAG_BYTES);
  }

  open(iv: number, aad: number, aadLength: number, src: number, length: number, dst: number): boolean {
    const shared = this.#shared;
    const context = this.#opening ?? (this.#opening = this.#create(0));
    if (context === undefined || !within(shared.size, iv, aad, aadLength, src, length, dst)) {
      shared.counters.failures += 1;
      return false;
    }
    const { base, written } = shared;
    const from = base + src;
    const to = base + dst;
    return (
      shared.init(context, 0, 0, 0, base + iv, 0) === 1 &&
      shared.control(context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, from + length) === 1 &&
      shared.openUpdate(context, 0, written, base + aad, aadLength) === 1 &&
      shared.openUpdate(context, to, written, from, length) === 1 &&
      shared.openFinal(context, to + length, written) === 1
    );
  }

  close(): void {
    const { ssl } = this.#shared;
    if (this.#sealing !== undefined) ssl.EVP_CIPHER_CTX_free(this.#sealing);
    if (this.#opening !== undefined) ssl.EVP_CIPHER_CTX_free(this.#opening);
    this.#sealing = undefined;
    this.#opening = undefined;
    this.#key?.fill(0);
    this.#key = undefined;
  }

  /** Undefined when closed, or without memory: then the packet is dropped. */
  #create(encrypt: 0 | 1): number | undefined {
    if (!this.#key) return undefined;
    try {
      return createContext(this.#shared, this.#shared.ssl.EVP_aes_128_gcm(), this.#key, encrypt);
    } catch {
      return undefined;
    }
  }
}

function within(
  size: number,
  iv: number,
  aad: number,
  aadLength: number,
  src: number,
  length: number,
  dst: number,
): boolean {
  return (
    (iv | aad | aadLength | src | length | dst) >= 0 &&
    iv + 12 <= size &&
    aad + aadLength <= size &&
    src + length + TAG_BYTES <= size &&
    dst + length + TAG_BYTES <= size
  );
}

class OpenSslCmHmac implements CmHmac {
  readonly #shared: Shared;
  readonly #base: number;
  readonly #size: number;
  readonly #words: Int32Array;
  readonly #written: number;
  readonly #init: NativeCall;
  readonly #update: NativeCall;
  readonly #shaUpdate: NativeCall;
  readonly #shaFinal: NativeCall;
  readonly #shaTransform: NativeCall;
  /** SHA-1 states after the key block of HMAC: five words inner, five words outer. */
  readonly #states: Int32Array;
  #context: number | undefined = undefined;

  constructor(shared: Shared, key: Uint8Array, authKey: Uint8Array) {
    const { ssl } = shared;
    this.#shared = shared;
    this.#base = shared.base;
    this.#size = shared.slab.u8.length;
    this.#words = new Int32Array(shared.slab.u8.buffer);
    this.#written = shared.written;
    this.#init = ssl.EVP_CipherInit_ex;
    this.#update = ssl.EVP_EncryptUpdate;
    this.#shaUpdate = ssl.SHA1_Update;
    this.#shaFinal = ssl.SHA1_Final;
    this.#shaTransform = ssl.SHA1_Transform;
    this.#context = createContext(shared, ssl.EVP_aes_128_ctr(), key, 1);
    this.#states = this.#keyStates(authKey);
  }

  crypt(iv: number, src: number, length: number, dst: number): void {
    const context = this.#context;
    const size = this.#size;
    const within = (iv | src | length | dst) >= 0 && iv + 16 <= size && src + length <= size && dst + length <= size;
    if (context === undefined || !within) {
      this.#shared.counters.failures += 1;
      return;
    }
    const base = this.#base;
    if (
      this.#init(context, 0, 0, 0, base + iv, 1) === 1 &&
      this.#update(context, base + dst, this.#written, base + src, length) === 1
    ) {
      return;
    }
    this.#shared.counters.failures += 1;
    this.#shared.slab.u8.fill(0, dst, dst + length);
  }

  sign(at: number, length: number, tag: number): void {
    const { slab } = this.#shared;
    const within = (at | length | tag) >= 0 && at + length <= this.#size && tag + CM_TAG_BYTES <= this.#size;
    if (this.#context === undefined || !within) {
      this.#shared.counters.failures += 1;
      return;
    }
    const base = this.#base;
    const words = this.#words;
    const sha = this.#shared.sha >> 2;
    const states = this.#states;
    for (let i = 0; i < 5; i++) words[sha + i] = states[i]!;
    words[sha + 5] = 512; // bits so far: the key block
    words[sha + 6] = 0;
    words[sha + 23] = 0;
    if (
      this.#shaUpdate(base + this.#shared.sha, base + at, length) !== 1 ||
      this.#shaFinal(base + this.#shared.block, base + this.#shared.sha) !== 1
    ) {
      this.#shared.counters.failures += 1;
      slab.u8.fill(0, tag, tag + CM_TAG_BYTES);
      return;
    }
    // The inner digest stands at the head of the block; behind it the padding of a message of 64 + 20 bytes.
    const block = this.#shared.block >> 2;
    words[block + 5] = 0x80; // bytes 80 00 00 00
    for (let i = 6; i < 15; i++) words[block + i] = 0;
    words[block + 15] = swap32((64 + 20) * 8);
    for (let i = 0; i < 5; i++) words[sha + i] = states[5 + i]!;
    this.#shaTransform(base + this.#shared.sha, base + this.#shared.block);
    writeTag(slab.u8, words, sha, tag);
  }

  close(): void {
    if (this.#context === undefined) return;
    this.#shared.ssl.EVP_CIPHER_CTX_free(this.#context);
    this.#context = undefined;
    this.#states.fill(0);
  }

  #keyStates(authKey: Uint8Array): Int32Array {
    if (authKey.length !== 20) throw new StoaError("invalid_argument", "an HMAC-SHA1 key of SRTP has 20 bytes");
    const { ssl, slab, base, sha, block } = this.#shared;
    const states = new Int32Array(10);
    for (const [half, pad] of [0x36, 0x5c].entries()) {
      for (let i = 0; i < 64; i++) slab.u8[block + i] = (authKey[i] ?? 0) ^ pad;
      const ok = ssl.SHA1_Init(base + sha) === 1 && ssl.SHA1_Update(base + sha, base + block, 64) === 1;
      if (!ok) throw new StoaError("cipher_failed", "OpenSSL refused SHA-1");
      states.set(this.#words.subarray(sha >> 2, (sha >> 2) + 5), half * 5);
    }
    slab.u8.fill(0, block, block + 64);
    return states;
  }
}

/** Writes the first 10 bytes of five native-endian SHA-1 words, big-endian. */
export function writeTag(bytes: Uint8Array, words: Int32Array, state: number, tag: number): void {
  for (let i = 0; i < CM_TAG_BYTES; i++) bytes[tag + i] = words[state + (i >> 2)]! >>> (24 - 8 * (i & 3));
}

/** Reverses the bytes of a 32-bit word. */
export function swap32(word: number): number {
  return ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}
