/** Who gets which data track, under which handle, and what a client is told of it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  DataTrackInfo,
  LeaveRequest,
  PublishDataTrackResponse,
  SyncState,
  UpdateDataSubscription,
  UpdateDataSubscription_Update,
} from "@livekit/protocol";
import {
  AUTO,
  publish,
  wish,
  allow,
  permit,
  handlesOf,
  sidsOf,
  sees,
  farewell,
  receivers,
} from "./harness-data.test.ts";
import type { Client } from "./harness-client.test.ts";
import { World } from "./harness.test.ts";

for (const peerConnections of ["single", "dual"] as const) {
  describe(`with ${peerConnections === "single" ? "one peer connection" : "two peer connections"}`, () => {
    test("whoever takes everything gets a track when it is published, and what there is when its media is connected", () => {
      const world = new World();
      const ada = world.connect("ada", { peerConnections });
      const bob = world.connect("bob", { peerConnections, ...AUTO });
      bob.forget();
      const pose = publish(ada, 1);
      assert.match(pose.sid, /^DTR_.{12}$/);
      assert.deepEqual([...handlesOf(bob).values()], [pose.sid]);
      const [entry] = Object.values(bob.last("dataTrackSubscriberHandles")!.subHandles);
      assert.deepEqual([entry?.publisherIdentity, entry?.publisherSid], ["ada", ada.sid]);
      // A client cannot take in a handle for a track that it has not read of.
      assert.deepEqual(
        bob.messages.map(({ message }) => message.case).filter((kind) => kind !== "roomUpdate"),
        ["update", "dataTrackSubscriberHandles"],
      );
      assert.deepEqual(receivers(world, ada, 1), [`bob: ${pose.sid}`]);

      const scan = publish(ada, 2);
      assert.deepEqual(sidsOf(bob), [pose.sid, scan.sid].toSorted());
      const carol = world.join("carol", { peerConnections, ...AUTO });
      assert.deepEqual(sees(carol, "ada"), ["track 1", "track 2"]);
      const map = publish(ada, 3);
      assert.deepEqual(carol.all("dataTrackSubscriberHandles"), []);
      carol.connectMedia();
      assert.deepEqual(sidsOf(carol), [pose.sid, scan.sid, map.sid].toSorted());
      assert.equal(carol.all("dataTrackSubscriberHandles").length, 1, "told once of all");
      assert.deepEqual(receivers(world, ada, 2), [`bob: ${scan.sid}`, `carol: ${scan.sid}`]);
    });

    test("others get what they ask for, for as long as they want it", () => {
      const world = new World();
      const ada = world.connect("ada", { peerConnections });
      const bob = world.connect("bob", { peerConnections });
      const pose = publish(ada, 7);
      const scan = publish(ada, 8);
      assert.deepEqual(sees(bob, "ada"), ["track 7", "track 8"]);
      assert.deepEqual([bob.all("dataTrackSubscriberHandles"), receivers(world, ada, 7)], [[], []]);
      wish(bob, true, pose.sid, scan.sid);
      assert.deepEqual(sidsOf(bob), [pose.sid, scan.sid].toSorted());
      assert.equal(bob.all("dataTrackSubscriberHandles").length, 1);
      const before = new Set(handlesOf(bob).keys());
      wish(bob, false, pose.sid);
      assert.deepEqual([sidsOf(bob), receivers(world, ada, 7)], [[scan.sid], []]);
      wish(bob, true, pose.sid);
      const renewed = [...handlesOf(bob)].find(([, sid]) => sid === pose.sid)![0];
      assert.ok(!before.has(renewed), "packets on their way under the old handle are not taken for new ones");
      assert.deepEqual(receivers(world, ada, 7), [`bob: ${pose.sid}`]);
    });
  });
}

test("wishes for what does not exist leave nothing behind, and an own track is not received", () => {
  const world = new World();
  const ada = world.connect("ada", AUTO);
  const pose = publish(ada, 1);
  wish(ada, true, pose.sid);
  for (let i = 0; i < 50; i++) wish(ada, true, `DTR_${i}`, "", "x".repeat(10_000));
  wish(ada, false, "DTR_1");
  assert.deepEqual([ada.all("dataTrackSubscriberHandles"), world.commands("setDataSubscription")], [[], []]);
});

test('an explicit "no" outlasts what comes by itself, until the client asks', () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob", AUTO);
  const pose = publish(ada, 1);
  wish(bob, false, pose.sid);
  allow(ada, []);
  allow(ada, "all");
  permit(world, "bob", { canSubscribe: false });
  permit(world, "bob", {});
  assert.deepEqual([sidsOf(bob), receivers(world, ada, 1)], [[], []]);
  wish(bob, true, pose.sid);
  assert.deepEqual(receivers(world, ada, 1), [`bob: ${pose.sid}`]);
});

test("a client that asks for what it receives is told its handles again", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob", AUTO);
  const pose = publish(ada, 1);
  const told = handlesOf(bob);
  bob.forget();
  wish(bob, true, pose.sid);
  assert.deepEqual(handlesOf(bob), told);
});

test("a publisher that leaves takes its tracks along, a subscriber leaves nothing behind", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob", AUTO);
  publish(ada, 1);
  publish(ada, 2);
  world.connect("carol", AUTO);
  const carol = world.join("carol", AUTO);
  assert.equal(receivers(world, ada, 1).length, 1, "the former carol gets nothing");
  carol.connectMedia();
  assert.equal(receivers(world, ada, 1).length, 2);
  bob.forget();
  const adaAgain = world.connect("ada");
  world.advance(1000);
  assert.deepEqual([sidsOf(bob), sidsOf(carol), sees(bob, "ada")], [[], [], []]);
  assert.equal(bob.all("dataTrackSubscriberHandles").length, 1, "told once of both");
  assert.deepEqual(receivers(world, ada, 1), []);
  const pose = publish(adaAgain, 1);
  assert.deepEqual(receivers(world, adaAgain, 1), [`bob: ${pose.sid}`, `carol: ${pose.sid}`]);
});

test("the last update about one that leaves shows none of its tracks: clients would take them for new ones", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob", AUTO);
  publish(ada, 1);
  ada.request({ case: "leave", value: new LeaveRequest() });
  assert.deepEqual([farewell(bob), sidsOf(bob)], [[], []]);
});

describe("a client that resumes", () => {
  const sync = (client: Client, sids: string[], more: Partial<SyncState> = {}) => {
    const publishDataTracks = sids.map((sid) => new PublishDataTrackResponse({ info: new DataTrackInfo({ sid }) }));
    client.request({ case: "syncState", value: new SyncState({ publishDataTracks, ...more }) });
  };

  test("keeps its tracks when it names what we know, and starts anew when it does not", () => {
    for (const known of [true, false]) {
      const world = new World();
      const ada = world.connect("ada");
      const bob = world.connect("bob", AUTO);
      const pose = publish(ada, 1);
      ada.dropSignal();
      ada.resume();
      ada.forget();
      sync(ada, [known ? pose.sid : "DTR_other"]);
      assert.equal(ada.leave === undefined, known);
      assert.deepEqual(receivers(world, ada, 1), known ? [`bob: ${pose.sid}`] : []);
      assert.deepEqual(sidsOf(bob), known ? [pose.sid] : []);
      assert.deepEqual(ada.all("publishDataTrackResponse"), []);
    }
  });

  test("starts anew when it names a track without SID", () => {
    const ada = new World().connect("ada");
    ada.dropSignal();
    ada.resume();
    const publishDataTracks = [new PublishDataTrackResponse()];
    ada.request({ case: "syncState", value: new SyncState({ publishDataTracks }) });
    assert.ok(ada.leave);
  });

  test("gets the answer that was lost with its connection", () => {
    const ada = new World().connect("ada");
    const pose = publish(ada, 1);
    ada.dropSignal();
    ada.resume();
    ada.forget();
    sync(ada, []);
    assert.equal(ada.last("publishDataTrackResponse")?.info?.sid, pose.sid);
  });

  test("gets the word that a track has ended, which was lost with its connection", () => {
    const world = new World();
    const ada = world.connect("ada");
    const pose = publish(ada, 1);
    ada.dropSignal();
    permit(world, "ada", { canPublishData: false });
    ada.resume();
    ada.forget();
    sync(ada, [pose.sid]);
    assert.equal(ada.leave, undefined);
    const [told, ...more] = ada.all("unpublishDataTrackResponse");
    assert.deepEqual([told?.info?.sid, told?.info?.pubHandle, more], [pose.sid, 1, []]);
  });

  test("does not get away with what another one publishes", () => {
    const world = new World();
    const pose = publish(world.connect("bob"), 1);
    const ada = world.connect("ada");
    ada.dropSignal();
    ada.resume();
    sync(ada, [pose.sid]);
    assert.ok(ada.leave);
  });

  test("is told the handles and denials that it missed, and of its wishes", () => {
    const world = new World();
    const ada = world.connect("ada");
    const bob = world.connect("bob", AUTO);
    const pose = publish(ada, 1);
    const scan = publish(ada, 2);
    wish(bob, false, scan.sid);
    bob.dropSignal();
    const late = publish(ada, 3);
    allow(ada, [{ participantIdentity: "bob", trackSids: [scan.sid, late.sid] }]);
    bob.forget();
    bob.resume();
    assert.deepEqual(sees(bob, "ada"), ["track 1", "track 2", "track 3"]);
    assert.deepEqual(sidsOf(bob), [late.sid]);
    assert.deepEqual(
      bob.all("subscriptionPermissionUpdate").map(({ trackSid, allowed }) => [trackSid, allowed]),
      [[pose.sid, false]],
    );
    const updates = [new UpdateDataSubscription_Update({ trackSid: scan.sid, subscribe: true })];
    sync(bob, [], { dataSubscription: new UpdateDataSubscription({ updates }) });
    assert.deepEqual(receivers(world, ada, 2), [`bob: ${scan.sid}`]);
  });
});
