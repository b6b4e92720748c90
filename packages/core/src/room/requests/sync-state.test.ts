import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DataChannelReceiveState,
  DisconnectReason,
  type DataTrackInfo,
  LeaveRequest_Action,
  ParticipantPermission,
  PublishDataTrackResponse,
  SyncState,
  TrackInfo,
  TrackPublishedResponse,
  UpdateSubscription,
} from "@livekit/protocol";
import { updateParticipant } from "../admin/update-participant.ts";
import type { Client } from "../harness-client.test.ts";
import { publish, unpublish } from "../harness-data.test.ts";
import { World } from "../harness.test.ts";

test("a published track that is unknown here means a full reconnect", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob");
  const { sid } = alice.publish("mic", "audio");
  alice.addTrack("cam", "video");
  const pending = alice.published("cam")!.sid;
  const sync = (client: Client, sids: (string | undefined)[]) =>
    client.request({
      case: "syncState",
      value: new SyncState({
        publishTracks: sids.map((one) => new TrackPublishedResponse(one ? { track: new TrackInfo({ sid: one }) } : {})),
      }),
    });
  sync(alice, [sid, pending]);
  assert.equal(alice.leave, undefined);
  sync(bob, [sid]);
  assert.equal(bob.last("leave")?.action, LeaveRequest_Action.RECONNECT);
  assert.equal(bob.last("leave")?.reason, DisconnectReason.STATE_MISMATCH);
  sync(alice, [undefined]);
  assert.equal(alice.last("leave")?.action, LeaveRequest_Action.RECONNECT);
});

test("subscriptions and switched-off tracks are taken over", () => {
  const world = new World();
  const alice = world.connect("alice");
  const mic = alice.publish("mic", "audio").sid;
  const cam = alice.publish("cam", "video").sid;
  const bob = world.connect("bob", { autoSubscribe: false });
  bob.dropSignal();
  bob.resume();
  const subscription = new UpdateSubscription({ trackSids: [mic, cam], subscribe: true });
  bob.request({ case: "syncState", value: new SyncState({ subscription, trackSidsDisabled: [cam] }) });
  world.advance(1000);
  assert.deepEqual(bob.receives().toSorted(), [mic, cam].toSorted());
  const disabled = world.commands("setDownlink").filter(({ track }) => track === cam);
  assert.deepEqual(
    disabled.map(({ settings }) => settings.disabled),
    [true],
  );
});

test("the client may name a track that was withdrawn while the client was away, for it reads of that just now", () => {
  const world = new World();
  const alice = world.connect("alice");
  const { sid } = alice.publish("cam", "video");
  alice.dropSignal();
  world.act(
    updateParticipant({
      identity: "alice",
      name: "",
      metadata: "",
      attributes: {},
      permission: new ParticipantPermission(),
    }),
  );
  alice.resume();
  const publishTracks = [new TrackPublishedResponse({ track: new TrackInfo({ sid }) })];
  alice.request({ case: "syncState", value: new SyncState({ publishTracks }) });
  assert.equal(alice.leave, undefined);
  alice.beat();
  alice.dropSignal();
  alice.resume();
  alice.request({ case: "syncState", value: new SyncState({ publishTracks }) });
  assert.equal(alice.last("leave")?.reason, DisconnectReason.STATE_MISMATCH, "it has read of it long since");
});

test("of data tracks that ended lately a client that shows them is told; one that shows older ones starts anew", () => {
  const world = new World();
  const alice = world.connect("alice");
  const infos = Array.from({ length: 65 }, (_, i) => {
    const info = publish(alice, i + 1);
    unpublish(alice, i + 1);
    return info;
  });
  const shows = (info: DataTrackInfo) => {
    alice.dropSignal();
    alice.forget();
    alice.resume();
    const publishDataTracks = [new PublishDataTrackResponse({ info })];
    alice.request({ case: "syncState", value: new SyncState({ publishDataTracks }) });
  };
  shows(infos[1]!);
  assert.deepEqual([alice.last("unpublishDataTrackResponse")?.info?.sid, alice.leave], [infos[1]!.sid, undefined]);
  shows(infos[0]!);
  assert.equal(alice.last("leave")?.action, LeaveRequest_Action.RECONNECT);
});

test("what the client has received goes to the worker, bounded", () => {
  const world = new World();
  const alice = world.connect("alice");
  alice.dropSignal();
  alice.resume();
  const datachannelReceiveStates = Array.from(
    { length: 3000 },
    (_, i) => new DataChannelReceiveState({ publisherSid: `PA_${i === 9 ? "x".repeat(100) : i}`, lastSeq: i + 1 }),
  );
  alice.request({ case: "syncState", value: new SyncState({ datachannelReceiveStates }) });
  const [noted] = world.commands("noteReceived");
  assert.deepEqual([noted?.participant, noted?.sequences.size, noted?.sequences.get("PA_7")], [alice.sid, 999, 8]);
});
