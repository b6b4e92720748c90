import { describe, test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { SLOT_BYTES } from "@stoa/core/slab";
import { FrameReader, frame } from "./tcp-framing.ts";

describe("RFC 4571 framing", () => {
  test("packets come out whole however the stream is cut", () => {
    const packets = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 12 });
    fc.assert(
      fc.property(packets, fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), (sent, cuts) => {
        const stream = Buffer.concat(sent.map((bytes) => frame(bytes, 0, bytes.length)));
        const reader = new FrameReader();
        const got: Uint8Array[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const end = at + cuts[i % cuts.length]!;
          assert.equal(
            reader.read(stream.subarray(at, end), (bytes) => got.push(bytes.slice())),
            true,
          );
          at = end;
        }
        assert.deepEqual(got.map(hex), sent.map(hex));
      }),
    );
  });

  test("an empty packet is skipped, the longest passes, a longer one ends it", () => {
    const reader = new FrameReader();
    const lengths: number[] = [];
    const read = (bytes: Uint8Array): boolean => reader.read(bytes, (packet) => lengths.push(packet.length));
    assert.equal(read(Uint8Array.of(0, 0)), true);
    assert.equal(read(frame(new Uint8Array(SLOT_BYTES), 0, SLOT_BYTES)), true);
    assert.deepEqual(lengths, [SLOT_BYTES]);
    assert.equal(read(Uint8Array.of((SLOT_BYTES + 1) >> 8, (SLOT_BYTES + 1) & 0xff)), false);
  });

  test("a frame is a window of the source behind its length", () => {
    assert.deepEqual(hex(frame(Uint8Array.of(9, 1, 2, 3, 9), 1, 3)), "0003010203");
  });
});

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
