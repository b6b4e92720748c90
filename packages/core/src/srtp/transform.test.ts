/** The numbers of RFC 3711 appendix B and RFC 7714 sections 16 and 17. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { nodeHashes, NodePacketCrypto } from "@stoa/testkit/node-crypto";
import { Slab } from "../slab.ts";
import { CmTransform } from "./cm-transform.ts";
import { GcmTransform } from "./gcm-transform.ts";
import { deriveKey, deriveSessionKeys, type SessionKeys } from "./key-derivation.ts";

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));
}

function keys(rtpKey: Uint8Array, salt: Uint8Array): SessionKeys {
  const auth = new Uint8Array(20);
  return { rtpKey, rtpAuth: auth, rtpSalt: salt, rtcpKey: rtpKey, rtcpAuth: auth, rtcpSalt: salt };
}

function newCrypto(): NodePacketCrypto {
  return new NodePacketCrypto(new Slab(new ArrayBuffer(1 << 16)));
}

test("key derivation gives the session keys of RFC 3711 B.3", () => {
  const masterKey = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
  const masterSalt = hex("0EC675AD498AFEEBB6960B3AABE6");
  const derived = deriveSessionKeys(nodeHashes, masterKey, masterSalt);
  assert.deepEqual(derived.rtpKey, hex("C61E7A93744F39EE10734AFE3FF7A087"));
  assert.deepEqual(derived.rtpSalt, hex("30CBBC08863D8C85D49DB34A9AE1"));
  assert.deepEqual(derived.rtpAuth, hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
  const long = hex(`CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE
    E049646C43D9327AD175578EF7227098 6371C10C9A369AC2F94A8C5FBCDDDC25
    6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2`);
  assert.deepEqual(deriveKey(nodeHashes, masterKey, masterSalt, 1, 94), long);
});

test("counter mode gives the key stream of RFC 3711 B.2", () => {
  const crypto = newCrypto();
  const transform = new CmTransform(
    crypto,
    keys(hex("2B7E151628AED2A6ABF7158809CF4F3C"), hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD")),
  );
  const at = crypto.slab.alloc(2048);
  assert.equal(transform.sealRtp(at, 12, at + 12, 48, 0, 0, 0), 12 + 48 + 10);
  assert.deepEqual(
    crypto.slab.u8.slice(at + 12, at + 60),
    hex("E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0"),
  );
});

const GCM_KEY = hex("000102030405060708090a0b0c0d0e0f");
const GCM_SALT = hex("517569642070726f2071756f");

test("GCM protects and opens the RTP packet of RFC 7714 section 16.1", () => {
  const crypto = newCrypto();
  const transform = new GcmTransform(crypto, keys(GCM_KEY, GCM_SALT));
  const { u8 } = crypto.slab;
  const at = crypto.slab.alloc(2048);
  const plain = hex(`8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
    69736120 696e2070 61727465 73207472 6573`);
  const protectedPacket = hex(`8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f
    42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce`);
  u8.set(plain, at);
  const length = transform.sealRtp(at, 12, at + 12, plain.length - 12, 0x5501a0b2, 0, 0xf17b);
  assert.deepEqual(u8.slice(at, at + length), protectedPacket);
  assert.equal(transform.openRtp(at, 12, length, 0x5501a0b2, 0, 0xf17b), plain.length);
  assert.deepEqual(u8.slice(at, at + plain.length), plain);
});

test("GCM protects and opens the RTCP packet of RFC 7714 section 17.1", () => {
  const crypto = newCrypto();
  const transform = new GcmTransform(crypto, keys(GCM_KEY, GCM_SALT));
  const { u8 } = crypto.slab;
  const at = crypto.slab.alloc(2048);
  const plain = hex(`81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
    deadbeef deadbeef deadbeef deadbeef deadbeef`);
  const protectedPacket = hex(`81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1
    730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4`);
  u8.set(plain, at);
  const length = transform.sealRtcp(at, plain.length, 0x4d617273, 0x5d4);
  assert.deepEqual(u8.slice(at, at + length), protectedPacket);
  assert.equal(transform.openRtcp(at, length, 0x4d617273, 0x5d4), plain.length);
  assert.deepEqual(u8.slice(at, at + plain.length), plain);
});
