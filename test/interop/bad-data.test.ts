/**
 * Data from clients that do not keep to the rules, past their own SDK: refused or dropped as LiveKit does, while the data and the call of
 * the others in the room go on. Asks for more than the original gives in two: the original relays what claims to be of an active speaker, and
 * sends chunks to everybody whose header alone names recipients.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  ChatMessage,
  DataPacket,
  DataStream_Chunk,
  DataStream_Header,
  DataStream_TextHeader,
  PublishDataTrackRequest,
  RequestResponse_Reason,
  SpeakerInfo,
  Transcription,
  UnpublishDataTrackRequest,
  UserPacket,
  ActiveSpeakerUpdate,
} from "@livekit/protocol";
import type { CallPage } from "@stoa/testkit/call-page";
import { wholeFramePacket } from "@stoa/testkit/data-track-packet";
import { RawSignal } from "@stoa/testkit/raw-signal";
import { openStage, type Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";

const ROOM = "calm";
const RELIABLE = "_reliable";
/** Half-open streams; chunks of the one that does not end, 120 MB; how much the memory of the server may grow by them. */
const STREAMS = 200;
const ENDLESS_CHUNKS = 8000;
const MAX_GROWTH_MB = 80;
/** Headers that name nobody many thousand times; chunks of a stream whose header names nearly as many as may be. */
const EMPTY_NAMES = 130_000;
const CROWDED_HEADERS = 40;
const CROWD = 4000;
const CROWDED_CHUNKS = 3000;
/** Pictures come every 33 or 66 ms; the browsers have two cores with the server. */
const MAX_GAP_MS = 1000;

const { DUPLICATE_HANDLE, DUPLICATE_NAME, INVALID_HANDLE, INVALID_NAME, NOT_FOUND } = RequestResponse_Reason;

let stage: Stage;
let ada: CallPage;
let bob: CallPage;
let mallory: CallPage;
/** Sequence number of mallory's newest packet: the client itself sends none. */
let sequence = 0;

before(async () => {
  stage = await openStage();
  [ada, bob, mallory] = await Promise.all([
    stage.enter(ROOM, "ada"),
    stage.enter(ROOM, "bob"),
    stage.enter(ROOM, "mallory"),
  ]);
  await Promise.all([ada.publishCamera({ width: 320, height: 180 }), ada.publishTone(440)]);
  await Promise.all([bob.sees("ada"), bob.hears("ada", 440)]);
  await until(async () => (await bob.participants()).length === 2, 8000, "all to be there");
  await bob.recordChannels();
  await Promise.all([bob.call("takeTexts", "t"), bob.call("takeFiles", "t")]);
});
after(() => stage?.close());

/** The call and the data of the other two go on. */
async function undisturbed(): Promise<void> {
  const text = `still here after ${sequence}`;
  await ada.call("sendText", text, { topic: "t" });
  await until(
    async () => (await bob.texts()).some((t) => t.from === "ada" && t.text === text),
    5000,
    "a text of ada's",
  );
  await Promise.all([bob.sees("ada", { steps: 10 }), bob.hears("ada", 440)]);
  assert.equal((await bob.seen("ada"))?.backwards, 0);
}

/** Packets of mallory's, each with the next number. */
const packets = (...values: readonly ConstructorParameters<typeof DataPacket>[0][]): Uint8Array[] =>
  values.map((value) => new DataPacket({ sequence: ++sequence, ...value }).toBinary());

const user = (text: string, more: Partial<UserPacket> = {}) => ({
  value: { case: "user" as const, value: new UserPacket({ payload: new TextEncoder().encode(text), ...more }) },
});

test("data tracks with handles out of range, doubled handles and doubled names are refused by LiveKit's errors", async () => {
  const raw = await RawSignal.connect(stage.server, "rick", ROOM);
  const publish = (pubHandle: number, name: string) =>
    raw.send({ case: "publishDataTrackRequest", value: new PublishDataTrackRequest({ pubHandle, name }) });
  const unpublish = (pubHandle: number) =>
    raw.send({ case: "unpublishDataTrackRequest", value: new UnpublishDataTrackRequest({ pubHandle }) });
  publish(5, "pose");
  await raw.wait("publishDataTrackResponse");
  publish(0, "zero");
  publish(65_536, "beyond");
  publish(6, "");
  publish(6, "x".repeat(257));
  publish(5, "other");
  publish(6, "pose");
  unpublish(7);
  const refusals = () => raw.messages.flatMap((m) => (m.case === "requestResponse" ? [m.value] : []));
  await until(
    () => refusals().length === 7,
    5000,
    () => `seven refusals, not ${refusals().length}`,
  );
  assert.deepEqual(
    refusals().map(({ reason }) => reason),
    [INVALID_HANDLE, INVALID_HANDLE, INVALID_NAME, INVALID_NAME, DUPLICATE_HANDLE, DUPLICATE_NAME, NOT_FOUND],
  );
  assert.equal(raw.messages.filter((m) => m.case === "publishDataTrackResponse").length, 1);
  raw.close();
  await undisturbed();
});

