import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ClientInfo_SDK,
  DisconnectReason,
  LeaveRequest,
  LeaveRequest_Action,
  MuteTrackRequest,
  ParticipantInfo_Kind,
  ParticipantInfo_State,
  SignalTarget,
  TrackSource,
  UpdateParticipantMetadata,
} from "@livekit/protocol";
import { World } from "./harness.test.ts";

test("the first message is a complete JoinResponse", () => {
  const world = new World({ metadata: "about", maxParticipants: 7 });
  world.connect("bob");
  const alice = world.join("alice");
  assert.equal(alice.messages[0]?.message.case, "join");
  const join = alice.last("join")!;
  assert.deepEqual(
    [join.room?.sid, join.room?.name, join.room?.metadata, join.room?.maxParticipants, join.room?.numParticipants],
    ["RM_test", "test", "about", 7, 2],
  );
  assert.match(join.participant!.sid, /^PA_[2-9A-HJ-NP-Za-km-z]{12}$/);
  assert.equal(join.participant?.identity, "alice");
  assert.equal(join.participant?.permission?.canPublish, true);
  assert.deepEqual(
    join.otherParticipants.map((other) => other.identity),
    ["bob"],
  );
  assert.equal(join.serverVersion, "1.13.5");
  assert.equal(join.serverInfo?.protocol, 17);
  assert.equal(join.serverInfo?.nodeId, "ND_test");
  assert.equal(join.serverRegion, "here");
  assert.deepEqual([join.pingInterval, join.pingTimeout], [5, 15]);
  assert.equal(join.sifTrailer.length, 32);
  assert.equal(join.fastPublish, true);
  assert.deepEqual(
    join.enabledPublishCodecs.map((codec) => codec.mime),
    ["video/VP8", "video/H264", "video/AV1", "video/VP9", "audio/opus", "audio/red"],
  );
});

for (const [what, options, expected] of [
  ["dual, protocol 17", { peerConnections: "dual" }, true],
  ["dual, protocol 2", { peerConnections: "dual", protocol: 2 }, false],
  ["dual, may not subscribe", { peerConnections: "dual", grants: { canSubscribe: false } }, false],
  ["single", { peerConnections: "single" }, false],
] as const) {
  test(`subscriber_primary: ${what}`, () => {
    const alice = new World().join("alice", options);
    assert.equal(alice.last("join")?.subscriberPrimary, expected);
  });
}

test("codecs that a browser cannot publish are left out, and it is told so", () => {
  const firefox = new World().join("fox", { browser: "firefox" });
  const join = firefox.last("join")!;
  assert.ok(!join.enabledPublishCodecs.some((codec) => codec.mime === "video/H264"));
  assert.deepEqual(
    join.clientConfiguration?.disabledCodecs?.publish.map((codec) => codec.mime),
    ["video/H264"],
  );
});

test("single: the offer in the join request is answered after the JoinResponse, with its tracks published", () => {
  const world = new World();
  const bob = world.connect("bob");
  const alice = world.join("alice", { tracks: [{ cid: "mic", kind: "audio" }] });
  assert.deepEqual(
    alice.messages.map(({ message }) => message.case),
    ["join", "trackPublished", "answer", "trickle", "trickle", "update"],
  );
  assert.equal(alice.last("answer")?.id, 1);
  const track = alice.published("mic")!;
  assert.match(track.sid, /^TR_AM/);
  assert.equal(alice.self?.isPublisher, true);
  assert.deepEqual(
    bob.sees("alice")?.tracks.map((seen) => [seen.sid, seen.source, seen.mimeType]),
    [[track.sid, TrackSource.MICROPHONE, "audio/opus"]],
  );
});

test("dual: the server offers at once, with the data channels, and the client becomes ACTIVE on that peer", () => {
  const world = new World();
  const alice = world.join("alice", { peerConnections: "dual" });
  assert.deepEqual(
    alice.messages.map(({ message }) => message.case),
    ["join", "offer", "trickle", "trickle"],
  );
  assert.match(alice.last("offer")!.sdp, /m=application/);
  const peer = world.openPeers.get(alice.peer(SignalTarget.SUBSCRIBER))!;
  assert.deepEqual(
    peer.channels.map(({ label, ordered, maxRetransmits }) => [label, ordered, maxRetransmits]),
    [
      ["_reliable", true, undefined],
      ["_lossy", false, 0],
      ["_data_track", false, 0],
    ],
  );
  alice.connectMedia();
  assert.equal(world.room.participants()[0]?.state, ParticipantInfo_State.ACTIVE);
  const member = world.commands("setMember").at(-1)!.member;
  assert.deepEqual([member.active, member.dataPeer], [true, peer.peer]);
});

test("server candidates: string sdpMid, integer sdpMLineIndex, the last one is final", () => {
  const alice = new World().join("alice");
  const trickles = alice.all("trickle");
  for (const trickle of trickles) {
    const init = JSON.parse(trickle.candidateInit);
    assert.deepEqual([init.sdpMid, init.sdpMLineIndex], ["0", 0]);
    assert.match(init.candidate, /^candidate:\S+ 1 (udp|tcp) \d+ 192\.0\.2\.1 788[12] typ host/);
    assert.equal(trickle.target, SignalTarget.PUBLISHER);
  }
  assert.deepEqual(
    trickles.map((trickle) => trickle.final),
    [false, true],
  );
});

