/** What the relay does with each kind of packet. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ActiveSpeakerUpdate,
  ChatMessage,
  DataPacket,
  DataStream_ByteHeader,
  DataStream_Chunk,
  DataStream_Header,
  DataStream_TextHeader,
  DataStream_Trailer,
  EncryptedPacket,
  MetricsBatch,
  RpcRequest,
  RpcResponse,
  SipDTMF,
  Transcription,
} from "@livekit/protocol";
import { member, room, user } from "./relay-harness.test.ts";

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
    got.flatMap(({ peer, packet: { value, participantIdentity } }) =>
      peer === 2 ? [[value.case, participantIdentity, value.case === "chatMessage" && value.value.generated]] : [],
    ),
    [
      ["chatMessage", "alice", false],
      ["chatMessage", "bob", true],
      ["transcription", "alice", false],
    ],
  );
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

test("calls, their answers, chat, streams and tones go to those they are for, as they are but for the sender's name", () => {
  const kinds: DataPacket["value"][] = [
    { case: "rpcRequest", value: new RpcRequest({ id: "1", method: "m", payload: "p", version: 1 }) },
    { case: "rpcResponse", value: new RpcResponse({ requestId: "1", value: { case: "payload", value: "q" } }) },
    { case: "chatMessage", value: new ChatMessage({ message: "hello" }) },
    { case: "streamHeader", value: new DataStream_Header({ streamId: "s", topic: "t", mimeType: "text/plain" }) },
    { case: "streamChunk", value: new DataStream_Chunk({ streamId: "s", content: Uint8Array.of(1, 2) }) },
    { case: "streamTrailer", value: new DataStream_Trailer({ streamId: "s", reason: "done" }) },
    { case: "sipDtmf", value: new SipDTMF({ code: 5, digit: "5" }) },
  ];
  const { relay, got } = room();
  for (const kind of kinds) {
    const packet = stream(
      { destinationIdentities: ["carol"], participantIdentity: "bob", participantSid: "PA_b" },
      kind,
    );
    relay.handleMessage("R", "PA_a", "_reliable", packet);
  }
  assert.deepEqual(
    got.map(({ peer, packet: { participantIdentity, participantSid, value } }) => [
      peer,
      participantIdentity,
      participantSid,
      value,
    ]),
    kinds.map((kind) => [3, "alice", "PA_a", kind]),
  );
});
