import { test } from "node:test";
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { encodeUtf8 } from "../text.ts";
import { hasIntegrity } from "./integrity.ts";
import { parseStun, type StunFields } from "./message.ts";
import { usernameFragment } from "./username.ts";
import { writeStun, type StunSigner } from "./write.ts";

function signer(password: string): StunSigner {
  return { key: encodeUtf8(password), hmacSha1: (key, message) => createHmac("sha1", key).update(message).digest() };
}

/** RFC 5769 sections 2.1 to 2.3. */
const PASSWORD = "VOkJxbRl1RmTxUk/WvJxBt";
const REQUEST = hex(`
  00010058 2112a442 b7e7a701 bc34d686 fa87dfae 80220010 5354554e 20746573 7420636c 69656e74 00240004 6e0001ff
  80290008 932ff9b1 51263b36 00060009 6576746a 3a683676 59202020 00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2
  80280004 e57a3bcf`);
const RESPONSE_IPV4 = hex(`
  0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220 00200008 0001a147 e112a643
  00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7 80280004 c07d4c96`);
const RESPONSE_IPV6 = hex(`
  01010048 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220
  00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9 00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41
  80280004 c8fb0b4c`);

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));
}

test("the sample request of RFC 5769 is read, and its integrity holds only with its password", () => {
  const message = parseStun(REQUEST, 0, REQUEST.length);
  assert.ok(message);
  assert.equal(message.class, "request");
  assert.equal(message.method, 1);
  assert.equal(message.username, "evtj:h6vY");
  assert.equal(message.priority, 0x6e0001ff);
  assert.deepEqual(message.controlled, { high: 0x932ff9b1, low: 0x51263b36 });
  assert.equal(message.useCandidate, undefined);
  assert.equal(hasIntegrity(REQUEST, 0, message.integrityOffset, signer(PASSWORD)), true);
  assert.equal(hasIntegrity(REQUEST, 0, message.integrityOffset, signer(`${PASSWORD}x`)), false);
  assert.equal(usernameFragment(REQUEST, 0, REQUEST.length), "evtj");
});

test("the sample responses of RFC 5769 are read, IPv4 and IPv6, at any offset", () => {
  for (const [bytes, address] of [
    [RESPONSE_IPV4, "c0000201"],
    [RESPONSE_IPV6, "20010db8123456780011223344556677"],
  ] as const) {
    const slab = new Uint8Array(400);
    slab.set(bytes, 123);
    const message = parseStun(slab, 123, bytes.length);
    assert.ok(message?.mappedAddress);
    assert.equal(message.class, "success");
    assert.equal(Buffer.from(message.mappedAddress.address).toString("hex"), address);
    assert.equal(message.mappedAddress.port, 32853);
    assert.equal(hasIntegrity(slab, 123, message.integrityOffset, signer(PASSWORD)), true);
    assert.equal(usernameFragment(slab, 123, bytes.length), undefined);
  }
});

const half = fc.integer({ min: 0, max: 0xffffffff });
const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(model, { noNullPrototype: true });
const anyFields: fc.Arbitrary<StunFields> = record({
  class: fc.constantFrom("request", "indication", "success", "error"),
  method: fc.integer({ min: 0, max: 0x7f }),
  transactionId: fc.uint8Array({ minLength: 12, maxLength: 12 }),
  username: optional(fc.string({ maxLength: 60 })),
  priority: optional(half),
  useCandidate: optional(fc.constant(true)),
  controlling: optional(record({ high: half, low: half })),
  controlled: optional(record({ high: half, low: half })),
  mappedAddress: optional(
    record({
      address: fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 })),
      port: fc.integer({ min: 0, max: 65535 }),
    }),
  ),
  errorCode: optional(fc.integer({ min: 300, max: 699 })),
});

