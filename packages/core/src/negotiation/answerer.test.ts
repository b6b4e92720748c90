import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { SeededRandom } from "@stoa/testkit/node-crypto";
import { parseSdp } from "@stoa/wire/sdp/parse";
import { Answerer } from "./answerer.ts";
import { clientTraits } from "./client-traits.ts";
import { DEFAULT_CODECS } from "./codecs.ts";
import type { AnswererOptions, DownTrack, OfferResult, Publication } from "./types.ts";

function fixture(name: string): string {
  return readFileSync(new URL(`../../src/negotiation/fixtures/${name}.sdp`, import.meta.url), "utf8");
}

const CHROME = clientTraits({ browser: "Chrome", browserVersion: "140", os: "Linux", deviceModel: "" });
const FIREFOX_LINUX = clientTraits({ browser: "Firefox", browserVersion: "140", os: "Linux", deviceModel: "" });
const FINGERPRINT = Array.from({ length: 32 }, () => "AB").join(":");

function answerer(extra: Partial<AnswererOptions> = {}): Answerer {
  return new Answerer({
    local: { fingerprint: FINGERPRINT, candidates: [{ protocol: "udp", address: "192.0.2.1", port: 7882 }] },
    random: new SeededRandom(1),
    credentials: { ufrag: "ourufrag", pwd: "ourpasswordourpasswordour" },
    codecs: { publish: DEFAULT_CODECS, subscribe: DEFAULT_CODECS },
    client: CHROME,
    bandwidthFeedback: "remb",
    playoutDelay: false,
    role: "single",
    ...extra,
  });
}

function publication(sid: string, kind: "audio" | "video", cid: string, rest: Partial<Publication> = {}): Publication {
  return { sid, kind, cid, codecs: [], red: true, dtx: true, stereo: false, ssrcs: [], ...rest };
}

function down(sid: string, kind: "audio" | "video", mimes: string[] = [], rest: Partial<DownTrack> = {}): DownTrack {
  return { sid, kind, stream: `PA_1|${sid}`, mimes, stereo: false, red: false, ...rest };
}

function offer(to: Answerer, sdp: string, publications: readonly Publication[] = []): OfferResult {
  const result = to.handleOffer(sdp, publications);
  assert.ok(!("failure" in result), JSON.stringify(result));
  return result;
}

/** Lines of the section with this mid. */
function sectionOf(sdp: string, mid: string): string[] {
  const section = sdp.split(/\r\nm=/).find((one) => one.split("\r\n").includes(`a=mid:${mid}`));
  assert.ok(section, `no section ${mid}`);
  return section.split("\r\n");
}

function directions(sdp: string): string {
  const session = parseSdp(sdp);
  assert.ok(!("failure" in session));
  return session.media.map(({ mid, direction, rejected }) => `${mid}:${rejected ? "rejected" : direction}`).join(" ");
}

/** Changes lines of one section of a fixture. */
function edit(sdp: string, mid: string, change: (lines: string) => string): string {
  const parts = sdp.split(/(?=^m=)/m);
  return parts.map((part) => (part.includes(`a=mid:${mid}\r\n`) ? change(part) : part)).join("");
}

/** Track ids of the published m-lines in the fixtures. */
function trackId(sdp: string, mid: string): string {
  const line = sectionOf(sdp, mid).find((one) => one.startsWith("a=msid:"));
  assert.ok(line);
  return line.split(" ")[1]!;
}

const V1_JOIN = fixture("chromium-v1-join");
const V1_PUBLISH = fixture("chromium-v1-publish");
const DUAL = fixture("chromium-dual-publish");

