/** Packets that no honest client sends: nothing throws, nothing grows, and an honest stream beside them goes on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { NEVER } from "../clock.ts";
import { rtp, vp8 } from "./harness-packets.test.ts";
import { nack, rtcpKind } from "./harness-rtcp.test.ts";
import { OPUS, VP8, audioReceiver, audioSender, videoReceiver, videoSender } from "./harness-specs.test.ts";
import { World, seeded } from "./harness.test.ts";

const PUBLISHER = 1;
const VIEWER = 2;

function newWorld(): World {
  const world = new World();
  world.addPeer(
    PUBLISHER,
    [videoReceiver({ ssrcs: [], rids: ["q", "h", "f"] }), audioReceiver({ extensions: { mid: 1, transportCc: 4 } })],
    [],
  );
  world.addPeer(VIEWER, [], [videoSender({ extensions: { absSendTime: 1, dependencyDescriptor: 2 } }), audioSender()]);
  return world;
}

test("truncated packets, padding beyond the payload, extensions that overrun: dropped", () => {
  const world = newWorld();
  const honest = rtp({
    payloadType: 111,
    sequence: 1,
    ssrc: 500,
    payload: [1, 2, 3],
    extensions: { 1: [0x30], 4: [0, 1] },
  });
  for (let length = 0; length < 12; length++) world.feed(PUBLISHER, honest.slice(0, length));
  const padded = honest.slice();
  padded[0] = padded[0]! | 0x20;
  padded[padded.length - 1] = 200;
  world.feed(PUBLISHER, padded);
  const overrun = honest.slice();
  overrun[15] = 200;
  world.feed(PUBLISHER, overrun);
  assert.equal(world.takeRtp(VIEWER).length, 0);
  assert.equal(world.pool.used, 0);
  world.feed(PUBLISHER, honest);
  assert.equal(world.takeRtp(VIEWER).length, 1);
});

test("any bytes as RTP or RTCP from either side", () => {
  const world = newWorld();
  const bytes = fc.uint8Array({ minLength: 2, maxLength: 120 });
  const head = fc.constantFrom<readonly number[]>(
    [0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0xf4],
    [0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 3, 0xe8],
    [0xb0, 96, 0, 1, 0, 0, 0, 0, 0, 0, 3, 0xe8, 0xbe, 0xde, 0, 1, 0x10, 0x31, 0x20, 0x66],
    [0x90, 97, 0, 1, 0, 0, 0, 0, 0, 0, 3, 0xe9, 0xbe, 0xde, 0, 1, 0x10, 0x31, 0x30, 0x66],
    [0x81, 205, 0, 9, 0, 0, 0, 1, 0x90, 0, 0, 1],
    [0x8f, 205, 0, 9, 0, 0, 0, 1, 0x90, 0, 0, 1],
    [0x8f, 206, 0, 9],
    [0x9f, 200, 0, 6],
    [0x9f, 201, 0, 20],
    [0x9f, 203, 0, 1],
    [],
  );
  fc.assert(
    fc.property(head, bytes, fc.boolean(), (start, rest, viewer) => {
      world.feed(viewer ? VIEWER : PUBLISHER, new Uint8Array([...start, ...rest]));
      world.advance(7);
      world.sent = [];
    }),
    { numRuns: 4000 },
  );
  assert.ok(world.pool.used < 1400, `${world.pool.used} slots`);
  world.advance(10_000);
  assert.equal(world.pool.used, 0);
  assert.equal(world.forwarder.nextTimeoutMs(), NEVER);
});

test("a flood of SSRCs and payload types holds a bounded number of slots", () => {
  const world = newWorld();
  const random = seeded(9);
  let most = 0;
  for (let i = 0; i < 20_000; i++) {
    const ssrc = Math.floor(random() * 2 ** 32);
    const extensions: Record<number, readonly number[]> = i % 2 === 0 ? { 1: [0x31], 2: [0x71] } : { 1: [0x30] };
    const payloadType = Math.floor(random() * 128);
    world.feed(PUBLISHER, rtp({ payloadType, ssrc, sequence: i, payload: vp8({ key: true }), extensions }));
    most = Math.max(most, world.pool.used);
    if (i % 100 === 0) world.advance(10);
    world.sent = [];
  }
  // Three rings of video, one of audio, what is held.
  assert.ok(most <= 3 * 512 + 256 + 48, `${most} slots`);
  world.advance(10_000);
  assert.equal(world.pool.used, 0);
});

test("wild sequence numbers hold a bounded number of slots and ask for a bounded number of packets", () => {
  const world = newWorld();
  const random = seeded(4);
  let asked = 0;
  for (let i = 0; i < 5000; i++) {
    const sequence = Math.floor(random() * 65_536);
    world.feed(PUBLISHER, rtp({ payloadType: 111, ssrc: 500, sequence, payload: [1] }));
    world.advance(1);
    asked += world.takeRtcp(PUBLISHER).filter((p) => rtcpKind(p) === "205/1").length;
    world.sent = [];
  }
  assert.ok(world.pool.used <= 256);
  assert.ok(asked < 5000);
});

test("one subscriber's flood of NACKs repeats nothing more than three times", () => {
  const world = newWorld();
  for (let s = 0; s < 100; s++) {
    world.feed(PUBLISHER, rtp({ payloadType: 111, ssrc: 500, sequence: s, payload: [s] }));
  }
  const numbers = world.takeRtp(VIEWER).map((p) => p.sequence);
  let repeated = 0;
  for (let i = 0; i < 200; i++) {
    world.feed(VIEWER, nack(0x90000003, ...numbers, ...numbers));
    repeated += world.takeRtp(VIEWER).length;
    world.advance(5);
  }
  assert.ok(repeated <= 300, `${repeated}`);
});

test("when the pool is exhausted, packets are lost and nothing else happens", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [audioReceiver({ codecs: [OPUS, VP8] })], []);
  world.addPeer(VIEWER, [], [audioSender()]);
  const taken: number[] = [];
  for (let slot = world.pool.take(); slot >= 0; slot = world.pool.take()) taken.push(slot);
  for (const slot of taken.splice(0, 3)) world.pool.give(slot);
  for (let s = 0; s < 3; s++) world.feed(PUBLISHER, rtp({ payloadType: 111, ssrc: 500, sequence: s, payload: [1] }));
  assert.equal(world.takeRtp(VIEWER).length, 3);
  assert.equal(world.pool.take(), -1);
  world.advance(10_000);
  assert.notEqual(world.pool.take(), -1, "the ring gave its slots back");
});
