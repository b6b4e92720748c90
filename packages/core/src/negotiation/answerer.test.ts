/** Answers to offers: their form, their transport, and offers that are none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  answerer,
  directions,
  down,
  DUAL,
  edit,
  FINGERPRINT,
  fixture,
  offer,
  publication,
  sectionOf,
  trackId,
  V1_JOIN,
} from "./harness-answerer.test.ts";

const V1_PUBLISH = fixture("chromium-v1-publish");

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
