/** Random sequences of publishing, unpublishing, subscribing and unsubscribing against model browsers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSdp } from "@stoa/wire/sdp/parse";
import fc from "fast-check";
import type { MediaKind, SenderSpec } from "../engine/specs.ts";
import { Answerer } from "./answerer.ts";
import { clientTraits } from "./client-traits.ts";
import { DEFAULT_CODECS } from "./codecs.ts";
import { Offerer } from "./offerer.ts";
import type { DownTrack, Publication } from "./types.ts";

const HASH = Array.from({ length: 32 }, () => "EF").join(":");
const TRANSPORT = `a=ice-ufrag:theirs\r\na=ice-pwd:theirpasswordtheirpassword\r\na=fingerprint:sha-256 ${HASH}\r\n`;
const RUNS = { numRuns: 200, interruptAfterTimeLimit: 6000 };

function options(seed: number) {
  let state = seed;
  const uint32 = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0);
  return {
    local: { fingerprint: HASH, candidates: [] },
    random: { uint32, bytes: (length: number) => Uint8Array.from({ length }, () => uint32() >>> 24) },
    credentials: { ufrag: "ourufrag", pwd: "ourpasswordourpasswordour" },
    codecs: { publish: DEFAULT_CODECS, subscribe: DEFAULT_CODECS },
    client: clientTraits({ browser: "Chrome", browserVersion: "140", os: "Linux", deviceModel: "" }),
    bandwidthFeedback: "remb",
    playoutDelay: false,
  } as const;
}

function down(sid: string, kind: MediaKind): DownTrack {
  return { sid, kind, stream: `PA_1|${sid}`, mimes: [], stereo: false, red: false };
}

function answered(sdp: string) {
  const session = parseSdp(sdp);
  assert.ok(!("failure" in session), JSON.stringify(session));
  return session.media;
}

/** How a browser writes offers: Firefox gives all m-lines but the first of a kind port 0, and takes back the places of stopped ones. */
type Shape = "chromium" | "firefox";

interface Section {
  readonly mid: string;
  readonly kind: MediaKind | "application";
  direction: string;
  trackId: string;
  ssrc: number;
}

/** A browser on a single peer: offers, and remembers what each m-line carried last. */
class ModelBrowser {
  readonly sections: Section[] = [];
  readonly #shape: Shape;
  #mids = 0;
  /** Track id that each mid announced in the last answer; "" = nothing. */
  readonly heard = new Map<string, string>();

  constructor(shape: Shape) {
    this.#shape = shape;
  }

  add(kind: Section["kind"], direction: string, trackId = ""): Section {
    const number = this.#mids++;
    const section = { mid: String(number), kind, direction, trackId, ssrc: 1000 + number };
    const stopped = this.sections.findIndex((one) => one.kind === kind && one.direction === "stopped");
    if (stopped < 0) this.sections.push(section);
    else this.sections[stopped] = section;
    return section;
  }

  /** Stops sending for good. */
  stop(section: Section): void {
    section.direction = this.#shape === "firefox" ? "stopped" : "inactive";
  }

  offer(): string {
    const used = this.sections.filter(({ direction }) => direction !== "stopped");
    const mids = used.map(({ mid }) => mid).join(" ");
    const text = this.sections.map(({ mid, kind, direction, trackId, ssrc }) => {
      if (kind === "application")
        return `m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n${TRANSPORT}a=mid:${mid}\r\n`;
      const codec = kind === "audio" ? "111 opus/48000/2" : "96 VP8/90000";
      const stream = trackId && `a=msid:- ${trackId}\r\na=ssrc:${ssrc} cname:c\r\n`;
      const format = codec.split(" ")[0];
      if (direction === "stopped") return `m=${kind} 0 UDP/TLS/RTP/SAVPF 0\r\na=inactive\r\na=mid:${mid}\r\n`;
      const first = used.find((one) => one.kind === kind)!.mid === mid;
      const port = this.#shape === "chromium" || first ? "9" : "0 ";
      const bundle = port === "9" ? "" : "a=bundle-only\r\n";
      return `m=${kind} ${port.trim()} UDP/TLS/RTP/SAVPF ${format}\r\n${TRANSPORT}a=mid:${mid}\r\n${bundle}a=${direction}\r\na=rtpmap:${codec}\r\n${stream}`;
    });
    return `v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE ${mids}\r\n${text.join("")}`;
  }

