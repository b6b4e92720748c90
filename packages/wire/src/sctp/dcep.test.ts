import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { parseDcep, writeDcepAck, writeDcepOpen } from "./dcep.ts";
import type { DcepOpen } from "./dcep.ts";

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
