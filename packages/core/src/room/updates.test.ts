import assert from "node:assert/strict";
import { test } from "node:test";
import {
  LeaveRequest,
  ParticipantInfo_State,
  UpdateParticipantMetadata,
  type ParticipantInfo,
} from "@livekit/protocol";
import type { Client } from "./harness-client.test.ts";
import { World } from "./harness.test.ts";

function told(client: Client): ParticipantInfo[] {
  return client.all("update").flatMap((update) => update.participants);
}

function leave(client: Client): void {
  client.request({ case: "leave", value: new LeaveRequest({}) });
}

test("comings of mere subscribers are told in batches, as they are then", () => {
  const world = new World();
  const alice = world.connect("alice");
  for (const identity of ["b", "c", "d"]) world.connect(identity);
  assert.equal(told(alice).length, 0);
  world.advance(50);
  assert.deepEqual(
    alice.all("update").map(({ participants }) => participants.map(({ identity, state }) => [identity, state])),
    [
      [
        ["alice", ParticipantInfo_State.ACTIVE],
        ["b", ParticipantInfo_State.ACTIVE],
        ["c", ParticipantInfo_State.ACTIVE],
        ["d", ParticipantInfo_State.ACTIVE],
      ],
    ],
  );
});

test("the batch waits the longer the bigger the room is, three seconds at most", () => {
  const world = new World();
  const alice = world.connect("alice");
  for (let i = 0; i < 119; i++) world.connect(`guest${i}`);
  world.advance(5000);
  alice.forget();
  world.connect("late");
  world.advance(1000);
  assert.equal(told(alice).length, 0);
  world.advance(220);
  assert.equal(told(alice).length, 1);
});

test("the recipients of a broadcast share one message, so that it is encoded once", () => {
  const world = new World();
  const clients = ["a", "b", "c", "d"].map((identity) => world.connect(identity));
  world.advance(5000);
  for (const client of clients) client.forget();
  world.connect("e", { tracks: [{ cid: "mic", kind: "audio" }] });
  const messages = new Set(clients.map((client) => client.messages.find(({ message }) => message.case === "update")));
  assert.equal(messages.size, 1);
});

test("somebody who came and went within a batch was never there, except for who saw it in the JoinResponse", () => {
  const world = new World();
  const alice = world.connect("alice");
  world.advance(5000);
  const ghost = world.join("ghost");
  const bob = world.connect("bob");
  leave(ghost);
  world.advance(5000);
  assert.ok(!told(alice).some(({ identity }) => identity === "ghost"));
  assert.deepEqual(
    told(bob)
      .filter(({ identity }) => identity === "ghost")
      .map(({ state }) => state),
    [ParticipantInfo_State.DISCONNECTED],
  );
});

test("a publisher that leaves is told at once, a subscriber in the batch", () => {
  const world = new World();
  const alice = world.connect("alice");
  const publisher = world.connect("publisher", { tracks: [{ cid: "mic", kind: "audio" }] });
  const watcher = world.connect("watcher");
  world.advance(5000);
  leave(publisher);
  assert.equal(alice.sees("publisher"), undefined);
  leave(watcher);
  assert.ok(alice.sees("watcher"));
  world.advance(3000);
  assert.equal(alice.sees("watcher"), undefined);
});

test("the last info of somebody who left has no tracks and a higher version", () => {
  const world = new World();
  const alice = world.connect("alice");
  const publisher = world.connect("publisher", { tracks: [{ cid: "mic", kind: "audio" }] });
  leave(publisher);
  const infos = told(alice).filter(({ identity }) => identity === "publisher");
  assert.equal(infos.at(-1)?.tracks.length, 0);
  assert.ok(infos.at(-1)!.version > infos.at(-2)!.version);
});

test("large infos are cut into messages around 128 KiB", () => {
  const world = new World();
  for (let i = 0; i < 8; i++) world.connect(`p${i}`, { metadata: "x".repeat(50_000) });
  const late = world.connect("late");
  late.dropSignal();
  late.forget();
  late.resume();
  const sizes = late.all("update").map((update) => update.toBinary().length);
  assert.ok(sizes.length >= 3 && sizes.every((size) => size < 140_000), sizes.join());
  assert.equal(told(late).length, 9);
});

test("own changes of metadata come back at once, once", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob");
  world.advance(5000);
  alice.forget();
  bob.forget();
  alice.request({ case: "updateMetadata", value: new UpdateParticipantMetadata({ metadata: "m", requestId: 4 }) });
  world.advance(5000);
  for (const client of [alice, bob]) {
    assert.deepEqual(
      told(client).map(({ identity, metadata }) => [identity, metadata]),
      [["alice", "m"]],
    );
  }
});

test("joined_at is told in seconds and in milliseconds", () => {
  const world = new World();
  world.advance(1234);
  const alice = world.connect("alice");
  assert.deepEqual(
    [alice.last("join")?.participant?.joinedAt, alice.last("join")?.participant?.joinedAtMs],
    [1_800_000_001n, 1_800_000_001_234n],
  );
});
