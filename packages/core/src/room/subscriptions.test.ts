import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  LeaveRequest,
  ParticipantTracks,
  SubscriptionError,
  SubscriptionPermission,
  UpdateSubscription,
  UpdateTrackSettings,
  VideoQuality,
} from "@livekit/protocol";
import type { DownlinkSettings } from "../engine/specs.ts";
import type { Client } from "./harness-client.test.ts";
import { World } from "./harness.test.ts";
import { DEFAULT_LIMITS } from "./options.ts";

function subscription(client: Client, sids: string[], subscribe: boolean): void {
  client.request({ case: "subscription", value: new UpdateSubscription({ trackSids: sids, subscribe }) });
  client.world.advance(1000);
}

function settings(client: Client, sid: string, more: Partial<UpdateTrackSettings>): void {
  client.request({ case: "trackSetting", value: new UpdateTrackSettings({ trackSids: [sid], ...more }) });
}

/** What the worker was told last about this track for this client. */
function downlink(client: Client, sid: string): DownlinkSettings | undefined {
  const commands = client.world.commands("setDownlink");
  return commands.findLast(({ peer, track }) => track === sid && client.peers.includes(peer))?.settings;
}

for (const peerConnections of ["single", "dual"] as const) {
  test(`${peerConnections}: without auto-subscription nothing comes until it is asked for, and it stops when told`, () => {
    const world = new World();
    const alice = world.connect("alice");
    const mic = alice.publish("mic", "audio").sid;
    const bob = world.connect("bob", { peerConnections, autoSubscribe: false });
    const cam = alice.publish("cam", "video").sid;
    world.advance(5000);
    assert.deepEqual(bob.receives(), []);
    subscription(bob, [cam], true);
    assert.deepEqual(bob.receives(), [cam]);
    const participantTracks = [new ParticipantTracks({ participantSid: alice.sid, trackSids: [mic] })];
    bob.request({ case: "subscription", value: new UpdateSubscription({ participantTracks, subscribe: true }) });
    world.advance(1000);
    assert.deepEqual(bob.receives().toSorted(), [mic, cam].toSorted());
    subscription(bob, [cam], false);
    assert.deepEqual(bob.receives(), [mic]);
    assert.deepEqual(Object.values(bob.midToTrackId), [mic]);
  });
}

test("an unsubscribed track stops at the worker before anything is negotiated", () => {
  const world = new World();
  const { sid } = world.connect("alice").publish("mic", "audio");
  const bob = world.connect("bob", { peerConnections: "dual" });
  bob.forget();
  bob.request({ case: "subscription", value: new UpdateSubscription({ trackSids: [sid], subscribe: false }) });
  assert.deepEqual(bob.receives(), []);
  assert.equal(bob.last("offer"), undefined);
});

test("an explicit no before media is up outlasts auto-subscription", () => {
  const world = new World();
  const { sid } = world.connect("alice").publish("mic", "audio");
  const bob = world.join("bob");
  subscription(bob, [sid], false);
  bob.connectMedia();
  world.advance(1000);
  assert.deepEqual(bob.receives(), []);
});

test("a wish for a track that does not exist yet comes true within a minute", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob", { autoSubscribe: false });
  alice.addTrack("mic", "audio");
  const { sid } = alice.published("mic")!;
  subscription(bob, [sid], true);
  world.advance(58_000);
  alice.offer([{ cid: "mic", kind: "audio" }]);
  world.advance(60_000);
  assert.deepEqual(bob.receives(), [sid]);
  assert.equal(bob.last("subscriptionResponse"), undefined);
});

test("after a minute the client is told that there is no such track, once", () => {
  const world = new World();
  const bob = world.connect("bob");
  subscription(bob, ["TR_nowhere"], true);
  world.advance(58_000);
  assert.equal(bob.last("subscriptionResponse"), undefined);
  world.advance(200_000);
  assert.deepEqual(
    bob.all("subscriptionResponse").map(({ trackSid, err }) => [trackSid, err]),
    [["TR_nowhere", SubscriptionError.SE_TRACK_NOTFOUND]],
  );
});

