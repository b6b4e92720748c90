import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DisconnectReason,
  LeaveRequest,
  LeaveRequest_Action,
  ParticipantInfo_State,
  ParticipantPermission,
  TrackSource,
} from "@livekit/protocol";
import { muteTrack } from "./admin/mute-track.ts";
import { updateParticipant } from "./admin/update-participant.ts";
import type { Client } from "./harness-client.test.ts";
import { World } from "./harness.test.ts";

function order(client: Client): (string | undefined)[] {
  return client.messages.map(({ message }) => message.case);
}

test("resume: the session goes on over the new connection, and the client hears all that it missed", () => {
  const world = new World();
  const alice = world.connect("alice", { tracks: [{ cid: "mic", kind: "audio" }] });
  const bob = world.connect("bob", { peerConnections: "dual" });
  world.connect("carol");
  world.advance(5000);
  const { sid } = bob;
  bob.dropSignal();
  bob.forget();
  alice.publish("cam", "video");
  world.clients.find(({ identity }) => identity === "carol")!.dropSignal();
  const dave = world.connect("dave");
  world.advance(500);
  assert.equal(bob.messages.length, 0);
  const restarts = world.commands("restartIce").length;
  const result = bob.resume();
  assert.deepEqual(result, { participant: sid });
  assert.deepEqual(order(bob).slice(0, 4), ["reconnect", "update", "roomUpdate", "offer"]);
  assert.equal(bob.last("reconnect")?.serverInfo?.version, "1.13.5");
  const all = bob.all("update")[0]!.participants.map(({ identity }) => identity);
  assert.deepEqual(all.toSorted(), ["alice", "bob", "carol", "dave"]);
  assert.ok(bob.sees("dave") && dave.sees("bob"));
  assert.equal(bob.sees("alice")?.tracks.length, 2);
  assert.equal(world.commands("restartIce").length, restarts + 1);
  const { ufrag } = world.commands("restartIce").at(-1)!;
  assert.ok(bob.last("offer")!.sdp.includes(`a=ice-ufrag:${ufrag}`));
  assert.equal(bob.receives().length, 2);
  assert.equal(dave.all("update").filter(({ participants }) => participants[0]?.identity === "bob").length, 0);
});

test("single: no offer of ours at a resume; the client restarts ICE, and gets what was published meanwhile", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob");
  bob.dropSignal();
  const { sid } = alice.publish("mic", "audio");
  world.advance(1000);
  assert.deepEqual(bob.receives(), []);
  bob.forget();
  bob.resume();
  assert.equal(bob.last("offer"), undefined);
  bob.restartIce();
  assert.deepEqual(bob.receives(), [sid]);
});

test("last_message_seq is the highest reliable sequence that came in", () => {
  const world = new World();
  const alice = world.connect("alice");
  for (const sequence of [3, 9, 7]) {
    world.room.handleMedia({ type: "dataSequence", participant: alice.sid, sequence }, world.nowMs);
  }
  alice.dropSignal();
  alice.resume();
  assert.equal(alice.last("reconnect")?.lastMessageSeq, 9);
});

test("the media worker knows who is away, and about to be told how far its messages have come", () => {
  const world = new World();
  const alice = world.connect("alice");
  const away = () => world.commands("setMember").findLast(({ member }) => member.identity === "alice")!.member.away;
  assert.equal(away(), false);
  for (const leave of [() => alice.dropSignal(), () => alice.peerState(alice.peers[0]!, "failed")]) {
    leave();
    assert.equal(away(), true);
    alice.resume();
    assert.equal(away(), false);
  }
});

test("JavaScript clients before 1.6.3 get no ReconnectResponse", () => {
  const world = new World();
  for (const [version, count] of [
    ["1.6.2", 0],
    ["1.6.3", 1],
    ["2.0.0", 1],
  ] as const) {
    const client = world.connect(version, { version });
    client.dropSignal();
    client.resume();
    assert.equal(client.all("reconnect").length, count, version);
  }
});

test("a resume that beats the end of the old connection: the late end of that one means nothing", () => {
  const world = new World();
  const alice = world.connect("alice");
  const old = alice.connection;
  alice.resume();
  const ended = world.effects.filter((effect) => effect.type === "endSignal").map(({ connection }) => connection);
  assert.deepEqual(ended, [old]);
  world.room.handleSignalClosed(alice.sid, old, world.nowMs);
  world.advance(100_000);
  assert.equal(world.room.participants()[0]?.state, ParticipantInfo_State.ACTIVE);
});

for (const [what, prepare] of [
  ["nobody of that identity is here", () => undefined],
  ["the session was replaced", (world: World) => void world.connect("alice")],
] as const) {
  test(`resume is refused with a Leave when ${what}`, () => {
    for (const protocol of [12, 17]) {
      const world = new World();
      const alice = world.connect("alice", { protocol });
      alice.request({ case: "leave", value: new LeaveRequest({}) });
      prepare(world);
      const before = world.effects.length;
      const result = alice.resume();
      assert.ok("failure" in result && result.failure === "state_mismatch");
      const leave = result.leave?.message.value as LeaveRequest;
      assert.equal(leave.reason, DisconnectReason.STATE_MISMATCH);
      if (protocol === 17) assert.equal(leave.action, LeaveRequest_Action.RECONNECT);
      else assert.equal(leave.canReconnect, true);
      assert.equal(world.effects.length, before, "nobody else notices");
    }
  });
}

