import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type DataTrackPacket,
  dataTrackFramePart,
  dataTrackHandle,
  parseDataTrackPacket,
  setDataTrackHandle,
  startsDataTrackFrame,
  writeDataTrackPacket,
} from "./packet.ts";

const PLAIN: DataTrackPacket = {
  startsFrame: true,
  endsFrame: true,
  handle: 0x0102,
  sequence: 0x0304,
  frameNumber: 0x0506,
  timestamp: 0xdeadbeef,
  extensions: [],
  payload: Uint8Array.of(7, 8, 9),
};
const PLAIN_BYTES = [0x18, 0, 1, 2, 3, 4, 5, 6, 0xde, 0xad, 0xbe, 0xef, 7, 8, 9];

const bytesOf = (packet: DataTrackPacket): Uint8Array => {
  const bytes = writeDataTrackPacket(packet);
  assert.ok(bytes);
  return bytes;
};

/** A packet with these bytes behind its header, whose X bit is set. */
const extended = (...more: number[]) => Uint8Array.of(0x04, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, ...more);

test("a packet without extensions, byte for byte", () => {
  assert.deepEqual([...bytesOf(PLAIN)], PLAIN_BYTES);
  assert.deepEqual(parseDataTrackPacket(Uint8Array.from(PLAIN_BYTES)), PLAIN);
});

test("a packet with extensions: the length counts itself, they are padded to four bytes", () => {
  const packet = { ...PLAIN, endsFrame: false, extensions: [{ id: 2, data: Uint8Array.of(1, 2, 3) }] };
  const bytes = bytesOf(packet);
  assert.deepEqual([...bytes], [0x14, ...PLAIN_BYTES.slice(1, 12), 0, 1, 2, 3, 1, 2, 3, 0, 7, 8, 9]);
  assert.deepEqual(parseDataTrackPacket(bytes), packet);
});

test("the extension of an encrypted frame and the time of the publisher's come through", () => {
  const extensions = [
    { id: 1, data: Uint8Array.from({ length: 13 }, (_, i) => i) },
    { id: 2, data: Uint8Array.from({ length: 8 }, (_, i) => 255 - i) },
  ];
  assert.deepEqual(parseDataTrackPacket(bytesOf({ ...PLAIN, extensions }))?.extensions, extensions);
});

for (const [what, bytes] of [
  ["nothing", Uint8Array.of()],
  ["half a header", Uint8Array.from(PLAIN_BYTES.slice(0, 11))],
  ["a later version", Uint8Array.from([0x38, ...PLAIN_BYTES.slice(1)])],
  ["the handle that nobody has", Uint8Array.from([0x18, 0, 0, 0, ...PLAIN_BYTES.slice(4)])],
  ["extensions without their length", extended(0)],
  ["extensions longer than the packet", extended(0, 1, 1, 0)],
  ["the longest length", extended(0xff, 0xff, 0, 0)],
  ["an extension longer than all of them", extended(0, 0, 1, 1, 5, 5, 5, 5)],
  ["an extension cut off behind its id", extended(0, 1, 1, 3, 0, 0, 0, 9)],
] as const) {
  test(`no packet: ${what}`, () => {
    assert.equal(parseDataTrackPacket(bytes), undefined);
    assert.equal(dataTrackHandle(bytes), 0);
  });
}

test("a packet may be a header alone, or have extensions of padding only", () => {
  assert.equal(parseDataTrackPacket(Uint8Array.from(PLAIN_BYTES.slice(0, 12)))?.payload.length, 0);
  const padded = parseDataTrackPacket(extended(0, 1, 0, 9, 9, 9, 9, 9, 5));
  assert.deepEqual([padded?.extensions, [...padded!.payload]], [[], [5]]);
});

test("what cannot be said in a packet is not written", () => {
  const cases: Partial<DataTrackPacket>[] = [
    { handle: 0 },
    { handle: 0x1_0000 },
    { extensions: [{ id: 0, data: Uint8Array.of() }] },
    { extensions: [{ id: 256, data: Uint8Array.of() }] },
    { extensions: [{ id: 1, data: new Uint8Array(256) }] },
    { extensions: Array.from({ length: 1100 }, () => ({ id: 1, data: new Uint8Array(255) })) },
  ];
  for (const wrong of cases) assert.equal(writeDataTrackPacket({ ...PLAIN, ...wrong }), undefined);
});

const extension = fc
  .tuple(fc.integer({ min: 1, max: 255 }), fc.uint8Array({ maxLength: 255 }))
  .map(([id, data]) => ({ id, data }));
const packet = fc.record(
  {
    startsFrame: fc.boolean(),
    endsFrame: fc.boolean(),
    handle: fc.integer({ min: 1, max: 0xffff }),
    sequence: fc.nat(0xffff),
    frameNumber: fc.nat(0xffff),
    timestamp: fc.nat(0xffff_ffff),
    extensions: fc.array(extension, { maxLength: 5 }),
    payload: fc.uint8Array({ maxLength: 100 }),
  },
  { noNullPrototype: true },
);

test("what is written is read again, and another handle changes nothing else", () => {
  fc.assert(
    fc.property(packet, fc.integer({ min: 1, max: 0xffff }), (written, handle) => {
      const bytes = bytesOf(written);
      assert.deepEqual(parseDataTrackPacket(bytes), written);
      assert.equal(dataTrackHandle(bytes), written.handle);
      const whole = written.startsFrame && written.endsFrame;
      assert.equal(dataTrackFramePart(bytes), whole ? -1 : written.frameNumber);
      assert.equal(startsDataTrackFrame(bytes), written.startsFrame);
      setDataTrackHandle(bytes, handle);
      assert.deepEqual(parseDataTrackPacket(bytes), { ...written, handle });
    }),
  );
});

test("hostile bytes: both readers agree, nothing lies outside of the packet, and what was read can be written", () => {
  // Most of them are read: version and handle are right, the rest is what comes.
  const bytes = fc
    .tuple(fc.uint8Array({ maxLength: 80 }), fc.nat(0x1f), fc.nat(8), fc.boolean())
    .map(([random, first, words, likely]) => {
      const raw = Uint8Array.from(random);
      if (!likely) return raw;
      [first, 0, 0, 1].forEach((byte, i) => (raw[i] = byte));
      [0, words].forEach((byte, i) => (raw[12 + i] = byte));
      return raw;
    });
  fc.assert(
    fc.property(bytes, (raw) => {
      const read = parseDataTrackPacket(raw);
      assert.equal(dataTrackHandle(raw), read?.handle ?? 0);
      if (!read) return;
      for (const { data } of read.extensions) assert.ok(data.byteOffset + data.length <= read.payload.byteOffset);
      assert.equal(read.payload.byteOffset + read.payload.length, raw.byteOffset + raw.length);
      assert.deepEqual(parseDataTrackPacket(bytesOf(read)), read);
    }),
    { numRuns: 1000 },
  );
});
