import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { writeU16 } from "./bytes.ts";
import { chunkEnd, closeChunk, finishPacket, nextChunk, parsePacket, startPacket } from "./packet.ts";

function packet(body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + body.length);
  bytes.set(body, startPacket(bytes, 5000, 5001, 0xfedcba98));
  finishPacket(bytes, bytes.length);
  return bytes;
}

test("a packet comes back as it was written", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 100 }), (body) => {
      const header = parsePacket(packet(body));
      assert.deepEqual(header, { sourcePort: 5000, destinationPort: 5001, tag: 0xfedcba98 });
    }),
  );
});

test("one wrong bit anywhere, or a missing byte, and there is no packet", () => {
  const good = packet(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  for (let bit = 0; bit < good.length * 8; bit++) {
    const bad = good.slice();
    bad[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(parsePacket(bad), undefined);
  }
  for (let length = 0; length < good.length; length++) assert.equal(parsePacket(good.subarray(0, length)), undefined);
});

test("the checksum stands with its low byte first", () => {
  // An INIT-free packet computed by hand: CRC-32C over 12 zero bytes and 00 00 00 04.
  const bytes = new Uint8Array(16);
  bytes[15] = 4;
  finishPacket(bytes, 16);
  const sum = bytes[8]! | (bytes[9]! << 8) | (bytes[10]! << 16) | (bytes[11]! << 24);
  bytes.fill(0, 8, 12);
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  assert.equal(sum, ~crc);
});

test("the walk over chunks never leaves the packet and always moves on", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 12, maxLength: 200 }), (bytes) => {
      for (let at = 12; at < bytes.length;) {
        const end = chunkEnd(bytes, at);
        if (end < 0) return;
        assert.ok(end <= bytes.length && nextChunk(at, end) > at);
        at = nextChunk(at, end);
      }
    }),
  );
});

test("a chunk is padded with zeroes that its length leaves out", () => {
  const bytes = new Uint8Array(32).fill(0xff);
  assert.equal(closeChunk(bytes, 12, 10, 0, 21), 24);
  assert.deepEqual([...bytes.subarray(12, 16)], [10, 0, 0, 9]);
  assert.deepEqual([...bytes.subarray(21, 25)], [0, 0, 0, 0xff]);
  assert.equal(chunkEnd(bytes, 12), 21);
  writeU16(bytes, 14, 3);
  assert.equal(chunkEnd(bytes, 12), -1);
});
