/** What subscribers get that do not take what the publisher sends: opus out of RED, RED out of opus. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { TrackSpec } from "../engine/specs.ts";
import { rtp } from "./harness-packets.test.ts";
import { nack } from "./harness-rtcp.test.ts";
import { OPUS, RED, audioReceiver, audioSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";

const PUBLISHER = 1;
/** Takes opus only. */
const PLAIN = 2;
/** Takes RED and opus. */
const MODERN = 3;
const SSRC = 0x90000003;

const TRACK: TrackSpec = {
  room: "RM_a",
  participant: "PA_1",
  kind: "audio",
  source: "microphone",
  codecs: [{ mime: "audio/red", layerMode: "simulcast" }],
  encrypted: false,
  trailer: new Uint8Array(0),
  regressedTo: -1,
};

function setUp(options: { published?: (typeof OPUS)[]; activeRed?: boolean; nack?: boolean } = {}): World {
  const world = new World(1, { activeRed: options.activeRed ?? false });
  world.forwarder.setTrack("TR_a", TRACK);
  world.addPeer(PUBLISHER, [audioReceiver({ codecs: options.published ?? [RED, OPUS] })], []);
  world.addPeer(PLAIN, [], [audioSender({ codecs: [{ ...OPUS, payloadType: 110, nack: options.nack ?? false }] })]);
  world.addPeer(MODERN, [], [audioSender({ codecs: [{ ...RED, payloadType: 64 }, OPUS] })]);
  return world;
}

/** The frame of one packet. */
const content = (sequence: number) => [sequence & 255, sequence >> 8, 7];
const stamp = (sequence: number) => (sequence * 960) >>> 0;

/** A packet of RED with the frame of `sequence` and up to `depth` earlier ones. */
function red(sequence: number, depth = 2, first = 1): Uint8Array {
  const earlier = [];
  for (let i = depth; i > 0; i--) if (sequence - i >= first) earlier.push(i);
  const heads = earlier.flatMap((i) => [0xef, (i * 960) >> 6, (i * 960 * 4) & 255, 3]);
  const payload = [...heads, 111, ...earlier.flatMap((i) => content(sequence - i)), ...content(sequence)];
  return rtp({ payloadType: 63, sequence: sequence & 0xffff, timestamp: stamp(sequence), ssrc: 500, payload });
}

function opus(sequence: number): Uint8Array {
  const common = { sequence: sequence & 0xffff, timestamp: stamp(sequence), ssrc: 500 };
  return rtp({ payloadType: 111, ...common, payload: content(sequence) });
}

/** Frames that a peer got, as [distance in numbers, distance in frames, frame]. */
function frames(world: World, peer: number): number[][] {
  const packets = world.takeRtp(peer);
  const [first] = packets;
  return packets.map((p) => [
    ((p.sequence - first!.sequence) << 16) >> 16,
    ((p.timestamp - first!.timestamp) | 0) / 960,
    p.payload[0]! + p.payload[1]! * 256,
  ]);
}

test("whoever takes RED gets it untouched, the others get its frames as opus", () => {
  const world = setUp();
  for (const s of [1, 2, 3]) world.feed(PUBLISHER, red(s));
  assert.deepEqual(
    world.takeRtp(MODERN).map((p) => [p.payloadType, p.payload.length]),
    [
      [64, 4],
      [64, 11],
      [64, 18],
    ],
  );
  const plain = world.takeRtp(PLAIN);
  assert.deepEqual(
    plain.map((p) => [p.payloadType, ...p.payload]),
    [1, 2, 3].map((s) => [110, ...content(s)]),
  );
});

test("one or two lost frames come back, each with its own number and time; of three the oldest stays lost", () => {
  const world = setUp();
  for (const s of [1, 2, 4, 5, 8, 9, 13]) world.feed(PUBLISHER, red(s));
  const expected = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13].map((s) => [s - 1, s - 1, s]);
  assert.deepEqual(frames(world, PLAIN), expected);
});

test("a frame that came back does not come again with its own packet, nor with other packets", () => {
  const world = setUp();
  for (const s of [1, 3, 2, 4, 6, 7, 5]) world.feed(PUBLISHER, red(s));
  assert.deepEqual(
    frames(world, PLAIN),
    [1, 2, 3, 4, 5, 6, 7].map((s) => [s - 1, s - 1, s]),
  );
});

test("nothing from before the start is recovered", () => {
  const world = setUp();
  for (const s of [10, 11]) world.feed(PUBLISHER, red(s));
  assert.deepEqual(
    frames(world, PLAIN).map(([, , frame]) => frame),
    [10, 11],
  );
});