test("late join: the newcomer reads of tracks in the JoinResponse and gets them in its first description", () => {
  for (const peerConnections of ["single", "dual"] as const) {
    const world = new World();
    const track = world.connect("alice").publish("mic", "audio");
    const bob = world.join("bob", { peerConnections });
    assert.deepEqual(
      bob.last("join")?.otherParticipants[0]?.tracks.map(({ sid }) => sid),
      [track.sid],
    );
    const first = bob.last(peerConnections === "dual" ? "offer" : "answer")!;
    assert.deepEqual(Object.values(first.midToTrackId), [track.sid]);
    const stream = `${world.room.participants()[0]?.sid}|${track.sid}`;
    assert.ok(first.sdp.includes(`msid:${stream} ${track.sid}`), first.sdp);
    assert.deepEqual(bob.receives(), [track.sid]);
  }
});

test("a hidden participant sees everybody, nobody sees it, and it counts as LiveKit counts it", () => {
  const world = new World();
  const alice = world.connect("alice");
  const spy = world.connect("spy", { grants: { hidden: true } });
  const carol = world.connect("carol");
  carol.publish("mic", "audio");
  world.advance(10_000);
  for (const other of [alice, carol]) assert.equal(other.sees("spy"), undefined);
  assert.ok(spy.sees("alice") && spy.sees("carol"));
  assert.equal(spy.receives().length, 1);
  assert.equal(world.room.info().numParticipants, 3);
  spy.request({ case: "updateMetadata", value: metadata("new name") });
  assert.equal(spy.self?.name, "new name", "it sees its own changes");
  assert.equal(alice.sees("spy"), undefined);
  spy.request({ case: "leave", value: leave() });
  world.advance(10_000);
  const mentions = [alice, carol].flatMap((other) => other.all("update")).flatMap((update) => update.participants);
  assert.ok(!mentions.some((info) => info.identity === "spy"));
});

test("the same identity again: the older session is told and removed, others see one participant", () => {
  const world = new World();
  const bob = world.connect("bob");
  const old = world.connect("alice", { tracks: [{ cid: "mic", kind: "audio" }] });
  const lost = old.sid;
  const next = world.connect("alice", { tracks: [{ cid: "mic2", kind: "audio" }] });
  assert.deepEqual(
    [old.leave?.reason, old.leave?.action],
    [DisconnectReason.DUPLICATE_IDENTITY, LeaveRequest_Action.DISCONNECT],
  );
  assert.equal(old.connection, 0);
  assert.notEqual(next.sid, lost);
  world.advance(5000);
  assert.deepEqual(
    world.room.participants().map(({ sid }) => sid),
    [bob.sid, next.sid],
  );
  assert.deepEqual([...bob.others.keys()], [next.sid]);
  const told = bob.all("update").flatMap((update) => update.participants);
  assert.ok(!told.some((info) => info.sid === lost && info.state === ParticipantInfo_State.DISCONNECTED));
  assert.deepEqual(bob.receives(), [next.published("mic2")!.sid]);
});

test("clients before protocol 12 are told that the older session left, before the new one", () => {
  for (const tracks of [[], [{ cid: "mic", kind: "audio" } as const]]) {
    const world = new World();
    const bob = world.connect("bob", { protocol: 11 });
    const old = world.connect("alice", { tracks });
    world.advance(4000);
    bob.forget();
    const next = world.connect("alice", { tracks });
    world.advance(4000);
    const told = bob.all("update").flatMap((update) => update.participants);
    const states = told.filter((info) => info.identity === "alice").map((info) => [info.sid, info.state] as const);
    assert.deepEqual(states[0], [old.sid, ParticipantInfo_State.DISCONNECTED]);
    assert.equal(states.at(-1)?.[0], next.sid);
    assert.equal(states.filter(([sid]) => sid === old.sid).length, 1);
  }
});

test("max_participants: one too many is refused; agents and a returning identity are not", () => {
  const world = new World({ maxParticipants: 2 });
  world.connect("alice");
  world.connect("bob");
  const refused = world.newClient("carol").join();
  assert.deepEqual("failure" in refused && [refused.failure, refused.message, refused.leave], [
    "room_full",
    "room has exceeded its max participants",
    undefined,
  ]);
  assert.ok("participant" in world.newClient("helper", { kind: ParticipantInfo_Kind.AGENT }).join());
  assert.ok("participant" in world.newClient("bob").join());
});

test("a Rust client before protocol 10 gets neither RequestResponse nor TrackSubscribed", () => {
  const world = new World();
  const rust = world.connect("rust", { sdk: ClientInfo_SDK.RUST, protocol: 9 });
  world.connect("bob");
  rust.publish("mic", "audio");
  rust.request({ case: "mute", value: muteOf("TR_unknown") });
  world.advance(1000);
  assert.equal(rust.last("requestResponse"), undefined);
  assert.equal(rust.last("trackSubscribed"), undefined);
});

function metadata(name: string): UpdateParticipantMetadata {
  return new UpdateParticipantMetadata({ name, requestId: 1 });
}

function leave(): LeaveRequest {
  return new LeaveRequest({ reason: DisconnectReason.CLIENT_INITIATED });
}

function muteOf(sid: string): MuteTrackRequest {
  return new MuteTrackRequest({ sid, muted: true });
}
