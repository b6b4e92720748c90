/** What subscribers get of what publishers send. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { frame, readVp8, rtp } from "./harness-packets.test.ts";
import { pli, rtcpKind } from "./harness-rtcp.test.ts";
import {
  AV1,
  H264,
  OPUS,
  RED,
  VP8,
  audioReceiver,
  audioSender,
  videoReceiver,
  videoSender,
} from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";

const PUBLISHER = 1;
const VIEWER = 2;

test("audio starts with any packet, under the subscriber's SSRC and payload type", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [audioReceiver()], []);
  world.addPeer(VIEWER, [], [audioSender()]);
  world.feed(
    PUBLISHER,
    rtp({ payloadType: 111, sequence: 7, timestamp: 960, ssrc: 500, marker: true, payload: [1, 2] }),
  );
  world.feed(PUBLISHER, rtp({ payloadType: 111, sequence: 8, timestamp: 1920, ssrc: 500, payload: [3] }));
  const [first, second] = world.takeRtp(VIEWER);
  assert.ok(first && second);
  assert.equal(first.ssrc, 0x90000003);
  assert.equal(first.payloadType, 110);
  assert.equal(first.marker, true);
  assert.deepEqual(first.payload, [1, 2]);
  assert.deepEqual(second.payload, [3]);
  assert.equal(second.sequence, first.sequence + 1);
  assert.equal(second.timestamp - first.timestamp, 960);
  assert.deepEqual(world.events, [
    { type: "trackStarted", track: "TR_a", peer: PUBLISHER, mime: "audio/opus", layer: 0 },
    { type: "downlinkStarted", track: "TR_a", peer: VIEWER },
  ]);
  const stats = world.forwarder.meter(VIEWER)!.take(world.nowMs);
  assert.equal(stats.packetsOut, 2);
  assert.equal(stats.bytesOut, 14 + 13);
  assert.equal(world.forwarder.meter(PUBLISHER)!.take(world.nowMs).packetsIn, 2);
});

test("video waits for a key frame, and the publisher is asked for one, once for many", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  for (let id = 2; id < 12; id++) world.addPeer(id, [], [videoSender()]);
  for (let sequence = 1; sequence < 20; sequence++) {
    world.feed(PUBLISHER, frame(sequence));
    world.advance(20);
  }
  assert.deepEqual(world.takeRtp(VIEWER), []);
  assert.equal(world.takeRtcp(PUBLISHER).filter((p) => rtcpKind(p) === "206/1").length, 1, "380 ms: one PLI for ten");
  world.feed(PUBLISHER, frame(20, true));
  world.feed(PUBLISHER, frame(21));
  for (let id = 2; id < 12; id++) {
    assert.deepEqual(
      world.takeRtp(id).map((p) => readVp8(p.payload).pictureId),
      [20, 21],
    );
  }
  // Late joiners, then PLIs of those who cannot decode: still one within the interval.
  world.advance(1000);
  world.takeRtcp(PUBLISHER);
  for (let id = 12; id < 20; id++) world.addPeer(id, [], [videoSender()]);
  for (let id = 2; id < 12; id++) world.feed(id, pli(0x90000001));
  world.feed(PUBLISHER, frame(22));
  world.advance(400);
  const asked = world.takeRtcp(PUBLISHER).filter((p) => rtcpKind(p) === "206/1");
  assert.equal(asked.length, 1);
  assert.deepEqual([...asked[0]!.subarray(8)], [0, 0, 3, 232], "about the publisher's SSRC");
});

test("header extensions: the publisher's are left out, those of the subscriber written", () => {
  const world = new World();
  const published = { mid: 1, absCaptureTime: 6, dependencyDescriptor: 7 };
  world.addPeer(PUBLISHER, [videoReceiver({ codecs: [AV1], extensions: published })], []);
  world.addPeer(
    VIEWER,
    [],
    [
      videoSender({
        codecs: [AV1],
        extensions: { mid: 9, absSendTime: 3, transportCc: 4, absCaptureTime: 5, dependencyDescriptor: 12 },
      }),
    ],
  );
  const capture = [1, 2, 3, 4, 5, 6, 7, 8];
  const av1 = { payloadType: 35, payload: [8, 1] };
  world.feed(PUBLISHER, frame(1, true, { ...av1, extensions: { 1: [0x31], 6: capture, 7: [9, 8, 7] } }));
  world.feed(PUBLISHER, frame(2, false, { ...av1, extensions: { 1: [0x31] } }));
  const [first, second] = world.takeRtp(VIEWER);
  assert.deepEqual(
    [...first!.extensions.keys()].toSorted((a, b) => a - b),
    [3, 4, 5, 12],
  );
  assert.deepEqual(first!.extensions.get(5), capture);
  assert.deepEqual(first!.extensions.get(12), [9, 8, 7]);
  assert.deepEqual(first!.extensions.get(4), [0, 0]);
  assert.deepEqual(second!.extensions.get(4), [0, 1], "transport-wide numbers count on");
  assert.deepEqual([...second!.extensions.keys()], [3, 4]);
  assert.deepEqual(second!.payload, [8, 1]);
});

test("a dependency descriptor that is too long for the one-byte form goes out in the two-byte form", () => {
  const world = new World();
  const extensions = { absSendTime: 3, dependencyDescriptor: 12 };
  world.addPeer(PUBLISHER, [videoReceiver({ codecs: [AV1], extensions: { dependencyDescriptor: 7 } })], []);
  world.addPeer(VIEWER, [], [videoSender({ codecs: [AV1], extensions })]);
  const long = Array.from({ length: 30 }, (_, i) => i);
  const bytes = [0x90, 0x80 | 35, 0, 1, 0, 0, 0, 0, 0, 0, 3, 232, 0x10, 0, 0, 8, 7, 30, ...long, 8, 1];
  world.feed(PUBLISHER, new Uint8Array(bytes));
  const [packet] = world.takeRtp(VIEWER);
  assert.deepEqual(packet!.extensions.get(12), long);
  assert.equal(packet!.extensions.get(3)!.length, 3);
});

test("audio level is passed on where negotiated", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [audioReceiver()], []);
  world.addPeer(VIEWER, [], [audioSender({ extensions: { audioLevel: 2 } })]);
  world.addPeer(3, [], [audioSender()]);
  world.feed(PUBLISHER, rtp({ payloadType: 111, ssrc: 500, payload: [1], extensions: { 5: [0x9e] } }));
  assert.deepEqual(world.takeRtp(VIEWER)[0]!.extensions.get(2), [0x9e]);
  assert.equal(world.takeRtp(3)[0]!.extensions.size, 0);
});

test("the payload type follows the codec that is really sent; a codec the subscriber lacks is left out", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver({ codecs: [VP8, H264] })], []);
  world.addPeer(
    VIEWER,
    [],
    [
      videoSender({
        codecs: [
          { ...H264, payloadType: 50 },
          { ...VP8, payloadType: 51 },
        ],
      }),
    ],
  );
  world.addPeer(3, [], [videoSender({ codecs: [{ ...VP8, payloadType: 52 }] })]);
  world.feed(PUBLISHER, frame(1, true));
  world.feed(PUBLISHER, frame(2, false, { payloadType: 108, payload: [0x41, 1] }));
  world.feed(PUBLISHER, frame(3, false, { payloadType: 108, payload: [0x67, 1] }));
  const seen = world.takeRtp(VIEWER);
  assert.deepEqual(
    seen.map((p) => p.payloadType),
    [51, 50],
    "after the change of codec from a key frame on",
  );
  assert.equal(seen[1]!.sequence, seen[0]!.sequence + 1);
  assert.deepEqual(
    world.takeRtp(3).map((p) => p.payloadType),
    [52],
  );
});

test("RED goes to those who take it, its primary encoding to the others", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [audioReceiver({ codecs: [RED, OPUS] })], []);
  world.addPeer(VIEWER, [], [audioSender({ codecs: [{ ...RED, payloadType: 64 }, OPUS] })]);
  world.addPeer(3, [], [audioSender({ codecs: [OPUS] })]);
  const red = [0xef, 0, 0x10, 2, 111, 7, 7, 1, 2, 3];
  world.feed(PUBLISHER, rtp({ payloadType: 63, sequence: 1, ssrc: 500, payload: red }));
  world.feed(PUBLISHER, rtp({ payloadType: 111, sequence: 2, ssrc: 500, payload: [4] }));
  const shape = (peer: number) => world.takeRtp(peer).map((p) => [p.payloadType, ...p.payload]);
  assert.deepEqual(shape(VIEWER), [
    [64, ...red],
    [111, 4],
  ]);
  assert.deepEqual(shape(3), [
    [111, 1, 2, 3],
    [111, 4],
  ]);
});

test("packets of padding only vanish without a gap; a late one fills its gap empty", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  world.feed(PUBLISHER, frame(1, true));
  world.feed(PUBLISHER, rtp({ sequence: 2, ssrc: 1000, padding: 200 }));
  world.feed(PUBLISHER, rtp({ sequence: 3, ssrc: 1000, padding: 200 }));
  world.feed(PUBLISHER, frame(4));
  world.feed(PUBLISHER, frame(6));
  world.feed(PUBLISHER, rtp({ sequence: 5, ssrc: 1000, padding: 200 }));
  world.feed(PUBLISHER, frame(7));
  const seen = world.takeRtp(VIEWER);
  const base = seen[0]!.sequence;
  assert.deepEqual(
    seen.map((p) => [p.sequence - base, p.payload.length > 0]),
    [
      [0, true],
      [1, true],
      [3, true],
      [2, false],
      [4, true],
    ],
  );
});

test("several tracks go out subscriber by subscriber", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver(), audioReceiver()], []);
  for (const id of [2, 3, 4]) world.addPeer(id, [], [videoSender(), audioSender()]);
  world.feed(PUBLISHER, frame(1, true), false);
  world.feed(PUBLISHER, rtp({ payloadType: 111, sequence: 1, ssrc: 500, payload: [1] }), false);
  world.feed(PUBLISHER, frame(2), false);
  assert.equal(world.sent.length, 0, "nothing before the end of the batch");
  world.endBatch();
  assert.deepEqual(
    world.sent.filter((p) => p.bytes[1]! < 192 || p.bytes[1]! > 223).map((p) => p.peer),
    [2, 2, 2, 3, 3, 3, 4, 4, 4],
  );
});
