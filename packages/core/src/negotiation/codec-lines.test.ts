/** Line by line what stands in SDP for each codec of LiveKit's table (livekit.md 3.1), in our offers and in our answers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Answerer } from "./answerer.ts";
import { clientTraits } from "./client-traits.ts";
import { DEFAULT_CODECS } from "./codecs.ts";
import { Offerer } from "./offerer.ts";
import type { EnabledCodec, NegotiationOptions, OfferResult } from "./types.ts";

const CHROME = clientTraits({ browser: "Chrome", browserVersion: "140", os: "Linux", deviceModel: "" });
const HASH = Array.from({ length: 32 }, () => "AB").join(":");

function options(enabled: readonly EnabledCodec[]): NegotiationOptions {
  let state = 7;
  const uint32 = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0);
  return {
    local: { fingerprint: HASH, candidates: [] },
    random: { uint32, bytes: (length) => Uint8Array.from({ length }, () => uint32() >>> 24) },
    credentials: { ufrag: "ourufrag", pwd: "ourpasswordourpasswordour" },
    codecs: { publish: enabled, subscribe: enabled },
    client: CHROME,
    bandwidthFeedback: "transport-cc",
    playoutDelay: false,
  };
}

/** Per payload type of one m-line: "name/rate fmtp [feedback]". */
function codecLines(section: string): Map<number, string> {
  const order = /^m=\w+ \d+ \S+ ([\d ]+)/.exec(section)![1]!.split(" ").map(Number);
  const valueOf = (kind: string, payloadType: number): string[] =>
    [...section.matchAll(new RegExp(`^a=${kind}:${payloadType} (.*)\\r$`, "gm"))].map((match) => match[1]!);
  return new Map(
    order.map((type) => {
      const feedback = valueOf("rtcp-fb", type).join(", ");
      return [
        type,
        [...valueOf("rtpmap", type), ...valueOf("fmtp", type), feedback && `[${feedback}]`].join(" ").trim(),
      ];
    }),
  );
}

/** What a subscriber is offered for one track of the kind. */
function offered(kind: "audio" | "video", enabled: readonly EnabledCodec[]): Map<number, string> {
  const peer = new Offerer({ ...options(enabled), dataChannels: false });
  peer.setDownTracks([{ sid: "TR_1", kind, stream: "PA_1|TR_1", mimes: [], stereo: false, red: false }]);
  return codecLines(peer.createOffer().offer.split(/(?=^m=)/m)[1]!);
}

/** What a client that offers to send these formats is answered; `formats`: "payloadType name/rate fmtp". */
function answered(kind: "audio" | "video", enabled: readonly EnabledCodec[], formats: string): OfferResult {
  const parsed = formats.split("\n").map((line) => /^(\d+) (\S+) ?(.*)$/.exec(line.trim())!.slice(1));
  const types = parsed.map(([type]) => type).join(" ");
  const lines = [
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0",
    `a=fingerprint:sha-256 ${HASH}\r\na=ice-ufrag:them\r\na=ice-pwd:theirpasswordtheirpassword`,
    `m=${kind} 9 UDP/TLS/RTP/SAVPF ${types}\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\na=msid:s cid`,
    ...parsed.map(([type, name, fmtp]) => `a=rtpmap:${type} ${name}${fmtp ? `\r\na=fmtp:${type} ${fmtp}` : ""}`),
  ];
  const cid = { sid: "TR_1", kind, cid: "cid", codecs: [], red: false, dtx: true, stereo: false, ssrcs: [] };
  const peer = new Answerer({ ...options(enabled), role: "publisher" });
  const result = peer.handleOffer(`${lines.join("\r\n")}\r\n`, [cid]);
  assert.ok(!("failure" in result), JSON.stringify(result));
  return result;
}

const FEEDBACK = "[transport-cc, goog-remb, ccm fir, nack, nack pli]";
const H264 = "level-asymmetry-allowed=1;packetization-mode=";
const STRICT = ["0;profile-level-id=42001f", "1;profile-level-id=42001f", "0;profile-level-id=4d001f"]
  .concat("1;profile-level-id=4d001f")
  .map((rest): EnabledCodec => ({ mime: "video/H264", fmtp: H264 + rest }));

test("audio lines of an offer", () => {
  assert.deepEqual(Object.fromEntries(offered("audio", DEFAULT_CODECS)), {
    111: "opus/48000/2 minptime=10;useinbandfec=1 [transport-cc, nack]",
    63: "red/48000/2 111/111 [transport-cc, nack]",
    0: "PCMU/8000 [transport-cc, nack]",
    8: "PCMA/8000 [transport-cc, nack]",
  });
});

