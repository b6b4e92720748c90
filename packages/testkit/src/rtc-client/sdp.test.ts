import assert from "node:assert/strict";
import { test } from "node:test";
import { writeAnswer } from "./answer.ts";
import { writeOffer } from "./offer.ts";
import {
  attribute,
  attributeAll,
  candidates,
  extensionId,
  parseCandidate,
  parseDescription,
  remoteTransport,
} from "./sdp.ts";

const FINGERPRINT = "EF:B1:31:CB:06:9A:4B:4B:1D:5D:69:CF:B1:39:2E:ED:AC:8B:D4:CE:AC:07:8D:80:C7:42:FC:E7:28:20:BD:4F";
const LOCAL = { ufrag: "load", pwd: "p".repeat(24), fingerprint: FINGERPRINT };
const OFFER = [
  "v=0",
  "o=- 1 1 IN IP4 0.0.0.0",
  "s=-",
  "t=0 0",
  `a=fingerprint:sha-256 ${FINGERPRINT.toLowerCase()}`,
  "a=group:BUNDLE 0 1",
  "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
  "c=IN IP4 0.0.0.0",
  "a=setup:actpass",
  "a=mid:0",
  "a=sendrecv",
  "a=sctp-port:5000",
  "a=max-message-size:65535",
  "a=ice-ufrag:abcd",
  "a=ice-pwd:0123456789012345678901",
  "a=candidate:1 1 udp 2130706431 127.0.0.1 7992 typ host ufrag abcd",
  "a=candidate:1 2 udp 2130706431 127.0.0.1 7992 typ host ufrag abcd",
  "a=candidate:2 1 udp 2130706431 fd00::2 7992 typ host",
  "a=candidate:3 1 tcp 1671430143 127.0.0.1 7991 typ host tcptype passive",
  "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99",
  "c=IN IP4 0.0.0.0",
  "a=setup:actpass",
  "a=mid:1",
  "a=rtpmap:96 VP8/90000",
  "a=rtcp-fb:96 nack pli",
  "a=rtpmap:97 rtx/90000",
  "a=fmtp:97 apt=96",
  "a=rtpmap:98 VP9/90000",
  "a=rtpmap:99 rtx/90000",
  "a=fmtp:99 apt=98",
  "a=extmap:3 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
  "a=sendonly",
  "",
].join("\r\n");

test("the other side's transport comes from the first m-line and the session", () => {
  const offer = parseDescription(OFFER);
  assert.deepEqual(remoteTransport(offer), {
    ufrag: "abcd",
    pwd: "0123456789012345678901",
    fingerprints: [FINGERPRINT],
    dtlsRole: "client",
    sctp: { port: 5000, maxMessageSize: 65535 },
  });
  assert.deepEqual(candidates(offer), [{ protocol: "udp", address: Uint8Array.of(127, 0, 0, 1), port: 7992 }]);
});

test("a server that chose to be active makes us the DTLS server", () => {
  assert.equal(remoteTransport(parseDescription(OFFER.replaceAll("actpass", "active"))).dtlsRole, "server");
});

test("candidates that are not UDP over IPv4 are left out", () => {
  assert.equal(parseCandidate("candidate:3 1 tcp 1 127.0.0.1 7991 typ host tcptype passive"), undefined);
  assert.equal(parseCandidate("candidate:2 1 udp 1 fd00::2 7992 typ host"), undefined);
  assert.equal(parseCandidate(""), undefined);
});

test("an answer takes the codecs that were asked for with their retransmission, and mirrors mids in order", () => {
  const answer = parseDescription(writeAnswer(parseDescription(OFFER), LOCAL, ["opus", "vp8"], 1));
  assert.deepEqual(
    answer.sections.map((section) => attribute(section, "mid")),
    ["0", "1"],
  );
  const video = answer.sections[1]!;
  assert.deepEqual(video.rest.slice(2), ["96", "97"]);
  assert.deepEqual(attributeAll(video, "rtpmap"), ["96 VP8/90000", "97 rtx/90000"]);
  assert.deepEqual(attributeAll(video, "rtcp-fb"), ["96 nack pli"]);
  assert.equal(extensionId(video, "abs-send-time"), 3);
  assert.equal(attribute(video, "recvonly"), "");
  assert.equal(attribute(video, "setup"), "active");
});

test("a section that sends nothing is answered as inactive", () => {
  const answer = parseDescription(
    writeAnswer(parseDescription(OFFER.replace("a=sendonly", "a=inactive")), LOCAL, ["vp8"], 1),
  );
  assert.equal(attribute(answer.sections[1]!, "inactive"), "");
});

test("an offer announces the track's id, mid and SSRC", () => {
  const offer = parseDescription(writeOffer([{ kind: "audio", cid: "mic", mid: "1", ssrc: 77 }], LOCAL, 1));
  const audio = offer.sections[1]!;
  assert.equal(attribute(audio, "msid"), "mic mic");
  assert.equal(attribute(audio, "sendonly"), "");
  assert.ok(attributeAll(audio, "ssrc").every((value) => value.startsWith("77 ")));
  assert.equal(extensionId(audio, "ssrc-audio-level"), 1);
  assert.equal(extensionId(audio, "abs-send-time"), 0);
});
