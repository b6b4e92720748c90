import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ActiveSpeakerUpdate,
  ChatMessage,
  DataPacket,
  DataPacket_Kind,
  DataStream_ByteHeader,
  DataStream_Chunk,
  DataStream_Header,
  DataStream_TextHeader,
  EncryptedPacket,
  MetricsBatch,
  RpcAck,
  Transcription,
  UserPacket,
} from "@livekit/protocol";
import fc from "fast-check";
import type { MemberSpec, PeerId } from "../engine/protocol.ts";
import { DataRelay } from "./relay.ts";

const member = (identity: string, dataPeer: PeerId, more: Partial<MemberSpec> = {}): MemberSpec => ({
  identity,
  canPublish: true,
  canPublishData: true,
  canSubscribe: true,
  hidden: false,
  agent: false,
  active: true,
  dataPeer,
  ...more,
});

function room(open: ReadonlySet<PeerId> = new Set([1, 2, 3])) {
  const got: { peer: PeerId; label: string; packet: DataPacket }[] = [];
  const opened = new Set(open);
  const replies: { participant: string; packet: DataPacket }[] = [];
  const relay = new DataRelay(
    (peer, label, bytes) => {
      if (!opened.has(peer)) return "closed";
      got.push({ peer, label, packet: DataPacket.fromBinary(bytes) });
      return "queued";
    },
    (participant, bytes) => replies.push({ participant, packet: DataPacket.fromBinary(bytes) }),
  );
  relay.setMember("R", "PA_a", member("alice", 1));
  relay.setMember("R", "PA_b", member("bob", 2));
  relay.setMember("R", "PA_c", member("carol", 3));
  return { relay, got, opened, replies };
}

const user = (text: string, more: Partial<DataPacket> = {}, inside: Partial<UserPacket> = {}): Uint8Array =>
  new DataPacket({
    ...more,
    value: { case: "user", value: new UserPacket({ payload: new TextEncoder().encode(text), topic: "t", ...inside }) },
  } as DataPacket).toBinary();

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
  assert.equal(relay.stats.refused, 1);
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

