import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { absSendTime, absSendTimeMs } from "./abs-send-time.ts";
import { elementLength, elementOffset, findExtension, finishExtensions, writeElementHead } from "./extension.ts";
import { rtpHeaderLength } from "./header.ts";

/** A packet with this extension block and one byte of payload. */
function packet(profile: number, block: readonly number[]): Uint8Array {
  const padded = [...block];
  while (padded.length & 3) padded.push(0);
  return new Uint8Array([
    0x90,
    96,
    0,
    1,
    0,
    0,
    0,
    1,
    0,
    0,
    0,
    2,
    profile >> 8,
    profile & 255,
    0,
    padded.length >> 2,
    ...padded,
    7,
  ]);
}

function find(u8: Uint8Array, id: number): number[] | undefined {
  const header = rtpHeaderLength(u8, 0, u8.length);
  assert.ok(header > 0);
  const element = findExtension(u8, 0, header, id);
  if (element === 0) return undefined;
  const from = elementOffset(element);
  return [...u8.subarray(from, from + elementLength(element))];
}

test("elements of a one-byte block are found, padding between them is skipped", () => {
  const u8 = packet(0xbede, [0x10, 0xaa, 0, 0, 0x32, 1, 2, 3]);
  assert.deepEqual(find(u8, 1), [0xaa]);
  assert.deepEqual(find(u8, 3), [1, 2, 3]);
  assert.equal(find(u8, 2), undefined);
  assert.equal(find(u8, 0), undefined);
});

test("id 15 ends a one-byte block", () => {
  assert.equal(find(packet(0xbede, [0xf0, 0, 0x10, 0xaa]), 1), undefined);
});

test("elements of a two-byte block are found, also empty ones and those of a high id", () => {
  const u8 = packet(0x1003, [200, 2, 8, 9, 0, 3, 0, 4, 1, 5]);
  assert.deepEqual(find(u8, 200), [8, 9]);
  assert.deepEqual(find(u8, 3), []);
  assert.deepEqual(find(u8, 4), [5]);
});

test("an element that overruns its block is not found", () => {
  assert.equal(find(packet(0xbede, [0x13, 1, 2, 3]), 1), undefined);
  assert.equal(find(packet(0x1000, [1, 3, 1, 2]), 1), undefined);
  assert.equal(find(packet(0x1000, [0, 0, 0, 1]), 1), undefined);
});

test("a block of another profile holds nothing", () => {
  assert.equal(find(packet(0x1234, [0x10, 0xaa, 0, 0]), 1), undefined);
});

test("a written block is found again, in both forms", () => {
  const element = fc.record({
    id: fc.integer({ min: 1, max: 14 }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 16 }),
  });
  fc.assert(
    fc.property(
      fc.uniqueArray(element, { selector: (e) => e.id, minLength: 1, maxLength: 6 }),
      fc.boolean(),
      (elements, wide) => {
        const u8 = new Uint8Array(256).fill(0xff);
        u8[0] = 0x90;
        let at = 16;
        for (const { id, bytes } of elements) {
          at += writeElementHead(u8, at, wide, id, bytes.length);
          u8.set(bytes, at);
          at += bytes.length;
        }
        const end = finishExtensions(u8, 12, at, wide);
        assert.equal(rtpHeaderLength(u8, 0, 200), end);
        for (const { id, bytes } of elements) assert.deepEqual(find(u8.subarray(0, 200), id), [...bytes]);
      },
    ),
  );
});

test("any block is searched within its bounds", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 255 }), fc.boolean(), (block, id, wide) => {
      const u8 = packet(wide ? 0x1000 : 0xbede, [...block]);
      const element = findExtension(u8, 0, u8.length - 1, id);
      assert.ok(element === 0 || elementOffset(element) + elementLength(element) <= u8.length - 1);
    }),
    { numRuns: 2000 },
  );
});

test("the absolute send time is a time modulo 64 seconds", () => {
  assert.equal(absSendTime(0), 0);
  assert.equal(absSendTime(1000), 1 << 18);
  assert.equal(absSendTime(64_000), 0);
  assert.ok(Math.abs(absSendTimeMs(absSendTime(1_700_000_012_345.5)) - (1_700_000_012_345.5 % 64_000)) < 0.01);
});