test("who left while the client was away is told first, but not a replaced session to a client that follows identities", () => {
  for (const [protocol, expected] of [
    [8, []],
    [11, ["dave", "carol"]],
    [17, ["carol"]],
  ] as const) {
    const world = new World();
    const bob = world.connect("bob", { protocol });
    const carol = world.connect("carol", { tracks: [{ cid: "mic", kind: "audio" }] });
    world.connect("dave", { tracks: [{ cid: "mic", kind: "audio" }] });
    world.advance(5000);
    bob.dropSignal();
    bob.forget();
    world.connect("dave");
    carol.request({ case: "leave", value: new LeaveRequest({}) });
    world.advance(4000);
    bob.resume();
    const first = bob.all("update")[0]!.participants;
    const left = first.filter(({ state }) => state === ParticipantInfo_State.DISCONNECTED);
    assert.deepEqual(
      left.map(({ identity }) => identity),
      expected,
    );
  }
});

test("what went to a connection that was dead already is said again, once, before or after the snapshot as it must be", () => {
  const world = new World();
  const alice = world.connect("alice");
  const mic = alice.publish("mic", "audio").sid;
  const cam = alice.publish("cam", "video").sid;
  const bob = world.connect("bob");
  alice.beat();
  alice.deaf = true;
  world.advance(3000);
  world.act(muteTrack({ identity: "alice", trackSid: mic, muted: true }, false));
  const permission = { canPublishSources: [TrackSource.MICROPHONE], canPublish: true, canSubscribe: true };
  world.act(
    updateParticipant({
      identity: "alice",
      name: "",
      metadata: "",
      attributes: {},
      permission: new ParticipantPermission(permission),
    }),
  );
  alice.forget();
  alice.resume();
  const kinds = order(alice);
  assert.deepEqual(kinds.slice(0, 4), ["reconnect", "mute", "trackUnpublished", "update"]);
  assert.equal(alice.last("mute")?.sid, mic);
  assert.equal(alice.last("trackUnpublished")?.trackSid, cam);
  alice.beat();
  alice.dropSignal();
  alice.forget();
  alice.resume();
  assert.deepEqual([alice.all("mute"), alice.all("trackUnpublished")], [[], []]);
  assert.ok(bob.sees("alice")?.tracks.every(({ muted }) => muted));
});

test("of hundreds who left while the client was away it is told each one, once", () => {
  const world = new World();
  const bob = world.connect("bob");
  const crowd = (round: number) => {
    const clients = Array.from({ length: 300 }, (_, i) => world.connect(`p${round}-${i}`));
    world.advance(4000);
    return () => clients.forEach((client) => client.request({ case: "leave", value: new LeaveRequest({}) }));
  };
  for (const round of [0, 1]) {
    const leave = crowd(round);
    bob.beat();
    bob.dropSignal();
    leave();
    world.advance(4000);
    bob.forget();
    bob.resume();
    const told = bob.all("update").flatMap(({ participants }) => participants);
    const left = told.filter(({ state }) => state === ParticipantInfo_State.DISCONNECTED);
    assert.equal(new Set(left.map(({ identity }) => identity)).size, 300);
    assert.ok(left.every(({ identity }) => identity.startsWith(`p${round}-`)));
    assert.equal(bob.others.size, 0);
  }
});

test("the room's events tell how long a client was not heard, what it was told again, and what it has sent", () => {
  const world = new World();
  const bob = world.connect("bob");
  world.room.handleMedia({ type: "dataSequence", participant: bob.sid, sequence: 42 }, world.nowMs);
  bob.beat();
  bob.dropSignal();
  world.advance(3200);
  bob.resume();
  const carol = world.connect("carol");
  world.advance(4000);
  bob.beat();
  carol.request({ case: "leave", value: new LeaveRequest({}) });
  bob.dropSignal();
  world.advance(1000);
  bob.resume();
  const details = world.effects.flatMap((effect) =>
    effect.type === "participantEvent" && effect.kind === "resumed" ? [effect.detail] : [],
  );
  assert.deepEqual(details, [
    "not heard for 3.2 s; has sent reliable data until number 42",
    "not heard for 1.0 s; told again: 1 departures; has sent reliable data until number 42",
  ]);
});

test("a publisher that was away hears that somebody receives its track now", () => {
  const world = new World();
  const alice = world.connect("alice");
  const { sid } = alice.publish("mic", "audio");
  alice.dropSignal();
  world.connect("bob");
  world.advance(60_000);
  alice.resume();
  assert.deepEqual(
    alice.all("trackSubscribed").map(({ trackSid }) => trackSid),
    [sid],
  );
});
