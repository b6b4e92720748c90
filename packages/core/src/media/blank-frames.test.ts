/** How streams come to rest: silence after sound, black after pictures. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { NEVER } from "../clock.ts";
import type { CodecSpec, TrackSpec } from "../engine/specs.ts";
import { frame, readVp8, rtp, vp8, type Rtp } from "./harness-packets.test.ts";
import { nack, rtcpKind } from "./harness-rtcp.test.ts";
import { H264, OPUS, RED, VP8, audioReceiver, audioSender, videoReceiver, videoSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";

const PUBLISHER = 1;
const VIEWER = 2;
const OFF = { disabled: true, maxSpatial: 2, fps: 0, priority: 0 };
const ON = { ...OFF, disabled: false };
const SILENCE = [0xf8, 0xff, 0xfe, ...new Uint8Array(77)];

/** A call with audio of this codec; `talk` sends so many packets of 20 ms. */
function audioCall(codec: CodecSpec = OPUS) {
  const world = new World();
  world.addPeer(PUBLISHER, [audioReceiver({ codecs: [codec] })], []);
  world.addPeer(VIEWER, [], [audioSender({ codecs: [codec] })]);
  let sequence = 0;
  const talk = (packets: number) => {
    for (let i = 0; i < packets; i++) {
      sequence++;
      const timestamp = Math.round((world.nowMs * codec.clockRate) / 1000) >>> 0;
      const packet = { payloadType: codec.payloadType, sequence, timestamp, ssrc: 500, payload: [1, 2] };
      world.feed(PUBLISHER, rtp(packet));
      world.advance(20);
    }
  };
  return { world, talk };
}

/** Distances of neighbours in numbers and in time. */
function steps(packets: readonly Rtp[]): number[][] {
  return packets.slice(1).map((p, i) => {
    const before = packets[i]!;
    return [(p.sequence - before.sequence) & 0xffff, (p.timestamp - before.timestamp) | 0];
  });
}

const pcmu: CodecSpec = { ...OPUS, payloadType: 0, mime: "audio/pcmu", clockRate: 8000 };
const pcma: CodecSpec = { ...pcmu, payloadType: 8, mime: "audio/pcma" };
for (const [codec, payload] of [
  [OPUS, SILENCE],
  [RED, [111, ...SILENCE]],
  [{ ...RED, fmtp: "96/96" }, [96, ...SILENCE]],
  [pcmu, Array<number>(160).fill(0xff)],
  [pcma, Array<number>(160).fill(0xd5)],
] as const) {
  test(`a mute is followed by a second of silence, then by nothing: ${codec.mime} ${codec.fmtp}`, () => {
    const { world, talk } = audioCall(codec);
    talk(5);
    world.forwarder.muteTrack("TR_a", true);
    world.advance(5000);
    const packets = world.takeRtp(VIEWER);
    const silence = packets.slice(5);
    assert.equal(silence.length, 50);
    for (const p of silence) assert.deepEqual([p.payloadType, p.payload], [codec.payloadType, payload]);
    const frameTicks = codec.clockRate / 50;
    assert.deepEqual(
      steps(packets),
      packets.slice(1).map(() => [1, frameTicks]),
    );
    assert.equal(world.forwarder.nextTimeoutMs(), NEVER);
  });
}

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

test("silence goes out at the pace of sound", () => {
  const { world, talk } = audioCall();
  talk(5);
  world.takeRtp(VIEWER);
  world.forwarder.muteTrack("TR_a", true);
  for (let ms = 100; ms <= 900; ms += 100) {
    world.advance(100);
    const count = world.takeRtp(VIEWER).length;
    assert.ok(count >= 4 && count <= 6, `${count} in 100 ms`);
  }
});

test("after an unmute the stream goes on without a gap, in the time that has passed", () => {
  for (const pauseMs of [40, 500, 3000, 60_000]) {
    const { world, talk } = audioCall();
    talk(5);
    world.forwarder.muteTrack("TR_a", true);
    world.advance(pauseMs);
    const before = world.takeRtp(VIEWER);
    world.forwarder.muteTrack("TR_a", false);
    talk(3);
    const after = world.takeRtp(VIEWER);
    assert.deepEqual(after[0]!.payload, [1, 2], "the first packet is a real one");
    assert.deepEqual(
      steps([...before, ...after]).map(([numbers]) => numbers),
      [...before, ...after].slice(1).map(() => 1),
    );
    const apartMs = ((after[0]!.timestamp - before[4]!.timestamp) | 0) / 48;
    assert.ok(Math.abs(apartMs - pauseMs - 20) <= 1, `${apartMs} ms after ${pauseMs} ms`);
    assert.deepEqual(steps(after), [
      [1, 960],
      [1, 960],
    ]);
  }
});