test("only an agent speaks for another, and only an agent's transcription is relayed", () => {
  const { relay, got } = room();
  const chat = new DataPacket({
    participantIdentity: "bob",
    value: { case: "chatMessage", value: new ChatMessage({ message: "hi" }) },
  });
  const said = new DataPacket({ value: { case: "transcription", value: new Transcription() } });
  relay.handleMessage("R", "PA_a", "_reliable", chat.toBinary());
  relay.handleMessage("R", "PA_a", "_reliable", said.toBinary());
  relay.setMember("R", "PA_a", member("alice", 1, { agent: true }));
  relay.handleMessage("R", "PA_a", "_reliable", chat.toBinary());
  relay.handleMessage("R", "PA_a", "_reliable", said.toBinary());
  assert.deepEqual(
    got.filter((g) => g.peer === 2).map((g) => [g.packet.value.case, g.packet.participantIdentity]),
    [
      ["chatMessage", "alice"],
      ["chatMessage", "bob"],
      ["transcription", "alice"],
    ],
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

const stream = (more: Partial<DataPacket>, value: DataPacket["value"]): Uint8Array =>
  new DataPacket({ ...more, value } as DataPacket).toBinary();

test("what an agent writes for somebody else is called generated; others write for themselves alone", () => {
  const { relay, got } = room();
  const header = (content: "textHeader" | "byteHeader") =>
    stream(
      { participantIdentity: "carol" },
      {
        case: "streamHeader",
        value: new DataStream_Header({
          streamId: "s",
          contentHeader:
            content === "textHeader"
              ? { case: content, value: new DataStream_TextHeader() }
              : { case: content, value: new DataStream_ByteHeader() },
        }),
      },
    );
  relay.handleMessage("R", "PA_a", "_reliable", header("textHeader"));
  relay.setMember("R", "PA_a", member("alice", 1, { agent: true }));
  relay.handleMessage("R", "PA_a", "_reliable", header("textHeader"));
  relay.handleMessage("R", "PA_a", "_reliable", header("byteHeader"));
  const seen = got
    .filter(({ peer }) => peer === 2)
    .map(({ packet: { participantIdentity, value } }) => {
      assert.ok(value.case === "streamHeader");
      const { contentHeader } = value.value;
      return [participantIdentity, contentHeader.case === "textHeader" && contentHeader.value.generated];
    });
  assert.deepEqual(seen, [
    ["alice", false],
    ["carol", true],
    ["alice", false],
  ]);
});

test("a user packet that is sent again with the same nonce is delivered once, whoever sends it", () => {
  const { relay, got } = room();
  const nonce = new Uint8Array(16).fill(7);
  for (const who of ["PA_a", "PA_a", "PA_b"]) relay.handleMessage("R", who, "_lossy", user("x", {}, { nonce }));
  relay.handleMessage("R", "PA_a", "_lossy", user("y", {}, { nonce: Uint8Array.of(7) }));
  relay.handleMessage("R", "PA_a", "_lossy", user("y", {}, { nonce: Uint8Array.of(7) }));
  assert.deepEqual(
    got.filter(({ peer }) => peer === 3).map(({ packet }) => packet.participantIdentity),
    ["alice", "alice", "alice"],
  );
});

test("metrics and claims about speakers are not relayed, what is encrypted or of the future is, as it is", () => {
  const { relay, got } = room();
  const encrypted = new EncryptedPacket({ encryptedValue: Uint8Array.of(1, 2, 3), keyIndex: 4 });
  relay.handleMessage("R", "PA_a", "_reliable", stream({}, { case: "metrics", value: new MetricsBatch() }));
  relay.handleMessage("R", "PA_a", "_reliable", stream({}, { case: "speaker", value: new ActiveSpeakerUpdate() }));
  relay.handleMessage("R", "PA_a", "_reliable", stream({}, { case: "encryptedPacket", value: encrypted }));
  // Field 900, length 2.
  relay.handleMessage("R", "PA_a", "_reliable", Uint8Array.of(0xa2, 0x38, 2, 5, 6));
  const packets = got.filter(({ peer }) => peer === 2).map(({ packet }) => packet);
  assert.deepEqual(
    packets.map(({ value }) => value.case),
    ["encryptedPacket", undefined],
  );
  assert.deepEqual(packets[0]!.value.value, encrypted);
  assert.ok(packets[1]!.toBinary().join(" ").includes("5 6"));
});

test("two hundred streams that begin and never end cost what their packets cost, and hide nothing that comes after", () => {
  const { relay, got, opened } = room(new Set([1, 3]));
  const header = (streamId: string) =>
    stream({}, { case: "streamHeader", value: new DataStream_Header({ streamId, totalLength: 1n << 62n }) });
  const chunk = (streamId: string, size: number) =>
    stream({}, { case: "streamChunk", value: new DataStream_Chunk({ streamId, content: new Uint8Array(size) }) });
  for (let i = 0; i < 200; i++) relay.handleMessage("R", "PA_a", "_reliable", header(`s${i}`));
  for (let round = 0; round < 50; round++)
    for (let i = 0; i < 200; i++) relay.handleMessage("R", "PA_a", "_reliable", chunk(`s${i}`, 1000));
  relay.handleMessage("R", "PA_a", "_reliable", user("after"));
  assert.equal(got.filter(({ peer }) => peer === 3).length, 200 + 50 * 200 + 1);
  assert.equal(got.at(-1)?.packet.value.case, "user");
  // Ten megabytes were sent to bob, whose channel is not open: what waits is bounded.
  opened.add(2);
  relay.handleReliableOpen("R", "PA_b");
  const bytes = got.filter(({ peer }) => peer === 2).reduce((sum, { packet }) => sum + packet.toBinary().length, 0);
  assert.ok(bytes > 50_000 && bytes <= 100_000, `${bytes} bytes`);
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
