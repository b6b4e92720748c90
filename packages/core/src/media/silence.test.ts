/** How sound comes to rest: silence follows it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NEVER } from "../clock.ts";
import type { CodecSpec } from "../engine/specs.ts";
import { audioCall, OFF, ON, SILENCE, steps, VIEWER } from "./harness-blank.test.ts";
import { rtcpKind } from "./harness-rtcp.test.ts";
import { OPUS, RED, audioSender } from "./harness-specs.test.ts";

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
