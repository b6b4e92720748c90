/** Packet trailers (livekit.md 3.15): left on for clients that read them, taken off for all others, whatever is repeated. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CodecSpec, TrackSpec } from "../engine/specs.ts";
import { UNMANAGED } from "./peer-options.ts";
import { readVp8, rtp, vp8, type Rtp } from "./harness-packets.test.ts";
import { nack } from "./harness-rtcp.test.ts";
import { H264, VP8, VP9, videoReceiver, videoSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";

const PUBLISHER = 1;
const READER = 2;
const PLAIN = 3;
/** Seven bytes: a user's number, the length, "LKTS". */
const TRAILER = [6, 7, 7 ^ 255, ...Array.from("LKTS", (letter) => letter.charCodeAt(0))];

const FACTS: TrackSpec = {
  room: "RM_1",
  participant: "PA_1",
  kind: "video",
  source: "camera",
  codecs: [],
  packetTrailers: true,
  encrypted: false,
  trailer: new Uint8Array(0),
  regressedTo: -1,
};

function call(codec: CodecSpec, facts: TrackSpec = FACTS): World {
  const world = new World();
  world.forwarder.setTrack("TR_v", facts);
  world.addPeer(PUBLISHER, [videoReceiver({ codecs: [codec] })], []);
  const sender = videoSender({ codecs: [codec] });
  world.addPeer(READER, [], [sender]);
  world.addPeer(PLAIN, [], [sender], { ...UNMANAGED, stripsTrailers: true });
  return world;
}

/** One packet for both viewers. */
function pass(world: World, codec: CodecSpec, sequence: number, marker: boolean, payload: readonly number[]): Rtp[] {
  const { payloadType } = codec;
  world.feed(
    PUBLISHER,
    rtp({ payloadType, ssrc: 1000, sequence, timestamp: sequence * 3000, marker, payload: [...payload] }),
  );
  return [world.takeRtp(READER)[0]!, world.takeRtp(PLAIN)[0]!];
}

test("the trailer of a frame's last packet reaches only those who can read it", () => {
  const world = call(VP8);
  const frame = vp8({ key: true, body: [1, 2, 3] });
  const [read, plain] = pass(world, VP8, 1, true, [...frame, ...TRAILER]);
  assert.deepEqual(read!.payload, [...frame, ...TRAILER]);
  assert.deepEqual(plain!.payload, frame);
  const inside = pass(world, VP8, 2, false, [...frame, ...TRAILER]);
  assert.deepEqual(inside[1]!.payload, [...frame, ...TRAILER], "within a frame these are bytes like any");
});

test("a repeated packet is as it was: on RTX without the trailer too", () => {
  const world = call(VP8);
  const frame = vp8({ key: true, body: [1, 2, 3] });
  const [, plain] = pass(world, VP8, 1, true, [...frame, ...TRAILER]);
  world.feed(PLAIN, nack(plain!.ssrc, plain!.sequence));
  const [again] = world.takeRtp(PLAIN);
  assert.equal(again!.payloadType, VP8.rtxPayloadType);
  assert.deepEqual(again!.payload.slice(2), frame);
});

test("and so is one with other picture numbers than it came with", () => {
  const world = call(VP8);
  const two = (id: number) => vp8({ key: true, pictureId: id, body: [5] });
  pass(world, VP8, 1, true, two(100));
  world.forwarder.muteTrack("TR_v", true);
  world.forwarder.muteTrack("TR_v", false);
  const [read, plain] = pass(world, VP8, 9, true, [...two(500), ...TRAILER]);
  assert.equal(readVp8(plain!.payload).pictureId, 101);
  assert.deepEqual([...plain!.payload, ...TRAILER], read!.payload);
});

test("in SVC each spatial layer ends with one", () => {
  const world = call(VP9);
  const layer = (spatial: number) => [0x80 | 0x20 | 0x08 | 0x04, 0x80, 1, 0x10 | (spatial << 1) | spatial, 0, 42];
  for (const spatial of [0, 1]) {
    const [read, plain] = pass(world, VP9, 1 + spatial, spatial === 1, [...layer(spatial), ...TRAILER]);
    assert.deepEqual(read!.payload, [...layer(spatial), ...TRAILER]);
    assert.deepEqual(plain!.payload, layer(spatial));
  }
});

test("an H.264 aggregate says how long its last unit is, with and without", () => {
  const world = call(H264);
  const units = (last: readonly number[]) => [0x78, 0, 2, 0x67, 1, 0, last.length, ...last];
  const [read, plain] = pass(world, H264, 1, true, units([0x65, 1, 2, 3, ...TRAILER]));
  assert.deepEqual(read!.payload, units([0x65, 1, 2, 3, ...TRAILER]));
  assert.deepEqual(plain!.payload, units([0x65, 1, 2, 3]));
  world.feed(PLAIN, nack(plain!.ssrc, plain!.sequence));
  assert.deepEqual(world.takeRtp(PLAIN)[0]!.payload.slice(2), plain!.payload);
  const single = pass(world, H264, 2, true, [0x61, 9, ...TRAILER]);
  assert.deepEqual(single[1]!.payload, [0x61, 9]);
});

test("what was not announced is not looked for", () => {
  const world = call(VP8, { ...FACTS, packetTrailers: false });
  const frame = [...vp8({ key: true }), ...TRAILER];
  assert.deepEqual(pass(world, VP8, 1, true, frame)[1]!.payload, frame);
});

test("a packet that is nothing but a trailer keeps its number", () => {
  const world = call(VP8);
  pass(world, VP8, 1, true, vp8({ key: true }));
  const [, plain] = pass(world, VP8, 2, true, TRAILER);
  assert.deepEqual(plain!.payload, []);
  const [, next] = pass(world, VP8, 3, true, vp8({}));
  assert.equal(next!.sequence, (plain!.sequence + 1) & 0xffff);
});
