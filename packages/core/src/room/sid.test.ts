import assert from "node:assert/strict";
import { test } from "node:test";
import { TrackSource, TrackType } from "@livekit/protocol";
import { SeededRandom } from "@stoa/testkit/node-crypto";
import { newSid, newTrackSid, randomText } from "./sid.ts";

test("a sid is its prefix and 12 characters of the alphabet of 57", () => {
  const random = new SeededRandom(3);
  for (let i = 0; i < 200; i++) assert.match(newSid(random, "PA_"), /^PA_[2-9A-HJ-NP-Za-km-z]{12}$/);
});

for (const [type, source, prefix] of [
  [TrackType.VIDEO, TrackSource.CAMERA, "TR_VC"],
  [TrackType.AUDIO, TrackSource.MICROPHONE, "TR_AM"],
  [TrackType.VIDEO, TrackSource.SCREEN_SHARE, "TR_VS"],
  [TrackType.AUDIO, TrackSource.SCREEN_SHARE_AUDIO, "TR_As"],
  [TrackType.VIDEO, TrackSource.UNKNOWN, "TR_V"],
  [TrackType.AUDIO, 99 as TrackSource, "TR_A"],
] as const) {
  test(`a track of type ${type} and source ${source} is called ${prefix}…`, () => {
    const sid = newTrackSid(new SeededRandom(5), type, source);
    assert.ok(sid.startsWith(prefix) && sid.length === prefix.length + 12, sid);
  });
}

test("all 57 characters come up about equally often", () => {
  const counts = new Map<string, number>();
  for (const character of randomText(new SeededRandom(7), 57_000)) {
    counts.set(character, (counts.get(character) ?? 0) + 1);
  }
  assert.equal(counts.size, 57);
  for (const [character, count] of counts) assert.ok(count > 850 && count < 1150, `${character}: ${count}`);
});
