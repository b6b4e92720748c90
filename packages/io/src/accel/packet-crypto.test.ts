import { test } from "node:test";
import assert from "node:assert/strict";
import { createNodeCrypto } from "./aead-node.ts";
import { createOpenSslCrypto } from "./aead-openssl.ts";
import { OPENSSL_LIBRARIES, loadLibC, loadOpenSsl } from "./native.ts";
import { packetCryptoConformance } from "./packet-crypto.conformance.test.ts";
import { allocateNativeMemory, allocatePortableMemory } from "./slab-native.ts";

const MEMORY = 1 << 20;

packetCryptoConformance("OpenSSL", () => createOpenSslCrypto(allocateNativeMemory(MEMORY, loadLibC()), loadOpenSsl()));

packetCryptoConformance("OpenSSL over memory without mmap", () =>
  createOpenSslCrypto(allocateNativeMemory(MEMORY, undefined), loadOpenSsl()),
);

packetCryptoConformance("node:crypto and WebAssembly", () => createNodeCrypto(allocatePortableMemory(MEMORY)));

test("each back end refuses memory of the other kind", () => {
  assert.throws(() => createOpenSslCrypto(allocatePortableMemory(MEMORY), loadOpenSsl()), { code: "invalid_argument" });
  assert.throws(() => createNodeCrypto(allocateNativeMemory(MEMORY, loadLibC())), { code: "invalid_argument" });
});

test("without OpenSSL there is one clear sentence", () => {
  assert.throws(() => loadOpenSsl(["libnothing-of-that-name.so.9"]), {
    code: "openssl_missing",
    message: /^OpenSSL 3 was found neither in the node process nor on this system, and DTLS needs it; .*libssl3/,
  });
  assert.equal(OPENSSL_LIBRARIES[0], undefined, "the node process comes first");
});