test("the join offer of a single peer is answered with every section open", () => {
  const result = offer(answerer(), V1_JOIN);
  assert.equal(
    directions(result.answer),
    "0:inactive 1:inactive 2:inactive 3:inactive 4:inactive 5:inactive 6:sendrecv",
  );
  assert.match(result.answer, /^a=group:BUNDLE 0 1 2 3 4 5 6\r$/m);
  assert.match(result.answer, /^a=ice-lite\r$/m);
  assert.match(result.answer, /^a=candidate:1 1 udp \d+ 192\.0\.2\.1 7882 typ host\r\na=end-of-candidates\r$/m);
  assert.ok(sectionOf(result.answer, "6").includes("a=max-message-size:262144"));
  assert.ok(sectionOf(result.answer, "6").includes("a=sctp-port:5000"));
  assert.equal(result.answer.match(/a=setup:passive/g)?.length, 7);
  assert.equal(result.answer.match(new RegExp(`a=fingerprint:sha-256 ${FINGERPRINT}`, "g"))?.length, 7);
  assert.deepEqual(result.midToTrackId, {});
  assert.equal(result.dataChannels, true);
  assert.equal(result.remote.dtlsRole, "server");
  assert.deepEqual(result.remote.sctp, { port: 5000, maxMessageSize: 262_144 });
  assert.equal(result.iceRestart, undefined);
});

test("a publisher's offer: matched by track id, simulcast, RED first, DTX", () => {
  const publications = [
    publication("TR_A", "audio", trackId(DUAL, "0")),
    publication("TR_V", "video", trackId(DUAL, "1"), { codecs: [{ mime: "video/VP8", cid: trackId(DUAL, "1") }] }),
  ];
  const result = offer(answerer({ role: "publisher" }), DUAL, publications);
  assert.equal(directions(result.answer), "0:recvonly 1:recvonly 2:sendrecv");
  assert.deepEqual(
    result.published.map(({ sid, mid, mime, rids, codecIndex }) => [sid, mid, mime, rids.join(""), codecIndex]),
    [
      ["TR_A", "0", "audio/red", "", 0],
      ["TR_V", "1", "video/vp8", "qhf", 0],
    ],
  );
  const audio = sectionOf(result.answer, "0");
  assert.equal(audio[0], "audio 9 UDP/TLS/RTP/SAVPF 63 111 0 8");
  assert.ok(audio.includes("a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1"));
  assert.ok(audio.includes("a=fmtp:63 111/111"));
  assert.ok(audio.includes("a=rtcp-fb:111 nack"));
  assert.ok(audio.includes("a=rtcp-fb:111 transport-cc"));
  const video = sectionOf(result.answer, "1");
  assert.equal(video[0], "video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 108 109 114 115 45 46");
  for (const line of ["a=rid:q recv", "a=rid:h recv", "a=rid:f recv", "a=simulcast:recv q;h;f", "a=rtcp-rsize"]) {
    assert.ok(video.includes(line), line);
  }
  assert.deepEqual(
    video.filter((line) => line.startsWith("a=rtcp-fb:96")).map((line) => line.slice(13)),
    ["transport-cc", "ccm fir", "nack", "nack pli"],
  );
  const [mic, camera] = result.receivers;
  assert.deepEqual(mic!.extensions, { mid: 4, audioLevel: 1, transportCc: 3 });
  assert.equal(mic!.ssrcs.length, 1);
  assert.deepEqual(camera!.extensions, { mid: 4, rid: 10, repairedRid: 11, transportCc: 3 });
  assert.deepEqual([camera!.track, camera!.rids, camera!.ssrcs], ["TR_V", ["q", "h", "f"], []]);
  assert.deepEqual(camera!.codecs[0], {
    payloadType: 96,
    mime: "video/vp8",
    clockRate: 90_000,
    channels: 1,
    fmtp: "",
    rtxPayloadType: 97,
    nack: true,
  });
});

test("the extension lines of a publisher's answer are those that we use", () => {
  const uris = (lines: string[]) => lines.filter((line) => line.startsWith("a=extmap:")).map((line) => line.slice(9));
  const dual = uris(sectionOf(offer(answerer({ role: "publisher" }), DUAL).answer, "1"));
  assert.deepEqual(dual, [
    "3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "4 urn:ietf:params:rtp-hdrext:sdes:mid",
    "10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
  ]);
  // A single peer takes both directions' on every m-line: Chromium offers later only what was taken before.
  const single = uris(sectionOf(offer(answerer(), V1_JOIN).answer, "3"));
  assert.deepEqual(
    single.map((line) => Number(line.split(" ")[0])),
    [2, 3, 4, 10, 11],
  );
});

