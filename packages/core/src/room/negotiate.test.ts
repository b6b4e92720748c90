import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ClientInfo_SDK,
  DisconnectReason,
  LeaveRequest_Action,
  MuteTrackRequest,
  RequestResponse_Reason,
  SessionDescription,
  SignalTarget,
  TrickleRequest,
} from "@livekit/protocol";
import { World } from "./harness.test.ts";

test("dual: one offer is out at a time; what changes meanwhile is in the next one", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob", { peerConnections: "dual", silent: true });
  bob.answer();
  bob.connectMedia();
  world.advance(1000);
  bob.forget();
  const mic = alice.publish("mic", "audio").sid;
  world.advance(20);
  const first = bob.last("offer")!;
  const cam = alice.publish("cam", "video").sid;
  const screen = alice.publish("screen", "video").sid;
  world.advance(1000);
  assert.equal(bob.all("offer").length, 1, "the second waits for the answer");
  bob.answer();
  const [, second, ...more] = bob.all("offer");
  assert.equal(more.length, 0);
  assert.equal(second!.id, first.id + 1);
  assert.deepEqual(Object.values(second!.midToTrackId).toSorted(), [mic, cam, screen].toSorted());
  assert.deepEqual(bob.receives(), [mic]);
  bob.answer();
  assert.deepEqual(bob.receives().toSorted(), [mic, cam, screen].toSorted());
});

test("a burst of tracks is one negotiation 10 ms later, or 150 ms after the last one", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob", { peerConnections: "dual" });
  world.advance(1000);
  bob.forget();
  alice.publish("one", "audio");
  alice.publish("two", "video");
  world.advance(9);
  assert.equal(bob.all("offer").length, 0);
  world.advance(1);
  assert.equal(bob.all("offer").length, 1);
  alice.publish("three", "video");
  world.advance(149);
  assert.equal(bob.all("offer").length, 1);
  world.advance(1);
  assert.equal(bob.all("offer").length, 2);
});

test("the id of the first offer is random in 2 … 257; each further one is one higher", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob", { peerConnections: "dual" });
  alice.publish("one", "audio");
  world.advance(1000);
  alice.publish("two", "audio");
  world.advance(1000);
  const ids = bob.all("offer").map(({ id }) => id);
  assert.ok(ids[0]! >= 2 && ids[0]! <= 257);
  assert.deepEqual(ids, [ids[0], ids[0]! + 1, ids[0]! + 2]);
});

for (const [what, id, accepted] of [
  ["0, as Rust sends", () => 0, true],
  ["the right one", (offer: number) => offer, true],
  ["a number that we never gave out", () => 1, true],
] as const) {
  test(`an answer with id ${what} is taken`, () => {
    const world = new World();
    const { sid } = world.connect("alice").publish("mic", "audio");
    const bob = world.join("bob", { peerConnections: "dual", silent: true });
    const offer = bob.last("offer")!;
    bob.request({ case: "answer", value: answer(offer.sdp, id(offer.id)) });
    assert.equal(bob.receives().includes(sid), accepted);
  });
}

test("an offer that is not answered within 15 s: the client is to start anew, the room goes on", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob", { peerConnections: "dual", silent: true });
  world.advance(14_999);
  assert.equal(bob.all("leave").length, 0);
  world.advance(1);
  assert.deepEqual(
    [bob.leave?.reason, bob.leave?.action],
    [DisconnectReason.STATE_MISMATCH, LeaveRequest_Action.RECONNECT],
  );
  assert.equal(bob.connection, 0);
  assert.deepEqual(
    world.room.participants().map(({ sid }) => sid),
    [alice.sid],
  );
});

test("SDP that makes no sense ends that session only", () => {
  const world = new World();
  const alice = world.connect("alice");
  const nonsense = [
    "",
    "v=0",
    "not sdp \u0000 at all",
    `v=0\r\n${"m=audio 9 X 1\r\n".repeat(5)}`,
    "m=".repeat(100_000),
  ];
  for (const sdp of nonsense) {
    for (const kind of ["offer", "answer"] as const) {
      const mallory = world.join("mallory", { peerConnections: "dual", silent: true });
      mallory.request({ case: kind, value: new SessionDescription({ type: kind, sdp }) });
      assert.equal(mallory.leave?.action, LeaveRequest_Action.RECONNECT, JSON.stringify(sdp.slice(0, 20)));
    }
  }
  world.advance(1000);
  assert.equal(world.room.participants().length, 1);
  assert.ok(alice.connection !== 0);
});

