import assert from "node:assert/strict";
import { test } from "node:test";
import {
  MuteTrackRequest,
  SimulcastCodec,
  UpdateSubscription,
  UpdateTrackSettings,
  VideoLayer,
  VideoQuality,
  type SubscribedQualityUpdate,
} from "@livekit/protocol";
import type { Client } from "./harness-client.test.ts";
import type { ClientOptions } from "./harness-join.test.ts";
import { World } from "./harness.test.ts";
import { DEFAULT_MEDIA_POLICY } from "./options.ts";

const { LOW, MEDIUM, HIGH } = VideoQuality;
const LAYERS = [LOW, MEDIUM, HIGH].map((quality) => new VideoLayer({ quality, height: 180 << quality, width: 320 }));

/** "vp8:LM-" per codec: which qualities are on. */
function text({ subscribedCodecs }: SubscribedQualityUpdate): string {
  return subscribedCodecs
    .map(({ codec, qualities }) => {
      const marks = qualities.map(({ quality, enabled }) => (enabled ? "LMH"[quality]! : "-"));
      return `${codec}:${marks.join("")}`;
    })
    .join(" ");
}

/** What the publisher was told, in order, since `forget`. */
function told(client: Client): string[] {
  return client.all("subscribedQualityUpdate").map(text);
}

function settings(client: Client, sid: string, more: Partial<UpdateTrackSettings>): void {
  client.request({ case: "trackSetting", value: new UpdateTrackSettings({ trackSids: [sid], ...more }) });
  client.world.advance(100);
}

function mute(client: Client, sid: string, muted: boolean): void {
  client.request({ case: "mute", value: new MuteTrackRequest({ sid, muted }) });
}

function subscribe(client: Client, sid: string, wanted: boolean): void {
  client.request({ case: "subscription", value: new UpdateSubscription({ trackSids: [sid], subscribe: wanted }) });
  client.world.advance(1000);
}

function call(options: ClientOptions = {}) {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob", options);
  const { sid } = alice.publish("cam", "video", { layers: LAYERS });
  world.advance(1000);
  return { world, alice, bob, sid };
}

for (const peerConnections of ["single", "dual"] as const) {
  test(`${peerConnections}: the first subscriber switches on what it wants, with the list for older clients`, () => {
    const { alice, sid } = call({ peerConnections, adaptiveStream: true });
    assert.deepEqual(told(alice), ["vp8:L--"]);
    const { trackSid, subscribedQualities } = alice.last("subscribedQualityUpdate")!;
    assert.equal(trackSid, sid);
    assert.deepEqual(
      subscribedQualities.map(({ quality, enabled }) => [quality, enabled]),
      [
        [LOW, true],
        [MEDIUM, false],
        [HIGH, false],
      ],
    );
  });
}

test("nobody subscribes within ten seconds: everything off; then somebody does: on at once", () => {
  const { world, alice, bob, sid } = call({ autoSubscribe: false });
  world.advance(8999);
  assert.deepEqual(told(alice), []);
  world.advance(1);
  assert.deepEqual(told(alice), ["vp8:---"]);
  subscribe(bob, sid, true);
  assert.deepEqual(told(alice), ["vp8:---", "vp8:LMH"]);
});

test("more at once, less after five seconds", () => {
  const { world, alice, bob, sid } = call();
  alice.forget();
  settings(bob, sid, { quality: LOW });
  world.advance(4900);
  assert.deepEqual(told(alice), []);
  world.advance(100);
  assert.deepEqual(told(alice), ["vp8:L--"]);
  settings(bob, sid, { quality: MEDIUM });
  assert.deepEqual(told(alice), ["vp8:L--", "vp8:LM-"]);
});

test("a change that is taken back within the delay is not told", () => {
  const { world, alice, bob, sid } = call();
  alice.forget();
  settings(bob, sid, { quality: LOW });
  world.advance(3000);
  settings(bob, sid, { quality: HIGH });
  world.advance(20_000);
  assert.deepEqual(told(alice), []);
});

