import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MAX_SDP_LENGTH, MAX_SDP_MEDIA, parseSdp } from "./parse.ts";

const HASH = Array.from({ length: 32 }, () => "0a").join(":");
const SESSION = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0"];
const TRANSPORT = ["a=ice-ufrag:1234", "a=ice-pwd:0000000000000000000000", `a=fingerprint:sha-256 ${HASH}`];

function sdp(...lines: string[]): string {
  return `${[...SESSION, ...lines].join("\r\n")}\r\n`;
}

function parsed(text: string) {
  const session = parseSdp(text);
  assert.ok(!("failure" in session), JSON.stringify(session));
  return session;
}

function failure(text: string): string {
  const session = parseSdp(text);
  assert.ok("failure" in session);
  return session.failure;
}

test("ICE credentials that look like numbers stay text, and hashes become upper case", () => {
  const { transport } = parsed(sdp("m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:007", ...TRANSPORT, "a=setup:actpass"));
  assert.deepEqual(transport, {
    ufrag: "1234",
    pwd: "0000000000000000000000",
    fingerprints: [HASH.toUpperCase()],
    setup: "actpass",
  });
});

test("transport attributes of the session level hold for sections without their own", () => {
  const session = parsed(sdp(...TRANSPORT, "a=setup:active", "m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:a"));
  assert.equal(session.transport.ufrag, "1234");
  assert.equal(session.transport.setup, "active");
});

test("the section that BUNDLE names first gives the transport", () => {
  const session = parsed(
    sdp(
      "a=group:BUNDLE b a",
      "m=audio 9 UDP/TLS/RTP/SAVPF 0",
      "a=mid:a",
      ...TRANSPORT,
      "m=audio 9 UDP/TLS/RTP/SAVPF 0",
      "a=mid:b",
      "a=ice-ufrag:bbbb",
      "a=ice-pwd:bbbbbbbbbbbbbbbbbbbbbb",
      `a=fingerprint:sha-1 00:11`,
      `a=fingerprint:sha-256 ${HASH}`,
    ),
  );
  assert.equal(session.transport.ufrag, "bbbb");
  assert.deepEqual(session.bundle, ["b", "a"]);
});

test("codecs come in the order of the m-line, with static payload types and feedback for all", () => {
  const { media } = parsed(
    sdp(
      "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 111 300 12",
      "a=mid:0",
      ...TRANSPORT,
      "a=rtpmap:8 PCMA/8000/1",
      "a=rtpmap:111 opus/48000/2",
      "a=rtpmap:112 opus/48000/2",
      "a=fmtp:111 minptime=10; useinbandfec=1",
      "a=rtcp-fb:111 nack",
      "a=rtcp-fb:* transport-cc",
    ),
  );
  assert.deepEqual(
    media[0]!.codecs.map(({ payloadType, name, clockRate, channels, fmtp, feedback }) =>
      [payloadType, name, clockRate, channels, fmtp, feedback.join()].join(" "),
    ),
    [
      "111 opus 48000 2 minptime=10; useinbandfec=1 nack,transport-cc",
      "0 PCMU 8000 1  transport-cc",
      "8 PCMA 8000 1  transport-cc",
    ],
  );
});

const trackIds: [string, string][] = [
  ["a=msid:stream track", "track"],
  ["a=msid:- {track}", "{track}"],
  ["a=msid:track", "track"],
  ["a=ssrc:1 msid:stream track", "track"],
  ["a=ssrc:1 cname:x", ""],
];
for (const [line, expected] of trackIds) {
  test(`${line} has the track id "${expected}"`, () => {
    const { media } = parsed(sdp("m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0", ...TRANSPORT, line));
    assert.equal(media[0]!.trackId, expected);
  });
}

const rids: [string[], string[], boolean][] = [
  [["a=rid:q send", "a=rid:h send", "a=simulcast:send q;~h"], ["q", "h"], true],
  [["a=simulcast:recv 1 send f,x;h;f"], ["f", "h"], true],
  [["a=rid:f send", "a=rid:x recv"], ["f"], false],
  [["a=simulcast:recv q;h"], [], false],
];
for (const [lines, expected, simulcast] of rids) {
  test(`${lines.join(" ")}: sends ${expected.join()}`, () => {
    const { media } = parsed(sdp("m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:0", ...TRANSPORT, ...lines));
    assert.deepEqual(media[0]!.sendRids, expected);
    assert.equal(media[0]!.simulcast, simulcast);
  });
}

test("port 0 rejects unless the section is bundle-only; a rejected section needs no mid", () => {
  const { media } = parsed(
    sdp(
      "m=audio 9 UDP/TLS/RTP/SAVPF 0",
      "a=mid:0",
      ...TRANSPORT,
      "m=video 0 UDP/TLS/RTP/SAVPF 96",
      "a=mid:1",
      "a=bundle-only",
      "m=video 0 UDP/TLS/RTP/SAVPF 96",
    ),
  );
  assert.deepEqual(
    media.map(({ rejected }) => rejected),
    [false, false, true],
  );
});

