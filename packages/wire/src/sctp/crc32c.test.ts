import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { crc32c } from "./crc32c.ts";

/** Bit by bit, straight from the definition. */
function slow(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc;
}

test("the check value and the vectors of RFC 3720 appendix B.4", () => {
  const sum = (bytes: Uint8Array) => crc32c(bytes, 0, bytes.length) >>> 0;
  assert.equal(sum(new TextEncoder().encode("123456789")), 0xe3069283);
  assert.equal(sum(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(sum(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(sum(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
});

test("eight bytes at a time gives what bit by bit gives, at every length and offset", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(9), (bytes, from) => {
      const start = Math.min(from, bytes.length);
      assert.equal(crc32c(bytes, start, bytes.length), slow(bytes.subarray(start)));
    }),
  );
});
