import assert from "node:assert/strict";
import { test } from "node:test";
import { DataPacket, DataPacket_Kind, RpcAck } from "@livekit/protocol";
import fc from "fast-check";
import { DEFAULT_LANES, PeerLanes } from "./peer-lanes.ts";
import { DataRelay } from "./relay.ts";
import { ManualPort } from "./sender/manual-port.test.ts";
import { countsOf, member, room, user } from "./relay-harness.test.ts";

test("a packet reaches everybody but its sender, on the channel it came on, with the sender's true name", () => {
  const { relay, got } = room();
  relay.handleMessage("R", "PA_a", "_lossy", user("hi", { participantIdentity: "mallory", participantSid: "PA_x" }));
  assert.deepEqual(
    got.map((g) => [g.peer, g.label, g.packet.participantIdentity, g.packet.participantSid, g.packet.kind]),
    [
      [2, "_lossy", "alice", "PA_a", DataPacket_Kind.LOSSY],
      [3, "_lossy", "alice", "PA_a", DataPacket_Kind.LOSSY],
    ],
  );
  const value = got[0]!.packet.value;
  assert.ok(value.case === "user" && value.value.participantIdentity === "alice" && value.value.topic === "t");
});

test("destinations of the envelope, of the user packet and by SID are honoured", () => {
  const { relay, got } = room();
  relay.handleMessage("R", "PA_a", "_reliable", user("1", { destinationIdentities: ["bob", "alice"] }));
  relay.handleMessage("R", "PA_a", "_reliable", user("2", {}, { destinationIdentities: ["carol"] }));
  relay.handleMessage("R", "PA_a", "_reliable", user("3", {}, { destinationSids: ["PA_c"] }));
  assert.deepEqual(
    got.map((g) => g.peer),
    [2, 3, 3],
  );
  assert.deepEqual(got[1]!.packet.destinationIdentities, ["carol"]);
});

test("a hidden sender stays unnamed; one without the right is not heard", () => {
  const { relay, got } = room();
  relay.setMember("R", "PA_a", member("alice", 1, { hidden: true }));
  relay.setMember("R", "PA_b", member("bob", 2, { canPublishData: false }));
  relay.handleMessage("R", "PA_a", "_reliable", user("x"));
  relay.handleMessage("R", "PA_b", "_reliable", user("y"));
  assert.deepEqual(
    got.map((g) => [g.peer, g.packet.participantIdentity]),
    [
      [2, ""],
      [3, ""],
    ],
  );
  assert.equal(countsOf(relay).refused, 1);
});

test("a sequence number that was seen is not delivered again", () => {
  const { relay, got } = room();
  for (const sequence of [1, 2, 2, 1, 3])
    relay.handleMessage("R", "PA_a", "_reliable", user(`${sequence}`, { sequence, destinationIdentities: ["bob"] }));
  assert.deepEqual(
    got.map((g) => g.packet.sequence),
    [1, 2, 3],
  );
  assert.equal(relay.lastSequence("R", "PA_a"), 3);
});

test("between two tries to resume newer messages overtake older ones: they are left for the client to send again, in order", () => {
  const { relay, got } = room();
  const write = (...sequences: number[]) => {
    for (const sequence of sequences)
      relay.handleMessage("R", "PA_a", "_reliable", user("", { sequence, destinationIdentities: ["bob"] }));
  };
  const away = (is: boolean) => relay.setMember("R", "PA_a", member("alice", 1, { away: is }));
  away(true);
  write(1, 2, 3, 20, 21);
  assert.equal(relay.lastSequence("R", "PA_a"), 3, "what the client is told when it is back");
  assert.equal(countsOf(relay).refused, 2);
  away(false);
  write(4, 5, 6);
  // Whoever is not about to be told may have left numbers out.
  write(20);
  assert.deepEqual(
    got.map((g) => g.packet.sequence),
    [1, 2, 3, 4, 5, 6, 20],
  );
});

test("one whose first message does not come while it is away is told of none, and would send none again: what comes counts", () => {
  const { relay, got } = room();
  relay.setMember("R", "PA_a", member("alice", 1, { away: true }));
  relay.handleMessage("R", "PA_a", "_reliable", user("", { sequence: 7 }));
  assert.equal(got.length, 2);
});

test("reliable packets wait for a channel that is not open yet, in order and bounded; lossy ones do not", () => {
  const { relay, got, opened } = room(new Set([1, 3]));
  for (let i = 0; i < 200; i++)
    relay.handleMessage("R", "PA_a", "_reliable", user(`${i}-${"x".repeat(2000)}`, { destinationIdentities: ["bob"] }));
  relay.handleMessage("R", "PA_a", "_lossy", user("gone", { destinationIdentities: ["bob"] }));
  opened.add(2);
  relay.handleReliableOpen("R", "PA_b");
  const texts = got.map((g) =>
    g.packet.value.case === "user" ? Number.parseInt(new TextDecoder().decode(g.packet.value.value.payload)) : -1,
  );
  assert.ok(texts.length > 40 && texts.length < 60, `${texts.length} kept`);
  assert.deepEqual(
    texts,
    texts.map((_, i) => i),
  );
});

test("a channel with a label of the client's own arrives as a user packet", () => {
  const { relay, got } = room();
  relay.handleMessage("R", "PA_a", "custom", new Uint8Array([1, 2, 3]));
  const value = got[0]!.packet.value;
  assert.ok(value.case === "user");
  assert.deepEqual([...value.value.payload], [1, 2, 3]);
  assert.equal(got[0]!.packet.participantIdentity, "alice");
});

