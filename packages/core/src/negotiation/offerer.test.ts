import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@stoa/testkit/node-crypto";
import { parseSdp } from "@stoa/wire/sdp/parse";
import { clientTraits } from "./client-traits.ts";
import { DEFAULT_CODECS } from "./codecs.ts";
import { Offerer } from "./offerer.ts";
import type { AnswerResult, DownTrack, OffererOptions } from "./types.ts";

const CHROME = clientTraits({ browser: "Chrome", browserVersion: "140", os: "Linux", deviceModel: "" });
const SAFARI = clientTraits({ browser: "Safari", browserVersion: "18", os: "macOS", deviceModel: "" });
const HASH = Array.from({ length: 32 }, () => "CD").join(":");

function offerer(extra: Partial<OffererOptions> = {}): Offerer {
  return new Offerer({
    local: { fingerprint: HASH, candidates: [{ protocol: "tcp", address: "192.0.2.1", port: 7881 }] },
    random: new SeededRandom(2),
    credentials: { ufrag: "ourufrag", pwd: "ourpasswordourpasswordour" },
    codecs: { publish: DEFAULT_CODECS, subscribe: DEFAULT_CODECS },
    client: CHROME,
    bandwidthFeedback: "remb",
    playoutDelay: false,
    dataChannels: true,
    ...extra,
  });
}

function down(sid: string, kind: "audio" | "video", mimes: string[] = [], rest: Partial<DownTrack> = {}): DownTrack {
  return { sid, kind, stream: `PA_1|${sid}`, mimes, stereo: false, red: false, ...rest };
}

/** Sections of an SDP text, the session part first. */
function parts(sdp: string): string[] {
  return sdp.split(/(?=^m=)/m);
}

/** What a browser that takes everything answers: the offer itself, seen from the other side. */
function accept(offer: string, edit: (section: string, index: number) => string = (section) => section): string {
  const swapped = offer
    .replaceAll("a=sendonly", "a=recvonly")
    .replaceAll("a=setup:actpass", "a=setup:active")
    .replaceAll(/a=ice-ufrag:.*\r/g, "a=ice-ufrag:theirs\r")
    .replaceAll(/a=ssrc.*\r\n/g, "");
  const [session, ...sections] = parts(swapped);
  return [session, ...sections.map(edit)].join("");
}

function refuse(section: string): string {
  return section.replace(/^(m=\w+) 9/, "$1 0");
}

function answer(to: Offerer, sdp: string): AnswerResult {
  const result = to.handleAnswer(sdp);
  assert.ok(!("failure" in result), JSON.stringify(result));
  return result;
}

function directions(sdp: string): string {
  const session = parseSdp(sdp);
  assert.ok(!("failure" in session), JSON.stringify(session));
  return session.media
    .map(({ mid, type, direction, rejected }) => `${mid}:${type} ${rejected ? "rejected" : direction}`)
    .join(", ");
}

test("the first offer has the data channels first", () => {
  const peer = offerer();
  assert.equal(peer.setDownTracks([down("TR_V", "video"), down("TR_A", "audio")]), true);
  const { offer, midToTrackId, senders } = peer.createOffer();
  assert.equal(directions(offer), "0:application sendrecv, 1:video sendonly, 2:audio sendonly");
  assert.deepEqual(midToTrackId, { 1: "TR_V", 2: "TR_A" });
  assert.deepEqual(senders, [], "nothing is sent before the answer");
  assert.match(offer, /^a=setup:actpass\r$/m);
  assert.match(offer, /^a=group:BUNDLE 0 1 2\r$/m);
  assert.equal(peer.offering, true);
});

