/** How pictures come to rest: black follows them. And what holds for all that the server makes up. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { NEVER } from "../clock.ts";
import type { CodecSpec, TrackSpec } from "../engine/specs.ts";
import { audioCall, OFF, ON, PUBLISHER, SILENCE, steps, VIEWER } from "./harness-blank.test.ts";
import { frame, readVp8, rtp, vp8 } from "./harness-packets.test.ts";
import { nack } from "./harness-rtcp.test.ts";
import { H264, VP8, audioReceiver, audioSender, videoReceiver, videoSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";

test("silence and black are what clients that encrypt know by their hashes: nothing else counts as the server's", () => {
  const known = [
    "aad8d31fc56b2802ca500e58c2fb9d0b29ad71bb7cb52cd6530251eade188988",
    "ef0161653d8b2b23aad46624b420af1d03ce48950e9fc85718028f91b50f9219",
  ];
  const { world, talk } = audioCall();
  talk(2);
  world.takeRtp(VIEWER);
  world.forwarder.muteTrack("TR_a", true);
  world.advance(100);
  const video = new World();
  video.addPeer(PUBLISHER, [videoReceiver()], []);
  video.addPeer(VIEWER, [], [videoSender()]);
  video.feed(PUBLISHER, frame(1, true));
  video.takeRtp(VIEWER);
  video.forwarder.setSenders(VIEWER, []);
  video.advance(100);
  // A picture stands behind its descriptor of four bytes.
  const frames = [world.takeRtp(VIEWER)[0]!.payload, video.takeRtp(VIEWER)[0]!.payload.slice(4)];
  assert.deepEqual(
    frames.map((bytes) => createHash("sha256").update(Uint8Array.from(bytes)).digest("hex")),
    known,
  );
});

test("a picture stays where it is in a mute, and goes black when its stream ends", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  for (let s = 1; s < 4; s++) {
    world.feed(PUBLISHER, frame(s, s === 1));
    world.advance(33);
  }
  const shown = world.takeRtp(VIEWER);
  world.forwarder.muteTrack("TR_v", true);
  world.advance(2000);
  assert.deepEqual(world.takeRtp(VIEWER), []);
  world.forwarder.setSenders(VIEWER, []);
  world.advance(2000);
  const black = world.takeRtp(VIEWER);
  assert.equal(black.length, 6);
  assert.deepEqual(
    steps([shown.at(-1)!, ...black]).map(([numbers]) => numbers),
    [1, 1, 1, 1, 1, 1],
  );
  assert.ok(
    black.every((p) => p.marker && p.payload[4] === 0x10),
    "key frames",
  );
  assert.deepEqual(
    [shown.at(-1)!, ...black].map((p) => readVp8(p.payload).pictureId),
    [3, 4, 5, 6, 7, 8, 9],
  );
});

test("a picture goes black when its publisher is gone, once", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  const narrow = vp8({ key: true, pictureId: 126, narrow: true });
  world.feed(PUBLISHER, rtp({ sequence: 1, timestamp: 3000, ssrc: 1000, marker: true, payload: narrow }));
  world.takeRtp(VIEWER);
  world.forwarder.removePeer(PUBLISHER);
  world.advance(1000);
  const black = world.takeRtp(VIEWER);
  assert.deepEqual(
    black.map((p) => p.payload[2]),
    [127, 0, 1, 2, 3, 4],
    "picture ids of seven bits go on in seven bits",
  );
  world.forwarder.setSenders(VIEWER, []);
  world.advance(1000);
  assert.deepEqual(world.takeRtp(VIEWER), []);
});

test("a black picture of H.264 brings its parameter sets", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver({ codecs: [H264] })], []);
  world.addPeer(VIEWER, [], [videoSender({ codecs: [H264] })]);
  world.feed(PUBLISHER, rtp({ payloadType: 108, sequence: 1, ssrc: 1000, marker: true, payload: [0x65, 1] }));
  world.takeRtp(VIEWER);
  world.forwarder.setSenders(VIEWER, []);
  world.advance(1000);
  const black = world.takeRtp(VIEWER);
  assert.deepEqual(
    black.slice(0, 4).map((p) => [p.payload[0]! & 31, p.marker, p.timestamp - black[0]!.timestamp]),
    [
      [7, false, 0],
      [8, false, 0],
      [5, true, 0],
      [7, false, 2970],
    ],
  );
  assert.equal(black.length, 18);
});

test("streams of VP9, AV1 and H.265 end at once: for these LiveKit makes no frames up either", () => {
  for (const [mime, key] of [
    ["video/vp9", [0x8c, 0x81, 0]],
    ["video/av1", [0x18, 0x0a]],
    ["video/h265", [0x40, 0x01, 0]],
  ] as const) {
    const codec: CodecSpec = { ...VP8, mime };
    const world = new World();
    world.addPeer(PUBLISHER, [videoReceiver({ codecs: [codec] })], []);
    world.addPeer(VIEWER, [], [videoSender({ codecs: [codec] })]);
    world.feed(PUBLISHER, rtp({ sequence: 1, ssrc: 1000, marker: true, payload: [...key] }));
    assert.equal(world.takeRtp(VIEWER).length, 1, mime);
    world.forwarder.setSenders(VIEWER, []);
    world.advance(1000);
    assert.deepEqual(world.takeRtp(VIEWER), [], mime);
  }
});

test("in an encrypted track the room's trailer ends what the server made up", () => {
  const trailer = Uint8Array.from({ length: 32 }, (_, i) => 100 + i);
  const spec: TrackSpec = {
    room: "RM_a",
    participant: "PA_1",
    kind: "audio",
    source: "microphone",
    codecs: [],
    encrypted: true,
    trailer,
    regressedTo: -1,
  };
  const { world, talk } = audioCall();
  world.forwarder.setTrack("TR_a", spec);
  talk(2);
  world.takeRtp(VIEWER);
  world.forwarder.muteTrack("TR_a", true);
  world.advance(2000);
  assert.deepEqual(world.takeRtp(VIEWER)[7]!.payload, [...SILENCE, ...trailer]);

  const video = new World();
  video.forwarder.setTrack("TR_v", { ...spec, kind: "video", source: "camera" });
  video.addPeer(PUBLISHER, [videoReceiver({ codecs: [H264] })], []);
  video.addPeer(VIEWER, [], [videoSender({ codecs: [H264] })]);
  video.feed(PUBLISHER, rtp({ payloadType: 108, sequence: 1, ssrc: 1000, marker: true, payload: [0x65, 1] }));
  video.takeRtp(VIEWER);
  video.forwarder.removeTrack("TR_v");
  video.forwarder.setSenders(VIEWER, []);
  video.advance(1000);
  const [sps, pps, idr] = video.takeRtp(VIEWER).map((p) => p.payload.slice(-32));
  assert.notDeepEqual(sps, [...trailer]);
  assert.notDeepEqual(pps, [...trailer]);
  assert.deepEqual(idr, [...trailer], "the frame ends with it, not each of its packets");
});

test("made-up packets have the extensions of the stream, and are not repeated", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [audioReceiver()], []);
  world.addPeer(VIEWER, [], [audioSender({ extensions: { audioLevel: 7 } })]);
  world.feed(PUBLISHER, rtp({ payloadType: 111, sequence: 1, ssrc: 500, payload: [1, 2], extensions: { 5: [9] } }));
  world.takeRtp(VIEWER);
  world.forwarder.muteTrack("TR_a", true);
  world.advance(200);
  const [silence] = world.takeRtp(VIEWER);
  assert.deepEqual(silence!.extensions.get(7), [127], "as loud as silence");
  world.feed(VIEWER, nack(0x90000003, silence!.sequence));
  assert.deepEqual(
    world.takeRtp(VIEWER).filter((p) => p.sequence === silence!.sequence),
    [],
  );
});

test("whatever stops and starts a stream, no number goes out twice and none is left out", () => {
  const event = fc.constantFrom("mute", "unmute", "off", "on", "leave", "come", "talk", "talk", "talk", "wait");
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const { world, talk } = audioCall();
      for (const now of events) {
        if (now === "mute" || now === "unmute") world.forwarder.muteTrack("TR_a", now === "mute");
        if (now === "off" || now === "on") world.forwarder.setDownlink(VIEWER, "TR_a", now === "on" ? ON : OFF);
        if (now === "leave" || now === "come") {
          world.forwarder.setSenders(VIEWER, now === "come" ? [audioSender()] : []);
        }
        if (now === "talk") talk(7);
        if (now === "wait") world.advance(230);
      }
      const packets = world.takeRtp(VIEWER);
      for (const [numbers, ticks] of steps(packets)) {
        assert.equal(numbers, 1);
        assert.ok(ticks! > 0, "time goes forwards");
      }
      world.advance(10_000);
      assert.equal(world.pool.used, 0);
      assert.equal(world.forwarder.nextTimeoutMs(), NEVER);
    }),
    { numRuns: 300 },
  );
});
