/** Answers to publishers: which m-line carries which publication, in which codecs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  answerer,
  directions,
  DUAL,
  edit,
  FIREFOX_LINUX,
  fixture,
  offer,
  publication,
  sectionOf,
  trackId,
} from "./harness-answerer.test.ts";

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
