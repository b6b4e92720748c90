import assert from "node:assert/strict";
import { test } from "node:test";
import { CODEC_TABLE, DEFAULT_CODECS, isEnabled, matchCodec, mimeOf } from "./codecs.ts";
import { clientTraits, enabledCodecsFor } from "./client-traits.ts";
import type { EnabledCodec } from "./types.ts";

function codec(name: string, fmtp: string, clockRate = 90_000, channels = 1) {
  return { payloadType: 120, name, clockRate, channels, fmtp, feedback: [] };
}

function matched(name: string, fmtp: string, enabled: readonly EnabledCodec[] = DEFAULT_CODECS, side = "publish") {
  return matchCodec("video", codec(name, fmtp), enabled, side as "publish")?.payloadType;
}

test("payload types are unique, RTX included", () => {
  const types = CODEC_TABLE.flatMap(({ payloadType: pt, rtxPayloadType: rtx }) => (rtx === 0 ? [pt] : [pt, rtx]));
  assert.equal(new Set(types).size, types.length);
});

test("the default configuration enables LiveKit's table", () => {
  const enabled = CODEC_TABLE.filter((entry) => isEnabled(entry, DEFAULT_CODECS));
  assert.deepEqual(
    enabled.map((entry) => `${mimeOf(entry)} ${entry.payloadType}`),
    [
      "audio/opus 111",
      "audio/red 63",
      "audio/pcmu 0",
      "audio/pcma 8",
      "video/vp8 96",
      "video/vp9 98",
      "video/vp9 100",
      "video/h264 125",
      "video/h264 108",
      "video/h264 123",
      "video/av1 35",
      "video/h265 116",
    ],
  );
});

const formats: [string, string, number | undefined][] = [
  ["VP8", "max-fs=12288", 96],
  ["vp8", "", 96],
  ["VP9", "", 98],
  ["VP9", "profile-id=1", 100],
  ["VP9", "profile-id=2", undefined],
  ["H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", 108],
  ["H264", "profile-level-id=42E034;packetization-mode=1", 108],
  ["H264", "profile-level-id=42e01f", 125],
  ["H264", "packetization-mode=1;profile-level-id=640034", 123],
  ["H264", "packetization-mode=1;profile-level-id=640c34", undefined],
  ["H264", "packetization-mode=1;profile-level-id=42001f", undefined],
  ["H264", "packetization-mode=1", undefined],
  ["AV1", "level-idx=5;profile=0;tier=0", 35],
  ["AV1", "profile=1", undefined],
  ["H265", "level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST", 116],
  ["red", "", undefined],
  ["ulpfec", "", undefined],
];
for (const [name, fmtp, expected] of formats) {
  test(`offered ${name} ${fmtp} is ${expected ?? "not taken"}`, () => {
    assert.equal(matched(name, fmtp), expected);
  });
}

test("H264 high profile is taken from publishers, not sent", () => {
  const fmtp = "packetization-mode=1;profile-level-id=640032";
  assert.equal(matched("H264", fmtp), 123);
  assert.equal(matched("H264", fmtp, DEFAULT_CODECS, "subscribe"), undefined);
});

test("baseline H264 needs its exact fmtp in the configuration, which then excludes the others", () => {
  const fmtp = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f";
  const enabled = [{ mime: "video/h264", fmtp }];
  assert.equal(matched("H264", "packetization-mode=1;profile-level-id=42001f", enabled), 102);
  assert.equal(matched("H264", "packetization-mode=1;profile-level-id=42e01f", enabled), undefined);
});

test("RED needs opus", () => {
  const red = codec("red", "111/111", 48_000, 2);
  assert.ok(matchCodec("audio", red, DEFAULT_CODECS, "publish"));
  assert.equal(matchCodec("audio", red, [{ mime: "audio/red" }], "publish"), undefined);
});

const clients: [string, string, string, string, { publish: string; subscribe: string }][] = [
  ["Chrome", "140", "Linux", "", { publish: "", subscribe: "" }],
  ["Firefox", "140", "Windows", "", { publish: "", subscribe: "audio/red" }],
  ["Firefox", "140", "Linux", "", { publish: "video/h264", subscribe: "audio/red" }],
  ["Firefox Mobile", "140", "Android", "", { publish: "video/h264", subscribe: "audio/red" }],
  ["Safari", "18.3", "macOS", "", { publish: "video/av1", subscribe: "audio/red video/av1" }],
  ["Safari", "18.10", "macOS", "", { publish: "video/av1 video/vp9", subscribe: "audio/red video/av1" }],
  ["Chrome", "140", "Android", "Xiaomi 2201117TI", { publish: "video/h264", subscribe: "" }],
];
for (const [browser, browserVersion, os, deviceModel, expected] of clients) {
  test(`${browser} ${browserVersion} on ${os} ${deviceModel} does without ${JSON.stringify(expected)}`, () => {
    const enabled = enabledCodecsFor({ browser, browserVersion, os, deviceModel }, DEFAULT_CODECS);
    const missing = (side: readonly EnabledCodec[]) =>
      DEFAULT_CODECS.filter((one) => !side.includes(one)).map(({ mime }) => mime.toLowerCase());
    assert.deepEqual(missing(enabled.publish).toSorted().join(" "), expected.publish);
    assert.deepEqual(missing(enabled.subscribe).toSorted().join(" "), expected.subscribe);
  });
}

test("traits of clients", () => {
  const traits = (browser: string, os: string) => clientTraits({ browser, browserVersion: "", os, deviceModel: "" });
  assert.deepEqual(traits("Chrome", "Linux"), { obeysCodecOrder: true, receivesRed: true, reusesTransceivers: true });
  assert.deepEqual(traits("firefox", "linux"), {
    obeysCodecOrder: false,
    receivesRed: false,
    reusesTransceivers: true,
  });
  assert.deepEqual(traits("Firefox", "Mac"), { obeysCodecOrder: true, receivesRed: false, reusesTransceivers: true });
  assert.deepEqual(traits("Safari", "iOS"), { obeysCodecOrder: true, receivesRed: false, reusesTransceivers: false });
});
