/** What a single peer is sent, on the m-lines that it offers for that. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  answerer,
  directions,
  down,
  DUAL,
  edit,
  FIREFOX_LINUX,
  fixture,
  offer,
  publication,
  sectionOf,
  trackId,
  V1_JOIN,
} from "./harness-answerer.test.ts";
import type { OfferResult } from "./types.ts";

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
