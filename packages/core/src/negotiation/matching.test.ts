import assert from "node:assert/strict";
import { test } from "node:test";
import { type Binding, bindSections, type MatchableSection } from "./matching.ts";
import type { Publication } from "./types.ts";

function section(trackId: string, rest: Partial<MatchableSection> = {}): MatchableSection {
  const kind = rest.kind ?? "video";
  const mimes = kind === "video" ? ["video/vp8", "video/vp9"] : ["audio/opus"];
  return { kind, sending: true, trackId, mimes, binding: undefined, spentTrackId: undefined, ...rest };
}

function publication(sid: string, cid: string, rest: Partial<Publication> = {}): Publication {
  return { sid, kind: "video", cid, codecs: [], red: false, dtx: false, stereo: false, ssrcs: [], ...rest };
}

function bound(binding: Binding | undefined): string | undefined {
  return binding && `${binding.sid}/${binding.codecIndex}`;
}

/** Binds and gives "sid/codecIndex" per m-line. */
function bind(sections: MatchableSection[], publications: Publication[], known = new Set<string>()) {
  bindSections(sections, publications, known);
  return sections.map(({ binding }) => bound(binding));
}

test("track ids decide, whatever the order", () => {
  const sections = [section("b"), section("a"), section("c", { kind: "audio" })];
  const publications = [publication("A", "a"), publication("B", "b"), publication("C", "c", { kind: "audio" })];
  assert.deepEqual(bind(sections, publications), ["B/0", "A/0", "C/0"]);
});

test("unknown track ids take the first pending publication of the kind that no other m-line names", () => {
  const sections = [section("{x}"), section("a"), section("{y}", { kind: "audio" }), section("{z}")];
  const publications = [publication("A", "a"), publication("C", "c", { kind: "audio" }), publication("B", "b")];
  assert.deepEqual(bind(sections, publications), ["B/0", "A/0", "C/0", undefined]);
});

test("a binding is remembered when the track id changes", () => {
  const known = new Set<string>();
  const one = section("a");
  assert.deepEqual(bind([one], [publication("A", "a")], known), ["A/0"]);
  const changed = { ...one, trackId: "other" };
  assert.deepEqual(bind([changed], [publication("A", "a")], known), ["A/0"]);
  assert.equal(changed.binding?.sdpCid, "other");
});

test("an m-line with a new track id goes to the publication that waits", () => {
  const known = new Set<string>();
  const one = section("a");
  bind([one], [publication("A", "a")], known);
  assert.deepEqual(bind([{ ...one, trackId: "b" }], [publication("A", "a"), publication("B", "b")], known), ["B/0"]);
  assert.deepEqual(bind([{ ...one, trackId: "?" }], [publication("A", "a"), publication("C", "c")], known), ["C/0"]);
});

test("an unpublished track does not come back on an m-line with an unknown track id", () => {
  const known = new Set<string>();
  const one = section("{a}");
  assert.deepEqual(bind([one], [publication("A", "a")], known), ["A/0"]);
  const gone = { ...one, sending: false };
  const fresh = section("{b}");
  assert.deepEqual(bind([gone, fresh], [publication("A", "a"), publication("B", "b")], known), [undefined, "B/0"]);
});

test("what the server took away is not taken for another publication, unless it is announced again", () => {
  const known = new Set<string>();
  const one = section("a");
  bind([one], [publication("A", "a")], known);
  assert.deepEqual(bind([one], [publication("B", "b")], known), [undefined]);
  assert.deepEqual(bind([one], [publication("A2", "a")], known), ["A2/0"]);
});

test("a backup codec has its own m-line, by cid or by codec", () => {
  const known = new Set<string>();
  const codecs = [
    { mime: "video/VP9", cid: "a" },
    { mime: "video/VP8", cid: "" },
  ];
  const primary = section("a");
  assert.deepEqual(bind([primary], [publication("A", "a", { codecs })], known), ["A/0"]);
  const later = [codecs[0]!, { mime: "video/VP8", cid: "backup" }];
  assert.deepEqual(bind([primary, section("backup")], [publication("A", "a", { codecs: later })], known), [
    "A/0",
    "A/1",
  ]);
  assert.deepEqual(bind([primary, section("{?}")], [publication("A", "a", { codecs: later })], known), ["A/0", "A/1"]);
  const other = section("{?}", { mimes: ["video/av1"] });
  assert.deepEqual(bind([primary, other], [publication("A", "a", { codecs: later })], known), ["A/0", undefined]);
});
