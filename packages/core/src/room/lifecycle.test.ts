import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DisconnectReason,
  LeaveRequest,
  LeaveRequest_Action,
  ParticipantInfo_Kind,
  ParticipantInfo_State,
  SignalTarget,
} from "@livekit/protocol";
import type { Client } from "./harness-client.test.ts";
import { World } from "./harness.test.ts";

function closedWith(world: World): DisconnectReason | undefined {
  const closed = world.effects.find((effect) => effect.type === "roomClosed");
  return closed?.reason;
}

/** What others were told last about a participant that is gone. */
function lastWords(of: Client, told: Client): [ParticipantInfo_State, DisconnectReason] | undefined {
  const infos = told.all("update").flatMap((update) => update.participants);
  const info = infos.findLast(({ sid }) => sid === of.sid);
  return info && [info.state, info.disconnectReason];
}

const { DISCONNECTED } = ParticipantInfo_State;

for (const [what, config, seconds] of [
  ["300 s by default", {}, 300],
  ["as configured", { emptyTimeout: 40 }, 40],
] as const) {
  test(`a room that nobody ever joins closes: ${what}`, () => {
    const world = new World(config);
    world.advance(seconds * 1000 - 1);
    assert.equal(world.room.closed, false);
    world.advance(1);
    assert.equal(closedWith(world), DisconnectReason.ROOM_CLOSED);
    assert.equal(world.room.nextTimeoutMs(), Number.POSITIVE_INFINITY);
  });
}

test("a room that everybody left closes after departure_timeout, counted from the last one", () => {
  const world = new World({ departureTimeout: 7 });
  const alice = world.connect("alice");
  world.advance(1_000_000);
  alice.request({ case: "leave", value: new LeaveRequest({}) });
  world.advance(5000);
  const bob = world.connect("bob");
  world.advance(5000);
  bob.request({ case: "leave", value: new LeaveRequest({}) });
  world.advance(6999);
  assert.equal(world.room.closed, false);
  world.advance(1);
  assert.equal(closedWith(world), DisconnectReason.ROOM_CLOSED);
});

test("an agent and a recorder do not keep a room open, and are told that it closes", () => {
  const world = new World({ departureTimeout: 7 });
  const agent = world.connect("agent", { kind: ParticipantInfo_Kind.AGENT });
  world.connect("alice").request({ case: "leave", value: new LeaveRequest({}) });
  const recorder = world.connect("recorder", { grants: { recorder: true, hidden: true } });
  world.advance(7000);
  for (const client of [agent, recorder]) {
    assert.equal(client.leave?.reason, DisconnectReason.ROOM_CLOSED);
    assert.equal(client.connection, 0);
  }
});

test("closing tells everybody why, and lets nobody in any more", () => {
  const world = new World();
  const clients = [world.connect("alice"), world.connect("bob", { peerConnections: "dual" })];
  for (const client of clients) client.forget();
  world.room.close(DisconnectReason.ROOM_DELETED, world.nowMs);
  world.perform();
  for (const client of clients) {
    assert.deepEqual(
      client.messages.map(({ message }) => message.case),
      ["leave"],
    );
    assert.deepEqual(
      [client.leave?.reason, client.leave?.action],
      [DisconnectReason.ROOM_DELETED, LeaveRequest_Action.DISCONNECT],
    );
  }
  assert.equal(world.openPeers.size, 0);
  assert.equal(world.commands("removeMember").length, 2);
  assert.equal(world.effects.at(-1)?.type, "roomClosed");
  const late = world.newClient("late").join();
  assert.equal("failure" in late && late.failure, "room_closed");
  world.room.close(DisconnectReason.ROOM_DELETED, world.nowMs);
  assert.equal(world.room.takeEffects().length, 0);
});

for (const reason of [
  DisconnectReason.CLIENT_INITIATED,
  DisconnectReason.USER_REJECTED,
  DisconnectReason.AGENT_ERROR,
] as const) {
  test(`a client leaves with reason ${DisconnectReason[reason]}: gone at once, others read why`, () => {
    const world = new World();
    const bob = world.connect("bob");
    const alice = world.connect("alice", { tracks: [{ cid: "mic", kind: "audio" }] });
    alice.request({ case: "leave", value: new LeaveRequest({ reason }) });
    assert.deepEqual(lastWords(alice, bob), [DISCONNECTED, reason]);
    assert.equal(alice.connection, 0);
    assert.equal(world.room.info().numParticipants, 1);
  });
}