  /** Browsers announce a track when a direction turns to sending: a change without a pause would be lost. */
  hear(answer: string): void {
    const media = answered(answer);
    assert.deepEqual(
      media.map(({ mid, type, rejected }) => `${mid} ${type} ${rejected}`),
      this.sections.map(({ mid, kind, direction }) => `${mid} ${kind} ${direction === "stopped"}`),
    );
    for (const { mid, direction, trackId } of media) {
      const now = direction === "sendonly" ? trackId : "";
      const before = this.heard.get(mid!) ?? "";
      assert.ok(now === "" || before === "" || now === before, `mid ${mid} changed from ${before} to ${now}`);
      this.heard.set(mid!, now);
    }
  }
}

type Step =
  | { readonly type: "subscribe" | "publish"; readonly kind: MediaKind }
  | { readonly type: "unsubscribe" | "unpublish"; readonly index: number }
  | { readonly type: "negotiate" };

const kind = fc.constantFrom<MediaKind>("audio", "video");
const shape = fc.constantFrom<Shape>("chromium", "firefox");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ type: fc.constantFrom("subscribe" as const, "publish" as const), kind }),
  fc.record({ type: fc.constant("subscribe" as const), kind }),
  fc.record({ type: fc.constantFrom("unsubscribe" as const, "unpublish" as const), index: fc.nat(20) }),
  fc.record({ type: fc.constant("negotiate" as const) }),
);

/** Everything of one run against an `Answerer`. */
class SinglePeerRun {
  readonly browser: ModelBrowser;
  readonly peer: Answerer;
  #names = 0;
  #wanted: DownTrack[] = [];
  #publications: Publication[] = [];
  #published = new Map<string, Section>();
  #bound = new Set<string>();
  #senders = new Map<string, SenderSpec>();
  #ssrcs = new Set<number>();
  peak = { audio: 3, video: 3 };

  constructor(seed: number, shape: Shape) {
    this.browser = new ModelBrowser(shape);
    this.peer = new Answerer({ ...options(seed), role: "single" });
    for (const one of ["audio", "audio", "audio", "video", "video", "video"] as const)
      this.browser.add(one, "recvonly");
    this.browser.add("application", "sendrecv");
    this.negotiate();
  }

  take(next: Step): void {
    if (next.type === "subscribe") {
      this.#want([...this.#wanted, down(`TR_${this.#names++}`, next.kind)]);
    } else if (next.type === "unsubscribe") {
      this.#want(this.#wanted.filter((_, index) => index !== next.index % Math.max(this.#wanted.length, 1)));
    } else if (next.type === "publish") {
      const sid = `TR_P${this.#names++}`;
      const traits = { codecs: [], red: false, dtx: false, stereo: false, ssrcs: [] };
      this.#publications.push({ sid, kind: next.kind, cid: `cid-${sid}`, ...traits });
      this.#published.set(sid, this.browser.add(next.kind, "sendonly", `cid-${sid}`));
    } else if (next.type === "unpublish") {
      const section = [...this.#published.values()][next.index % Math.max(this.#published.size, 1)];
      if (section) this.browser.stop(section);
    } else {
      this.negotiate();
    }
  }

  #want(tracks: DownTrack[]): void {
    this.#wanted = tracks;
    this.peer.setDownTracks(tracks);
    const sids = new Set(tracks.map(({ sid }) => sid));
    assert.ok(
      this.peer.plan.senders.every(({ track }) => sids.has(track)),
      "an unwanted track is not sent on",
    );
    for (const one of ["audio", "video"] as const) {
      const count = tracks.filter((track) => track.kind === one).length;
      this.peak[one] = Math.max(this.peak[one], count);
    }
  }