test("extension directions of Firefox are mirrored", () => {
  const sdp = fixture("firefox-dual-publish");
  const lines = sectionOf(offer(answerer({ role: "publisher" }), sdp).answer, "1");
  assert.ok(lines.some((line) => line.startsWith("a=extmap:9/recvonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id")));
  assert.ok(!lines.some((line) => line.includes("playout-delay")));
});

test("stereo and DTX wishes stand in the opus fmtp; without RED opus is first", () => {
  const sdp = fixture("firefox-dual-publish");
  const wishes = { dtx: false, stereo: true, red: false };
  const publications = [publication("TR_A", "audio", trackId(sdp, "0"), wishes)];
  const audio = sectionOf(offer(answerer({ role: "publisher" }), sdp, publications).answer, "0");
  assert.ok(audio.includes("a=fmtp:109 maxplaybackrate=48000;useinbandfec=1;stereo=1;maxaveragebitrate=510000"));
  assert.ok(audio.includes("a=rtcp-fb:109 nack"));
  const chromium = [publication("TR_A", "audio", trackId(DUAL, "0"), wishes)];
  const [, first] = sectionOf(offer(answerer({ role: "publisher" }), DUAL, chromium).answer, "0")[0]!.split("SAVPF ");
  assert.equal(first, "111 63 0 8");
});

test("an announced audio codec overrides the wish for RED", () => {
  const codecs = [{ mime: "audio/opus", cid: "" }];
  const publications = [publication("TR_A", "audio", trackId(DUAL, "0"), { codecs })];
  assert.equal(offer(answerer(), DUAL, publications).published[0]!.mime, "audio/opus");
});

const preferences: [string, string, string][] = [
  ["video/VP9", "98 99", "video/vp9"],
  ["video/H264", "108 109 114 115", "video/h264"],
  ["video/AV1", "45 46", "video/av1"],
  ["video/H265", "96 97", "video/vp8"],
];
for (const [mime, first, answered] of preferences) {
  test(`AddTrack of ${mime}: ${answered} is first in the answer`, () => {
    const publications = [publication("TR_V", "video", trackId(DUAL, "1"), { codecs: [{ mime, cid: "" }] })];
    const result = offer(answerer({ role: "publisher" }), DUAL, publications);
    assert.equal(result.published[0]!.mime, answered);
    assert.ok(sectionOf(result.answer, "1")[0]!.startsWith(`video 9 UDP/TLS/RTP/SAVPF ${first}`));
  });
}

test("Firefox on Linux gets only the wanted video codec, if it has it", () => {
  const sdp = fixture("firefox-dual-publish");
  const answered = (mime: string) => {
    const codecs = [{ mime, cid: "" }];
    const publications = [publication("TR_V", "video", trackId(sdp, "1"), { codecs })];
    const { answer } = offer(answerer({ role: "publisher", client: FIREFOX_LINUX }), sdp, publications);
    return sectionOf(answer, "1")[0]!.split("SAVPF ")[1];
  };
  assert.equal(answered("video/VP9"), "121 125");
  assert.equal(answered("video/H264"), "120 124 121 125 99 100");
});

test("the limits of Firefox's decoder are not echoed as ours", () => {
  const lines = sectionOf(offer(answerer({ role: "publisher" }), fixture("firefox-dual-publish")).answer, "1");
  assert.ok(!lines.some((line) => line.includes("max-fs")));
});

test("Firefox rewrites track ids: m-lines are matched by kind, and reported with both ids", () => {
  const sdp = fixture("firefox-dual-publish");
  const publications = [publication("TR_A", "audio", "announced-a"), publication("TR_V", "video", "announced-v")];
  const { published } = offer(answerer(), sdp, publications);
  assert.deepEqual(
    published.map(({ sid, mid, sdpCid }) => [sid, mid, sdpCid]),
    [
      ["TR_A", "0", trackId(sdp, "0")],
      ["TR_V", "1", trackId(sdp, "1")],
    ],
  );
});