test("a client cannot pretend that the server removed it", () => {
  const world = new World();
  const bob = world.connect("bob");
  const alice = world.connect("alice", { tracks: [{ cid: "mic", kind: "audio" }] });
  alice.request({ case: "leave", value: new LeaveRequest({ reason: DisconnectReason.ROOM_DELETED }) });
  assert.deepEqual(lastWords(alice, bob), [DISCONNECTED, DisconnectReason.CLIENT_INITIATED]);
});

test("signal lost before media: removed. After media: stays", () => {
  const world = new World();
  const early = world.join("early");
  early.dropSignal();
  const late = world.connect("late");
  late.dropSignal();
  world.advance(600_000);
  assert.deepEqual(
    world.room.participants().map(({ identity }) => identity),
    ["late"],
  );
  const left = world.effects.find((effect) => effect.type === "participantEvent" && effect.kind === "left");
  assert.ok(left?.type === "participantEvent");
  assert.equal(left.participant.disconnectReason, DisconnectReason.SIGNAL_CLOSE);
});

test("when the server cut the signal connection, before media or after, it says why", () => {
  const world = new World();
  for (const client of [world.join("early"), world.connect("late")]) {
    world.room.handleSignalClosed(client.sid, client.connection, world.nowMs, "it does not read");
    world.perform();
  }
  const details = world.effects.flatMap((effect) =>
    effect.type === "participantEvent" && (effect.kind === "left" || effect.kind === "signalLost")
      ? [[effect.participant.identity, effect.kind, effect.detail]]
      : [],
  );
  assert.deepEqual(details, [
    ["early", "left", "it does not read"],
    ["late", "signalLost", "it does not read"],
  ]);
});

test("not ACTIVE within a minute: JOIN_FAILURE", () => {
  const world = new World();
  const alice = world.join("alice");
  world.advance(59_999);
  assert.equal(alice.all("leave").length, 0);
  world.advance(1);
  assert.deepEqual(
    [alice.leave?.reason, alice.leave?.action],
    [DisconnectReason.JOIN_FAILURE, LeaveRequest_Action.DISCONNECT],
  );
});

test("only the primary peer makes a participant ACTIVE", () => {
  const world = new World();
  const alice = world.join("alice", { peerConnections: "dual" });
  alice.offer([]);
  alice.peerState(alice.peer(SignalTarget.PUBLISHER), "connected");
  assert.equal(world.room.participants()[0]?.state, ParticipantInfo_State.JOINED);
  alice.peerState(alice.peer(SignalTarget.SUBSCRIBER), "connected");
  assert.equal(world.room.participants()[0]?.state, ParticipantInfo_State.ACTIVE);
});

test("media fails while the signal lives: the client is asked to resume; without it, gone after 5 s", () => {
  const world = new World();
  const bob = world.connect("bob");
  const alice = world.connect("alice", { tracks: [{ cid: "mic", kind: "audio" }] });
  alice.peerState(alice.peers[0]!, "failed");
  assert.deepEqual([alice.leave?.action, alice.connection], [LeaveRequest_Action.RESUME, 0]);
  world.advance(4999);
  assert.ok(bob.sees("alice"));
  world.advance(1);
  assert.deepEqual(lastWords(alice, bob), [DISCONNECTED, DisconnectReason.CONNECTION_TIMEOUT]);
});

test("media says goodbye: the Leave that it may have overtaken still counts, and without any the client is to start anew", () => {
  for (const leaves of [true, false]) {
    const world = new World();
    const bob = world.connect("bob");
    const alice = world.connect("alice", { tracks: [{ cid: "mic", kind: "audio" }] });
    alice.peerState(alice.peers[0]!, "closed");
    assert.equal(alice.leave, undefined, "it was told to resume what it has closed");
    if (leaves) {
      alice.request({ case: "leave", value: new LeaveRequest({ reason: DisconnectReason.USER_UNAVAILABLE }) });
      assert.deepEqual(lastWords(alice, bob), [DISCONNECTED, DisconnectReason.USER_UNAVAILABLE]);
      continue;
    }
    world.advance(4999);
    assert.ok(bob.sees("alice"));
    world.advance(1);
    assert.deepEqual(lastWords(alice, bob), [DISCONNECTED, DisconnectReason.CONNECTION_TIMEOUT]);
    assert.equal(alice.leave!.action, LeaveRequest_Action.RECONNECT);
  }
});

