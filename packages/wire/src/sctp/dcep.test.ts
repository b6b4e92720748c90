import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { parseDcep, writeDcepAck, writeDcepOpen } from "./dcep.ts";
import type { DcepOpen } from "./dcep.ts";
import { decodeUtf8, encodeUtf8 } from "./utf8.ts";

test("OPEN comes back as it was written", () => {
  const limit = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  const open = fc.record(
    {
      label: fc.string({ unit: "grapheme" }),
      protocol: fc.string({ unit: "binary" }),
      ordered: fc.boolean(),
      priority: fc.integer({ min: 0, max: 0xffff }),
      maxRetransmits: fc.constant<number | undefined>(undefined),
      maxPacketLifeTimeMs: fc.constant<number | undefined>(undefined),
    },
    { noNullPrototype: true },
  );
  const kinds = fc.tuple(open, limit, fc.constantFrom("reliable", "count", "time")).map(([one, n, kind]): DcepOpen => {
    if (kind === "count") return { ...one, maxRetransmits: n };
    return kind === "time" ? { ...one, maxPacketLifeTimeMs: n } : one;
  });
  fc.assert(
    fc.property(kinds, (one) => {
      assert.deepEqual(parseDcep(writeDcepOpen(one)!), { type: "open", open: one });
    }),
  );
});

test("the OPEN of a LiveKit client's lossy channel, byte by byte", () => {
  const bytes = writeDcepOpen({
    label: "_lossy",
    protocol: "",
    ordered: false,
    maxRetransmits: 0,
    maxPacketLifeTimeMs: undefined,
    priority: 256,
  })!;
  assert.equal(Buffer.from(bytes).toString("hex"), "038101000000000000060000" + Buffer.from("_lossy").toString("hex"));
  assert.deepEqual([...writeDcepAck()], [2]);
  assert.deepEqual(parseDcep(Uint8Array.of(2)), { type: "ack" });
});

test("malformed messages give undefined", () => {
  const open = { label: "ab", protocol: "c", ordered: true, priority: 0 };
  const good = writeDcepOpen({ ...open, maxRetransmits: undefined, maxPacketLifeTimeMs: undefined })!;
  for (let length = 0; length < good.length; length++) assert.equal(parseDcep(good.subarray(0, length)), undefined);
  assert.equal(parseDcep(Uint8Array.of(1, 0, 0)), undefined);
  const strange = good.slice();
  strange[1] = 3;
  assert.equal(parseDcep(strange), undefined, "an unknown channel type");
  fc.assert(fc.property(fc.uint8Array(), (bytes) => void parseDcep(bytes)));
  const long = { ...open, label: "ü".repeat(40_000), maxRetransmits: undefined, maxPacketLifeTimeMs: undefined };
  assert.equal(writeDcepOpen(long), undefined);
});

test("UTF-8 is what the platform's encoder says, also for broken input", () => {
  const encoder = new TextEncoder();
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const bytes = encoder.encode(text);
      assert.deepEqual(encodeUtf8(text), bytes);
      assert.equal(decodeUtf8(bytes, 0, bytes.length), text);
    }),
  );
  assert.deepEqual(encodeUtf8("a\ud800b"), encoder.encode("a\ud800b"), "half a surrogate pair");
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const text = decodeUtf8(bytes, 0, bytes.length);
      assert.deepEqual(encodeUtf8(text), encoder.encode(text));
      assert.ok(text.length <= bytes.length);
    }),
  );
  assert.equal(decodeUtf8(Uint8Array.of(0xc0, 0x80), 0, 2), "\ufffd\ufffd", "overlong");
  assert.equal(decodeUtf8(Uint8Array.of(0xed, 0xa0, 0x80), 0, 3).includes("\ufffd"), true, "a surrogate");
  assert.equal(decodeUtf8(Uint8Array.of(0xe2, 0x82), 0, 2), "\ufffd", "cut off");
});