test("layers of one stream are described by dependency descriptors, those of several streams by their codec", () => {
  const sdp = fixture("chromium-dual-vp9");
  const sent = (mime: string) => {
    const publications = [publication("TR_V", "video", trackId(sdp, "1"), { codecs: [{ mime, cid: "" }] })];
    const { answer, receivers } = offer(answerer(), sdp, publications);
    const answered = sectionOf(answer, "1").some((line) => line.includes("dependency-descriptor"));
    assert.equal(answered, receivers[0]!.extensions.dependencyDescriptor !== undefined);
    return answered;
  };
  assert.deepEqual(["video/VP9", "video/AV1", "video/VP8", "video/H264"].map(sent), [true, true, false, false]);
});

test("streams without RIDs are known by their SSRCs", () => {
  const sdp = fixture("chromium-dual-vp9");
  const publications = [publication("TR_V", "video", trackId(sdp, "1"))];
  const { receivers } = offer(answerer(), sdp, publications);
  const [, ssrc, rtx] = /a=ssrc-group:FID (\d+) (\d+)/.exec(sdp)!;
  assert.deepEqual(receivers[0]!.ssrcs, [{ ssrc: Number(ssrc), rtxSsrc: Number(rtx) }]);
  assert.deepEqual(receivers[0]!.rids, []);
  const sim = edit(sdp, "1", (lines) => `${lines}a=ssrc-group:SIM 11 22\r\na=ssrc-group:FID 22 23\r\n`);
  assert.deepEqual(offer(answerer(), sim, publications).receivers[0]!.ssrcs, [
    { ssrc: 11, rtxSsrc: 0 },
    { ssrc: 22, rtxSsrc: 23 },
  ]);
});

test("SSRCs of AddTrack count when the SDP has no RIDs and no SIM group", () => {
  const sdp = fixture("chromium-dual-vp9");
  const ssrcs = [{ ssrc: 7, rtxSsrc: 8 }];
  const late = answerer();
  offer(late, sdp);
  const publications = [publication("TR_V", "video", trackId(sdp, "1"), { ssrcs })];
  assert.deepEqual(offer(answerer(), sdp, publications).receivers[0]!.ssrcs, ssrcs);
  late.bindPublications(publications);
  assert.deepEqual(late.plan.receivers[0]!.ssrcs, ssrcs);
});

test("a paused RID is received like the others", () => {
  const sdp = DUAL.replace("a=simulcast:send q;h;f", "a=simulcast:send q;~h;~f");
  assert.ok(sectionOf(offer(answerer(), sdp).answer, "1").includes("a=simulcast:recv q;h;f"));
});

test("media that nobody announced is accepted, and bound when AddTrack comes", () => {
  const peer = answerer({ role: "publisher" });
  const result = offer(peer, DUAL);
  assert.equal(directions(result.answer), "0:recvonly 1:recvonly 2:sendrecv");
  assert.deepEqual([result.published, result.receivers], [[], []]);
  const changes = peer.bindPublications([publication("TR_V", "video", trackId(DUAL, "1"))]);
  assert.deepEqual(
    changes.published.map(({ sid, mid, rids }) => [sid, mid, rids.join("")]),
    [["TR_V", "1", "qhf"]],
  );
  assert.deepEqual(
    peer.plan.receivers.map(({ track, mid }) => [track, mid]),
    [["TR_V", "1"]],
  );
});

test("an m-line that turns inactive closes its publication, and stays usable", () => {
  const peer = answerer();
  const publications = [publication("TR_V", "video", trackId(DUAL, "1"))];
  offer(peer, DUAL, publications);
  const inactive = edit(DUAL, "1", (lines) => lines.replace("a=sendonly", "a=inactive"));
  const result = offer(peer, inactive, publications);
  assert.deepEqual([result.closed, result.receivers], [["TR_V"], []]);
  assert.equal(directions(result.answer), "0:recvonly 1:inactive 2:sendrecv");
  const again = offer(peer, DUAL, [publication("TR_W", "video", trackId(DUAL, "1"))]);
  assert.deepEqual(
    again.published.map(({ sid }) => sid),
    ["TR_W"],
  );
});

test("a publication that the server removed is answered inactive and not reported as closed", () => {
  const peer = answerer();
  offer(peer, DUAL, [publication("TR_V", "video", trackId(DUAL, "1"))]);
  const result = offer(peer, DUAL, []);
  assert.deepEqual(result.closed, []);
  assert.equal(directions(result.answer), "0:recvonly 1:inactive 2:sendrecv");
});