test("the application section has an SCTP port and a message size", () => {
  const application = ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:0", ...TRANSPORT];
  const given = parsed(sdp(...application, "a=sctp-port:5001", "a=max-message-size:0")).media[0]!;
  assert.deepEqual([given.sctpPort, given.maxMessageSize], [5001, 0]);
  const absent = parsed(sdp(...application)).media[0]!;
  assert.deepEqual([absent.sctpPort, absent.maxMessageSize], [5000, 65_536]);
});

const audio = "m=audio 9 UDP/TLS/RTP/SAVPF 0";
const failures: [string, string[], RegExp][] = [
  ["no media section", TRANSPORT, /no media section/],
  ["no ICE user fragment", [audio, "a=mid:0", TRANSPORT[1]!, TRANSPORT[2]!], /ICE credentials/],
  ["no ICE password", [audio, "a=mid:0", TRANSPORT[0]!, TRANSPORT[2]!], /ICE credentials/],
  ["no fingerprint", [audio, "a=mid:0", TRANSPORT[0]!, TRANSPORT[1]!], /SHA-256/],
  ["only SHA-1", [audio, "a=mid:0", TRANSPORT[0]!, TRANSPORT[1]!, "a=fingerprint:sha-1 00:11"], /SHA-256/],
  ["no mid", [audio, ...TRANSPORT], /no mid/],
  ["a mid twice", [audio, "a=mid:x", ...TRANSPORT, audio, "a=mid:x"], /two media sections .* "x"/],
  ["a bad m-line", ["m=audio", ...TRANSPORT], /no valid m-line/],
  ["a port out of range", ["m=audio 65536 UDP/TLS/RTP/SAVPF 0", "a=mid:0", ...TRANSPORT], /no valid m-line/],
  ["endless credentials", [audio, "a=mid:0", `a=ice-ufrag:${"x".repeat(300)}`, ...TRANSPORT.slice(1)], /more than 256/],
  ["an endless mid", [audio, `a=mid:${"x".repeat(256)}`, ...TRANSPORT], /mid, RID or track id of more than 255/],
  [
    "an endless RID",
    [audio, "a=mid:0", ...TRANSPORT, `a=rid:${"r".repeat(256)} send`, `a=simulcast:send ${"r".repeat(256)}`],
    /mid, RID or track id of more than 255/,
  ],
  ["an endless track id", [audio, "a=mid:0", ...TRANSPORT, `a=msid:- ${"t".repeat(256)}`], /track id of more than 255/],
  [
    "one id for two header extensions",
    [audio, "a=mid:0", ...TRANSPORT, "a=extmap:3 urn:a", "a=extmap:3 urn:a", "a=extmap:3/sendonly urn:b"],
    /two header extensions with the id 3/,
  ],
];
for (const [name, lines, expected] of failures) {
  test(`${name} is a failure`, () => {
    assert.match(failure(sdp(...lines)), expected);
  });
}

test("size limits are failures, not work", () => {
  assert.match(failure("a".repeat(MAX_SDP_LENGTH + 1)), /longer than/);
  assert.match(failure(sdp(...Array.from({ length: MAX_SDP_MEDIA + 1 }, () => audio))), /more than 500 media/);
  assert.match(failure("\n".repeat(100_000)), /lines/);
});

test("any text gives a session or a sentence", () => {
  const lines = [
    ...SESSION,
    ...TRANSPORT,
    "a=group:BUNDLE 0 1 2",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 63",
    "m=video 0 UDP/TLS/RTP/SAVPF 96 97",
    "a=mid:0",
    "a=mid:1",
    "a=rtpmap:111 opus/48000/2",
    "a=rtpmap:96 VP8/90000",
    "a=rtcp-fb:96 nack pli",
    "a=fmtp:97 apt=96",
    "a=extmap:2/recvonly urn:x",
    "a=msid:- track",
    "a=ssrc:1 cname:x",
    "a=ssrc-group:FID 1 2",
    "a=bundle-only",
    "a=rid:q send",
    "a=simulcast:send q;h",
    "a=sendonly",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
  ];
  const line = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...lines) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...lines), fc.string()).map(([a, b]) => a + b) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom("a=", "m=", "v="), fc.string()).map(([a, b]) => a + b) },
    { weight: 1, arbitrary: fc.constantFrom("a=mid:__proto__", "a=ice-ufrag:NaN", "a=mid:Infinity", "a=mid:1e21") },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(line, { maxLength: 60 }).map((all) => all.join("\r\n")),
        fc.string(),
      ),
      (text) => {
        const session = parseSdp(text);
        if ("failure" in session) assert.ok(session.failure.length > 0);
        else assert.ok(session.transport.fingerprints.length > 0 && session.media.length > 0);
      },
    ),
    { seed: 11, numRuns: 500, interruptAfterTimeLimit: 3000 },
  );
});
