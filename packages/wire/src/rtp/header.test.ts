import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { newRtpHeader, readRtpHeader, rtpHeaderLength, writeRtpHeader } from "./header.ts";

const into = newRtpHeader();

/** A packet at offset 3 of a larger block of 0xff, so that reading outside shows. */
function read(bytes: readonly number[]) {
  const u8 = new Uint8Array(bytes.length + 8).fill(0xff);
  u8.set(bytes, 3);
  return readRtpHeader(u8, 3, bytes.length, into) ? { ...into } : undefined;
}

const plain = [0x80, 0x60, 0x12, 0x34, 0x80, 0, 0, 1, 0xde, 0xad, 0xbe, 0xef];

test("the fixed header is read, numbers above 2^31 are negative", () => {
  assert.deepEqual(read([...plain, 1, 2, 3]), {
    headerLength: 12,
    payloadLength: 3,
    marker: false,
    payloadType: 96,
    sequence: 0x1234,
    timestamp: 0x80000001 | 0,
    ssrc: 0xdeadbeef | 0,
  });
});

test("what was written is read back", () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.nat(127),
      fc.nat(0xffff),
      fc.integer(),
      fc.integer(),
      (marker, payloadType, sequence, timestamp, ssrc) => {
        const u8 = new Uint8Array(12);
        writeRtpHeader(new DataView(u8.buffer), 0, false, marker, payloadType, sequence, timestamp, ssrc);
        assert.ok(readRtpHeader(u8, 0, 12, into));
        assert.deepEqual(
          { ...into },
          { headerLength: 12, payloadLength: 0, marker, payloadType, sequence, timestamp, ssrc },
        );
      },
    ),
  );
});

test("padding is subtracted; padding beyond the payload, or of no bytes, is refused", () => {
  const padded = [0xa0, ...plain.slice(1)];
  assert.equal(read([...padded, 9, 9, 0, 2])?.payloadLength, 2);
  assert.equal(read([...padded, 0, 0, 0, 4])?.payloadLength, 0, "a packet of padding only");
  assert.equal(read([...padded, 0, 0, 0, 5]), undefined);
  assert.equal(read([...padded, 0, 0, 0, 255]), undefined);
  assert.equal(read([...padded, 0, 0, 0, 0]), undefined);
  assert.equal(read(padded), undefined, "no byte that could say how much");
});

test("CSRCs and extensions that overrun the packet are refused", () => {
  const csrc = [0x82, ...plain.slice(1)];
  assert.equal(read([...csrc, 1, 1, 1, 1, 2, 2, 2, 2, 7])?.payloadLength, 1);
  assert.equal(read([...csrc, 1, 1, 1, 1, 2, 2, 2]), undefined);
  const extended = [0x90, ...plain.slice(1)];
  assert.equal(read([...extended, 0xbe, 0xde, 0, 1, 0, 0, 0, 0, 7])?.headerLength, 20);
  assert.equal(read([...extended, 0xbe, 0xde, 0, 2, 0, 0, 0, 0]), undefined);
  assert.equal(read([...extended, 0xbe, 0xde, 0xff, 0xff, 0, 0, 0, 0]), undefined);
  assert.equal(read([...extended, 0xbe, 0xde, 0]), undefined);
  assert.equal(read(extended), undefined);
});

test("any bytes are read within their bounds or refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      if (bytes.length > 0) bytes[0] = (bytes[0]! & 0x3f) | 0x80;
      const header = rtpHeaderLength(bytes, 0, bytes.length);
      assert.ok(header === -1 || (header >= 12 && header <= bytes.length));
      if (!readRtpHeader(bytes, 0, bytes.length, into)) return;
      assert.equal(into.headerLength, header);
      assert.ok(into.payloadLength >= 0 && header + into.payloadLength <= bytes.length);
    }),
    { numRuns: 2000 },
  );
});