test("what is written is read back, and every flipped bit is noticed", () => {
  fc.assert(
    fc.property(anyFields, fc.nat(), fc.nat({ max: 7 }), (fields, position, bit) => {
      const bytes = writeStun(fields, signer("secret"));
      const read = parseStun(bytes, 0, bytes.length);
      assert.ok(read?.hasFingerprint);
      for (const key of Object.keys(fields) as (keyof StunFields)[]) assert.deepEqual(read[key], fields[key], key);
      assert.equal(hasIntegrity(bytes, 0, read.integrityOffset, signer("secret")), true);
      bytes[position % bytes.length]! ^= 1 << bit;
      const damaged = parseStun(bytes, 0, bytes.length);
      // Only the type of FINGERPRINT itself may change unseen: it then is an unknown attribute behind the integrity.
      if (damaged) assert.equal(damaged.hasFingerprint, false);
    }),
  );
});

test("hostile bytes give undefined, never an exception, and nothing outside of the range is read", () => {
  const mutated = fc.tuple(
    fc.constantFrom(REQUEST, RESPONSE_IPV4, RESPONSE_IPV6),
    fc.array(fc.tuple(fc.nat(), fc.nat(255))),
  );
  fc.assert(
    fc.property(mutated, fc.nat({ max: 120 }), ([sample, changes], cut) => {
      const bytes = sample.slice();
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      const short = bytes.subarray(0, Math.max(0, bytes.length - cut));
      const message = parseStun(short, 0, short.length);
      if (message) hasIntegrity(short, 0, message.integrityOffset, signer("x"));
      usernameFragment(short, 0, short.length);
      assert.equal(parseStun(bytes, bytes.length - 8, 20), undefined);
      assert.equal(parseStun(bytes, -4, bytes.length), undefined);
    }),
    { numRuns: 1000 },
  );
});

/** A request of the given attributes without integrity; each attribute is [type, value]. */
function request(...attributes: [number, Uint8Array][]): Uint8Array {
  const body = attributes.map(([type, value]) => {
    const padded = Buffer.alloc(4 + ((value.length + 3) & ~3));
    padded.writeUInt16BE(type, 0);
    padded.writeUInt16BE(value.length, 2);
    padded.set(value, 4);
    return padded;
  });
  const out = Buffer.concat([Buffer.from(REQUEST.subarray(0, 20)), ...body]);
  out.writeUInt16BE(out.length - 20, 2);
  return out;
}

test("attributes that must be understood are listed, optional ones of browsers are not", () => {
  const bytes = request([0x7777, new Uint8Array(3)], [0xc057, new Uint8Array(4)], [0xc05b, new Uint8Array(0)]);
  assert.deepEqual(parseStun(bytes, 0, bytes.length)?.unknown, [0x7777]);
});

test("what stands behind MESSAGE-INTEGRITY is ignored, and the first of two equal attributes counts", () => {
  const bytes = request(
    [0x0006, encodeUtf8("first:x")],
    [0x0006, encodeUtf8("second:x")],
    [0x0008, new Uint8Array(20)],
    [0x0025, new Uint8Array(0)],
  );
  const message = parseStun(bytes, 0, bytes.length);
  assert.equal(message?.username, "first:x");
  assert.equal(message.useCandidate, undefined);
});

test("attributes of a wrong size make the message invalid", () => {
  for (const [type, size] of [
    [0x0008, 16],
    [0x0024, 3],
    [0x802a, 4],
    [0x0020, 12],
    [0x0009, 2],
    [0x8028, 8],
    [0x0006, 600],
  ] as const) {
    const bytes = request([type, new Uint8Array(size)]);
    assert.equal(parseStun(bytes, 0, bytes.length), undefined, `${type}`);
  }
});

test("a ufrag is found only in a Binding request, before a colon, in printable characters", () => {
  for (const [name, expected] of [
    ["abc:def", "abc"],
    ["abc", undefined],
    [":def", undefined],
    ["a c:def", undefined],
    ["grün:def", undefined],
    [`${"x".repeat(256)}:y`, "x".repeat(256)],
    [`${"x".repeat(300)}:y`, undefined],
  ] as const) {
    const bytes = request([0x0024, new Uint8Array(4)], [0x0006, encodeUtf8(name)]);
    assert.equal(usernameFragment(bytes, 0, bytes.length), expected, name);
  }
});