test("bytes that are no packet harm nobody", () => {
  const { relay } = room();
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.constantFrom("_reliable", "_lossy", "_data_track"),
      (bytes, label) => {
        relay.handleMessage("R", "PA_a", label, bytes);
        relay.handleMessage("nowhere", "PA_z", label, bytes);
      },
    ),
    { numRuns: 500 },
  );
});

test("answers to a call of the server are the server's, and nobody else's", () => {
  const { relay, got, replies } = room();
  const ack = (requestId: string) =>
    new DataPacket({
      destinationIdentities: ["bob"],
      value: { case: "rpcAck", value: new RpcAck({ requestId }) },
    }).toBinary();
  relay.awaitRpc("RPC_1", true);
  relay.handleMessage("R", "PA_a", "_reliable", ack("RPC_1"));
  relay.handleMessage("R", "PA_a", "_reliable", ack("RPC_2"));
  assert.deepEqual(
    replies.map(({ participant, packet }) => [participant, packet.value.case]),
    [["PA_a", "rpcAck"]],
  );
  assert.deepEqual(
    got.map(({ peer }) => peer),
    [2],
  );
  relay.awaitRpc("RPC_1", false);
  relay.handleMessage("R", "PA_a", "_reliable", ack("RPC_1"));
  assert.equal(replies.length, 1);
  relay.setMember("R", "PA_a", member("alice", 1, { canPublishData: false }));
  relay.awaitRpc("RPC_3", true);
  relay.handleMessage("R", "PA_a", "_reliable", ack("RPC_3"));
  assert.equal(replies.length, 1);
});

test("what a member that came back is missing: what it has not received, by sender and number", () => {
  const { relay, got } = room();
  assert.equal(relay.missingTest("R", "PA_b", 0), undefined, "it has said nothing");
  relay.noteReceived("R", "PA_b", new Map([["PA_a", 2]]), 0);
  relay.noteReceived("R", "PA_gone", new Map(), 0);
  for (const sequence of [2, 3, 0]) relay.handleMessage("R", "PA_a", "_reliable", user("x", { sequence }));
  relay.handleMessage("R", "PA_c", "_reliable", user("x", { sequence: 1 }));
  const missing = relay.missingTest("R", "PA_b", 1000)!;
  const sent = got.filter(({ peer }) => peer === 2).map(({ packet }) => packet);
  assert.deepEqual(
    sent.map((packet) => [packet.participantSid, packet.sequence, missing(packet.toBinary())]),
    [
      ["PA_a", 2, false],
      ["PA_a", 3, true],
      ["PA_a", 0, false],
      ["PA_c", 1, true],
    ],
  );
  assert.equal(missing(Uint8Array.of(255)), false);
  assert.equal(relay.missingTest("R", "PA_b", 31_000), undefined, "clients forget what they have received");
});

test("what a hidden sender wrote, without its SID, is not sent again: its receiver could not know it from what it has", () => {
  const { relay, got } = room();
  relay.setMember("R", "PA_a", member("alice", 1, { hidden: true }));
  relay.noteReceived("R", "PA_b", new Map(), 0);
  relay.handleMessage("R", "PA_a", "_reliable", user("x", { sequence: 3 }));
  const { packet } = got.find(({ peer }) => peer === 2)!;
  assert.equal(packet.sequence, 3);
  assert.equal(relay.missingTest("R", "PA_b", 0)!(packet.toBinary()), false);
});

test("a message of the server for some reaches nobody else, one for nobody in particular all of the room", () => {
  const { relay, got } = room();
  const peers = (to: readonly string[] | undefined, reliable: boolean) => {
    got.length = 0;
    relay.send("R", to, reliable, user("x"));
    return got.map(({ peer, label }) => [peer, label]);
  };
  assert.deepEqual(peers(["PA_b"], true), [[2, "_reliable"]]);
  assert.deepEqual(peers(["PA_c", "PA_gone"], false), [[3, "_lossy"]]);
  assert.deepEqual(peers([], true), []);
  assert.deepEqual(
    peers(undefined, true).map(([peer]) => peer),
    [1, 2, 3],
  );
  relay.send("elsewhere", undefined, true, user("x"));
  assert.equal(got.length, 3);
});

test("what waited for a channel stays before what its sender sends later, though senders take turns", () => {
  const port = new ManualPort();
  const lanes = new PeerLanes(
    {
      sendData: (_channel, data) => port.send(data),
      bufferedAmount: () => port.buffered,
      setLowWater: (_channel, bytes) => port.setLowWater(bytes),
    },
    DEFAULT_LANES,
  );
  const relay = new DataRelay(
    (_peer, label, bytes, _addressed, from) => lanes.send(label, bytes, 0, from),
    () => undefined,
  );
  for (const [i, name] of ["a", "b", "c"].entries()) relay.setMember("R", `PA_${name}`, member(name, i));
  const send = (from: string, text: string) =>
    relay.handleMessage("R", `PA_${from}`, "_reliable", user(text, { destinationIdentities: ["c"] }));
  for (let i = 0; i < 9; i++) send("a", `${i}`.padEnd(10_000));
  lanes.open("_reliable", 1, 0);
  relay.handleReliableOpen("R", "PA_c");
  send("b", "9");
  send("a", "10");
  port.drain(1 << 20);
  lanes.advance(1);
  const got = port.taken.map((bytes) => {
    const { participantIdentity, value } = DataPacket.fromBinary(bytes);
    assert.ok(value.case === "user");
    return [participantIdentity, Number(new TextDecoder().decode(value.value.payload))] as const;
  });
  assert.deepEqual(
    got.filter(([from]) => from === "a").map(([, number]) => number),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 10],
  );
  assert.deepEqual(got.at(-1), ["a", 10]);
  assert.ok(got.findIndex(([from]) => from === "b") < 9, "who sent little went before the last of these");
});
