/** Tracks and subscriptions that come, change, are muted, go, and go on elsewhere. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NEVER } from "../clock.ts";
import { frame, readVp8, rtp } from "./harness-packets.test.ts";
import { nack, rtcpKind } from "./harness-rtcp.test.ts";
import { VP8, audioReceiver, audioSender, videoReceiver, videoSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";

const PUBLISHER = 1;
const VIEWER = 2;

test("publication and subscription may come in any order, and packets before both are held", () => {
  const world = new World();
  world.addPeer(VIEWER, [], [videoSender()]);
  world.addPeer(PUBLISHER, [], []);
  world.feed(PUBLISHER, frame(1, true));
  world.feed(PUBLISHER, frame(2));
  world.advance(50);
  assert.equal(world.sent.length, 0);
  world.forwarder.setReceivers(PUBLISHER, [videoReceiver()]);
  world.advance(1);
  assert.deepEqual(
    world.takeRtp(VIEWER).map((p) => readVp8(p.payload).pictureId),
    [1, 2],
  );
});

test("a publisher whose right is withdrawn and that sends on is not heard, whatever SSRC it takes", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  world.feed(PUBLISHER, frame(1, true));
  assert.equal(world.takeRtp(VIEWER).length, 1);
  world.forwarder.setReceivers(PUBLISHER, []);
  world.advance(1000);
  world.takeRtp(VIEWER); // the picture goes black
  for (let s = 2; s < 40; s++) {
    world.feed(PUBLISHER, frame(s, s % 5 === 0));
    world.feed(PUBLISHER, frame(s, true, { ssrc: 7000 + s }));
    world.advance(20);
  }
  world.advance(5000);
  assert.deepEqual(world.takeRtp(VIEWER), []);
  assert.ok(world.pool.used <= 64, `${world.pool.used} slots`);
});

test("packets that nobody describes are held for a moment only, and few of them", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [], []);
  for (let i = 0; i < 500; i++) world.feed(PUBLISHER, frame(i, false, { ssrc: 5000 + i }));
  assert.ok(world.pool.used <= 48, `${world.pool.used} slots`);
  world.advance(4000);
  assert.equal(world.pool.used, 0);
  assert.equal(world.forwarder.nextTimeoutMs(), NEVER);
});

test("muting stops, unmuting starts with a key frame and without a gap", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  world.feed(PUBLISHER, frame(1, true));
  world.forwarder.muteTrack("TR_v", true);
  for (let s = 2; s < 10; s++) world.feed(PUBLISHER, frame(s, s === 5));
  world.forwarder.muteTrack("TR_v", false);
  world.takeRtcp(PUBLISHER);
  world.feed(PUBLISHER, frame(10));
  assert.equal(world.takeRtcp(PUBLISHER).filter((p) => rtcpKind(p) === "206/1").length, 1);
  world.feed(PUBLISHER, frame(11, true));
  const seen = world.takeRtp(VIEWER);
  assert.deepEqual(
    seen.map((p) => p.sequence - seen[0]!.sequence),
    [0, 1],
  );
  assert.ok(seen[1]!.timestamp > seen[0]!.timestamp);
  const [first, second] = seen.map((p) => readVp8(p.payload));
  assert.equal(second!.pictureId, first!.pictureId + 1);
});

test("a subscriber can switch a track off and on", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [audioReceiver()], []);
  world.addPeer(VIEWER, [], []);
  world.forwarder.setDownlink(VIEWER, "TR_a", { disabled: true, maxSpatial: 2, fps: 0, priority: 0 });
  world.forwarder.setSenders(VIEWER, [audioSender()]);
  const send = (sequence: number) =>
    world.feed(
      PUBLISHER,
      rtp({ payloadType: 111, sequence, timestamp: sequence * 960, ssrc: 500, payload: [sequence] }),
    );
  send(1);
  assert.deepEqual(world.takeRtp(VIEWER), [], "a wish that came before the stream");
  world.forwarder.setDownlink(VIEWER, "TR_a", { disabled: false, maxSpatial: 2, fps: 0, priority: 0 });
  send(2);
  assert.deepEqual(world.takeRtp(VIEWER)[0]!.payload, [2]);
});

test("a peer that cannot be reached gets nothing, and starts anew when it can", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  world.feed(PUBLISHER, frame(1, true));
  world.transports.get(VIEWER)!.path = -1;
  world.feed(PUBLISHER, frame(2));
  world.transports.get(VIEWER)!.path = VIEWER;
  world.feed(PUBLISHER, frame(3));
  world.feed(PUBLISHER, frame(4, true));
  const seen = world.takeRtp(VIEWER);
  assert.deepEqual(
    seen.map((p) => p.sequence - seen[0]!.sequence),
    [0, 1],
  );
});

test("when nothing flows any more, there is no timer and no slot is held", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  for (let s = 1; s < 100; s++) world.feed(PUBLISHER, frame(s, s === 1));
  assert.equal(world.pool.used, 99);
  world.advance(10_000);
  assert.equal(world.forwarder.nextTimeoutMs(), NEVER);
  assert.equal(world.pool.used, 0);
});

test("whoever leaves gives everything back and is told of no more", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  world.feed(PUBLISHER, frame(1, true));
  world.forwarder.setSenders(VIEWER, []);
  world.feed(PUBLISHER, frame(2));
  assert.equal(world.takeRtp(VIEWER).length, 1);
  world.takeRtcp(VIEWER);
  world.advance(300);
  assert.deepEqual(world.takeRtcp(VIEWER).map(rtcpKind), ["201/0", "203/1"], "after the last picture");
  world.forwarder.removePeer(VIEWER);
  world.forwarder.removePeer(PUBLISHER);
  assert.equal(world.pool.used, 0);
  world.feed(PUBLISHER, frame(3));
  assert.equal(world.pool.used, 0);
  assert.equal(world.forwarder.meter(VIEWER), undefined);
});

test("a stream that comes back under its SSRC, for the same or another track, goes on in its numbers", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(3, [videoReceiver({ track: "TR_w" })], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  world.feed(PUBLISHER, frame(1, true));
  world.advance(100);
  world.forwarder.setSenders(VIEWER, [videoSender({ track: "TR_w" })]);
  world.feed(3, frame(500, true));
  world.advance(100);
  world.forwarder.setSenders(VIEWER, []);
  world.feed(3, frame(501, true));
  world.forwarder.setSenders(VIEWER, [videoSender()]);
  world.feed(PUBLISHER, frame(2, true));
  const seen = world.takeRtp(VIEWER);
  assert.deepEqual(
    seen.map((p) => p.sequence - seen[0]!.sequence),
    [0, 1, 2, 3, 4],
    "no number protects two packets",
  );
  assert.deepEqual(
    seen.map((p) => readVp8(p.payload).pictureId - readVp8(seen[0]!.payload).pictureId),
    [0, 1, 2, 3, 4],
    "a black picture stands between two tracks",
  );
  assert.equal((seen[1]!.timestamp - seen[0]!.timestamp) | 0, 9000);
});

test("a track that is published again by another connection is followed; the old one may leave later", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  world.feed(PUBLISHER, frame(1, true));
  world.addPeer(3, [videoReceiver()], []);
  world.feed(3, frame(700, true));
  world.feed(PUBLISHER, frame(2));
  world.forwarder.removePeer(PUBLISHER);
  world.feed(3, frame(701));
  assert.deepEqual(
    world.takeRtp(VIEWER).map((p) => readVp8(p.payload).rest.at(-1)),
    [1, 700 & 255, 701 & 255],
  );
});

test("one connection publishes and subscribes", () => {
  const world = new World();
  world.addPeer(1, [videoReceiver()], [audioSender()]);
  world.addPeer(2, [audioReceiver()], [videoSender()]);
  world.feed(1, frame(1, true));
  world.feed(2, rtp({ payloadType: 111, ssrc: 500, payload: [9] }));
  assert.equal(world.takeRtp(2).length, 1);
  assert.deepEqual(world.takeRtp(1)[0]!.payload, [9]);
});

test("a track may be muted before it is published", () => {
  const world = new World();
  world.forwarder.muteTrack("TR_a", true);
  world.addPeer(PUBLISHER, [audioReceiver()], []);
  world.addPeer(VIEWER, [], [audioSender()]);
  const packet = (sequence: number) => rtp({ payloadType: 111, sequence, ssrc: 500, payload: [sequence] });
  world.feed(PUBLISHER, packet(1));
  world.forwarder.muteTrack("TR_a", false);
  world.feed(PUBLISHER, packet(2));
  assert.deepEqual(
    world.takeRtp(VIEWER).map((p) => p.payload),
    [[2]],
  );
});

test("renegotiation with the same list changes nothing", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  world.feed(PUBLISHER, frame(1, true));
  world.forwarder.setReceivers(PUBLISHER, [structuredClone(videoReceiver())]);
  world.forwarder.setSenders(VIEWER, [structuredClone(videoSender())]);
  world.feed(PUBLISHER, frame(2));
  const seen = world.takeRtp(VIEWER);
  assert.equal(seen.length, 2, "no key frame is needed");
  assert.equal(seen[1]!.sequence, seen[0]!.sequence + 1);
  world.feed(VIEWER, nack(0x90000001, seen[0]!.sequence));
  assert.equal(world.takeRtp(VIEWER).length, 1, "what was sent before can be repeated");
});

test("after a renegotiation of payload types new packets can be repeated", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  world.feed(PUBLISHER, frame(1, true));
  world.forwarder.setSenders(VIEWER, [videoSender({ codecs: [{ ...VP8, payloadType: 33, rtxPayloadType: 34 }] })]);
  world.feed(PUBLISHER, frame(2));
  const [before, after] = world.takeRtp(VIEWER);
  assert.deepEqual([before!.payloadType, after!.payloadType], [100, 33]);
  world.feed(VIEWER, nack(0x90000001, before!.sequence, after!.sequence));
  assert.deepEqual(
    world.takeRtp(VIEWER).map((p) => [p.payloadType, p.payload[1]]),
    [[34, after!.sequence & 255]],
  );
});

test("a stream goes on where another one of the same SSRC was taken from", () => {
  const old = new World(1);
  const next = new World(2);
  for (const world of [old, next]) {
    world.addPeer(PUBLISHER, [videoReceiver()], []);
    world.addPeer(VIEWER, [], [videoSender()]);
  }
  for (let s = 1; s < 10; s++) old.feed(PUBLISHER, frame(s, s === 1));
  const state = old.forwarder.takeContinuity(VIEWER, "TR_v");
  assert.ok(state);
  const last = old.takeRtp(VIEWER).at(-1)!;
  old.feed(PUBLISHER, frame(10));
  assert.deepEqual(old.takeRtp(VIEWER), [], "nothing is sent after the state was taken");
  assert.equal(old.forwarder.takeContinuity(VIEWER, "TR_v"), undefined, "taken once");
  next.nowMs += 80;
  assert.equal(next.forwarder.seedContinuity(VIEWER, "TR_v", { ...state, ssrc: 5 }), "otherSsrc");
  assert.equal(next.forwarder.seedContinuity(VIEWER, "TR_v", structuredClone(state)), "applied");
  assert.equal(next.forwarder.seedContinuity(VIEWER, "TR_v", state), "alreadyStarted");
  next.feed(PUBLISHER, frame(30_000, true, { timestamp: 77 }));
  next.feed(PUBLISHER, frame(30_001, false, { timestamp: 3077 }));
  const [first, second] = next.takeRtp(VIEWER);
  assert.equal(first!.sequence, (last.sequence + 1) & 0xffff);
  assert.equal((first!.timestamp - last.timestamp) | 0, 80 * 90, "by the wall clock");
  assert.equal(readVp8(first!.payload).pictureId, readVp8(last.payload).pictureId + 1);
  assert.equal(readVp8(second!.payload).pictureId, readVp8(last.payload).pictureId + 2);
  assert.equal(readVp8(first!.payload).tl0, (readVp8(last.payload).tl0 + 1) & 255);
  assert.equal(next.forwarder.seedContinuity(VIEWER, "TR_v", state), "alreadyStarted");
});
