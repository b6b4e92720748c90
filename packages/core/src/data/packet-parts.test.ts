import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DataPacket,
  DataStream_Chunk,
  DataStream_Header,
  DataStream_TextHeader,
  MetricsBatch,
  RpcRequest,
  SpeakerInfo,
  ActiveSpeakerUpdate,
  Transcription,
  TranscriptionSegment,
  UserPacket,
} from "@livekit/protocol";
import fc from "fast-check";
import { countParts, MAX_PARTS, NOT_A_PACKET } from "./packet-parts.ts";

const encoded = (packet: ConstructorParameters<typeof DataPacket>[0]): Uint8Array => new DataPacket(packet).toBinary();
const repeated = (count: number): string[] => Array.from({ length: count }, () => "");

test("a packet has as many parts as it has fields, inside and out, however long they are", () => {
  const user = (payload: Uint8Array) =>
    encoded({ sequence: 7, value: { case: "user", value: new UserPacket({ payload }) } });
  assert.equal(countParts(user(new Uint8Array(10))), 3);
  assert.equal(countParts(user(new Uint8Array(260_000))), 3);
  assert.equal(countParts(encoded({ destinationIdentities: ["ada", "bob"], value: { case: undefined } })), 2);
  const header = new DataStream_Header({
    streamId: "s",
    timestamp: 1n << 60n,
    attributes: { a: "b" },
    contentHeader: { case: "textHeader", value: new DataStream_TextHeader({ attachedStreamIds: ["x", "y"] }) },
  });
  // The header, its id, time, an entry with its two ends, the text header and two ids.
  assert.equal(countParts(encoded({ value: { case: "streamHeader", value: header } })), 9);
  assert.equal(countParts(new Uint8Array(0)), 0);
});

test("who names three thousand others is heard; many thousand parts are not, wherever they are", () => {
  const names = Array.from({ length: 3000 }, (_, i) => `participant-${i}`);
  assert.equal(
    countParts(encoded({ destinationIdentities: names, value: { case: "user", value: new UserPacket() } })),
    3001,
  );
  const many = MAX_PARTS + 1;
  const attributes = Object.fromEntries(Array.from({ length: many / 3 + 1 }, (_, i) => [`${i}`, "a"]));
  const textHeader = new DataStream_TextHeader({ attachedStreamIds: repeated(many) });
  const hostile: DataPacket["value"][] = [
    { case: "user", value: new UserPacket({ destinationIdentities: repeated(many) }) },
    { case: "user", value: new UserPacket({ destinationSids: repeated(many) }) },
    { case: "streamHeader", value: new DataStream_Header({ attributes }) },
    {
      case: "streamHeader",
      value: new DataStream_Header({ contentHeader: { case: "textHeader", value: textHeader } }),
    },
    { case: "metrics", value: new MetricsBatch({ strData: repeated(many) }) },
    { case: "speaker", value: new ActiveSpeakerUpdate({ speakers: repeated(many).map(() => new SpeakerInfo()) }) },
    {
      case: "transcription",
      value: new Transcription({ segments: repeated(many).map(() => new TranscriptionSegment()) }),
    },
  ];
  for (const value of hostile) assert.equal(countParts(encoded({ value })), NOT_A_PACKET, value.case);
  assert.equal(countParts(encoded({ destinationIdentities: repeated(many) })), NOT_A_PACKET);
  // Fields of the future.
  assert.equal(countParts(Uint8Array.from({ length: 3 * many }, (_, i) => [0xa0, 0x38, 1][i % 3]!)), NOT_A_PACKET);
  assert.equal(countParts(Uint8Array.of(0xa2, 0x38, 2, 5, 6)), 1);
});

test("what a decoder might read in another way is no packet", () => {
  const names = [...encoded({ destinationIdentities: repeated(10) })];
  const broken: Record<string, number[]> = {
    // As a number the list would be skipped; a decoder goes by its own description and finds names.
    "a string as a number": [5 << 3, 0, ...names],
    "a message that says it is longer than its packet": [0x12, 30, ...names],
    "a string that is longer than its message": [0x12, 4, 0x12, 20, 0, 0, ...names],
    "an entry of a map with more than a key and a value": [0x6a, 6, 0x42, 4, 0x1a, 2, 0x0a, 0],
    "a group": [0x93, 0x38, ...names, 0x94, 0x38],
    "a tag without a number": [0x02, 0],
    "a tag that is cut off": [0xa2],
    "a tag of six bytes": [0xaa, 0x80, 0x80, 0x80, 0x80, 0x00, 0],
    "a number without an end": [0x80, 1, ...Array.from({ length: 11 }, () => 0xff)],
    "a length beyond all bounds": [0x2a, 0xff, 0xff, 0xff, 0xff, 0x0f],
    "a number that is cut off": [0x80, 1, 0xff],
    "a fixed number that is cut off": [0xa5, 0x38, 1, 2, 3],
  };
  for (const [name, bytes] of Object.entries(broken))
    assert.equal(countParts(Uint8Array.from(bytes)), NOT_A_PACKET, name);
});

test("whatever it takes for a packet decodes, to no more names than it has parts", () => {
  const samples = [
    encoded({
      sequence: 300,
      destinationIdentities: ["a", "b"],
      value: { case: "user", value: new UserPacket({ topic: "t" }) },
    }),
    encoded({
      value: { case: "streamHeader", value: new DataStream_Header({ streamId: "s", attributes: { a: "b" } }) },
    }),
    encoded({
      value: { case: "streamChunk", value: new DataStream_Chunk({ chunkIndex: 5n, content: new Uint8Array(9) }) },
    }),
    encoded({
      value: { case: "rpcRequest", value: new RpcRequest({ id: "i", method: "m", payload: "p", version: 1 }) },
    }),
  ];
  const bytes = fc
    .tuple(
      fc.constantFrom(...samples),
      fc.array(fc.tuple(fc.nat(60), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
    )
    .map(([sample, changes]) => {
      const changed = sample.slice();
      for (const [at, byte] of changes) if (at < changed.length) changed[at] = byte;
      return changed;
    });
  let taken = 0;
  fc.assert(
    fc.property(fc.oneof(bytes, fc.uint8Array({ maxLength: 40 })), (candidate) => {
      const parts = countParts(candidate);
      if (parts === NOT_A_PACKET) return;
      taken++;
      const { value, destinationIdentities } = DataPacket.fromBinary(candidate);
      const inside =
        value.case === "user" ? value.value.destinationIdentities.length + value.value.destinationSids.length : 0;
      assert.ok(destinationIdentities.length + inside <= parts);
    }),
    { numRuns: 3000 },
  );
  assert.ok(taken > 500, `${taken} of them`);
});
