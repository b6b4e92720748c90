/** Frames that come in parts, and a channel that has not room for all of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ChannelSender } from "./channel-sender.ts";
import { FrameInParts } from "./frame-in-parts.ts";
import { ManualPort } from "./manual-port.test.ts";

const PAYLOAD_BYTES = 100;

/** A sender that drops what waited 100 ms, and a channel that takes two payloads at a time. */
function setup(maxBytes = 10_000) {
  const marks = { minBytes: PAYLOAD_BYTES, maxBytes: PAYLOAD_BYTES, targetMs: 100 };
  const sender = new ChannelSender({ overflow: "dropOldest", maxBytes, ttlMs: 100, marks });
  const port = new ManualPort();
  sender.attach(port, 0);
  const frames = new Map<number, FrameInParts>();
  const payloadOf = (frame: number, part: number): Uint8Array => {
    const payload = new Uint8Array(PAYLOAD_BYTES);
    payload.set([frame, part]);
    return payload;
  };
  /** Offers parts of a frame; what the sender answers. */
  const offer = (frame: number, parts: readonly number[], nowMs: number) => {
    let inParts = frames.get(frame);
    if (!inParts) frames.set(frame, (inParts = new FrameInParts()));
    return parts.map((part) => sender.offer(payloadOf(frame, part), nowMs, undefined, inParts));
  };
  const drain = (payloads: number, nowMs: number) => {
    port.drain(payloads * PAYLOAD_BYTES);
    sender.handleDrained(nowMs);
  };
  /** "frame.part" of all that went out. */
  const taken = () => port.taken.map(([frame, part]) => `${frame}.${part}`);
  return { sender, port, offer, drain, taken };
}

test("a frame that has begun is sent to its end, however late, and those behind it that grew old are dropped whole", () => {
  const { sender, offer, drain, taken } = setup();
  offer(1, [0, 1, 2, 3], 0);
  offer(2, [0, 1], 10);
  offer(3, [0, 1], 90);
  for (const nowMs of [50, 150, 160, 170, 180, 190]) drain(1, nowMs);
  assert.deepEqual(taken(), ["1.0", "1.1", "1.2", "1.3", "3.0", "3.1"]);
  assert.equal(sender.stats.expired, 2);
});

test("parts that come late belong to their frame: before others if it has begun, nowhere if a part was lost", () => {
  const { offer, drain, taken } = setup();
  offer(1, [0, 1], 0);
  offer(2, [0], 0);
  assert.deepEqual(offer(1, [2], 20), ["queued"]);
  drain(2, 110);
  assert.deepEqual(offer(2, [1], 120), ["dropped"]);
  drain(2, 130);
  assert.deepEqual(taken(), ["1.0", "1.1", "1.2"]);
});

test("frames that have begun are never evicted; one that finds no room is given up, and holds none", () => {
  const { sender, offer, drain, taken } = setup(4 * PAYLOAD_BYTES);
  offer(1, [0, 1, 2, 3], 0);
  offer(2, [0, 1], 0);
  // Frame 2 makes room for what has begun; beyond that there is none.
  assert.deepEqual(offer(1, [4, 5, 6], 0), ["queued", "queued", "dropped"]);
  assert.deepEqual(offer(1, [7], 0), ["dropped"]);
  drain(2, 10);
  assert.deepEqual(taken(), ["1.0", "1.1"]);
  assert.equal(sender.waitingBytes, 0);
  assert.deepEqual(offer(3, [0, 1], 20), ["sent", "sent"]);
});

test("a frame that never ends holds up the others for a second", () => {
  const { offer, drain, taken } = setup();
  for (let nowMs = 0; nowMs < 2000; nowMs += 10) {
    offer(1, [0, 0, 0], nowMs);
    if (nowMs % 50 === 0) offer(2 + nowMs / 50, [0, 1], nowMs);
    drain(1, nowMs);
  }
  const others = taken().filter((one) => !one.startsWith("1."));
  assert.ok(others.length >= 38, `${others.length} parts of other frames`);
});

test("a channel that is replaced in a frame: the rest of it goes out on the next one, in order", () => {
  const { sender, offer, taken } = setup();
  offer(1, [0, 1, 2, 3], 0);
  offer(2, [0, 1], 0);
  sender.detach();
  offer(1, [4], 10);
  const next = new ManualPort();
  sender.attach(next, 20);
  assert.deepEqual(taken(), ["1.0", "1.1"]);
  next.drain(10_000);
  sender.handleDrained(30);
  next.drain(10_000);
  sender.handleDrained(40);
  next.drain(10_000);
  sender.handleDrained(50);
  assert.deepEqual(
    next.taken.map(([frame, part]) => `${frame}.${part}`),
    ["1.2", "1.3", "1.4", "2.0", "2.1"],
  );
});

/** A number of frames at once, of one part to five; time and room that pass between two parts. */
const traffic = fc.array(
  fc.record({
    frame: fc.nat({ max: 2 }),
    starts: fc.boolean(),
    waitMs: fc.constantFrom(0, 0, 5, 60, 700),
    drain: fc.nat({ max: 3 }),
  }),
  { maxLength: 120 },
);

test("whatever comes when: of each frame the first parts arrive, in order, and all of them unless some were dropped", () => {
  fc.assert(
    fc.property(traffic, fc.integer({ min: 2, max: 30 }), (steps, roomFor) => {
      const sender = new ChannelSender({
        overflow: "dropOldest",
        maxBytes: roomFor * PAYLOAD_BYTES,
        ttlMs: 100,
        marks: { minBytes: PAYLOAD_BYTES, maxBytes: PAYLOAD_BYTES, targetMs: 100 },
      });
      const port = new ManualPort();
      sender.attach(port, 0);
      const frames: { parts: FrameInParts; offered: Uint8Array[] }[] = [];
      const current = new Map<number, (typeof frames)[number]>();
      let nowMs = 0;
      for (const { frame, starts, waitMs, drain } of steps) {
        nowMs += waitMs;
        port.drain(drain * PAYLOAD_BYTES);
        sender.handleDrained(nowMs);
        if (starts || !current.has(frame)) {
          current.set(frame, { parts: new FrameInParts(), offered: [] });
          frames.push(current.get(frame)!);
        }
        const { parts, offered } = current.get(frame)!;
        const payload = new Uint8Array(PAYLOAD_BYTES);
        offered.push(payload);
        sender.offer(payload, nowMs, undefined, parts);
        assert.ok(sender.waitingBytes <= roomFor * PAYLOAD_BYTES);
        assert.ok(port.buffered <= 2 * PAYLOAD_BYTES);
      }
      for (let i = 0; i < 200; i++) {
        port.drain(PAYLOAD_BYTES);
        sender.handleDrained(nowMs);
      }
      assert.equal(sender.waitingFrames, 0, "nothing stays behind");
      for (const { parts, offered } of frames) {
        const got = port.taken.filter((payload) => offered.includes(payload));
        assert.ok(
          got.every((payload, i) => payload === offered[i]),
          "in order, without a gap",
        );
        assert.equal(parts.waiting, 0);
        if (!parts.lost) assert.equal(got.length, offered.length);
      }
      const { offered, refused, sent, evicted, expired } = sender.stats;
      assert.equal(offered, refused + sent + evicted + expired);
      assert.equal(sent, port.taken.length);
    }),
    { numRuns: 300 },
  );
});