test("renegotiation repeats nothing", () => {
  const peer = answerer();
  const publications = [publication("TR_V", "video", trackId(DUAL, "1"))];
  const first = offer(peer, DUAL, publications);
  const second = offer(peer, DUAL, publications);
  assert.deepEqual([second.published, second.closed], [[], []]);
  assert.deepEqual(second.receivers, first.receivers);
  const body = (sdp: string) => sdp.slice(sdp.indexOf("s=-"));
  assert.equal(body(second.answer), body(first.answer));
  assert.match(second.answer, /^o=- \d+ 2 IN/m);
});

test("down tracks ride on recvonly m-lines", () => {
  const peer = answerer();
  const tracks = [
    down("TR_V", "video", ["video/H264"]),
    down("TR_A", "audio", ["audio/red"], { red: true, stereo: true }),
  ];
  assert.equal(peer.setDownTracks(tracks), true);
  assert.equal(peer.takeRequirement(), undefined);
  const result = offer(peer, V1_JOIN);
  assert.deepEqual(result.midToTrackId, { 0: "TR_A", 3: "TR_V" });
  assert.equal(
    directions(result.answer),
    "0:sendonly 1:inactive 2:inactive 3:sendonly 4:inactive 5:inactive 6:sendrecv",
  );
  const [audio, video] = result.senders;
  const lines = sectionOf(result.answer, "3");
  assert.ok(lines.includes("a=msid:PA_1|TR_V TR_V"));
  assert.ok(lines.includes(`a=ssrc-group:FID ${video!.ssrc} ${video!.rtxSsrc}`));
  assert.ok(lines.includes(`a=ssrc:${video!.rtxSsrc} cname:PA_1|TR_V`));
  assert.deepEqual(
    [video!.codecs[0]!.mime, video!.codecs[0]!.payloadType, video!.codecs[0]!.rtxPayloadType],
    ["video/h264", 108, 109],
  );
  assert.deepEqual(video!.extensions, { absSendTime: 2 });
  assert.ok(lines.includes("a=rtcp-fb:108 goog-remb"));
  const audioLines = sectionOf(result.answer, "0");
  assert.equal(audioLines[0], "audio 9 UDP/TLS/RTP/SAVPF 63 111 0 8");
  assert.ok(audioLines.includes("a=fmtp:111 minptime=10;useinbandfec=1;sprop-stereo=1"));
  assert.ok(!audioLines.some((line) => line.endsWith("nack")), "RED repairs loss itself");
  assert.equal(audio!.rtxSsrc, 0);
  assert.equal(peer.takeRequirement(), undefined);
});

test("H264 high profile is not sent, and audio without RED asks for retransmission", () => {
  const peer = answerer();
  peer.setDownTracks([down("TR_V", "video"), down("TR_A", "audio")]);
  const sdp = edit(V1_JOIN, "3", (lines) => lines.replace("profile-level-id=42e01f", "profile-level-id=640034"));
  const { senders, answer } = offer(peer, sdp);
  assert.ok(senders[1]!.codecs.every(({ payloadType }) => payloadType !== 108));
  assert.ok(sectionOf(answer, "0").includes("a=rtcp-fb:111 nack"));
});

test("transport-cc before REMB, and playout delay", () => {
  const peer = answerer({ bandwidthFeedback: "transport-cc", playoutDelay: true });
  peer.setDownTracks([down("TR_V", "video")]);
  const { senders, answer } = offer(peer, V1_JOIN);
  assert.deepEqual(senders[0]!.extensions, { transportCc: 3, playoutDelay: 5 });
  const lines = sectionOf(answer, "3");
  assert.ok(lines.includes("a=rtcp-fb:96 transport-cc"));
  assert.ok(lines.includes("a=rtcp-fb:96 goog-remb"), "another m-line of the bundle may need it");
});

