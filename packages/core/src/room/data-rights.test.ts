/** Rights that change while data tracks flow: what is not allowed stops where the packets are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestResponse_Reason } from "@livekit/protocol";
import { AUTO, request, publish, wish, allow, permit, sidsOf, sees, farewell, receivers } from "./harness-data.test.ts";
import type { Client } from "./harness-client.test.ts";
import { World } from "./harness.test.ts";

test("what a publisher forbids stops at the packet, and its subscribers are told; the last message counts", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob", AUTO);
  const carol = world.connect("carol", AUTO);
  const pose = publish(ada, 1);
  const scan = publish(ada, 2);
  allow(ada, [{ participantIdentity: "bob", trackSids: [scan.sid] }]);
  assert.deepEqual([sidsOf(bob), sidsOf(carol)], [[scan.sid], []]);
  assert.deepEqual([receivers(world, ada, 1), receivers(world, ada, 2)], [[], [`bob: ${scan.sid}`]]);
  const denials = (client: Client) =>
    client.all("subscriptionPermissionUpdate").map(({ trackSid, allowed }) => [trackSid, allowed]);
  assert.deepEqual(denials(bob), [[pose.sid, false]]);
  assert.equal(denials(carol).length, 2);

  // One that comes later, and asks.
  const dave = world.connect("dave");
  wish(dave, true, scan.sid);
  assert.deepEqual([sidsOf(dave), denials(dave)], [[], [[scan.sid, false]]]);

  allow(ada, [{ participantSid: carol.sid, allTracks: true }]);
  assert.deepEqual(
    [receivers(world, ada, 1), receivers(world, ada, 2)],
    [[`carol: ${pose.sid}`], [`carol: ${scan.sid}`]],
  );
  // A track that is published under the rules of before.
  const late = publish(ada, 3);
  assert.deepEqual(receivers(world, ada, 3), [`carol: ${late.sid}`]);
  allow(ada, "all");
  assert.deepEqual(
    receivers(world, ada, 2),
    ["bob", "carol", "dave"].map((name) => `${name}: ${scan.sid}`),
  );
  assert.deepEqual(denials(dave).at(-1), [scan.sid, true]);
});

test("a right to subscribe that is given later lets the wishes come true; withdrawn, all stops", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob", { ...AUTO, grants: { canSubscribe: false } });
  const pose = publish(ada, 1);
  assert.deepEqual([sidsOf(bob), receivers(world, ada, 1)], [[], []]);
  permit(world, "bob", {});
  assert.deepEqual([sidsOf(bob), receivers(world, ada, 1)], [[pose.sid], [`bob: ${pose.sid}`]]);
  permit(world, "bob", { canSubscribe: false });
  assert.deepEqual([sidsOf(bob), receivers(world, ada, 1)], [[], []]);
});

test("a right to publish data that is withdrawn ends the tracks, and their publisher is told", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob", AUTO);
  const pose = publish(ada, 1);
  const mic = ada.publish("mic", "audio");
  permit(world, "ada", { canPublishData: false });
  assert.equal(ada.last("unpublishDataTrackResponse")?.info?.sid, pose.sid);
  assert.deepEqual([sees(bob, "ada"), sidsOf(bob), receivers(world, ada, 1)], [[], [], []]);
  assert.deepEqual(
    bob.sees("ada")?.tracks.map(({ sid }) => sid),
    [mic.sid],
  );
  request(ada, { pubHandle: 2, name: "again" });
  assert.equal(ada.lastReason, RequestResponse_Reason.NOT_ALLOWED);
  permit(world, "ada", {});
  const again = publish(ada, 1);
  assert.deepEqual(receivers(world, ada, 1), [`bob: ${again.sid}`]);
});

test("nobody gets the track of one that is hidden; when it is seen, those who want it do", () => {
  const world = new World();
  const ada = world.connect("ada", { grants: { hidden: true } });
  const bob = world.connect("bob", AUTO);
  bob.forget();
  allow(ada, []);
  const pose = publish(ada, 1);
  assert.deepEqual([bob.messages.length, bob.sees("ada"), receivers(world, ada, 1)], [0, undefined, []]);
  allow(ada, "all");
  permit(world, "ada", {});
  assert.deepEqual([sees(bob, "ada"), sidsOf(bob)], [["track 1"], [pose.sid]]);
  assert.deepEqual(receivers(world, ada, 1), [`bob: ${pose.sid}`]);
  permit(world, "ada", { hidden: true });
  assert.deepEqual(farewell(bob), []);
  assert.deepEqual([bob.sees("ada"), sidsOf(bob), receivers(world, ada, 1)], [undefined, [], []]);
});