test("packets for handles that name nothing, or another's track, reach nobody; the tracks of others go on", async () => {
  await ada.callDataTracks("publish", "pose");
  const frames = async () =>
    (await bob.callDataTracks<{ frames: unknown[] } | undefined>("received", "pose"))?.frames.length ?? 0;
  await until(
    async () => {
      await ada.callDataTracks("push", "pose", 0, 1, 100, 50);
      return (await frames()) > 0;
    },
    8000,
    "a first frame at bob",
  );
  const packet = (handle: number) => wholeFramePacket(handle, new Uint8Array(50));
  const overlong = packet(1).fill(0xff, 12);
  const hostile = [
    new Uint8Array(1),
    new Uint8Array(11),
    overlong,
    ...Array.from({ length: 300 }, (_, i) => packet(i + 1)),
  ];
  const before = await frames();
  const crossed = async () => (await bob.crossed("in", "_data_track")).length;
  const crossedBefore = await crossed();
  await Promise.all([ada.callDataTracks("push", "pose", 1, 100, 100, 10), mallory.sendRaw("_data_track", hostile)]);
  await until(async () => (await frames()) >= before + 98, 2000, "ada's frames");
  assert.ok((await crossed()) - crossedBefore <= 100, "only ada's packets");
  assert.equal((await bob.callDataTracks<{ damaged: number }>("received", "pose")).damaged, 0);
  await undisturbed();
});

test("sequence numbers that were seen are dropped, and every packet is named by who really sent it", async () => {
  const before = (await bob.crossed("in", RELIABLE)).length;
  const sidOfAda = (await bob.call<Record<string, string>>("sids")).ada!;
  const forged = { participantIdentity: "ada", participantSid: sidOfAda };
  const first = packets(
    user("one"),
    { ...user("two", forged), ...forged },
    { ...forged, value: { case: "chatMessage", value: new ChatMessage({ id: "x", message: "three" }) } },
  );
  const unwanted = packets(
    {
      ...forged,
      value: { case: "transcription", value: new Transcription({ transcribedParticipantIdentity: "ada" }) },
    },
    {
      ...forged,
      value: { case: "speaker", value: new ActiveSpeakerUpdate({ speakers: [new SpeakerInfo({ sid: sidOfAda })] }) },
    },
  );
  const [last] = packets(user("four"));
  const replayed = [...first, ...first, ...unwanted, first[0]!, Uint8Array.of(0xff, 0xff), last!, first[2]!];
  await mallory.sendRaw(RELIABLE, [...replayed, ...packets(user("end"))]);
  await until(async () => (await bob.data()).some(({ text }) => text === "end"), 5000, "the last message");
  const arrived = (await bob.crossed("in", RELIABLE)).slice(before).map((bytes) => DataPacket.fromBinary(bytes));
  const words = arrived.map(({ value }) =>
    value.case === "user"
      ? new TextDecoder().decode(value.value.payload)
      : value.case === "chatMessage"
        ? value.value.message
        : value.case,
  );
  assert.deepEqual(words, ["one", "two", "three", "four", "end"]);
  const sids = await bob.call<Record<string, string>>("sids");
  for (const { participantIdentity, participantSid, value } of arrived) {
    assert.deepEqual([participantIdentity, participantSid], ["mallory", sids.mallory]);
    if (value.case === "user")
      assert.deepEqual([value.value.participantIdentity, value.value.participantSid], ["mallory", sids.mallory]);
  }
  await undisturbed();
});

