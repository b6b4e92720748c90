import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { aggregateHeaderBytes, packetTrailerLength, shortenLastUnit } from "./packet-trailer.ts";

const LETTERS = Array.from("LKTS", (letter) => letter.charCodeAt(0));
const trailer = (...facts: number[]) => [...facts, (facts.length + 5) ^ 255, ...LETTERS];
const lengthOf = (bytes: readonly number[]) =>
  packetTrailerLength(new Uint8Array([9, 9, ...bytes, 9]), 2, bytes.length);

test("the length of a trailer is that which it says", () => {
  assert.equal(lengthOf([1, 2, 3, ...trailer(7, 8)]), 7);
  assert.equal(lengthOf(trailer()), 5, "nothing else in the packet");
  assert.equal(lengthOf([1, ...trailer(...Array<number>(250).fill(3))]), 255, "the longest");
});

test("what is no trailer has no length", () => {
  const cases: readonly (readonly number[])[] = [
    [],
    [1, 2, 3],
    LETTERS,
    [1, 2, 3, 4, 5, 6, 7],
    [1, 2, 4 ^ 255, ...LETTERS],
    [1, 2, 8 ^ 255, ...LETTERS],
    [1, ...trailer(7), 0],
  ];
  for (const bytes of cases) assert.equal(lengthOf(bytes), 0, bytes.join(" "));
});

test("only payloads whose units say their size are aggregates", () => {
  const headerBytes = (mime: string, first: number) => aggregateHeaderBytes(mime, new Uint8Array([first]), 0);
  assert.equal(headerBytes("video/h264", 0x78), 1);
  assert.equal(headerBytes("video/h264", 0x65), 0);
  assert.equal(headerBytes("video/h265", 48 << 1), 2);
  assert.equal(headerBytes("video/h265", 19 << 1), 0);
  assert.equal(headerBytes("video/vp8", 0x78), 0);
});

test("the last unit of an aggregate is shortened, or the payload stays as it is", () => {
  const payload = new Uint8Array([0x78, 0, 2, 0x67, 1, 0, 4, 0x65, 1, 2, 3]);
  const shortened = payload.slice();
  assert.equal(shortenLastUnit(shortened, 0, shortened.length, 1, 3), true);
  assert.deepEqual([...shortened], [0x78, 0, 2, 0x67, 1, 0, 1, 0x65, 1, 2, 3]);
  for (const [length, bytes] of [
    [payload.length, 4],
    [payload.length - 1, 2],
    [1, 1],
  ] as const) {
    const same = payload.slice();
    assert.equal(shortenLastUnit(same, 0, length, 1, bytes), false);
    assert.deepEqual(same, payload);
  }
});

test("hostile bytes: a length lies within the payload, and only a size is changed", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), fc.nat(255), (bytes, ends, by) => {
      const given = ends ? new Uint8Array([...bytes, ...LETTERS]) : bytes;
      const length = packetTrailerLength(given, 0, given.length);
      assert.ok(length === 0 || (length >= 5 && length <= given.length));
      const changed = given.slice();
      shortenLastUnit(changed, 0, changed.length, 1, by);
      assert.ok(changed.filter((byte, i) => byte !== given[i]).length <= 2);
    }),
  );
});