test("a withdrawn wish is forgotten", () => {
  const world = new World();
  const bob = world.connect("bob");
  subscription(bob, ["TR_nowhere"], true);
  subscription(bob, ["TR_nowhere"], false);
  world.advance(100_000);
  assert.equal(bob.last("subscriptionResponse"), undefined);
});

test("nobody receives a track of its own, and nobody without canSubscribe anything", () => {
  const world = new World();
  const alice = world.connect("alice");
  const { sid } = alice.publish("mic", "audio");
  const mute = world.connect("watcher", { grants: { canSubscribe: false } });
  subscription(alice, [sid], true);
  subscription(mute, [sid], true);
  assert.deepEqual([alice.receives(), mute.receives()], [[], []]);
});

test("a publisher that leaves takes its tracks along", () => {
  const world = new World();
  const alice = world.connect("alice");
  alice.publish("mic", "audio");
  const bob = world.connect("bob", { peerConnections: "dual" });
  alice.dropSignal();
  for (const peer of alice.peers) alice.peerState(peer, "failed");
  world.advance(6000);
  assert.equal(bob.sees("alice"), undefined);
  assert.deepEqual([bob.receives(), Object.values(bob.midToTrackId)], [[], []]);
});

test("a codec that the client does not have: SE_CODEC_UNSUPPORTED once, other tracks come", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob", { peerConnections: "dual", videoCodecs: [] });
  const cam = alice.publish("cam", "video").sid;
  world.advance(1000);
  const mic = alice.publish("mic", "audio").sid;
  world.advance(1000);
  assert.deepEqual(bob.receives(), [mic]);
  assert.deepEqual(
    bob.all("subscriptionResponse").map(({ trackSid, err }) => [trackSid, err]),
    [[cam, SubscriptionError.SE_CODEC_UNSUPPORTED]],
  );
  const told = world.effects.filter((effect) => effect.type === "subscription");
  assert.deepEqual(
    told.map(({ track, error }) => [track, error]),
    [
      [cam, undefined],
      [cam, SubscriptionError.SE_CODEC_UNSUPPORTED],
      [mic, undefined],
    ],
    "whoever watches the room hears of each attempt and of its failure",
  );
});

test("without settings: everything, or the smallest layer with adaptive stream", () => {
  const world = new World();
  const { sid } = world.connect("alice").publish("cam", "video");
  const bob = world.connect("bob");
  const carol = world.connect("carol", { adaptiveStream: true });
  assert.deepEqual(downlink(bob, sid), { disabled: false, maxSpatial: VideoQuality.HIGH, fps: 0, priority: 0 });
  assert.deepEqual(downlink(carol, sid), { disabled: false, maxSpatial: VideoQuality.LOW, fps: 0, priority: 0 });
});

test("settings reach the worker after 100 ms, the last of a burst", () => {
  const world = new World();
  const { sid } = world.connect("alice").publish("cam", "video");
  const bob = world.connect("bob");
  settings(bob, sid, { width: 640, height: 360 });
  settings(bob, sid, { width: 300, height: 170, fps: 15, priority: 0 });
  assert.equal(downlink(bob, sid)?.maxSpatial, VideoQuality.HIGH);
  world.advance(100);
  assert.deepEqual(downlink(bob, sid), { disabled: false, maxSpatial: VideoQuality.LOW, fps: 15, priority: 0 });
  const count = world.commands("setDownlink").length;
  settings(bob, sid, { width: 300, height: 170, fps: 15, priority: 0 });
  world.advance(1000);
  assert.equal(world.commands("setDownlink").length, count, "the same again changes nothing");
});

test("switching off waits for the debounce, switching on does not", () => {
  const world = new World();
  const { sid } = world.connect("alice").publish("cam", "video");
  const bob = world.connect("bob");
  settings(bob, sid, { disabled: true, quality: VideoQuality.HIGH });
  assert.equal(downlink(bob, sid)?.disabled, false);
  world.advance(100);
  assert.equal(downlink(bob, sid)?.disabled, true);
  settings(bob, sid, { disabled: false, quality: VideoQuality.HIGH });
  assert.equal(downlink(bob, sid)?.disabled, false);
});