test("the best that anybody wants: settings, switched off, adaptive stream, gone", () => {
  const { world, alice, bob, sid } = call();
  const carol = world.connect("carol", { adaptiveStream: true });
  alice.forget();
  settings(bob, sid, { disabled: true });
  world.advance(5000);
  assert.deepEqual(told(alice), ["vp8:L--"], "only carol is left");
  settings(carol, sid, { width: 640, height: 360 });
  assert.equal(told(alice).at(-1), "vp8:LM-");
  carol.request({ case: "leave", value: {} as never });
  world.advance(5000);
  assert.equal(told(alice).at(-1), "vp8:---");
  settings(bob, sid, { disabled: false, quality: HIGH });
  assert.equal(told(alice).at(-1), "vp8:LMH");
  subscribe(bob, sid, false);
  world.advance(5000);
  assert.equal(told(alice).at(-1), "vp8:---");
});

test("a delay of 0 turns down at once", () => {
  const world = new World({}, {}, { media: { ...DEFAULT_MEDIA_POLICY, dynacastPauseDelayMs: 0 } });
  const alice = world.connect("alice");
  const { sid } = alice.publish("cam", "video", { layers: LAYERS });
  const bob = world.connect("bob");
  alice.forget();
  settings(bob, sid, { quality: LOW });
  assert.deepEqual(told(alice), ["vp8:L--"]);
});

test("a muted track asks for nothing; unmuting tells what is wanted then", () => {
  const { world, alice, bob, sid } = call();
  mute(alice, sid, true);
  alice.forget();
  settings(bob, sid, { quality: LOW });
  world.advance(20_000);
  assert.deepEqual(told(alice), []);
  mute(alice, sid, false);
  assert.deepEqual(told(alice), ["vp8:L--"]);
});

test("unmuted before anybody came: ten seconds from then", () => {
  const world = new World();
  const alice = world.connect("alice");
  const { sid } = alice.publish("cam", "video", { layers: LAYERS, muted: true });
  world.advance(30_000);
  mute(alice, sid, false);
  assert.deepEqual(told(alice), []);
  world.advance(10_000);
  assert.deepEqual(told(alice), ["vp8:---"]);
});

test("a publisher that resumes hears it again", () => {
  const { world, alice } = call();
  alice.dropSignal();
  world.advance(1000);
  alice.forget();
  alice.resume();
  assert.deepEqual(told(alice), ["vp8:LMH"]);
});

test("one layer, whatever it is called, is on for everybody who wants anything", () => {
  const world = new World();
  const alice = world.connect("alice");
  alice.publish("cam", "video", { layers: [new VideoLayer({ quality: HIGH, height: 720, width: 1280 })] });
  world.connect("bob", { adaptiveStream: true });
  assert.deepEqual(told(alice), ["vp8:LMH"]);
});

test("audio: nothing is said of one codec; with a backup, each is on while somebody gets it", () => {
  const world = new World();
  const alice = world.connect("alice");
  alice.publish("mic", "audio");
  world.connect("bob");
  assert.deepEqual(alice.all("subscribedAudioCodecUpdate"), []);
  const simulcastCodecs = ["opus", "red"].map((codec) => new SimulcastCodec({ codec }));
  const { sid } = alice.publish("mic2", "audio", { simulcastCodecs });
  world.advance(1000);
  const updates = alice.all("subscribedAudioCodecUpdate");
  assert.deepEqual(
    updates.map(({ trackSid, subscribedAudioCodecs }) => [
      trackSid,
      ...subscribedAudioCodecs.map(({ codec, enabled }) => `${codec} ${enabled}`),
    ]),
    [[sid, "opus true"]],
  );
});

test("nothing is left of a track that ended", () => {
  const { world, alice, bob, sid } = call();
  settings(bob, sid, { quality: LOW });
  alice.unpublish("cam");
  world.advance(1000);
  alice.forget();
  world.advance(60_000);
  assert.deepEqual(told(alice), []);
});