test("of a single peer's m-lines each gets the bandwidth stamp that it has feedback for", () => {
  const tracks = [down("TR_A", "audio", ["audio/red"], { red: true }), down("TR_V", "video"), down("TR_W", "video")];
  const peer = answerer({ bandwidthFeedback: "transport-cc" });
  peer.setDownTracks(tracks);
  const noFeedback = edit(V1_JOIN, "4", (lines) => lines.replaceAll(/a=rtcp-fb:\d+ transport-cc\r\n/g, ""));
  const { senders, answer } = offer(peer, noFeedback);
  assert.deepEqual(
    senders.map(({ kind, extensions: { transportCc, absSendTime } }) => ({ kind, transportCc, absSendTime })),
    [
      { kind: "audio", transportCc: 3, absSendTime: undefined },
      { kind: "video", transportCc: 3, absSendTime: undefined },
      { kind: "video", transportCc: undefined, absSendTime: 2 },
    ],
  );
  assert.ok(sectionOf(answer, "0").includes("a=rtcp-fb:111 transport-cc"));
  assert.ok(sectionOf(answer, "3").some((line) => line.includes("abs-send-time")));
  const remb = answerer({ bandwidthFeedback: "remb" });
  remb.setDownTracks(tracks);
  const [audio, video] = offer(remb, V1_JOIN).senders;
  assert.deepEqual([audio!.extensions.transportCc, audio!.extensions.absSendTime], [undefined, undefined]);
  assert.deepEqual([video!.extensions.transportCc, video!.extensions.absSendTime], [undefined, 2]);
});

test("missing sections are asked for once, and again after an offer that still lacks them", () => {
  const peer = answerer();
  offer(peer, V1_JOIN);
  const tracks = ["1", "2", "3", "4", "5"].map((n) => down(`TR_A${n}`, "audio"));
  assert.equal(peer.setDownTracks(tracks), true);
  assert.deepEqual(peer.takeRequirement(), { audios: 2, videos: 0 });
  assert.equal(peer.takeRequirement(), undefined);
  peer.setDownTracks([...tracks, down("TR_A6", "audio"), down("TR_V1", "video")]);
  assert.deepEqual(peer.takeRequirement(), { audios: 1, videos: 0 });
  const crossing = offer(peer, V1_JOIN);
  assert.equal(Object.keys(crossing.midToTrackId).length, 4);
  assert.deepEqual(peer.takeRequirement(), { audios: 3, videos: 0 });
});

test("an unwanted track leaves at once, and another one comes only after the m-line was inactive", () => {
  const peer = answerer();
  const full = ["1", "2", "3"].map((n) => down(`TR_A${n}`, "audio"));
  peer.setDownTracks(full);
  const first = offer(peer, V1_JOIN);
  assert.equal(peer.setDownTracks([full[0]!, full[2]!, down("TR_A4", "audio")]), true);
  assert.deepEqual(
    peer.plan.senders.map(({ track }) => track),
    ["TR_A1", "TR_A3"],
  );
  assert.deepEqual(peer.takeRequirement(), { audios: 0, videos: 0 });
  const second = offer(peer, V1_JOIN);
  assert.deepEqual(second.midToTrackId, { 0: "TR_A1", 2: "TR_A3" });
  assert.ok(directions(second.answer).startsWith("0:sendonly 1:inactive 2:sendonly"));
  assert.deepEqual(peer.takeRequirement(), { audios: 0, videos: 0 });
  const third = offer(peer, V1_JOIN);
  assert.deepEqual(third.midToTrackId, { 0: "TR_A1", 1: "TR_A4", 2: "TR_A3" });
  assert.equal(peer.takeRequirement(), undefined);
  const ssrc = (result: OfferResult, mid: string) => result.senders.find((sender) => sender.mid === mid)!.ssrc;
  assert.equal(ssrc(third, "0"), ssrc(first, "0"));
  assert.notEqual(ssrc(third, "1"), ssrc(first, "1"));
});

test("leaving tracks alone ask for an offer without new sections", () => {
  const peer = answerer();
  peer.setDownTracks([down("TR_A1", "audio")]);
  offer(peer, V1_JOIN);
  assert.equal(peer.setDownTracks([]), true);
  assert.deepEqual(peer.takeRequirement(), { audios: 0, videos: 0 });
  const { midToTrackId } = offer(peer, V1_JOIN);
  assert.deepEqual(midToTrackId, {});
  assert.equal(peer.setDownTracks([]), false);
  assert.equal(peer.takeRequirement(), undefined);
});