test("codecs, feedback and extensions of an offer", () => {
  const peer = offerer();
  peer.setDownTracks([down("TR_V", "video"), down("TR_A", "audio", [], { stereo: true })]);
  const [, , video, audio] = parts(peer.createOffer().offer);
  assert.match(video!, /^m=video 9 UDP\/TLS\/RTP\/SAVPF 96 97 98 99 100 101 125 126 108 109 35 36 116 117\r/);
  assert.match(audio!, /^m=audio 9 UDP\/TLS\/RTP\/SAVPF 111 63 0 8\r/);
  assert.match(audio!, /a=fmtp:111 minptime=10;useinbandfec=1;sprop-stereo=1\r/);
  assert.match(audio!, /a=rtcp-fb:111 nack\r/);
  assert.match(video!, /a=msid:PA_1\|TR_V TR_V\r/);
  assert.match(video!, /a=ssrc-group:FID \d+ \d+\r/);
  for (const type of ["goog-remb", "ccm fir", "nack", "nack pli"]) assert.ok(video!.includes(`a=rtcp-fb:96 ${type}\r`));
  assert.ok(!video!.includes("transport-cc"));
  assert.deepEqual(
    [...video!.matchAll(/a=extmap:(\d+) .*\/([\w#-]+)\r/g)].map((match) => `${match[1]} ${match[2]}`),
    ["4 #dependency-descriptor-rtp-header-extension", "1 abs-capture-time", "2 abs-send-time"],
  );
});

test("an answer decides how bandwidth is estimated, and both ways are offered", () => {
  const tracks = [down("TR_V", "video"), down("TR_A", "audio", ["audio/red"], { red: true })];
  const stamps = (edit?: (section: string) => string) => {
    const peer = offerer({ bandwidthFeedback: "transport-cc" });
    peer.setDownTracks(tracks);
    const { offer } = peer.createOffer();
    const [, , video, audio] = parts(offer);
    for (const type of ["goog-remb", "transport-cc"]) assert.ok(video!.includes(`a=rtcp-fb:96 ${type}\r`));
    assert.ok(audio!.includes("a=rtcp-fb:111 transport-cc\r") && !audio!.includes("abs-send-time"));
    return answer(peer, accept(offer, edit)).senders.map(({ extensions: { absSendTime, transportCc } }) => [
      absSendTime,
      transportCc,
    ]);
  };
  assert.deepEqual(stamps(), [
    [undefined, 3],
    [undefined, 3],
  ]);
  const neither = [undefined, undefined];
  assert.deepEqual(
    stamps((section) => section.replaceAll(/a=extmap:3 .*\r\n/g, "")),
    [[2, undefined], neither],
  );
  assert.deepEqual(
    stamps((section) => section.replaceAll(/a=rtcp-fb:\d+ transport-cc\r\n/g, "")),
    [[2, undefined], neither],
  );
});

test("no RED for clients that cannot take it, no audio NACK where RED repairs", () => {
  const red = [down("TR_A", "audio", ["audio/red"], { red: true })];
  const chrome = offerer();
  chrome.setDownTracks(red);
  assert.ok(!chrome.createOffer().offer.includes("nack"));
  const safari = offerer({ client: SAFARI });
  safari.setDownTracks(red);
  const { offer } = safari.createOffer();
  assert.match(offer, /^m=audio 9 UDP\/TLS\/RTP\/SAVPF 111 0 8\r$/m);
  assert.match(offer, /a=rtcp-fb:111 nack\r/);
});

test("the answer tells what is sent: codecs that the client took, the publisher's first", () => {
  const peer = offerer();
  peer.setDownTracks([down("TR_V", "video", ["video/H264", "video/VP8"]), down("TR_A", "audio")]);
  const { offer } = peer.createOffer();
  const taken = accept(offer, (section) =>
    section.replace(/^m=video 9 (\S+) .*\r/, "m=video 9 $1 96 97 98 108\r").replaceAll(/a=extmap:4 .*\r\n/g, ""),
  );
  const result = answer(peer, taken);
  assert.equal(peer.offering, false);
  const [video, audio] = result.senders;
  assert.deepEqual(
    video!.codecs.map(({ mime, payloadType, rtxPayloadType, nack }) => [mime, payloadType, rtxPayloadType, nack]),
    [
      ["video/h264", 108, 0, true],
      ["video/vp8", 96, 97, true],
      ["video/vp9", 98, 0, true],
    ],
  );
  assert.deepEqual(video!.extensions, { absCaptureTime: 1, absSendTime: 2 });
  assert.deepEqual([video!.track, video!.cname, audio!.track, audio!.mid], ["TR_V", "PA_1|TR_V", "TR_A", "2"]);
  const [, ssrc, rtx] = /a=ssrc-group:FID (\d+) (\d+)/.exec(offer)!;
  assert.deepEqual([video!.ssrc, video!.rtxSsrc], [Number(ssrc), Number(rtx)]);
  assert.deepEqual([result.unsupported, result.renegotiate, result.iceRestarted], [[], false, false]);
  assert.deepEqual([result.remote.ufrag, result.remote.dtlsRole], ["theirs", "server"]);
  assert.deepEqual(result.remote.sctp, { port: 5000, maxMessageSize: 262_144 });
});

test("a passive answer makes us the DTLS client", () => {
  const peer = offerer();
  const { offer } = peer.createOffer();
  assert.equal(answer(peer, accept(offer).replaceAll("setup:active", "setup:passive")).remote.dtlsRole, "client");
});

test("an m-line is used again only after it was answered inactive, with other SSRCs", () => {
  const peer = offerer();
  peer.setDownTracks([down("TR_1", "audio")]);
  const first = answer(peer, accept(peer.createOffer().offer)).senders[0]!;
  assert.equal(peer.setDownTracks([down("TR_2", "audio")]), true);
  const { offer } = peer.createOffer();
  assert.equal(directions(offer), "0:application sendrecv, 1:audio inactive");
  const result = answer(peer, accept(offer));
  assert.deepEqual([result.senders, result.renegotiate], [[], true]);
  peer.setDownTracks([down("TR_2", "audio"), down("TR_3", "audio")]);
  const third = peer.createOffer();
  assert.deepEqual(third.midToTrackId, { 1: "TR_2", 2: "TR_3" });
  const senders = answer(peer, accept(third.offer)).senders;
  assert.notEqual(senders[0]!.ssrc, first.ssrc);
});

test("Safari gets a new m-line for each track", () => {
  const peer = offerer({ client: SAFARI });
  for (const sid of ["TR_1", "TR_2", "TR_3"]) {
    peer.setDownTracks([down(sid, "audio")]);
    answer(peer, accept(peer.createOffer().offer));
    peer.setDownTracks([]);
    answer(peer, accept(peer.createOffer().offer));
  }
  const all = "0:application sendrecv, 1:audio inactive, 2:audio inactive, 3:audio inactive";
  assert.equal(directions(peer.createOffer().offer), all);
});

test("changes while an offer is out are negotiated after the answer", () => {
  const peer = offerer();
  peer.setDownTracks([down("TR_1", "audio")]);
  const { offer } = peer.createOffer();
  assert.equal(peer.setDownTracks([down("TR_2", "audio")]), true);
  const result = answer(peer, accept(offer));
  assert.deepEqual([result.senders, result.renegotiate], [[], true]);
  assert.equal(answer(peer, accept(peer.createOffer().offer)).renegotiate, true);
  const next = answer(peer, accept(peer.createOffer().offer));
  assert.deepEqual(
    next.senders.map(({ track, mid }) => [track, mid]),
    [["TR_2", "1"]],
  );
  assert.equal(next.renegotiate, false);
});

test("an offer supersedes the unanswered one, with new credentials after a restart", () => {
  const peer = offerer();
  peer.setDownTracks([down("TR_1", "audio")]);
  answer(peer, accept(peer.createOffer().offer));
  peer.setDownTracks([down("TR_1", "audio"), down("TR_2", "video")]);
  peer.createOffer();
  const credentials = peer.restartIce();
  const { offer } = peer.createOffer();
  assert.ok(offer.includes(`a=ice-ufrag:${credentials.ufrag}\r\n`));
  assert.ok(!offer.includes("ourufrag"));
  const result = answer(peer, accept(offer).replaceAll("a=ice-ufrag:theirs", "a=ice-ufrag:other"));
  assert.equal(result.iceRestarted, true);
  assert.equal(result.senders.length, 2);
});

test("a refused m-line: its track is unsupported, and a new mid takes its place later", () => {
  const peer = offerer();
  peer.setDownTracks([down("TR_V", "video"), down("TR_A", "audio")]);
  const result = answer(
    peer,
    accept(peer.createOffer().offer, (section) => (section.startsWith("m=video") ? refuse(section) : section)),
  );
  assert.deepEqual([result.unsupported, result.renegotiate], [["TR_V"], false]);
  assert.deepEqual(
    result.senders.map(({ track }) => track),
    ["TR_A"],
  );
  assert.equal(directions(peer.createOffer().offer), "0:application sendrecv, 1:video rejected, 2:audio sendonly");
  answer(peer, accept(peer.createOffer().offer));
  peer.setDownTracks([down("TR_A", "audio"), down("TR_W", "video")]);
  const { offer } = peer.createOffer();
  assert.equal(directions(offer), "0:application sendrecv, 3:video sendonly, 2:audio sendonly");
  assert.equal(answer(peer, accept(offer)).senders.length, 2);
});

test("a client without the track's codec: unsupported until the track has another one", () => {
  const peer = offerer();
  peer.setDownTracks([down("TR_V", "video", ["video/H264"])]);
  const onlyVp8 = (offer: string) =>
    accept(offer, (section) => section.replace(/^m=video 9 (\S+) .*\r/, "m=video 9 $1 96 97\r"));
  const result = answer(peer, onlyVp8(peer.createOffer().offer));
  assert.deepEqual([result.unsupported, result.senders, result.renegotiate], [["TR_V"], [], true]);
  const next = peer.createOffer();
  assert.equal(directions(next.offer), "0:application sendrecv, 1:video inactive");
  assert.equal(answer(peer, onlyVp8(next.offer)).renegotiate, false);
  assert.equal(peer.setDownTracks([down("TR_V", "video", ["video/H264", "video/VP8"])]), true);
  const again = answer(peer, onlyVp8(peer.createOffer().offer));
  assert.deepEqual([again.unsupported, again.senders[0]!.codecs[0]!.mime], [[], "video/vp8"]);
});

test("answers that do not fit the offer change nothing", () => {
  const peer = offerer();
  peer.setDownTracks([down("TR_A", "audio")]);
  const early = peer.handleAnswer(accept("v=0\r\n"));
  assert.ok("failure" in early && /no offer/.test(early.failure));
  const { offer } = peer.createOffer();
  const [session, data, audio] = parts(accept(offer));
  const wrong: [string, RegExp][] = [
    ["garbage", /no media section/],
    [[session, data].join(""), /has 1 media sections, the offer had 2/],
    [[session, audio, data].join(""), /not of the kind/],
  ];
  for (const [sdp, expected] of wrong) {
    const result = peer.handleAnswer(sdp);
    assert.ok("failure" in result && expected.test(result.failure), JSON.stringify(result));
  }
  assert.equal(peer.offering, true);
  assert.equal(answer(peer, accept(offer)).senders.length, 1);
});
