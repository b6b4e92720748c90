/** What AddTrack refuses, and how much there may be. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AddTrackRequest, RequestResponse_Reason, TrackSource, TrackType } from "@livekit/protocol";
import { World } from "./harness.test.ts";

const refusals: [string, Partial<AddTrackRequest>, Parameters<World["connect"]>[1], RequestResponse_Reason][] = [
  ["without canPublish", {}, { grants: { canPublish: false } }, RequestResponse_Reason.NOT_ALLOWED],
  [
    "a source that is not among the allowed ones",
    { source: TrackSource.SCREEN_SHARE },
    { grants: { canPublishSources: [TrackSource.CAMERA] } },
    RequestResponse_Reason.NOT_ALLOWED,
  ],
  ["a data track", { type: TrackType.DATA }, {}, RequestResponse_Reason.UNSUPPORTED_TYPE],
  ["a codec for an unknown track", { sid: "TR_unknown" }, {}, RequestResponse_Reason.NOT_FOUND],
  ["a name of 5,000 characters", { name: "x".repeat(5000) }, {}, RequestResponse_Reason.LIMIT_EXCEEDED],
];
for (const [what, more, options, reason] of refusals) {
  test(`AddTrack is refused: ${what}`, () => {
    const alice = new World().connect("alice", options);
    alice.addTrack("x", "video", more);
    assert.equal(alice.lastReason, reason);
    assert.equal(alice.last("trackPublished"), undefined);
  });
}

test("AddTrack limits: 20 pending tracks, 3 of one cid", () => {
  const alice = new World().connect("alice");
  for (let i = 0; i < 20; i++) alice.addTrack(`cid${i}`, "audio");
  assert.equal(alice.all("trackPublished").length, 20);
  alice.addTrack("cid20", "audio");
  assert.equal(alice.lastReason, RequestResponse_Reason.LIMIT_EXCEEDED);
  const reasons = [2, 3, 4].map(() => {
    alice.addTrack("cid0", "audio");
    return alice.lastReason;
  });
  const { QUEUED, LIMIT_EXCEEDED } = RequestResponse_Reason;
  assert.deepEqual(reasons, [QUEUED, QUEUED, LIMIT_EXCEEDED]);
});

test("no more than 256 tracks of one participant", () => {
  const alice = new World().connect("alice");
  for (let i = 0; i < 256; i += 16) {
    const tracks = Array.from({ length: 16 }, (_, k) => ({ cid: `t${i + k}`, kind: "audio" as const }));
    for (const { cid, kind } of tracks) alice.addTrack(cid, kind);
    alice.offer(tracks);
  }
  alice.addTrack("last", "audio");
  assert.equal(alice.lastReason, RequestResponse_Reason.LIMIT_EXCEEDED);
  assert.equal(alice.self?.tracks.length, 256);
});