test("a track in a codec that the client lacks is unsupported, not missing", () => {
  const peer = answerer();
  offer(peer, fixture("firefox-v1-publish"));
  peer.setDownTracks([down("TR_V", "video", ["video/H264"])]);
  const { unsupported, midToTrackId } = offer(peer, fixture("firefox-v1-publish"));
  assert.deepEqual([unsupported, midToTrackId], [["TR_V"], {}]);
  assert.equal(peer.takeRequirement(), undefined);
  assert.equal(peer.setDownTracks([down("TR_V", "video", ["video/H264", "video/VP8"])]), true);
  assert.deepEqual(peer.takeRequirement(), { audios: 0, videos: 0 });
  assert.deepEqual(offer(peer, fixture("firefox-v1-publish")).midToTrackId, { 3: "TR_V" });
});

test("RED tracks reach clients without RED: opus carries them", () => {
  const peer = answerer({ client: FIREFOX_LINUX });
  peer.setDownTracks([down("TR_A", "audio", ["audio/red"], { red: true })]);
  const { senders, answer } = offer(peer, fixture("firefox-v1-publish"));
  assert.equal(senders[0]!.codecs[0]!.mime, "audio/opus");
  assert.ok(sectionOf(answer, "0").includes("a=rtcp-fb:109 nack"));
});

test("publishing and subscribing on one peer, bundle-only sections included", () => {
  const peer = answerer();
  peer.setDownTracks([down("TR_X", "audio"), down("TR_Y", "audio")]);
  const sdp = fixture("firefox-v1-publish");
  const publications = [
    publication("TR_A", "audio", trackId(sdp, "6")),
    publication("TR_V", "video", trackId(sdp, "7")),
  ];
  const result = offer(peer, sdp, publications);
  assert.equal(
    directions(result.answer),
    "0:sendonly 1:sendonly 2:inactive 3:inactive 4:inactive 5:inactive 6:recvonly 7:recvonly 8:sendrecv",
  );
  assert.deepEqual(result.midToTrackId, { 0: "TR_X", 1: "TR_Y" });
});

test("a sendrecv m-line carries both directions", () => {
  const peer = answerer();
  peer.setDownTracks([down("TR_X", "video", ["video/VP9"])]);
  const sdp = edit(DUAL, "1", (lines) => lines.replace("a=sendonly", "a=sendrecv"));
  const result = offer(peer, sdp, [publication("TR_V", "video", trackId(DUAL, "1"))]);
  assert.equal(directions(result.answer), "0:recvonly 1:sendrecv 2:sendrecv");
  assert.deepEqual([result.receivers[0]!.track, result.senders[0]!.track], ["TR_V", "TR_X"]);
});