test("settings that come before the track are remembered", () => {
  const world = new World();
  const alice = world.connect("alice");
  alice.addTrack("cam", "video");
  const { sid } = alice.published("cam")!;
  const bob = world.connect("bob");
  settings(bob, sid, { quality: VideoQuality.MEDIUM });
  world.advance(1000);
  alice.offer([{ cid: "cam", kind: "video" }]);
  world.advance(1000);
  assert.equal(downlink(bob, sid)?.maxSpatial, VideoQuality.MEDIUM);
});

test("wishes and settings for unknown tracks are bounded, also in length", () => {
  const world = new World();
  const bob = world.connect("bob", { autoSubscribe: false });
  const sids = Array.from({ length: 5000 }, (_, i) => `TR_${i}`);
  subscription(bob, [...sids, "x".repeat(10_000)], true);
  for (const sid of sids.slice(0, 10)) settings(bob, sid, { disabled: true });
  world.advance(70_000);
  assert.equal(bob.all("subscriptionResponse").length, 1000);
});

test("a request with the same sid ten thousand times costs one wish", () => {
  const world = new World();
  const bob = world.connect("bob");
  subscription(
    bob,
    Array.from({ length: 10_000 }, () => "TR_x"),
    true,
  );
  world.advance(70_000);
  assert.equal(bob.all("subscriptionResponse").length, 1);
});

describe("with a limit of one video track and two of audio", () => {
  const limits = { ...DEFAULT_LIMITS, videoSubscriptions: 1, audioSubscriptions: 2 };
  const start = () => {
    const world = new World({}, {}, { limits });
    return { world, alice: world.connect("alice") };
  };

  test("a subscriber gets so many, and the next in line when one ends, without an error in between", () => {
    const { world, alice } = start();
    const [first, second, third] = ["one", "two", "three"].map((cid) => alice.publish(cid, "video").sid);
    const mics = ["a", "b", "c"].map((cid) => alice.publish(cid, "audio").sid);
    const bob = world.connect("bob");
    world.advance(1000);
    assert.deepEqual(bob.receives().toSorted(), [first, mics[0], mics[1]].toSorted());
    alice.unpublish("one");
    world.advance(1000);
    assert.deepEqual(bob.receives().toSorted(), [second, mics[0], mics[1]].toSorted());
    subscription(bob, [second!], false);
    assert.deepEqual(bob.receives().toSorted(), [third, mics[0], mics[1]].toSorted());
    assert.deepEqual(Object.values(bob.midToTrackId).toSorted(), [third, mics[0], mics[1]].toSorted());
    assert.equal(bob.last("subscriptionResponse"), undefined);
  });

  test("one who waits and changes its mind, or whose publisher leaves, takes no place", () => {
    const { world, alice } = start();
    const carol = world.connect("carol");
    const cam = alice.publish("cam", "video").sid;
    const others = ["x", "y"].map((cid) => carol.publish(cid, "video").sid);
    const dave = world.connect("dave", { autoSubscribe: false });
    const screen = dave.publish("screen", "video").sid;
    const bob = world.connect("bob", { autoSubscribe: false });
    subscription(bob, [cam, ...others, screen], true);
    assert.deepEqual(bob.receives(), [cam]);
    subscription(bob, [others[0]!], false);
    carol.request({ case: "leave", value: new LeaveRequest() });
    world.advance(10_000);
    assert.deepEqual(bob.receives(), [cam]);
    alice.unpublish("cam");
    world.advance(1000);
    assert.deepEqual(bob.receives(), [screen]);
  });

  test("a place that a withdrawn right leaves is taken by another", () => {
    const { world, alice } = start();
    const cam = alice.publish("cam", "video").sid;
    const carol = world.connect("carol", { autoSubscribe: false });
    const other = carol.publish("other", "video").sid;
    const bob = world.connect("bob");
    world.advance(1000);
    assert.deepEqual(bob.receives(), [cam]);
    alice.request({ case: "subscriptionPermission", value: new SubscriptionPermission({ allParticipants: false }) });
    world.advance(1000);
    assert.deepEqual(bob.receives(), [other]);
    alice.request({ case: "subscriptionPermission", value: new SubscriptionPermission({ allParticipants: true }) });
    world.advance(1000);
    assert.deepEqual(bob.receives(), [other], "whoever has a place keeps it");
  });
});