test("an unmute before the first packet does not stop the silence, a packet does", () => {
  const { world, talk } = audioCall();
  talk(5);
  world.forwarder.muteTrack("TR_a", true);
  world.advance(100);
  world.forwarder.muteTrack("TR_a", false);
  world.advance(100);
  talk(20);
  const packets = world.takeRtp(VIEWER).slice(5);
  const real = packets.findIndex((p) => p.payload.length === 2);
  assert.ok(real >= 8 && real <= 12, `${real}`);
  assert.ok(packets.slice(real).every((p) => p.payload.length === 2));
});

test("a mute of what was silent already adds nothing", () => {
  const { world, talk } = audioCall();
  world.forwarder.muteTrack("TR_a", true);
  world.advance(2000);
  assert.deepEqual(world.takeRtp(VIEWER), []);
  world.forwarder.muteTrack("TR_a", false);
  talk(5);
  world.forwarder.muteTrack("TR_a", true);
  world.advance(2000);
  world.takeRtp(VIEWER);
  world.forwarder.setDownlink(VIEWER, "TR_a", OFF);
  world.forwarder.muteTrack("TR_a", false);
  world.forwarder.muteTrack("TR_a", true);
  world.advance(2000);
  assert.deepEqual(world.takeRtp(VIEWER), []);
});

test("a subscriber that switches sound off gets silence, the others do not", () => {
  const { world, talk } = audioCall();
  world.addPeer(3, [], [audioSender()]);
  talk(5);
  world.takeRtp(VIEWER);
  world.takeRtp(3);
  world.forwarder.setDownlink(VIEWER, "TR_a", OFF);
  talk(100);
  assert.equal(world.takeRtp(VIEWER).filter((p) => p.payload.length === SILENCE.length).length, 50);
  assert.ok(world.takeRtp(3).every((p) => p.payload.length === 2));
  world.forwarder.setDownlink(VIEWER, "TR_a", ON);
  talk(1);
  assert.deepEqual(world.takeRtp(VIEWER)[0]?.payload, [1, 2]);
});

test("who unsubscribes gets silence, then a goodbye; a stream that takes the SSRC over goes on behind it", () => {
  const { world, talk } = audioCall();
  talk(5);
  const first = world.takeRtp(VIEWER);
  world.takeRtcp(VIEWER);
  world.forwarder.setSenders(VIEWER, []);
  world.advance(500);
  assert.deepEqual(world.takeRtcp(VIEWER).map(rtcpKind).includes("203/1"), false);
  const silence = world.takeRtp(VIEWER);
  assert.ok(silence.length >= 24 && silence.length <= 26);
  world.forwarder.setSenders(VIEWER, [audioSender()]);
  talk(2);
  const again = world.takeRtp(VIEWER);
  assert.deepEqual(
    steps([...first, ...silence, ...again]).map(([numbers]) => numbers),
    [...first, ...silence, ...again].slice(1).map(() => 1),
  );
  assert.equal(again.length, 2);
  world.forwarder.setSenders(VIEWER, []);
  world.advance(2000);
  assert.equal(world.takeRtp(VIEWER).length, 50);
  assert.ok(world.takeRtcp(VIEWER).map(rtcpKind).includes("203/1"));
});

test("a stream whose state was taken sends nothing more", () => {
  const { world, talk } = audioCall();
  talk(5);
  world.forwarder.muteTrack("TR_a", true);
  world.advance(200);
  const last = world.takeRtp(VIEWER).at(-1)!;
  const state = world.forwarder.takeContinuity(VIEWER, "TR_a")!;
  assert.equal(state.sequence, last.sequence, "the silence is part of it");
  assert.equal(state.timestamp, last.timestamp);
  world.advance(2000);
  assert.deepEqual(world.takeRtp(VIEWER), []);
});

test("nobody who is gone gets silence", () => {
  const { world, talk } = audioCall();
  talk(5);
  world.takeRtp(VIEWER);
  world.forwarder.muteTrack("TR_a", true);
  world.forwarder.removePeer(VIEWER);
  world.advance(2000);
  assert.deepEqual(world.takeRtp(VIEWER), []);
  const other = audioCall();
  other.talk(5);
  other.world.takeRtp(VIEWER);
  other.world.transports.get(VIEWER)!.connected = false;
  other.world.forwarder.muteTrack("TR_a", true);
  other.world.advance(2000);
  assert.deepEqual(other.world.takeRtp(VIEWER), []);
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