test("what we cannot take is rejected, and keeps its place", () => {
  const foreign = [
    edit(DUAL, "0", (lines) => lines.replace("m=audio 9", "m=text 9")),
    edit(DUAL, "0", (lines) => lines.replace("UDP/TLS/RTP/SAVPF 111 63 9 0 8", "UDP/TLS/RTP/SAVPF 9")),
    edit(DUAL, "0", (lines) => lines.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP")),
    edit(DUAL, "0", (lines) => lines.replace("m=audio 9", "m=audio 0")),
    DUAL.replace("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 1 2"),
  ];
  for (const sdp of foreign) {
    const { answer, candidateSection } = offer(answerer(), sdp);
    assert.equal(directions(answer), "0:rejected 1:recvonly 2:sendrecv");
    assert.match(answer, /a=group:BUNDLE 1 2\r/);
    assert.ok(sectionOf(answer, "1").some((line) => line.startsWith("a=candidate:")));
    assert.deepEqual(candidateSection, { sdpMid: "1", sdpMLineIndex: 1 });
  }
  const alone = offer(answerer(), DUAL.replace(/a=group.*\r\n/, ""));
  assert.equal(directions(alone.answer), "0:recvonly 1:rejected 2:rejected");
});

test("only the first data section is taken", () => {
  const application = DUAL.slice(DUAL.indexOf("m=application"));
  const sdp = `${DUAL}${application.replace("a=mid:2", "a=mid:3")}`.replace("BUNDLE 0 1 2", "BUNDLE 0 1 2 3");
  assert.equal(directions(offer(answerer(), sdp).answer), "0:recvonly 1:recvonly 2:sendrecv 3:rejected");
});

test("new remote credentials are an ICE restart, and ours change too", () => {
  const peer = answerer();
  const first = offer(peer, DUAL);
  assert.equal(first.iceRestart, undefined);
  assert.match(first.answer, /a=ice-ufrag:ourufrag\r/);
  const restarted = DUAL.replaceAll(/a=ice-ufrag:.*\r/g, "a=ice-ufrag:changed\r");
  const second = offer(peer, restarted);
  assert.ok(second.iceRestart && second.iceRestart.ufrag !== "ourufrag" && second.iceRestart.pwd.length >= 22);
  assert.equal(second.remote.ufrag, "changed");
  assert.equal(second.answer.split(`a=ice-ufrag:${second.iceRestart.ufrag}\r\n`).length, 4);
  assert.equal(offer(peer, restarted).iceRestart, undefined);
});

const roles: [string, string, string][] = [
  ["actpass", "server", "passive"],
  ["active", "server", "passive"],
  ["passive", "client", "active"],
];
for (const [setup, role, answered] of roles) {
  test(`an offer with setup:${setup} makes us DTLS ${role}`, () => {
    const peer = answerer();
    const { remote, answer } = offer(peer, DUAL.replaceAll("setup:actpass", `setup:${setup}`));
    assert.equal(remote.dtlsRole, role);
    assert.ok(sectionOf(answer, "0").includes(`a=setup:${answered}`));
    assert.equal(offer(peer, DUAL).remote.dtlsRole, role, "kept when the next offer leaves it open");
  });
}

test("an offer that cannot be read changes nothing", () => {
  const peer = answerer();
  const publications = [publication("TR_V", "video", trackId(DUAL, "1"))];
  peer.setDownTracks([down("TR_X", "audio")]);
  offer(peer, V1_PUBLISH, publications);
  const before = peer.plan;
  const result = peer.handleOffer("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n", []);
  assert.ok("failure" in result && /ICE credentials/.test(result.failure));
  assert.deepEqual(peer.plan, before);
});

test("a backup codec is reported as a second m-line of its track, which stays until both are gone", () => {
  const peer = answerer();
  const [vp9, vp8] = [
    { mime: "video/VP9", cid: trackId(DUAL, "1") },
    { mime: "video/VP8", cid: "backup" },
  ];
  offer(peer, DUAL, [publication("TR_V", "video", "x", { codecs: [vp9, { ...vp8, cid: "" }] })]);
  const publications = [publication("TR_V", "video", "x", { codecs: [vp9, vp8] })];
  const second = sectionTwice(DUAL, "backup");
  const result = offer(peer, second, publications);
  assert.deepEqual(
    result.published.map(({ sid, mid, codecIndex, mime }) => [sid, mid, codecIndex, mime]),
    [["TR_V", "9", 1, "video/vp8"]],
  );
  const onlyBackup = edit(second, "1", (lines) => lines.replace("a=sendonly", "a=inactive"));
  assert.deepEqual(offer(peer, onlyBackup, publications).closed, []);
  const none = edit(onlyBackup, "9", (lines) => lines.replace("a=sendonly", "a=inactive"));
  assert.deepEqual(offer(peer, none, publications).closed, ["TR_V"]);
});

/** The fixture with its video section once more, as mid 9 with another track id. */
function sectionTwice(sdp: string, cid: string): string {
  const video = sdp.split(/(?=^m=)/m).find((part) => part.startsWith("m=video"))!;
  const copy = video.replace("a=mid:1", "a=mid:9").replace(/a=msid:(\S+) \S+/, `a=msid:$1 ${cid}`);
  return `${sdp}${copy}`.replace("BUNDLE 0 1 2", "BUNDLE 0 1 2 9");
}
