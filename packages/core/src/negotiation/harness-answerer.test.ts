/** An answerer and the offers of browsers. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { SeededRandom } from "@stoa/testkit/node-crypto";
import { parseSdp } from "@stoa/wire/sdp/parse";
import { Answerer } from "./answerer.ts";
import { clientTraits } from "./client-traits.ts";
import { DEFAULT_CODECS } from "./codecs.ts";
import type { AnswererOptions, DownTrack, OfferResult, Publication } from "./types.ts";

export function fixture(name: string): string {
  return readFileSync(new URL(`../../src/negotiation/fixtures/${name}.sdp`, import.meta.url), "utf8");
}

const CHROME = clientTraits({ browser: "Chrome", browserVersion: "140", os: "Linux", deviceModel: "" });
export const FIREFOX_LINUX = clientTraits({ browser: "Firefox", browserVersion: "140", os: "Linux", deviceModel: "" });
export const FINGERPRINT = Array.from({ length: 32 }, () => "AB").join(":");

export function answerer(extra: Partial<AnswererOptions> = {}): Answerer {
  return new Answerer({
    local: { fingerprint: FINGERPRINT, candidates: [{ protocol: "udp", address: "192.0.2.1", port: 7882 }] },
    random: new SeededRandom(1),
    credentials: { ufrag: "ourufrag", pwd: "ourpasswordourpasswordour" },
    codecs: { publish: DEFAULT_CODECS, subscribe: DEFAULT_CODECS },
    client: CHROME,
    bandwidthFeedback: "remb",
    playoutDelay: false,
    role: "single",
    ...extra,
  });
}

export function publication(
  sid: string,
  kind: "audio" | "video",
  cid: string,
  rest: Partial<Publication> = {},
): Publication {
  return { sid, kind, cid, codecs: [], red: true, dtx: true, stereo: false, ssrcs: [], ...rest };
}

export function down(
  sid: string,
  kind: "audio" | "video",
  mimes: string[] = [],
  rest: Partial<DownTrack> = {},
): DownTrack {
  return { sid, kind, stream: `PA_1|${sid}`, mimes, stereo: false, red: false, ...rest };
}

export function offer(to: Answerer, sdp: string, publications: readonly Publication[] = []): OfferResult {
  const result = to.handleOffer(sdp, publications);
  assert.ok(!("failure" in result), JSON.stringify(result));
  return result;
}

/** Lines of the section with this mid. */
export function sectionOf(sdp: string, mid: string): string[] {
  const section = sdp.split(/\r\nm=/).find((one) => one.split("\r\n").includes(`a=mid:${mid}`));
  assert.ok(section, `no section ${mid}`);
  return section.split("\r\n");
}

export function directions(sdp: string): string {
  const session = parseSdp(sdp);
  assert.ok(!("failure" in session));
  return session.media.map(({ mid, direction, rejected }) => `${mid}:${rejected ? "rejected" : direction}`).join(" ");
}

/** Changes lines of one section of a fixture. */
export function edit(sdp: string, mid: string, change: (lines: string) => string): string {
  const parts = sdp.split(/(?=^m=)/m);
  return parts.map((part) => (part.includes(`a=mid:${mid}\r\n`) ? change(part) : part)).join("");
}

/** Track ids of the published m-lines in the fixtures. */
export function trackId(sdp: string, mid: string): string {
  const line = sectionOf(sdp, mid).find((one) => one.startsWith("a=msid:"));
  assert.ok(line);
  return line.split(" ")[1]!;
}

export const V1_JOIN = fixture("chromium-v1-join");

export const DUAL = fixture("chromium-dual-publish");
