/**
 * The crypto interfaces of `core` over `node:crypto`, written for clarity: the reference for unit tests, not a back end.
 * Also a seeded `Random` (mulberry32), so that every scenario can be repeated.
 */
import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import type { CmHmac, Gcm, Hashes, PacketCrypto, Random } from "@stoa/core/crypto";
import type { Slab } from "@stoa/core/slab";

const TAG_BYTES = 16;

/** HMAC-SHA1 and AES-128 blocks of `node:crypto`. */
export const nodeHashes: Hashes = {
  hmacSha1: (key, message) => createHmac("sha1", key).update(message).digest(),
  aes128Block: (key, block) => {
    const cipher = createCipheriv("aes-128-ecb", key, null).setAutoPadding(false);
    return cipher.update(block);
  },
};

/** Packet ciphers over `slab`. `open` counts ciphers that were made and not closed: a leak check. */
export class NodePacketCrypto implements PacketCrypto {
  readonly slab: Slab;
  open = 0;

  constructor(slab: Slab) {
    this.slab = slab;
  }

  gcm(key: Uint8Array): Gcm {
    this.open++;
    const u8 = this.slab.u8;
    return {
      seal: (iv, aad, aadLength, src, length, dst) => {
        const cipher = createCipheriv("aes-128-gcm", key, u8.slice(iv, iv + 12));
        cipher.setAAD(u8.slice(aad, aad + aadLength));
        u8.set(cipher.update(u8.slice(src, src + length)), dst);
        cipher.final();
        u8.set(cipher.getAuthTag(), dst + length);
      },
      open: (iv, aad, aadLength, src, length, dst) => {
        const decipher = createDecipheriv("aes-128-gcm", key, u8.slice(iv, iv + 12));
        decipher.setAAD(u8.slice(aad, aad + aadLength));
        decipher.setAuthTag(u8.slice(src + length, src + length + TAG_BYTES));
        const plain = decipher.update(u8.slice(src, src + length));
        try {
          decipher.final();
        } catch {
          return false;
        }
        u8.set(plain, dst);
        return true;
      },
      close: () => void this.open--,
    };
  }

  cmHmac(key: Uint8Array, authKey: Uint8Array): CmHmac {
    this.open++;
    const u8 = this.slab.u8;
    return {
      crypt: (iv, src, length, dst) => {
        const cipher = createCipheriv("aes-128-ctr", key, u8.slice(iv, iv + 16));
        u8.set(cipher.update(u8.slice(src, src + length)), dst);
      },
      sign: (at, length, tag) => {
        const mac = createHmac("sha1", authKey).update(u8.slice(at, at + length));
        u8.set(mac.digest().subarray(0, 10), tag);
      },
      close: () => void this.open--,
    };
  }
}

/** A repeatable source of numbers. */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.uint32() & 0xff);
  }

  /** A number of 0 (included) to 1 (excluded). */
  unit(): number {
    return this.uint32() / 2 ** 32;
  }
}
