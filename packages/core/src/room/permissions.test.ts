/** Rights that change in the middle of a call: what a client may not do is stopped where the packets are. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  ParticipantInfo_Kind,
  ParticipantPermission,
  SubscriptionPermission,
  TrackPermission,
  TrackSource,
} from "@livekit/protocol";
import { updateParticipant } from "./admin/update-participant.ts";
import { updateSubscriptions } from "./admin/update-subscriptions.ts";
import type { Client } from "./harness-client.test.ts";
import { EVERYTHING } from "./harness-join.test.ts";
import { World } from "./harness.test.ts";
import type { Grants } from "./options.ts";

function permit(world: World, identity: string, change: Partial<Grants>): void {
  const { canUpdateOwnMetadata, ...rest } = { ...EVERYTHING, ...change };
  const permission = new ParticipantPermission({
    ...rest,
    canUpdateMetadata: canUpdateOwnMetadata,
    canPublishSources: [...rest.canPublishSources],
  });
  const nothing = { name: "", metadata: "", attributes: {} };
  const info = world.act(updateParticipant({ identity, permission, ...nothing }));
  assert.ok(typeof info !== "string", identity);
}

function allow(publisher: Client, entries: Partial<TrackPermission>[] | "all"): void {
  const value = new SubscriptionPermission({
    allParticipants: entries === "all",
    trackPermissions: entries === "all" ? [] : entries.map((entry) => new TrackPermission(entry)),
  });
  publisher.request({ case: "subscriptionPermission", value });
}

const denials = (client: Client) =>
  client.all("subscriptionPermissionUpdate").map(({ trackSid, allowed }): [string, boolean] => [trackSid, allowed]);

for (const peerConnections of ["single", "dual"] as const) {
  describe(`with ${peerConnections === "single" ? "one peer connection" : "two peer connections"}`, () => {
    test("a right to publish that is withdrawn ends the tracks at the packet, also when the client sends on", () => {
      const world = new World();
      const ada = world.connect("ada", { peerConnections });
      const bob = world.connect("bob", { peerConnections });
      const cam = bob.publish("cam", "video");
      const mic = bob.publish("mic", "audio");
      world.advance(1000);
      assert.deepEqual(ada.receives().toSorted(), [cam.sid, mic.sid].toSorted());

      permit(world, "bob", { canPublishSources: [TrackSource.MICROPHONE] });
      assert.deepEqual(bob.sends(), [mic.sid]);
      world.advance(1000);
      assert.deepEqual(ada.receives(), [mic.sid]);
      assert.deepEqual(
        bob.all("trackUnpublished").map(({ trackSid }) => trackSid),
        [cam.sid],
      );
      assert.deepEqual(
        ada.sees("bob")?.tracks.map(({ sid }) => sid),
        [mic.sid],
      );
      assert.deepEqual(bob.self?.permission?.canPublishSources, [TrackSource.MICROPHONE]);

      // It takes no notice: offers the same m-lines again, announces the camera again.
      bob.offer([]);
      bob.addTrack("cam", "video");
      assert.deepEqual(bob.sends(), [mic.sid]);
      assert.equal(bob.last("requestResponse")?.request.case, "addTrack");

      permit(world, "bob", { canPublish: false });
      world.advance(1000);
      assert.deepEqual([bob.sends(), ada.receives()], [[], []]);
      assert.equal(ada.sees("bob")?.isPublisher, false);

      permit(world, "bob", {});
      const again = bob.publish("cam2", "video");
      world.advance(1000);
      assert.deepEqual([bob.sends(), ada.receives()], [[again.sid], [again.sid]]);
    });

    test("an announced track whose source is forbidden before its media comes is never published", () => {
      const world = new World();
      world.connect("ada", { peerConnections });
      const bob = world.connect("bob", { peerConnections });
      bob.addTrack("cam", "video");
      permit(world, "bob", { canPublish: false });
      bob.offer([{ cid: "cam", kind: "video" }]);
      assert.deepEqual(bob.sends(), []);
      assert.equal(bob.all("trackUnpublished").length, 1);
    });

    test("a right to subscribe that is withdrawn stops all tracks; given back, the wishes come true", () => {
      const world = new World();
      const bob = world.connect("bob", { peerConnections });
      const cam = bob.publish("cam", "video");
      const mic = bob.publish("mic", "audio");
      const ada = world.connect("ada", { peerConnections });
      world.act(
        updateSubscriptions({ identity: "ada", trackSids: [mic.sid], subscribe: false, participantTracks: [] }),
      );
      permit(world, "ada", { canSubscribe: false });
      world.act(updateSubscriptions({ identity: "ada", trackSids: [cam.sid], subscribe: true, participantTracks: [] }));
      world.advance(1000);
      assert.deepEqual(ada.receives(), []);
      const screen = bob.publish("screen", "video");
      world.advance(1000);
      assert.deepEqual(ada.receives(), []);
      permit(world, "ada", {});
      world.advance(1000);
      assert.deepEqual(ada.receives().toSorted(), [cam.sid, screen.sid].toSorted());
    });

    test("what a publisher forbids stops at once, and its subscribers are told; the last message counts", () => {
      const world = new World();
      const bob = world.connect("bob", { peerConnections });
      const cam = bob.publish("cam", "video");
      const mic = bob.publish("mic", "audio");
      const ada = world.connect("ada", { peerConnections });
      world.advance(1000);
      assert.equal(ada.receives().length, 2);

      allow(bob, []);
      world.advance(1000);
      assert.deepEqual(ada.receives(), []);
      assert.deepEqual(new Map(denials(ada)), new Map([mic.sid, cam.sid].map((sid) => [sid, false])));

      allow(bob, [{ participantIdentity: "ada", trackSids: [mic.sid] }]);
      world.advance(1000);
      assert.deepEqual(ada.receives(), [mic.sid]);
      assert.deepEqual(denials(ada).at(-1), [mic.sid, true]);

      allow(bob, [{ participantSid: ada.sid, allTracks: true }]);
      world.advance(1000);
      assert.equal(ada.receives().length, 2);
      allow(bob, "all");
      assert.equal(ada.receives().length, 2);
      assert.equal(denials(ada).length, 4);
    });
  });
}

test("whoever may publish a microphone only gets no picture through by calling it one", () => {
  const world = new World();
  const bob = world.connect("bob", { grants: { canPublishSources: [TrackSource.MICROPHONE] } });
  for (const source of [TrackSource.MICROPHONE, TrackSource.CAMERA, TrackSource.UNKNOWN]) {
    const cid = `cam${source}`;
    bob.addTrack(cid, "video", { source });
    bob.offer([{ cid, kind: "video" }]);
  }
  assert.deepEqual(bob.sends(), []);
  assert.equal(bob.all("requestResponse").length, 3);
  const mic = bob.publish("mic", "audio");
  assert.deepEqual(bob.sends(), [mic.sid]);
});

test("data: the worker is told that this member may not send", () => {
  const world = new World();
  const bob = world.connect("bob");
  permit(world, "bob", { canPublishData: false });
  assert.equal(world.members.get(bob.sid)?.canPublishData, false);
  permit(world, "bob", { canPublishData: true, agent: true });
  assert.deepEqual([world.members.get(bob.sid)?.canPublishData, world.members.get(bob.sid)?.agent], [true, true]);
});

test("who joins later finds what the publisher has forbidden, and an entry that names nobody changes nothing", () => {
  const world = new World();
  const bob = world.connect("bob");
  const cam = bob.publish("cam", "video");
  allow(bob, [{ participantIdentity: "carol", allTracks: true }]);
  allow(bob, [{ allTracks: true }]);
  const ada = world.connect("ada");
  const carol = world.connect("carol");
  world.advance(1000);
  assert.deepEqual([ada.receives(), carol.receives()], [[], [cam.sid]]);
  assert.deepEqual(denials(ada), [[cam.sid, false]]);
  assert.deepEqual(denials(carol), []);
});

test("recorders are exempt from what publishers forbid", () => {
  const world = new World();
  const bob = world.connect("bob");
  const cam = bob.publish("cam", "video");
  allow(bob, []);
  const recorder = world.connect("rec", { kind: ParticipantInfo_Kind.EGRESS });
  world.advance(1000);
  assert.deepEqual(recorder.receives(), [cam.sid]);
});

test("a subscriber that was away hears of a denial when it resumes", () => {
  const world = new World();
  const bob = world.connect("bob");
  const cam = bob.publish("cam", "video");
  const ada = world.connect("ada");
  world.advance(1000);
  ada.dropSignal();
  allow(bob, []);
  assert.deepEqual(ada.receives(), []);
  ada.resume();
  assert.deepEqual(denials(ada), [[cam.sid, false]]);
});

test("who becomes hidden leaves in the eyes of the others, and comes back when it is not hidden any more", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob");
  const cam = bob.publish("cam", "video");
  const away = world.connect("away");
  away.dropSignal();
  world.advance(1000);
  permit(world, "bob", { hidden: true });
  world.advance(5000);
  assert.equal(ada.sees("bob"), undefined);
  assert.deepEqual(ada.receives(), []);
  assert.equal(bob.self?.permission?.hidden, true);
  const late = world.connect("late");
  assert.equal(late.sees("bob"), undefined);
  away.resume();
  assert.equal(away.sees("bob"), undefined);

  permit(world, "bob", { hidden: false });
  world.advance(1000);
  for (const client of [ada, late, away]) {
    assert.deepEqual(
      client.sees("bob")?.tracks.map(({ sid }) => sid),
      [cam.sid],
    );
    assert.deepEqual(client.receives(), [cam.sid]);
  }
});

test("who becomes an agent keeps no room open; who stops being one does", () => {
  const world = new World({ departureTimeout: 10, emptyTimeout: 10 });
  world.connect("bob");
  permit(world, "bob", { agent: true });
  world.advance(5000);
  permit(world, "bob", { agent: false });
  world.advance(60_000);
  assert.equal(world.room.closed, false);
  permit(world, "bob", { agent: true });
  world.advance(11_000);
  assert.equal(world.room.closed, true);
});

test("to a client from before protocol 7 a withdrawn track is muted", () => {
  const world = new World();
  const bob = world.connect("bob", { peerConnections: "dual", protocol: 6 });
  const { sid } = bob.publish("mic", "audio");
  permit(world, "bob", { canPublish: false });
  assert.deepEqual(bob.sends(), []);
  assert.deepEqual([bob.last("mute")?.sid, bob.last("mute")?.muted], [sid, true]);
  assert.deepEqual(bob.all("trackUnpublished"), []);
});

test("a participant that joined without the right to subscribe gets tracks once it has it", () => {
  const world = new World();
  const bob = world.connect("bob");
  const cam = bob.publish("cam", "video");
  const ada = world.connect("ada", { peerConnections: "dual", grants: { canSubscribe: false } });
  permit(world, "ada", { canSubscribe: true });
  world.advance(1000);
  assert.deepEqual(ada.receives(), [cam.sid]);
});