test("video lines of an offer: all but the high profile, which only publishers use", () => {
  assert.deepEqual(Object.fromEntries(offered("video", DEFAULT_CODECS)), {
    96: `VP8/90000 ${FEEDBACK}`,
    97: "rtx/90000 apt=96",
    98: `VP9/90000 profile-id=0 ${FEEDBACK}`,
    99: "rtx/90000 apt=98",
    100: `VP9/90000 profile-id=1 ${FEEDBACK}`,
    101: "rtx/90000 apt=100",
    125: `H264/90000 ${H264}0;profile-level-id=42e01f ${FEEDBACK}`,
    126: "rtx/90000 apt=125",
    108: `H264/90000 ${H264}1;profile-level-id=42e01f ${FEEDBACK}`,
    109: "rtx/90000 apt=108",
    35: `AV1/90000 ${FEEDBACK}`,
    36: "rtx/90000 apt=35",
    116: `H265/90000 ${FEEDBACK}`,
    117: "rtx/90000 apt=116",
  });
});

test("H264 lines that must be named with their exact fmtp, beside the usual ones", () => {
  const lines = offered("video", [{ mime: "video/h264" }, ...STRICT, { mime: "video/RTX" }]);
  assert.deepEqual([...lines.keys()], [125, 126, 108, 109, 104, 105, 102, 103, 39, 40, 106, 107]);
  assert.equal(lines.get(104), `H264/90000 ${H264}0;profile-level-id=42001f ${FEEDBACK}`);
  assert.equal(lines.get(102), `H264/90000 ${H264}1;profile-level-id=42001f ${FEEDBACK}`);
  assert.equal(lines.get(39), `H264/90000 ${H264}0;profile-level-id=4d001f ${FEEDBACK}`);
  assert.equal(lines.get(106), `H264/90000 ${H264}1;profile-level-id=4d001f ${FEEDBACK}`);
  assert.equal(lines.get(107), "rtx/90000 apt=106");
});

test("what the configuration leaves out is not offered; without rtx there is none", () => {
  assert.deepEqual([...offered("video", [{ mime: "video/VP8" }]).keys()], [96]);
  assert.deepEqual([...offered("audio", [{ mime: "audio/PCMA" }, { mime: "audio/red" }]).keys()], [8]);
  const vp9 = [{ mime: "video/VP9", fmtp: "profile-id=1" }, { mime: "video/rtx" }];
  assert.deepEqual([...offered("video", vp9).keys()], [100, 101]);
});

const published: [kind: "audio" | "video", offer: string, mime: string, lines: Record<number, string>][] = [
  ["audio", "0 PCMU/8000\n8 PCMA/8000\n9 G722/8000", "audio/pcmu", { 0: "PCMU/8000 [nack]", 8: "PCMA/8000 [nack]" }],
  ["audio", "8 PCMA/8000", "audio/pcma", { 8: "PCMA/8000 [nack]" }],
  [
    "video",
    "50 H265/90000 level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST\n51 rtx/90000 apt=50",
    "video/h265",
    { 50: "H265/90000 level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST", 51: "rtx/90000 apt=50" },
  ],
  [
    "video",
    `60 H264/90000 ${H264}1;profile-level-id=640034\n61 rtx/90000 apt=60`,
    "video/h264",
    { 60: `H264/90000 ${H264}1;profile-level-id=640034`, 61: "rtx/90000 apt=60" },
  ],
];
for (const [kind, offer, mime, lines] of published) {
  test(`a publisher's ${mime} is answered with its own payload types and parameters`, () => {
    const result = answered(kind, DEFAULT_CODECS, offer);
    assert.deepEqual(Object.fromEntries(codecLines(result.answer.split(/(?=^m=)/m)[1]!)), lines);
    assert.equal(result.published[0]?.mime, mime);
  });
}

test("a publisher whose codecs are all switched off is refused on its m-line", () => {
  const result = answered("video", [{ mime: "video/VP8" }], "45 AV1/90000");
  assert.match(result.answer, /^m=video 0 /m);
  assert.deepEqual(result.receivers, []);
});

test("RED is described with NACK, because opus is, but the worker asks for none of it again", () => {
  const { receivers } = answered("audio", DEFAULT_CODECS, "63 red/48000/2 111/111\n111 opus/48000/2");
  const asked = receivers[0]!.codecs.map(({ mime, nack }): [string, boolean] => [mime, nack]);
  assert.deepEqual(Object.fromEntries(asked), { "audio/red": false, "audio/opus": true });
});