test("two hundred streams that begin and never end, and one without end: memory stays bounded, the streams of others go on", async (t) => {
  const ids = Array.from({ length: STREAMS }, (_, i) => `open-${i}`);
  const header = (streamId: string) => ({
    value: {
      case: "streamHeader" as const,
      value: new DataStream_Header({
        streamId,
        topic: "t",
        mimeType: "text/plain",
        contentHeader: { case: "textHeader", value: new DataStream_TextHeader() },
      }),
    },
  });
  const chunk = (streamId: string, chunkIndex: number) => ({
    value: {
      case: "streamChunk" as const,
      value: new DataStream_Chunk({ streamId, chunkIndex: BigInt(chunkIndex), content: new Uint8Array(15_000) }),
    },
  });
  const beforeMb = stage.server.residentMb();
  await mallory.sendRaw(RELIABLE, packets(...ids.map(header)));
  // A chunk of each, then one without end: packets without numbers are never replays.
  await mallory.sendRaw(RELIABLE, packets(...ids.map((id) => chunk(id, 0))));
  const more = { ...chunk("open-0", 1), sequence: 0, destinationIdentities: ["nobody"] };
  await mallory.sendRaw(RELIABLE, packets(more), ENDLESS_CHUNKS);
  // Chunks of streams that nobody began.
  await mallory.sendRaw(RELIABLE, packets(...ids.map((id) => chunk(`never-${id}`, 7)), user("all sent")));
  await ada.call("sendFile", "file.bin", 1_000_000, { topic: "t" });
  await until(async () => (await bob.files()).some(({ sha256 }) => sha256 !== ""), 10_000, "a file of ada's");
  await until(async () => (await bob.data()).some(({ text }) => text === "all sent"), 10_000, "all that mallory sent");
  await undisturbed();
  const grownMb = stage.server.residentMb() - beforeMb;
  t.diagnostic(`${Math.round(grownMb)} MB more than the ${Math.round(beforeMb)} MB of before`);
  assert.ok(grownMb < MAX_GROWTH_MB, `${Math.round(grownMb)} MB more`);
});

test("streams whose headers name thousands, or nobody thousands of times: no picture is late, memory stays bounded", async (t) => {
  const header = (streamId: string, destinationIdentities: string[]) => ({
    destinationIdentities,
    value: { case: "streamHeader" as const, value: new DataStream_Header({ streamId }) },
  });
  const chunk = (streamId: string) => ({
    sequence: 0,
    value: { case: "streamChunk" as const, value: new DataStream_Chunk({ streamId, content: new Uint8Array(1) }) },
  });
  const beforeMb = stage.server.residentMb();
  const earlier = (await bob.crossed("in", RELIABLE)).length;
  const nobody = Array.from({ length: EMPTY_NAMES }, () => "");
  await bob.forget("ada");
  const crowd = Array.from({ length: CROWD }, (_, i) => i.toString(36));
  await mallory.sendRaw(RELIABLE, packets(header("crowd", crowd)));
  await mallory.sendRaw(RELIABLE, packets(chunk("crowd")), CROWDED_CHUNKS);
  for (let i = 0; i < CROWDED_HEADERS; i++) await mallory.sendRaw(RELIABLE, packets(header(`empty-${i}`, nobody)));
  await mallory.sendRaw(RELIABLE, packets({ ...user("x"), destinationIdentities: nobody }));
  // What was named more than there may be is refused, and its chunks are for nobody in particular.
  await mallory.sendRaw(RELIABLE, packets(chunk("empty-0"), user("all of the crowd")));
  await until(
    async () => (await bob.data()).some(({ text }) => text === "all of the crowd"),
    20_000,
    "all that mallory sent",
  );
  const arrived = (await bob.crossed("in", RELIABLE)).slice(earlier).map((bytes) => DataPacket.fromBinary(bytes));
  const ofMallory = arrived.filter(({ participantIdentity }) => participantIdentity === "mallory");
  assert.deepEqual(
    ofMallory.map(({ value }) => value.case),
    ["streamChunk", "user"],
  );
  await undisturbed();
  const longestGapMs = (await bob.seen("ada"))?.longestGapMs ?? Number.POSITIVE_INFINITY;
  const grownMb = stage.server.residentMb() - beforeMb;
  t.diagnostic(`longest gap between two pictures ${Math.round(longestGapMs)} ms, ${Math.round(grownMb)} MB more`);
  assert.ok(longestGapMs < MAX_GAP_MS, `${Math.round(longestGapMs)} ms`);
  assert.ok(grownMb < MAX_GROWTH_MB, `${Math.round(grownMb)} MB more`);
});

test("two hundred data channels of its own that a client leaves open hurt nobody", async () => {
  const before = (await bob.data()).length;
  await mallory.call("openChannels", STREAMS, 1000);
  await until(async () => (await bob.data()).length >= before + STREAMS, 10_000, "a message of each channel");
  await undisturbed();
  await mallory.call("leave");
  await bob.waitEvent("participantDisconnected", "mallory");
  await undisturbed();
});