test("a client that is asked to resume at the first sign of trouble has as long for it as any other", () => {
  const world = new World();
  const bob = world.connect("bob");
  const alice = world.connect("alice", { tracks: [{ cid: "mic", kind: "audio" }] });
  alice.peerState(alice.peers[0]!, "disconnected");
  assert.deepEqual([alice.leave?.action, alice.connection], [LeaveRequest_Action.RESUME, 0]);
  world.advance(5000);
  alice.peerState(alice.peers[0]!, "failed");
  world.advance(4999);
  assert.ok(bob.sees("alice"));
  world.advance(1);
  assert.deepEqual(lastWords(alice, bob), [DISCONNECTED, DisconnectReason.CONNECTION_TIMEOUT]);
});

test("a client that resumes while its media is silent is not interrupted when that counts as failed", () => {
  const world = new World();
  const alice = world.connect("alice");
  const [peer] = alice.peers;
  world.advance(20_000);
  alice.peerState(peer!, "disconnected");
  alice.resume();
  alice.restartIce();
  alice.forget();
  alice.peerState(peer!, "failed");
  assert.deepEqual([alice.leave, alice.connection > 0], [undefined, true]);
  alice.peerState(peer!, "connected");
  world.advance(60_000);
  assert.equal(alice.leave, undefined);
});

test("an old client is not sent a Leave that it would take for the end; its signal connection is closed", () => {
  const alice = new World().connect("alice", { protocol: 12 });
  alice.peerState(alice.peers[0]!, "failed");
  assert.deepEqual([alice.leave, alice.connection], [undefined, 0]);
});

test("media fails and the client resumes: it stays once ICE is up again", () => {
  const world = new World();
  const alice = world.connect("alice");
  const peer = alice.peers[0]!;
  alice.peerState(peer, "failed");
  world.advance(3000);
  alice.resume();
  alice.restartIce();
  world.advance(10_000);
  alice.peerState(peer, "connected");
  world.advance(100_000);
  assert.equal(world.room.participants().length, 1);
  assert.ok(alice.connection !== 0);
});

test("media fails, the client resumes, but ICE does not come up: it is to start anew", () => {
  const world = new World();
  const alice = world.connect("alice");
  alice.peerState(alice.peers[0]!, "failed");
  alice.resume();
  alice.forget();
  world.advance(20_000);
  assert.deepEqual(
    [alice.leave?.reason, alice.leave?.action],
    [DisconnectReason.CONNECTION_TIMEOUT, LeaveRequest_Action.RECONNECT],
  );
});

test("a short loss of media with signalling away too is no reason to act", () => {
  const world = new World();
  const alice = world.connect("alice");
  world.advance(10_000);
  alice.peerState(alice.peers[0]!, "disconnected");
  world.advance(4000);
  alice.peerState(alice.peers[0]!, "connected");
  world.advance(100_000);
  assert.equal(alice.leave, undefined);
  assert.equal(world.room.participants().length, 1);
});

test("events of peers that are closed or of another room are ignored", () => {
  const world = new World();
  const alice = world.connect("alice");
  const peer = alice.peers[0]!;
  alice.request({ case: "leave", value: new LeaveRequest({}) });
  const before = world.effects.length;
  alice.peerState(peer, "failed");
  alice.peerState(4711, "connected");
  assert.equal(world.effects.length, before);
});

test("a token is refreshed after join and resume, and every five minutes while the signal lives", () => {
  const world = new World();
  const alice = world.connect("alice");
  const refreshes = () => world.effects.filter((effect) => effect.type === "refreshToken");
  assert.equal(refreshes().length, 1);
  world.advance(5 * 60_000);
  assert.equal(refreshes().length, 2);
  alice.dropSignal();
  world.advance(5 * 60_000);
  assert.equal(refreshes().length, 2);
  alice.resume();
  assert.deepEqual([refreshes().length, refreshes().at(-1)?.connection], [3, alice.connection]);
});

test("the recording flag is told at once, counters within 5 s in one message", () => {
  const world = new World();
  const alice = world.connect("alice");
  world.advance(10_000);
  alice.forget();
  const recorder = world.connect("recorder", { grants: { recorder: true, hidden: true } });
  assert.equal(alice.last("roomUpdate")?.room?.activeRecording, true);
  recorder.request({ case: "leave", value: new LeaveRequest({}) });
  assert.equal(alice.last("roomUpdate")?.room?.activeRecording, false);
  alice.forget();
  for (const identity of ["b", "c", "d"]) world.connect(identity);
  world.advance(4999);
  assert.equal(alice.last("roomUpdate"), undefined);
  world.advance(1);
  assert.deepEqual(
    alice.all("roomUpdate").map(({ room }) => room?.numParticipants),
    [4],
  );
});