test("plain packets between those of RED go on in one stream, also within a batch", () => {
  const world = setUp();
  for (const s of [1, 2, 3, 4, 5, 6]) world.feed(PUBLISHER, s % 3 === 0 ? opus(s) : red(s), s % 2 === 0);
  assert.deepEqual(
    frames(world, PLAIN),
    [1, 2, 3, 4, 5, 6].map((s) => [s - 1, s - 1, s]),
  );
  assert.deepEqual(
    world.takeRtp(MODERN).map((p) => p.payloadType),
    [64, 64, 111, 64, 64, 111],
  );
});

test("derived opus is repeated when it is asked for", () => {
  const world = setUp({ nack: true });
  for (const s of [1, 2, 4, 5]) world.feed(PUBLISHER, red(s));
  const sent = world.takeRtp(PLAIN);
  world.feed(PLAIN, nack(SSRC, sent[2]!.sequence, sent[4]!.sequence));
  assert.deepEqual(world.takeRtp(PLAIN), [sent[2], sent[4]]);
});

test("level and marker of a packet go out with its frame", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [audioReceiver({ codecs: [RED, OPUS] })], []);
  world.addPeer(PLAIN, [], [audioSender({ codecs: [OPUS], extensions: { audioLevel: 9 } })]);
  const packet = { payloadType: 63, ssrc: 500, payload: [111, 1, 2], extensions: { 5: [0x80 | 30] } };
  world.feed(PUBLISHER, rtp({ ...packet, sequence: 1, marker: true }));
  world.feed(PUBLISHER, rtp({ ...packet, sequence: 2 }));
  assert.deepEqual(
    world.takeRtp(PLAIN).map((p) => [p.marker, p.extensions.get(9), p.payload]),
    [
      [true, [0x80 | 30], [1, 2]],
      [false, [0x80 | 30], [1, 2]],
    ],
  );
});

test("an encrypted track is never converted", () => {
  const world = setUp({ activeRed: true });
  world.forwarder.setTrack("TR_a", { ...TRACK, encrypted: true });
  for (const s of [1, 2, 3]) world.feed(PUBLISHER, red(s));
  assert.deepEqual(world.takeRtp(PLAIN), []);
  assert.equal(world.takeRtp(MODERN).length, 3);
  world.forwarder.setTrack("TR_a", TRACK);
  for (const s of [4, 5]) world.feed(PUBLISHER, red(s));
  assert.deepEqual(
    frames(world, PLAIN).map(([, , frame]) => frame),
    [4, 5],
    "nothing that came while it was encrypted",
  );
});

test("packets are copied only while somebody needs that, and every slot is given back", () => {
  const world = setUp();
  world.forwarder.setSenders(PLAIN, []);
  for (const s of [1, 2, 3]) world.feed(PUBLISHER, red(s));
  assert.equal(world.pool.used, 3);
  world.forwarder.setSenders(PLAIN, [audioSender({ codecs: [OPUS] })]);
  for (const s of [4, 5, 6]) world.feed(PUBLISHER, red(s));
  assert.equal(world.pool.used, 9);
  world.advance(10_000);
  assert.equal(world.pool.used, 0, "they expire");
  for (const s of [7, 8]) world.feed(PUBLISHER, red(s));
  assert.equal(world.pool.used, 4);
  world.forwarder.setReceivers(PUBLISHER, []);
  assert.equal(world.pool.used, 0, "the track ended");
});

test("a publisher that begins anew is followed, its first frames included", () => {
  const world = setUp();
  for (const s of [100, 101]) world.feed(PUBLISHER, red(s));
  world.forwarder.setReceivers(PUBLISHER, [audioReceiver({ codecs: [RED, OPUS], ssrcs: [{ ssrc: 600, rtxSsrc: 0 }] })]);
  for (const s of [95, 96, 98]) {
    const bytes = red(s, 2, 95);
    bytes[10] = 600 >> 8;
    bytes[11] = 600 & 255;
    world.feed(PUBLISHER, bytes);
  }
  const got = frames(world, PLAIN);
  assert.deepEqual(
    got.map(([number, , frame]) => [number, frame]),
    [100, 101, 95, 96, 97, 98].map((frame, i) => [i, frame]),
  );
});

