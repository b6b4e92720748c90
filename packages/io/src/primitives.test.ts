import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { nowMs } from "./clock.ts";
import { nodeHashes } from "./hashes.ts";
import { createRandom } from "./random.ts";

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

describe("primitives", () => {
  test("HMAC-SHA1 gives case 1 of RFC 2202", () => {
    const digest = nodeHashes.hmacSha1(new Uint8Array(20).fill(0x0b), new TextEncoder().encode("Hi There"));
    assert.deepEqual(digest, hex("b617318655057264e28bc0b6fb378c8ef146be00"));
  });

  test("one AES block gives the vector of FIPS 197", () => {
    const block = nodeHashes.aes128Block(
      hex("000102030405060708090a0b0c0d0e0f"),
      hex("00112233445566778899aabbccddeeff"),
    );
    assert.deepEqual(block, hex("69c4e0d86a7b0430d8cdb78070b4c55a"));
  });

  test("random words use all 32 bits and do not repeat across the block they are drawn in", () => {
    const random = createRandom();
    const words = Array.from({ length: 5000 }, () => random.uint32());
    assert.ok(new Set(words).size > 4990);
    assert.ok(words.every((word) => Number.isInteger(word) && word >= 0 && word < 2 ** 32));
    const ones = words.reduce((sum, word) => (sum | word) >>> 0, 0);
    assert.equal(ones, 0xffffffff);
    assert.equal(random.bytes(33).length, 33);
    assert.notDeepEqual(random.bytes(16), random.bytes(16));
  });

  test("the clock is the time of day, with a fraction, and never steps back", () => {
    assert.ok(Math.abs(nowMs() - Date.now()) < 1000);
    let former = nowMs();
    let fraction = false;
    for (let i = 0; i < 1000; i++) {
      const now = nowMs();
      assert.ok(now >= former);
      fraction ||= !Number.isInteger(now);
      former = now;
    }
    assert.ok(fraction);
  });
});
