import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readVp8, vp8 } from "./harness-packets.test.ts";
import { copyVp8 } from "./rewrite-vp8.ts";

test("VP8 payloads are copied with other numbers and nothing else changed", () => {
  fc.assert(
    fc.property(
      fc.nat(0x7fff),
      fc.boolean(),
      fc.boolean(),
      fc.nat(255),
      fc.nat(31),
      fc.uint8Array({ maxLength: 30 }),
      (pictureId, narrow, wide, tl0, keyIdx, body) => {
        const payload = vp8({ pictureId: 5, narrow, tl0: 250, keyIdx: 30, body: [...body] });
        const u8 = new Uint8Array(200).fill(0xcc);
        u8.set(payload, 10);
        const length = copyVp8(u8, 10, payload.length, 100, pictureId, wide, tl0, keyIdx);
        const copy = readVp8([...u8.subarray(100, 100 + length)]);
        const isWide = !narrow || wide;
        assert.equal(length, payload.length + (narrow && wide ? 1 : 0));
        assert.equal(copy.pictureId, isWide ? pictureId : pictureId & 127);
        assert.equal(copy.tl0, (250 + tl0) & 255);
        assert.equal(copy.keyIdx, (30 + keyIdx) & 31);
        assert.deepEqual(copy.rest, readVp8(payload).rest);
        assert.deepEqual([...u8.subarray(10, 10 + payload.length)], payload, "the original stays");
        assert.equal(u8[100 + length], 0xcc);
      },
    ),
  );
});

test("a VP8 payload without numbers is copied as it is", () => {
  const u8 = new Uint8Array(100);
  u8.set([0x10, 1, 2, 3], 4);
  assert.equal(copyVp8(u8, 4, 4, 50, 9, true, 3, 3), 4);
  assert.deepEqual([...u8.subarray(50, 54)], [0x10, 1, 2, 3]);
});
