import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeUtf8, encodeUtf8, utf8Length } from "./text.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

test("any string, lone surrogates included, is encoded as the platform does", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.array(fc.integer({ min: 0xd7f0, max: 0xe010 })), (text, units) => {
      const mixed = text + String.fromCharCode(...units);
      assert.deepEqual(encodeUtf8(mixed), encoder.encode(mixed));
      assert.equal(utf8Length(mixed), encoder.encode(mixed).length);
    }),
  );
});

test("any bytes are decoded as the platform does", () => {
  const byte = fc.oneof(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(0xe0, 0xed, 0xf0, 0xf4, 0x80, 0x9f, 0xa0, 0xbf),
  );
  fc.assert(
    fc.property(fc.array(byte), (bytes) => {
      const input = Uint8Array.from(bytes);
      assert.equal(decodeUtf8(input), decoder.decode(input));
    }),
    { numRuns: 2000 },
  );
});

test("a range is decoded in place and cut at the end of the buffer", () => {
  const bytes = encodeUtf8("[grüße]");
  assert.equal(decodeUtf8(bytes, 1, bytes.length - 2), "grüße");
  assert.equal(decodeUtf8(bytes, 1, 10_000), "grüße]");
  assert.equal(decodeUtf8(bytes, 100), "");
});

test("a long text keeps every character across the internal chunks", () => {
  const text = "0123456789🎥".repeat(3000);
  assert.equal(decodeUtf8(encodeUtf8(text)), text);
});
