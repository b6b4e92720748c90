import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "sdp-transform";
import { writeCandidates } from "./candidate.ts";
import { parseFmtp, writeFmtp } from "./fmtp.ts";
import { parseSdp } from "./parse.ts";
import { type OwnDescription, writeSdp } from "./write.ts";

const FINGERPRINT = Array.from({ length: 32 }, (_, index) => index.toString(16).padStart(2, "0").toUpperCase()).join(
  ":",
);
const opus = {
  payloadType: 111,
  name: "opus",
  clockRate: 48e3,
  channels: 2,
  fmtp: "minptime=10;useinbandfec=1",
  feedback: ["nack"],
};
const vp8 = { payloadType: 96, name: "VP8", clockRate: 90_000, channels: 1, fmtp: "", feedback: ["nack", "nack pli"] };
const rtx = { payloadType: 97, name: "rtx", clockRate: 90_000, channels: 1, fmtp: "apt=96", feedback: [] };

const extensions = [{ id: 4, uri: "urn:ietf:params:rtp-hdrext:sdes:mid", direction: "recvonly" }] as const;
const description: OwnDescription = {
  sessionId: "12345678901234567890",
  version: 3,
  extmapAllowMixed: true,
  bundle: ["0", "v", "d"],
  transport: {
    ufrag: "ufrag",
    pwd: "pwd",
    fingerprint: FINGERPRINT,
    setup: "passive",
    candidates: writeCandidates([
      {
        protocol: "udp",
        address: "192.0.2.1",
        port: 7882,
      },
      {
        protocol: "tcp",
        address: "2001:db8::1",
        port: 7881,
      },
    ]),
  },
  sections: [
    { type: "rejected", media: "video", protocol: "UDP/TLS/RTP/SAVPF", formats: "120 121", mid: "r" },
    {
      type: "audio",
      protocol: "UDP/TLS/RTP/SAVPF",
      mid: "0",
      direction: "sendonly",
      codecs: [opus],
      extensions: [],
      rtcpRsize: false,
      receiveRids: [],
      simulcast: false,
      ssrcGroups: [],
      stream: {
        streamId: "PA_1|TR_1",
        trackId: "TR_1",
        cname: "PA_1|TR_1",
        ssrcs: [0xffffffff],
      },
    },
    {
      type: "video",
      protocol: "UDP/TLS/RTP/SAVPF",
      mid: "v",
      direction: "recvonly",
      codecs: [vp8, rtx],
      extensions,
      rtcpRsize: true,
      receiveRids: ["q", "h"],
      simulcast: true,
      stream: undefined,
      ssrcGroups: [],
    },
    { type: "application", protocol: "UDP/DTLS/SCTP", mid: "d", sctpPort: 5000, maxMessageSize: 262_144 },
  ],
};

test("what is written reads back the same", () => {
  const session = parseSdp(writeSdp(description));
  assert.ok(!("failure" in session), JSON.stringify(session));
  assert.deepEqual(session.bundle, ["0", "v", "d"]);
  assert.deepEqual(session.transport, { ufrag: "ufrag", pwd: "pwd", fingerprints: [FINGERPRINT], setup: "passive" });
  assert.deepEqual(
    session.media.map(({ mid, type, rejected, direction }) => [mid, type, rejected, direction]),
    [
      ["r", "video", true, "inactive"],
      ["0", "audio", false, "sendonly"],
      ["v", "video", false, "recvonly"],
      ["d", "application", false, "sendrecv"],
    ],
  );
  assert.deepEqual(session.media[1]!.codecs, [opus]);
  assert.equal(session.media[1]!.trackId, "TR_1");
  assert.deepEqual(session.media[1]!.ssrcs, [4294967295]);
  assert.deepEqual(session.media[2]!.codecs, [vp8, rtx]);
  assert.deepEqual(session.media[2]!.extensions, extensions);
  assert.equal(session.media[3]!.maxMessageSize, 262_144);
});

test("candidates stand once, in the section that BUNDLE names first, and end there", () => {
  const { media, icelite } = parse(writeSdp(description));
  assert.equal(icelite, "ice-lite");
  assert.deepEqual(
    media.map(({ candidates }) => candidates?.length ?? 0),
    [0, 2, 0, 0],
  );
  assert.equal(media[1]!.endOfCandidates, "end-of-candidates");
  assert.deepEqual(media[2]!.simulcast, { dir1: "recv", list1: "q;h" });
  assert.deepEqual(media[2]!.rids, [
    { id: "q", direction: "recv" },
    { id: "h", direction: "recv" },
  ]);
});

test("without BUNDLE the candidates stand in the first section in use; another tag moves them", () => {
  const counts = (bundle: string[]) =>
    parse(writeSdp({ ...description, bundle })).media.map(({ candidates }) => candidates?.length ?? 0);
  assert.deepEqual(counts([]), [0, 2, 0, 0]);
  assert.deepEqual(counts(["d", "0"]), [0, 0, 0, 2]);
});

test("every line ends with CRLF and the session version is there", () => {
  const lines = writeSdp(description).split("\r\n");
  assert.equal(lines.at(-1), "");
  assert.ok(lines.every((line) => !/[\r\n]/.test(line)));
  assert.equal(lines[1], "o=- 12345678901234567890 3 IN IP4 127.0.0.1");
});

test("UDP is preferred to TCP, the first address to the second", () => {
  const candidates = writeCandidates([
    { protocol: "tcp", address: "192.0.2.1", port: 7881 },
    { protocol: "udp", address: "192.0.2.1", port: 7882 },
    { protocol: "udp", address: "192.0.2.2", port: 7882 },
    { protocol: "tcp", address: "192.0.2.2", port: 7881 },
  ]);
  const priority = candidates.map((line) => Number(line.split(" ")[3]));
  const order = [1, 2, 0, 3];
  for (let i = 1; i < order.length; i++) assert.ok(priority[order[i - 1]!]! > priority[order[i]!]!);
  assert.ok(priority.every((value) => Number.isInteger(value) && value > 0 && value < 2 ** 31));
  assert.equal(candidates[0], `candidate:1 1 tcp ${priority[0]} 192.0.2.1 7881 typ host tcptype passive`);
});

test("fmtp parameters keep their order, and flags have no value", () => {
  assert.equal(
    writeFmtp(parseFmtp("minptime=10; UseInbandFec=1;flag;;x=a=b")),
    "minptime=10;useinbandfec=1;flag;x=a=b",
  );
});
