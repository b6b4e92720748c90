/** Mutated offers and answers of real browsers: a result or a sentence, never an exception, and never a broken answer. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseSdp } from "@stoa/wire/sdp/parse";
import fc from "fast-check";
import { Answerer } from "./answerer.ts";
import { clientTraits } from "./client-traits.ts";
import { DEFAULT_CODECS } from "./codecs.ts";
import { Offerer } from "./offerer.ts";

const NAMES = ["chromium-v1-publish", "chromium-dual-publish", "chromium-dual-vp9", "firefox-v1-publish"];
const OFFERS = NAMES.map((name) =>
  readFileSync(new URL(`../../src/negotiation/fixtures/${name}.sdp`, import.meta.url), "utf8"),
);
const RUNS = { seed: 5, numRuns: 400, interruptAfterTimeLimit: 6000 };

let state = 9;
const uint32 = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0);
const OPTIONS = {
  local: { fingerprint: Array.from({ length: 32 }, () => "01").join(":"), candidates: [] },
  random: { uint32, bytes: (length: number) => Uint8Array.from({ length }, () => uint32() >>> 24) },
  credentials: { ufrag: "ourufrag", pwd: "ourpasswordourpasswordour" },
  codecs: { publish: DEFAULT_CODECS, subscribe: DEFAULT_CODECS },
  client: clientTraits({ browser: "Firefox", browserVersion: "140", os: "Linux", deviceModel: "" }),
  bandwidthFeedback: "remb",
  playoutDelay: true,
} as const;

interface Mutation {
  readonly at: number;
  readonly type: "delete" | "repeat" | "move" | "number" | "character" | "insert" | "cut";
  readonly value: string;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.nat(100_000),
  type: fc.constantFrom<Mutation["type"]>("delete", "repeat", "move", "number", "character", "insert", "cut"),
  value: fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.constantFrom("0", "-1", "65536", "4294967296", "99999999999999999999", "NaN", "1e9", ""),
    fc.constantFrom("a=mid:__proto__", "a=mid:0", "a=inactive", "a=sendrecv", "a=rid:x send", "a=simulcast:send ;,~;"),
    fc.constantFrom("a=msid:", "a=ssrc:0 cname:", "a=ssrc-group:SIM 1 1 1 1 1", "a=fmtp:111 =;=", "a=fmtp:97 apt=97"),
    fc.constantFrom("m=audio 9 UDP/TLS/RTP/SAVPF", "a=group:BUNDLE", "a=extmap:15 urn:ietf:params:rtp-hdrext:sdes:mid"),
  ),
});

function mutate(sdp: string, mutations: readonly Mutation[]): string {
  let lines = sdp.split("\r\n");
  for (const { at, type, value } of mutations) {
    const index = at % Math.max(lines.length, 1);
    const line = lines[index] ?? "";
    if (type === "delete") lines.splice(index, 1);
    else if (type === "repeat") lines.splice(index, 0, line);
    else if (type === "move") lines.push(...lines.splice(index, 1 + (at % 5)));
    else if (type === "number") lines[index] = line.replace(/\d+/, value);
    else if (type === "character") lines[index] = line.slice(0, at % 40) + value + line.slice((at % 40) + 1);
    else if (type === "insert") lines.splice(index, 0, value);
    else lines = lines.slice(0, Math.max(index, 3));
  }
  return lines.join("\r\n");
}

const offers = fc
  .tuple(fc.constantFrom(...OFFERS), fc.array(mutation, { minLength: 1, maxLength: 6 }))
  .map(([sdp, mutations]) => mutate(sdp, mutations));
const traits = { codecs: [], red: true, dtx: true, stereo: true, ssrcs: [] };
const PUBLICATIONS = [
  { sid: "TR_A", kind: "audio" as const, cid: "a", ...traits },
  { sid: "TR_V", kind: "video" as const, cid: "v", ...traits },
];
const TRACKS = [
  { sid: "TR_X", kind: "audio" as const, stream: "PA|TR_X", mimes: ["audio/red"], stereo: true, red: true },
  { sid: "TR_Y", kind: "video" as const, stream: "PA|TR_Y", mimes: ["video/H264"], stereo: false, red: false },
];

test("mutated offers are answered consistently or refused", () => {
  let answers = 0;
  fc.assert(
    fc.property(fc.array(offers, { minLength: 1, maxLength: 3 }), (all) => {
      const peer = new Answerer({ ...OPTIONS, role: "single" });
      peer.setDownTracks(TRACKS);
      for (const sdp of all) {
        const result = peer.handleOffer(sdp, PUBLICATIONS);
        peer.takeRequirement();
        if ("failure" in result) {
          assert.match(result.failure, /SDP/);
          continue;
        }
        answers++;
        const theirs = parseSdp(sdp);
        const ours = parseSdp(result.answer);
        assert.ok(!("failure" in theirs));
        if ("failure" in ours) {
          assert.ok(theirs.media.every(({ rejected }) => rejected) || !/m=\w+ 9 /.test(result.answer), ours.failure);
          continue;
        }
        assert.deepEqual(
          ours.media.map(({ mid, type }) => [mid, type]),
          theirs.media.map(({ mid, type }) => [mid, type]),
        );
        for (const [index, { direction, rejected, codecs }] of ours.media.entries()) {
          const offered = theirs.media[index]!;
          const types = new Set(offered.codecs.map(({ payloadType }) => payloadType));
          assert.ok(codecs.every(({ payloadType }) => types.has(payloadType) || rejected));
          if (rejected || offered.type === "application") continue;
          if (direction.startsWith("send")) assert.match(offered.direction, /recv/);
          if (direction.endsWith("recv") || direction === "recvonly") assert.match(offered.direction, /^send/);
        }
      }
    }),
    RUNS,
  );
  assert.ok(answers > 50, `only ${answers} offers were good enough to be answered`);
});

test("hundreds of m-lines are answered as they are, and more than that are refused in words", () => {
  const [session, ...sections] = OFFERS[1]!.split(/(?=^m=)/m);
  const video = sections.find((section) => section.startsWith("m=video"))!;
  const many = (count: number) => {
    const mids = Array.from({ length: count }, (_, i) => `m${i}`);
    const head = session!.replace(/^a=group:BUNDLE.*$/m, `a=group:BUNDLE ${mids.join(" ")}`);
    // Each lies that it is the same track.
    const text = video.replaceAll(/^a=(extmap|rtcp-fb|ssrc|ssrc-group|rid|simulcast|fmtp):.*\r\n/gm, "");
    return head + mids.map((mid) => text.replace(/^a=mid:.*$/m, `a=mid:${mid}\r`)).join("");
  };
  const peer = new Answerer({ ...OPTIONS, role: "single" });
  peer.setDownTracks(TRACKS);
  const result = peer.handleOffer(many(400), PUBLICATIONS);
  assert.ok(!("failure" in result), JSON.stringify(result));
  assert.equal(result.answer.split("\nm=").length - 1, 400);
  assert.equal(result.receivers.length, 1, "one publication has one m-line");
  const refused = peer.handleOffer(many(501), PUBLICATIONS);
  assert.ok("failure" in refused && /more than 500 media sections/.test(refused.failure));
});

test("mutated answers are taken or refused, and the next round works", () => {
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 6 }), (mutations) => {
      const peer = new Offerer({ ...OPTIONS, dataChannels: true });
      peer.setDownTracks(TRACKS);
      const good = (offer: string) => offer.replaceAll("sendonly", "recvonly").replaceAll("actpass", "active");
      const result = peer.handleAnswer(mutate(good(peer.createOffer().offer), mutations));
      if ("failure" in result) assert.match(result.failure, /SDP/);
      const next = peer.handleAnswer(good(peer.createOffer().offer));
      assert.ok(!("failure" in next), JSON.stringify(next));
    }),
    RUNS,
  );
});