test("an old client is told to reconnect by can_reconnect", () => {
  const alice = new World().join("alice", { protocol: 12 });
  alice.request({ case: "offer", value: new SessionDescription({ type: "offer", sdp: "?" }) });
  assert.deepEqual([alice.leave?.canReconnect, alice.leave?.reason], [true, DisconnectReason.STATE_MISMATCH]);
});

test("answers that nobody asked for change nothing", () => {
  const world = new World();
  const single = world.connect("single");
  const dual = world.connect("dual", { peerConnections: "dual" });
  const value = new SessionDescription({ type: "answer", sdp: "v=0" });
  for (const client of [single, dual]) {
    client.request({ case: "answer", value });
    assert.equal(client.leave, undefined);
  }
});

test("single: the client's recvonly sections are used first, then more are asked for", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob");
  const sids = ["a", "b", "c", "d", "e"].map((cid) => alice.publish(cid, "audio").sid);
  world.advance(2000);
  assert.deepEqual(bob.receives().toSorted(), sids.toSorted());
  const asked = bob.all("mediaSectionsRequirement");
  assert.equal(
    asked.reduce((sum, { numAudios }) => sum + numAudios, 0),
    2,
  );
  assert.equal(bob.last("offer"), undefined);
});

test("the answer carries the id of the offer and the track of each mid", () => {
  const world = new World();
  const { sid } = world.connect("alice").publish("cam", "video");
  const bob = world.join("bob");
  assert.deepEqual(Object.values(bob.last("answer")!.midToTrackId), [sid]);
  assert.equal(bob.last("answer")!.type, "answer");
});

test("an ICE restart by the client: the worker gets our new credentials, then the client's", () => {
  const world = new World();
  const alice = world.connect("alice");
  const before = world.effects.length;
  alice.restartIce();
  const commands = world.effects.slice(before).flatMap((effect) => (effect.type === "media" ? [effect.command] : []));
  assert.deepEqual(
    commands.slice(0, 2).map(({ type }) => type),
    ["restartIce", "setRemote"],
  );
  const restart = commands[0] as { ufrag: string; pwd: string };
  assert.ok(alice.last("answer")!.sdp.includes(`a=ice-ufrag:${restart.ufrag}`));
  assert.equal(alice.all("trickle").length, 2, "candidates are sent once");
});

test("a candidate of the client that is no JSON is reported, others are taken in silence", () => {
  const alice = new World().connect("alice");
  alice.forget();
  const trickle = (candidateInit: string) =>
    alice.request({ case: "trickle", value: new TrickleRequest({ candidateInit, target: SignalTarget.PUBLISHER }) });
  trickle('{"candidate":"candidate:1 1 udp 1 192.0.2.9 9 typ host","sdpMid":"0","sdpMLineIndex":0}');
  assert.equal(alice.messages.length, 0);
  for (const bad of ["", "{", "null", "[]", "7"]) {
    trickle(bad);
    assert.equal(alice.lastReason, RequestResponse_Reason.UNCLASSIFIED_ERROR, bad);
    assert.equal(alice.last("requestResponse")?.request.case, "trickle");
    alice.forget();
  }
});

test("the worker hears of a peer before anything else about it, and nothing after its end", () => {
  const world = new World();
  const alice = world.connect("alice", { peerConnections: "dual" });
  const bob = world.connect("bob", { sdk: ClientInfo_SDK.RUST });
  alice.publish("cam", "video");
  bob.publish("mic", "audio");
  world.advance(1000);
  bob.request({ case: "mute", value: new MuteTrackRequest({ sid: bob.published("mic")!.sid, muted: true }) });
  alice.dropSignal();
  alice.resume();
  for (const peer of alice.peers) alice.peerState(peer, "failed");
  world.advance(30_000);
  world.room.close(DisconnectReason.ROOM_DELETED, world.nowMs);
  world.perform();
  const open = new Set<number>();
  for (const effect of world.effects) {
    if (effect.type !== "media" || !("peer" in effect.command)) continue;
    const { command } = effect;
    if (command.type === "openPeer") open.add(command.peer);
    else assert.ok(open.has(command.peer), `${command.type} for a peer that is not open`);
    if (command.type === "closePeer") open.delete(command.peer);
  }
  assert.equal(open.size, 0);
});

function answer(offer: string, id: number): SessionDescription {
  const sdp = offer
    .replaceAll(/^a=(candidate|end-of-candidates|ice-lite|ssrc|ssrc-group|msid).*\r\n/gm, "")
    .replaceAll("a=setup:actpass", "a=setup:active")
    .replaceAll("a=sendonly", "a=recvonly");
  return new SessionDescription({ type: "answer", sdp, id });
}
