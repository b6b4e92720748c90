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
  const sources = new Map<string, { parts: FrameInParts | undefined }>();
  const payloadOf = (frame: number, part: number): Uint8Array => {
    const payload = new Uint8Array(PAYLOAD_BYTES);
    payload.set([frame, part]);
    return payload;
  };
  const sourceOf = (name: string, parts: FrameInParts | undefined) => {
    const source = sources.get(name) ?? { parts };
    source.parts = parts;
    sources.set(name, source);
    return source;
  };
  /** Offers parts of a frame of a source; what the sender answers. */
  const offer = (frame: number, parts: readonly number[], nowMs: number, from = "a") => {
    if (!frames.has(frame)) frames.set(frame, new FrameInParts());
    const source = sourceOf(from, frames.get(frame));
    return parts.map((part) => sender.offer(payloadOf(frame, part), nowMs, undefined, source));
  };
  /** Offers a whole frame. */
  const offerWhole = (frame: number, nowMs: number, from: string) =>
    sender.offer(payloadOf(frame, 0), nowMs, undefined, sourceOf(from, undefined));
  const drain = (payloads: number, nowMs: number) => {
    port.drain(payloads * PAYLOAD_BYTES);
    sender.handleDrained(nowMs);
  };
  /** "frame.part" of all that went out. */
  const taken = () => port.taken.map(([frame, part]) => `${frame}.${part}`);
  return { sender, port, offer, offerWhole, drain, taken };
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

test("sources take turns: what is small passes between the parts of what is large, and both arrive whole", () => {
  const { offer, offerWhole, drain, taken } = setup();
  offer(1, [0, 1, 2, 3, 4, 5], 0, "camera");
  offerWhole(2, 1, "pose");
  offerWhole(3, 2, "pose");
  offer(4, [0, 1], 3, "other");
  for (let nowMs = 10; nowMs < 100; nowMs += 5) drain(1, nowMs);
  assert.deepEqual(taken(), ["1.0", "1.1", "1.2", "2.0", "4.0", "1.3", "3.0", "4.1", "1.4", "1.5"]);
});

test("a frame that never ends has its turns, like the others, and is given up after five seconds", () => {
  const { offer, drain, taken } = setup(1 << 20);
  let given = 0;
  for (let nowMs = 0; nowMs < 7000; nowMs += 10) {
    if (offer(1, [0, 0, 0], nowMs, "endless").includes("dropped")) given ||= nowMs;
    if (nowMs % 100 === 0) offer(2 + ((nowMs / 100) % 200), [0, 1], nowMs, "other");
    drain(1, nowMs);
  }
  const others = taken().filter((one) => !one.startsWith("1."));
  assert.ok(others.length >= 138, `${others.length} of 140 parts of other frames`);
  assert.ok(given >= 5000 && given < 5050, `dropped from ${given} ms on`);
});

test("where there is no room the source that holds most gives way, with what has begun if it must", () => {
  const { sender, offer, offerWhole, drain, taken } = setup(6 * PAYLOAD_BYTES);
  offer(1, [0, 1, 2, 3, 4, 5, 6], 0, "large");
  offerWhole(2, 0, "small");
  assert.equal(sender.waitingFrames, 6);
  assert.equal(offerWhole(3, 0, "small"), "queued");
  assert.equal(offer(1, [7], 0, "large")[0], "dropped");
  drain(2, 10);
  assert.deepEqual(taken(), ["1.0", "1.1", "2.0", "3.0"]);
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

test("parts of a frame keep their order, also when it begins while another one lies between them", () => {
  const { offer, offerWhole, drain, taken } = setup();
  for (const frame of [8, 9]) offerWhole(frame, 0, "a");
  offer(1, [0], 0);
  offer(2, [0], 0);
  offer(1, [1], 0);
  drain(1, 1);
  offer(1, [2], 2);
  for (let nowMs = 3; nowMs < 10; nowMs++) drain(1, nowMs);
  assert.deepEqual(
    taken().filter((one) => one.startsWith("1.")),
    ["1.0", "1.1", "1.2"],
  );
});

/** Frames of several tracks at once; time and room that pass between two parts. */
const traffic = fc.array(
  fc.record({
    track: fc.nat({ max: 2 }),
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
      const sources = [0, 1, 2].map(() => ({ parts: new FrameInParts() }));
      let nowMs = 0;
      for (const { track, starts, waitMs, drain } of steps) {
        nowMs += waitMs;
        port.drain(drain * PAYLOAD_BYTES);
        sender.handleDrained(nowMs);
        if (starts || !current.has(track)) {
          current.set(track, { parts: new FrameInParts(), offered: [] });
          frames.push(current.get(track)!);
        }
        const { parts, offered } = current.get(track)!;
        const payload = new Uint8Array(PAYLOAD_BYTES);
        offered.push(payload);
        sources[track]!.parts = parts;
        sender.offer(payload, nowMs, undefined, sources[track]);
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
