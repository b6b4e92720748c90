import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { newRedFrames, readRed, redPrimaryOffset, writeRed } from "./red.ts";

interface Frames {
  readonly payloadType: number;
  readonly primary: number[];
  /** Newest first. */
  readonly earlier: { readonly ageTicks: number; readonly bytes: number[] }[];
}

function read(payload: Uint8Array): Frames | undefined {
  const frames = newRedFrames();
  if (!readRed(payload, 0, payload.length, frames)) return undefined;
  const part = (at: number, length: number) => [...payload.subarray(at, at + length)];
  return {
    payloadType: frames.payloadType,
    primary: part(frames.primaryAt, frames.primaryLength),
    earlier: Array.from({ length: frames.count }, (_, i) => ({
      ageTicks: frames.ageTicks[i]!,
      bytes: part(frames.at[i]!, frames.length[i]!),
    })),
  };
}

function write({ payloadType, primary, earlier }: Frames, capacity = 1200): Uint8Array | undefined {
  const to = 6000;
  const u8 = new Uint8Array(to + 5000);
  const frames = newRedFrames();
  let at = 7;
  const put = (bytes: readonly number[]) => {
    u8.set(bytes, at);
    return (at += bytes.length) - bytes.length;
  };
  frames.payloadType = payloadType;
  frames.primaryAt = put(primary);
  frames.primaryLength = primary.length;
  frames.count = earlier.length;
  for (const [i, { ageTicks, bytes }] of earlier.entries()) {
    frames.at[i] = put(bytes);
    frames.length[i] = bytes.length;
    frames.ageTicks[i] = ageTicks;
  }
  const length = writeRed(u8, to, capacity, frames);
  return length < 0 ? undefined : u8.slice(to, to + length);
}

test("a payload as browsers send it: two earlier frames, the oldest first", () => {
  const payload = [0xef, 0x1e, 0x00, 2, 0xef, 0x0f, 0x00, 3, 111, 1, 2, 3, 4, 5, 9];
  const frames = {
    payloadType: 111,
    primary: [9],
    earlier: [
      { ageTicks: 960, bytes: [3, 4, 5] },
      { ageTicks: 1920, bytes: [1, 2] },
    ],
  };
  assert.deepEqual(read(new Uint8Array(payload)), frames);
  assert.deepEqual([...write(frames)!], payload);
});

test("without earlier frames there is one byte before the frame", () => {
  assert.deepEqual([...write({ payloadType: 111, primary: [7, 8], earlier: [] })!], [111, 7, 8]);
  assert.deepEqual(read(new Uint8Array([111])), { payloadType: 111, primary: [], earlier: [] });
});

test("what does not fit in the header or in the packet is left out, with what is older", () => {
  const earlier = (ageTicks: number, length: number) => ({ ageTicks, bytes: Array<number>(length).fill(1) });
  const left = (list: Frames["earlier"], capacity?: number) =>
    read(write({ payloadType: 111, primary: [9], earlier: list }, capacity)!)!.earlier.length;
  assert.equal(left([earlier(960, 10), earlier(0x3fff, 1023)]), 2);
  assert.equal(left([earlier(960, 10), earlier(0x4000, 10)]), 1, "too old");
  assert.equal(left([earlier(960, 1024), earlier(1920, 10)]), 0, "too long");
  assert.equal(left([earlier(0, 10)]), 0, "not older at all");
  assert.equal(left([earlier(960, 10), earlier(1920, 10)], 2 + 14 + 13), 1, "no room");
  assert.equal(write({ payloadType: 111, primary: [1, 2, 3], earlier: [] }, 3), undefined);
});

test("only the two newest of many frames are read", () => {
  const heads = [5, 4, 3, 2, 1].flatMap((age) => [0xef, age >> 6, (age << 2) & 255, 1]);
  const frames = read(new Uint8Array([...heads, 111, 50, 40, 30, 20, 10, 99]));
  assert.deepEqual(frames, {
    payloadType: 111,
    primary: [99],
    earlier: [
      { ageTicks: 1, bytes: [10] },
      { ageTicks: 2, bytes: [20] },
    ],
  });
});

const bytes = (maxLength: number) => fc.array(fc.nat(255), { maxLength });

test("what is written is read again", () => {
  const plain = { noNullPrototype: true };
  const frame = fc.record({ ageTicks: fc.integer({ min: 1, max: 0x3fff }), bytes: bytes(100) }, plain);
  const earlier = fc.array(frame, { maxLength: 2 });
  const frames = fc.record({ payloadType: fc.nat(127), primary: bytes(100), earlier }, plain);
  fc.assert(fc.property(frames, (value) => assert.deepEqual(read(write(value)!), value)));
});

test("no payload makes the reader look outside, and both readers agree", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(20), (payload, before) => {
      const u8 = new Uint8Array([...Array<number>(before).fill(0xff), ...payload, 255, 255, 255]);
      const frames = newRedFrames();
      const sound = readRed(u8, before, payload.length, frames);
      assert.equal(sound, redPrimaryOffset(u8, before, payload.length) >= 0);
      if (!sound) return;
      const end = before + payload.length;
      assert.equal(frames.primaryAt + frames.primaryLength, end);
      for (let i = 0; i < frames.count; i++) {
        assert.ok(frames.at[i]! >= before && frames.at[i]! + frames.length[i]! <= end);
      }
    }),
    { numRuns: 3000 },
  );
});
