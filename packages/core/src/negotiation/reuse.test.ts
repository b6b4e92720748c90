/** Forty tracks after each other on the m-lines of one: the descriptions of both modes stay as they were. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseSdp } from "@stoa/wire/sdp/parse";
import { Answerer } from "./answerer.ts";
import { clientTraits } from "./client-traits.ts";
import { DEFAULT_CODECS } from "./codecs.ts";
import { Offerer } from "./offerer.ts";
import type { DownTrack, NegotiationOptions } from "./types.ts";

const CYCLES = 40;
const HASH = Array.from({ length: 32 }, () => "AB").join(":");

function options(browser: string): NegotiationOptions {
  let state = 9;
  const uint32 = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0);
  return {
    local: { fingerprint: HASH, candidates: [] },
    random: { uint32, bytes: (length) => Uint8Array.from({ length }, () => uint32() >>> 24) },
    credentials: { ufrag: "ourufrag", pwd: "ourpasswordourpasswordour" },
    codecs: { publish: DEFAULT_CODECS, subscribe: DEFAULT_CODECS },
    client: clientTraits({ browser, browserVersion: "140", os: "Linux", deviceModel: "" }),
    bandwidthFeedback: "transport-cc",
    playoutDelay: false,
  };
}

/** Microphone and camera of the n-th time. */
function tracks(n: number): DownTrack[] {
  const traits = { stream: "PA_1|x", mimes: [], stereo: false, red: false };
  return (["audio", "video"] as const).map((kind) => ({ ...traits, sid: `TR_${kind}${n + 10}`, kind }));
}

interface Size {
  readonly sections: number;
  /** Numbers left out: SSRCs and versions have more or fewer digits. */
  readonly length: number;
}

function sizeOf(sdp: string): Size {
  const session = parseSdp(sdp);
  assert.ok(!("failure" in session), JSON.stringify(session));
  return { sections: session.media.length, length: sdp.replaceAll(/\d+/g, "").length };
}

/** One client in one mode: takes a set of tracks, and what was described last. */
interface Subscriber {
  receive(wanted: readonly DownTrack[]): string;
}

function dual(browser: string, endsIdleReceivers = false): Subscriber {
  const { client, ...rest } = options(browser);
  const peer = new Offerer({ ...rest, client: { ...client, endsIdleReceivers }, dataChannels: true });
  return {
    receive: (wanted) => {
      let offer = "";
      for (let due = peer.setDownTracks(wanted), round = 0; due; round++) {
        assert.ok(round < 3, "it comes to an end");
        offer = peer.createOffer().offer;
        const answer = offer
          .replaceAll("a=recvonly", "a=inactive")
          .replaceAll("a=sendonly", "a=recvonly")
          .replaceAll("a=setup:actpass", "a=setup:active")
          .replaceAll(/a=ssrc.*\r\n/g, "");
        const result = peer.handleAnswer(answer);
        assert.ok(!("failure" in result), JSON.stringify(result));
        due = result.renegotiate;
      }
      const sent = peer.plan.senders.map(({ track }) => track);
      assert.deepEqual(sent.toSorted(), wanted.map(({ sid }) => sid).toSorted());
      return offer;
    },
  };
}

/** `offer`: a real one with m-lines to receive on; the client adds none of its own accord. */
function single(browser: string, offer: string): Subscriber {
  const peer = new Answerer({ ...options(browser), role: "single" });
  const negotiate = () => {
    const result = peer.handleOffer(offer, []);
    assert.ok(!("failure" in result), JSON.stringify(result));
    return result;
  };
  negotiate();
  return {
    receive: (wanted) => {
      peer.setDownTracks(wanted);
      let result = negotiate();
      for (let asked = peer.takeRequirement(), round = 0; asked; asked = peer.takeRequirement(), round++) {
        assert.ok(round < 3, "it comes to an end");
        assert.deepEqual(asked, { audios: 0, videos: 0 }, "no more m-lines are asked for");
        result = negotiate();
      }
      assert.deepEqual(Object.values(result.midToTrackId).toSorted(), wanted.map(({ sid }) => sid).toSorted());
      return result.answer;
    },
  };
}

function fixture(name: string): string {
  return readFileSync(new URL(`../../src/negotiation/fixtures/${name}.sdp`, import.meta.url), "utf8");
}

/** With one m-line of each kind to receive on, so that every cycle needs the former one's. */
function narrow(offer: string): string {
  const [session, ...sections] = offer.split(/(?=^m=)/m);
  const spare = new Set(
    ["audio", "video"].flatMap((kind) => sections.filter((one) => one.startsWith(`m=${kind}`)).slice(1)),
  );
  return [session, ...sections.map((one) => (spare.has(one) ? one.replace("a=recvonly", "a=inactive") : one))].join("");
}

const subscribers: [name: string, make: () => Subscriber][] = [
  ["Chromium on two peers", () => dual("Chrome")],
  ["Firefox on two peers", () => dual("Firefox")],
  ["pion on two peers", () => dual("", true)],
  ["Chromium and rtc-node on one peer", () => single("Chrome", narrow(fixture("chromium-v1-join")))],
  ["Firefox on one peer", () => single("Firefox", narrow(fixture("firefox-v1-publish")))],
];
for (const [name, make] of subscribers) {
  for (const between of ["with a pause", "without a pause"]) {
    test(`${name}: forty tracks ${between} leave the description as it was`, () => {
      const subscriber = make();
      const first = sizeOf(subscriber.receive(tracks(0)));
      for (let i = 1; i < CYCLES; i++) {
        if (between === "with a pause") subscriber.receive([]);
        assert.deepEqual(sizeOf(subscriber.receive(tracks(i))), first, `cycle ${i}`);
      }
    });
  }
}

for (const pion of [true, false]) {
  test(`an m-line without a track is offered as inactive ${pion ? "once to pion" : "for as long as it has none"}`, () => {
    const peer = dual("", pion);
    const [audio, video] = tracks(0);
    const directionOfVideo = (wanted: readonly DownTrack[]) => {
      const session = parseSdp(peer.receive(wanted));
      assert.ok(!("failure" in session));
      return session.media.at(-1)!.direction;
    };
    assert.equal(directionOfVideo([audio!, video!]), "sendonly");
    assert.equal(directionOfVideo([audio!]), "inactive");
    const rests = pion ? "recvonly" : "inactive";
    assert.equal(directionOfVideo([]), rests);
    assert.equal(directionOfVideo([tracks(1)[0]!]), rests);
    assert.equal(directionOfVideo(tracks(1)), "sendonly");
    assert.equal(directionOfVideo([]), "inactive");
  });
}

test("Safari's m-lines are not used again before there are very many", () => {
  const safari = dual("Safari");
  let sections = 0;
  for (let i = 0; i < 150; i++) {
    sections = sizeOf(safari.receive(tracks(i))).sections;
    if (i < 90) assert.equal(sections, 1 + 2 * (i + 1));
    safari.receive([]);
  }
  assert.ok(sections <= 204, `${sections} m-lines`);
  const onOne = single("Safari", fixture("chromium-v1-join"));
  for (let i = 0; i < 3; i++) onOne.receive(tracks(i));
  assert.throws(() => onOne.receive(tracks(3)), /no more m-lines are asked for/);
});