  negotiate(): void {
    const result = this.peer.handleOffer(this.browser.offer(), this.#publications);
    assert.ok(!("failure" in result), JSON.stringify(result));
    this.browser.hear(result.answer);
    for (const { sid } of result.published) {
      assert.ok(!this.#bound.has(sid), "published once");
      this.#bound.add(sid);
    }
    for (const sid of result.closed) {
      assert.ok(this.#bound.delete(sid));
      this.#publications = this.#publications.filter((one) => one.sid !== sid);
      this.#published.delete(sid);
    }
    const sending = [...this.#published].filter(([, { direction }]) => direction === "sendonly").map(([sid]) => sid);
    assert.deepEqual([...this.#bound].toSorted(), sending.toSorted());
    assert.deepEqual(result.receivers.map(({ track }) => track).toSorted(), sending.toSorted());
    this.#checkSenders(result.senders, result.midToTrackId);
  }

  #checkSenders(senders: readonly SenderSpec[], midToTrackId: Record<string, string>): void {
    assert.deepEqual(Object.fromEntries(senders.map(({ mid, track }) => [mid, track])), midToTrackId);
    const client = new Set(this.browser.sections.map(({ ssrc }) => ssrc));
    const next = new Map<string, SenderSpec>();
    for (const sender of senders) {
      assert.ok(this.#wanted.some(({ sid }) => sid === sender.track) && !next.has(sender.track));
      next.set(sender.track, sender);
      const former = this.#senders.get(sender.track);
      if (former) {
        assert.deepEqual([sender.mid, sender.ssrc], [former.mid, former.ssrc], "a track keeps its place");
        continue;
      }
      for (const ssrc of [sender.ssrc, sender.rtxSsrc].filter((one) => one !== 0)) {
        assert.ok(!this.#ssrcs.has(ssrc) && !client.has(ssrc), "SSRCs are fresh");
        this.#ssrcs.add(ssrc);
      }
    }
    this.#senders = next;
  }

  /** Follows the server's requests for offers until it has none. */
  settle(): void {
    this.negotiate();
    for (let round = 0; ; round++) {
      const requirement = this.peer.takeRequirement();
      if (!requirement) break;
      assert.ok(round < 4, "the server comes to an end");
      for (let i = 0; i < requirement.audios; i++) this.browser.add("audio", "recvonly");
      for (let i = 0; i < requirement.videos; i++) this.browser.add("video", "recvonly");
      this.negotiate();
    }
    assert.deepEqual([...this.#senders.keys()].toSorted(), this.#wanted.map(({ sid }) => sid).toSorted());
    for (const one of ["audio", "video"] as const) {
      const count = this.browser.sections.filter((section) => section.kind === one && section.direction === "recvonly");
      assert.ok(count.length <= this.peak[one], `${count.length} ${one} sections for a peak of ${this.peak[one]}`);
    }
  }
}

test("a single peer sends what is wanted, and publishes what the browser sends", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat(), shape, (steps, seed, one) => {
      const run = new SinglePeerRun(seed, one);
      for (const [index, next] of steps.entries()) {
        run.take(next);
        if (index % 7 === 6) run.settle();
      }
      run.settle();
    }),
    { seed: 3, ...RUNS },
  );
});

/** A browser on a subscriber peer: takes everything. */
function accept(offer: string): string {
  return offer
    .replaceAll("a=sendonly", "a=recvonly")
    .replaceAll("a=setup:actpass", "a=setup:active")
    .replaceAll(/a=ssrc.*\r\n/g, "");
}

test("a subscriber peer sends what is wanted, and its description stays short", () => {
  const change = fc.record({
    add: fc.array(kind, { maxLength: 3 }),
    drop: fc.array(fc.nat(20), { maxLength: 3 }),
    exchange: fc.constantFrom("none", "offer", "answer"),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), fc.nat(), (changes, seed) => {
      const peer = new Offerer({ ...options(seed), dataChannels: true });
      const heard = new Map<string, string>();
      let wanted: DownTrack[] = [];
      let names = 0;
      const peak = { audio: 0, video: 0 };
      let offer = "";
      const sendOffer = () => {
        offer = peer.createOffer().offer;
        for (const { mid, direction, trackId } of answered(offer)) {
          const now = direction === "sendonly" ? trackId : "";
          const before = heard.get(mid!) ?? "";
          assert.ok(now === "" || before === "" || now === before, `mid ${mid} changed from ${before} to ${now}`);
          heard.set(mid!, now);
        }
      };
      const takeAnswer = () => {
        const result = peer.handleAnswer(accept(offer));
        assert.ok(!("failure" in result), JSON.stringify(result));
        const ssrcs = result.senders.flatMap(({ ssrc, rtxSsrc }) => (rtxSsrc ? [ssrc, rtxSsrc] : [ssrc]));
        assert.equal(new Set(ssrcs).size, ssrcs.length);
        return result;
      };
      for (const { add, drop, exchange } of changes) {
        wanted = wanted.filter((_, index) => !drop.includes(index));
        wanted = [...wanted, ...add.map((one) => down(`TR_${names++}`, one))];
        for (const one of ["audio", "video"] as const) {
          peak[one] = Math.max(peak[one], wanted.filter((track) => track.kind === one).length);
        }
        peer.setDownTracks(wanted);
        if (exchange === "offer" && !peer.offering) sendOffer();
        if (exchange === "answer" && peer.offering) takeAnswer();
      }
      sendOffer();
      for (let round = 0; takeAnswer().renegotiate; round++) {
        assert.ok(round < 4);
        sendOffer();
      }
      const { senders } = peer.plan;
      assert.deepEqual(senders.map(({ track }) => track).toSorted(), wanted.map(({ sid }) => sid).toSorted());
      assert.equal(peer.setDownTracks(wanted), false);
      for (const one of ["audio", "video"] as const) {
        const count = answered(offer).filter(({ type }) => type === one).length;
        assert.ok(count <= peak[one], `${count} ${one} sections for a peak of ${peak[one]}`);
      }
    }),
    { seed: 4, ...RUNS },
  );
});