test("RED is made of opus for those who take it, if that is configured", () => {
  const off = setUp({ published: [OPUS] });
  off.feed(PUBLISHER, opus(1));
  assert.deepEqual(off.takeRtp(MODERN)[0]!.payload, content(1));

  const world = setUp({ published: [OPUS], activeRed: true });
  for (const s of [1, 2, 3, 5]) world.feed(PUBLISHER, opus(s));
  const payloads = world.takeRtp(MODERN).map((p) => [p.payloadType, p.sequence, ...p.payload]);
  const base = payloads[0]![1]!;
  const body = (s: number, ...earlier: number[]) => [
    64,
    base + s - 1,
    ...earlier.flatMap((e) => [0xef, ((s - e) * 960) >> 6, ((s - e) * 960 * 4) & 255, 3]),
    111,
    ...earlier.flatMap(content),
    ...content(s),
  ];
  assert.deepEqual(payloads, [body(1), body(2, 1), body(3, 1, 2), body(5)], "a gap ends what can be added");
  assert.deepEqual(
    world.takeRtp(PLAIN).map((p) => [p.payloadType, ...p.payload]),
    [1, 2, 3, 5].map((s) => [110, ...content(s)]),
  );
});

test("RED of long frames stays within a datagram", () => {
  const world = setUp({ published: [OPUS], activeRed: true });
  const sizes = [1000, 200, 700, 1275];
  for (const [i, size] of sizes.entries()) {
    const payload = Array<number>(size).fill(i);
    world.feed(PUBLISHER, rtp({ payloadType: 111, sequence: i + 1, timestamp: i * 960, ssrc: 500, payload }));
  }
  assert.deepEqual(
    world.takeRtp(MODERN).map((p) => p.payload.length),
    [1001, 201, 701 + 204, 1276],
  );
});

test("under loss, reordering and duplicates each frame goes out once at most, and two in a row come back", () => {
  const fate = fc.oneof(
    { weight: 12, arbitrary: fc.constant("arrives") },
    { weight: 4, arbitrary: fc.constant("lost") },
    { weight: 2, arbitrary: fc.constant("late") },
    { weight: 1, arbitrary: fc.constant("twice") },
    { weight: 1, arbitrary: fc.constant("opus") },
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fate, fc.boolean()), { minLength: 5, maxLength: 80 }),
      fc.integer({ min: 1, max: 0x1ffff }),
      (fates, start) => {
        const world = setUp();
        const arrived = new Set<number>();
        let late: Uint8Array[] = [];
        let first = -1;
        fates.forEach(([kind, end], i) => {
          const s = start + i;
          const bytes = kind === "opus" ? opus(s) : red(s);
          const before = late;
          late = [];
          if (kind === "late") late.push(bytes);
          if (kind !== "lost" && kind !== "late") {
            if (first < 0) first = s;
            world.feed(PUBLISHER, bytes, end);
          }
          if (kind === "twice") world.feed(PUBLISHER, bytes, end);
          if (kind !== "lost") arrived.add(s);
          for (const packet of before) world.feed(PUBLISHER, packet, end);
          world.advance(20);
        });
        world.endBatch();
        const out = world.takeRtp(PLAIN);
        if (first < 0) return;
        const frame = (payload: number[]) => payload[0]! + payload[1]! * 256;
        const seen = out.map((p) => frame(p.payload));
        assert.equal(new Set(seen).size, seen.length, "no frame twice");
        assert.equal(new Set(out.map((p) => p.sequence)).size, out.length, "no number twice");
        const origin = out.find((p) => frame(p.payload) === (first & 0xffff))!;
        for (const p of out) {
          const apart = ((frame(p.payload) - first) << 16) >> 16;
          assert.equal(((p.sequence - origin.sequence) << 16) >> 16, apart, "numbers are as far apart as the frames");
          assert.equal((p.timestamp - origin.timestamp) | 0, apart * 960, "and so are the times");
        }
        const redAt = (s: number) => {
          const [kind] = fates[s - start] ?? ["lost"];
          return kind === "arrives" || kind === "twice";
        };
        for (let s = first; s < start + fates.length; s++) {
          const due = (arrived.has(s) && !late.length) || redAt(s + 1) || redAt(s + 2);
          if (due && s >= first) assert.ok(seen.includes(s & 0xffff), `frame ${s}`);
        }
        world.advance(10_000);
        assert.equal(world.pool.used, 0);
      },
    ),
    { numRuns: 150 },
  );
});

test("any bytes as RED cost nobody anything but their own stream", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 30 }), { maxLength: 40 }), (payloads) => {
      const world = setUp();
      for (const [i, payload] of payloads.entries()) {
        const packet = { payloadType: 63, sequence: i, timestamp: i * 960, ssrc: 500, payload: [...payload] };
        world.feed(PUBLISHER, rtp(packet));
        if (i % 7 === 6) world.advance(3000);
      }
      const numbers = world.takeRtp(PLAIN).map((p) => p.sequence);
      assert.equal(new Set(numbers).size, numbers.length);
      world.advance(10_000);
      assert.equal(world.pool.used, 0);
    }),
    { numRuns: 300 },
  );
});
