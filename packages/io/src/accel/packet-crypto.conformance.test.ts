/** What every back end of packet ciphers must do: the vectors of the RFCs, and the same bytes as node:crypto. */
import assert from "node:assert/strict";
import { createCipheriv, createHmac, randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import type { PacketCrypto } from "@stoa/core/crypto";
import type { CipherCounters } from "./aead-openssl.ts";

/** A back end over memory of at least 1 MiB. */
export type MakeCrypto = () => PacketCrypto & { readonly counters: CipherCounters };

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

/** Slab with helpers to put and read bytes. */
function setUp(make: MakeCrypto) {
  const crypto = make();
  const { slab } = crypto;
  const at = slab.alloc(16_384);
  return {
    crypto,
    at,
    end: slab.u8.length,
    put: (offset: number, bytes: Uint8Array) => slab.u8.set(bytes, at + offset),
    read: (offset: number, length: number) => Buffer.from(slab.u8.slice(at + offset, at + offset + length)),
  };
}

function nodeGcm(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, plain: Uint8Array): Buffer {
  const cipher = createCipheriv("aes-128-gcm", key, iv).setAAD(aad);
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Registers the suite. */
export function packetCryptoConformance(name: string, make: MakeCrypto): void {
  describe(`packet ciphers: ${name}`, () => {
    gcmTests(make);
    cmTests(make);
    refusalTests(make);
  });
}

function gcmTests(make: MakeCrypto): void {
  test("GCM gives the packet of RFC 7714 section 16.1.1 and opens it again", () => {
    const { crypto, at, put, read } = setUp(make);
    const gcm = crypto.gcm(hex("000102030405060708090a0b0c0d0e0f"));
    const plain = Buffer.from("Gallia est omnis divisa in partes tres");
    put(0, hex("51753c6580c2726f20718414"));
    put(16, hex("8040f17b 8041f8d3 5501a0b2"));
    put(28, plain);
    gcm.seal(at, at + 16, 12, at + 28, plain.length, at + 28);
    const sealed = hex(
      "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
    );
    assert.deepEqual(read(28, plain.length + 16), sealed);
    assert.equal(gcm.open(at, at + 16, 12, at + 28, plain.length, at + 28), true);
    assert.deepEqual(read(28, plain.length), plain);
    gcm.close();
    assert.equal(crypto.counters.failures, 0);
  });

  test("GCM gives the bytes of node:crypto for every kind of length, in place or not", () => {
    const { crypto, at, put, read } = setUp(make);
    for (const length of [0, 1, 15, 16, 17, 63, 64, 65, 1100, 1900]) {
      for (const aadLength of [0, 12, 24, 200]) {
        const [key, iv, aad, plain] = [randomBytes(16), randomBytes(12), randomBytes(aadLength), randomBytes(length)];
        const gcm = crypto.gcm(key);
        put(0, iv);
        put(100, aad);
        put(2048, plain);
        gcm.seal(at, at + 100, aadLength, at + 2048, length, at + 4097);
        assert.deepEqual(read(4097, length + 16), nodeGcm(key, iv, aad, plain));
        assert.deepEqual(read(2048, length), plain, "the source is left alone");
        assert.equal(gcm.open(at, at + 100, aadLength, at + 4097, length, at + 8192), true);
        assert.deepEqual(read(8192, length), plain);
        gcm.close();
      }
    }
  });

  test("GCM refuses a changed tag, ciphertext, header or IV", () => {
    const { crypto, at, put, read } = setUp(make);
    const gcm = crypto.gcm(randomBytes(16));
    put(0, randomBytes(12));
    put(16, randomBytes(12));
    put(64, randomBytes(100));
    gcm.seal(at, at + 16, 12, at + 64, 100, at + 64);
    for (const offset of [0, 16, 64, 163, 164, 179]) {
      const former = read(offset, 1);
      put(offset, Buffer.of(former[0]! ^ 1));
      assert.equal(gcm.open(at, at + 16, 12, at + 64, 100, at + 1024), false, `byte ${offset}`);
      put(offset, former);
    }
    assert.equal(gcm.open(at, at + 16, 12, at + 64, 100, at + 1024), true);
  });

  test("many keys take turns without mixing", () => {
    const { crypto, at, put, read } = setUp(make);
    const keys = Array.from({ length: 20 }, () => randomBytes(16));
    const ciphers = keys.map((key) => crypto.gcm(key));
    const [aad, plain] = [randomBytes(12), randomBytes(50)];
    put(16, aad);
    put(64, plain);
    for (let round = 0; round < 3; round++) {
      for (const [i, cipher] of ciphers.entries()) {
        const iv = randomBytes(12);
        put(0, iv);
        cipher.seal(at, at + 16, 12, at + 64, 50, at + 256);
        assert.deepEqual(read(256, 66), nodeGcm(keys[i]!, iv, aad, plain));
      }
    }
  });
}

function cmTests(make: MakeCrypto): void {
  test("counter mode gives the key stream of RFC 3711 appendix B.2, with the carry after fffe", () => {
    const { crypto, at, put, read } = setUp(make);
    const cm = crypto.cmHmac(hex("2b7e151628aed2a6abf7158809cf4f3c"), randomBytes(20));
    put(0, hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000"));
    put(64, Buffer.alloc(48));
    cm.crypt(at, at + 64, 48, at + 64);
    const first = hex(
      "e03ead0935c95e80e166b16dd92b4eb4 d23513162b02d0f72a43a2fe4a5f97ab 41e95b3bb0a2e8dd477901e4fca894c0",
    );
    assert.deepEqual(read(64, 48), first);
    put(0, hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"));
    put(64, Buffer.alloc(48));
    cm.crypt(at, at + 64, 48, at + 64);
    const later = hex(
      "ec8cdf7398607cb0f2d21675ea9ea1e4 362b7c3c6773516318a077d7fc5073ae 6a2cc3787889374fbeb4c81b17ba6c44",
    );
    assert.deepEqual(read(64, 48), later);
  });

  test("counter mode gives the bytes of node:crypto for every kind of length and alignment, also at a full carry", () => {
    const { crypto, at, put, read } = setUp(make);
    for (const iv of [randomBytes(16), Buffer.alloc(16, 0xff), hex("00000000ffffffffffffffffffffffff")]) {
      const key = randomBytes(16);
      const cm = crypto.cmHmac(key, randomBytes(20));
      for (const length of [0, 1, 7, 8, 15, 16, 17, 1076, 2047]) {
        const plain = randomBytes(length);
        put(0, iv);
        put(100, plain);
        put(4096 + 3 + length, hex("a5"));
        cm.crypt(at, at + 100, length, at + 4096 + 3);
        assert.deepEqual(read(4096 + 3, length), createCipheriv("aes-128-ctr", key, iv).update(plain));
        assert.deepEqual(read(4096 + 3 + length, 1), hex("a5"), "nothing is written behind the end");
        cm.crypt(at, at + 4096 + 3, length, at + 4096 + 3);
        assert.deepEqual(read(4096 + 3, length), plain);
      }
      cm.close();
    }
  });

  test("packets in order, with gaps, again, and of two sources give the stream of their own index", () => {
    const { crypto, at, put, read } = setUp(make);
    const key = randomBytes(16);
    const cm = crypto.cmHmac(key, randomBytes(20));
    const block = (source: number, index: number): Buffer => {
      const iv = hex("a0a1a2a3000000000000000000000000");
      iv.writeUInt32BE(source, 4);
      iv.writeUIntBE(index, 8, 6);
      return iv;
    };
    const inOrder = Array.from({ length: 40 }, (_, i) => [1, 0xfff0 + i] as const);
    const carry = Array.from({ length: 20 }, (_, i) => [1, 0xfffffff8 + i] as const);
    const mixed = Array.from({ length: 30 }, (_, i) => [1 + (i % 2), 500 + i] as const);
    const gaps = [5, 6, 7, 8, 9, 30, 31, 32, 33, 20, 21, 22, 22, 22].map((i) => [3, i] as const);
    for (const [i, [source, index]] of [...inOrder, ...carry, ...mixed, ...gaps].entries()) {
      const plain = randomBytes([1100, 60, 1076, 1200, 16, 1][i % 6]!);
      put(0, block(source, index));
      put(64, plain);
      cm.crypt(at, at + 64, plain.length, at + 2048);
      const wanted = createCipheriv("aes-128-ctr", key, block(source, index)).update(plain);
      assert.deepEqual(read(2048, plain.length), wanted, `source ${source}, index ${index}`);
    }
  });

  test("signing gives HMAC-SHA1 cut to ten bytes (RFC 2202), for every length of the tail, directly behind the message", () => {
    const { crypto, at, put, read } = setUp(make);
    const known = crypto.cmHmac(randomBytes(16), Buffer.alloc(20, 0x0b));
    put(0, Buffer.from("Hi There"));
    known.sign(at, 8, at + 8);
    assert.deepEqual(read(8, 10), hex("b617318655057264e28b"));
    const key = randomBytes(20);
    const cm = crypto.cmHmac(randomBytes(16), key);
    for (const length of [0, 1, 2, 54, 55, 56, 57, 62, 63, 64, 65, 119, 120, 127, 128, 1104, 2000]) {
      for (const offset of [0, 3]) {
        const message = randomBytes(length);
        put(offset, message);
        put(offset + length + 10, hex("a5"));
        cm.sign(at + offset, length, at + offset + length);
        const digest = createHmac("sha1", key).update(message).digest();
        assert.deepEqual(read(offset + length, 10), digest.subarray(0, 10), `length ${length}`);
        assert.deepEqual(read(offset, length), message);
        assert.deepEqual(read(offset + length + 10, 1), hex("a5"), "nothing is written behind the tag");
      }
    }
  });
}

function refusalTests(make: MakeCrypto): void {
  test("offsets outside the memory are counted and change nothing", () => {
    const { crypto, at, end } = setUp(make);
    const gcm = crypto.gcm(randomBytes(16));
    const cm = crypto.cmHmac(randomBytes(16), randomBytes(20));
    gcm.seal(at, at, 12, at, 100, end - 110);
    assert.equal(gcm.open(at, at, 12, end - 100, 100, at), false);
    gcm.seal(at, at, 12, -1, 100, at);
    gcm.seal(at, at, 12, at, -1, at);
    cm.crypt(at, at, 100, end - 99);
    cm.crypt(at, -5, 100, at);
    cm.sign(end - 10, 11, at);
    cm.sign(at, 10, end - 9);
    assert.equal(crypto.counters.failures, 8);
  });

  test("a closed cipher does nothing, closing twice is allowed", () => {
    const { crypto, at, put, read } = setUp(make);
    const gcm = crypto.gcm(randomBytes(16));
    const cm = crypto.cmHmac(randomBytes(16), randomBytes(20));
    for (const cipher of [gcm, cm, gcm, cm]) cipher.close();
    put(0, Buffer.alloc(64, 1));
    gcm.seal(at, at, 12, at + 32, 8, at + 32);
    cm.crypt(at, at + 32, 8, at + 32);
    cm.sign(at, 32, at + 40);
    assert.equal(gcm.open(at, at, 12, at, 8, at), false);
    assert.deepEqual(read(0, 64), Buffer.alloc(64, 1));
    assert.equal(crypto.counters.failures, 4);
  });

  test("keys of a wrong length are a caller's mistake", () => {
    const { crypto } = setUp(make);
    assert.throws(() => crypto.gcm(randomBytes(15)), { code: "invalid_argument" });
    assert.throws(() => crypto.cmHmac(randomBytes(32), randomBytes(20)), { code: "invalid_argument" });
    assert.throws(() => crypto.cmHmac(randomBytes(16), randomBytes(16)), { code: "invalid_argument" });
  });
}
