/** Every codec that the browser can publish arrives as what it is, and the parameters of sound are in place. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { type CallPage, SMALL } from "@stoa/testkit/call-page";
import { openStage, type Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";

const TWO_CONNECTIONS = { roomOptions: { singlePeerConnection: false } };

/** What a server offers a subscriber: the payload types that clients know LiveKit by. */
const OFFERED_AUDIO = ["111 opus/48000/2", "63 red/48000/2", "0 PCMU/8000", "8 PCMA/8000"];
const OFFERED_VIDEO = ["96 VP8", "98 VP9", "100 VP9", "125 H264", "108 H264", "35 AV1", "116 H265"];

let stage: Stage;

before(async () => {
  stage = await openStage();
});
afterEach(() => stage.clear());
after(() => stage?.close());

async function pair(room: string, viewer: Record<string, unknown> = {}): Promise<[CallPage, CallPage]> {
  return Promise.all([stage.enter(room, "ada"), stage.enter(room, "bob", viewer)]);
}

test("video in VP8, H264, VP9 and AV1, one after the other, moves at the other side in that codec", async (t) => {
  const [a, b] = await pair("video");
  for (const codec of ["vp8", "h264", "vp9", "av1"]) {
    await a.publishCamera({ ...SMALL, options: { videoCodec: codec, backupCodec: false } });
    t.diagnostic(`${codec}: first frame after ${Math.round(await b.sees("ada", { steps: 1, timeoutMs: 5000 }))} ms`);
    await b.sees("ada", { steps: 15 });
    assert.equal((await b.inbound("ada")).mimeType?.toLowerCase(), `video/${codec}`);
    assert.equal((await b.seen("ada"))?.backwards, 0);
    const info = await b.call<{ mimeType: string }>("trackInfo", "ada", "camera");
    assert.equal(info.mimeType.toLowerCase(), `video/${codec}`);
    await a.call("unpublish", "camera");
    await until(async () => (await b.seen("ada")) === undefined, 5000, "the picture to go");
  }
});

for (const codec of ["PCMU", "PCMA"]) {
  test(`sound in ${codec} is heard at the other side in that codec`, async () => {
    const [a, b] = await pair(codec);
    await a.call("useAudioCodec", `audio/${codec}`);
    // Its 64 kbit/s are fixed: the browser refuses a sender that may use less.
    await a.publishTone(440, { red: false, dtx: false, audioPreset: { maxBitrate: 64_000 } });
    await b.hears("ada", 440);
    assert.equal((await b.inbound("ada", "microphone")).mimeType, `audio/${codec}`);
  });
}

test("sound in stereo: each ear hears its own tone", async () => {
  const [a, b] = await pair("stereo");
  await a.publishTone(440, { rightHz: 700, forceStereo: true });
  await Promise.all([b.hears("ada", 440, { ear: 0 }), b.hears("ada", 700, { ear: 1 })]);
  assert.match((await a.outbound("audio"))[0]!.fmtp!, /(^|;)stereo=1(;|$)/);
});

test("a silent microphone sends next to nothing with DTX", async () => {
  const [a, b] = await pair("dtx");
  await a.publishTone(440, { dtx: true, red: false });
  await b.hears("ada", 440);
  assert.match((await a.outbound("audio"))[0]!.fmtp!, /(^|;)usedtx=1(;|$)/);
  await a.call("volume", 0);
  await until(async () => (await audioPackets(b)) < 10, 5000, "few packets of silence");
  await a.call("volume", 0.4);
  await b.hears("ada", 440, { timeoutMs: 2000 });
});

test("a silent microphone without DTX sends all the time", async () => {
  const [a, b] = await pair("no-dtx");
  await a.publishTone(440, { dtx: false, red: false });
  await b.hears("ada", 440);
  assert.doesNotMatch((await a.outbound("audio"))[0]!.fmtp!, /usedtx=1/);
  await a.call("volume", 0);
  await audioPackets(b);
  assert.ok((await audioPackets(b)) > 40);
});

/** Packets of sound that arrive in a second. */
async function audioPackets(page: CallPage): Promise<number> {
  const before = (await page.inbound("ada", "microphone")).packetsReceived!;
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return (await page.inbound("ada", "microphone")).packetsReceived! - before;
}

test("a subscriber with a connection of its own is offered the codecs under LiveKit's payload types", async () => {
  const [a, b] = await pair("offer", TWO_CONNECTIONS);
  await Promise.all([a.publishCamera(SMALL), a.publishTone(440)]);
  await Promise.all([b.sees("ada"), b.hears("ada", 440)]);
  const sections = (await b.call<string[]>("remoteSdp")).flatMap((sdp) => sdp.split(/^m=/m).slice(1));
  const types = (kind: string): string[] => {
    const section = sections.find((text) => text.startsWith(kind)) ?? "";
    return [...section.matchAll(/^a=rtpmap:(\d+ \S+?)(\/90000)?\r?$/gm)].map(([, map]) => map!);
  };
  assert.deepEqual(types("audio").sort(byText), [...OFFERED_AUDIO].sort(byText));
  const video = types("video");
  assert.deepEqual(video.filter((map) => !map.endsWith("rtx")).sort(byText), [...OFFERED_VIDEO].sort(byText));
  // Each has its retransmissions under the next number.
  for (const map of OFFERED_VIDEO)
    assert.ok(video.includes(`${Number.parseInt(map, 10) + 1} rtx`), `${map}: ${video.join()}`);
});

const byText = (x: string, y: string): number => x.localeCompare(y);
