import assert from "node:assert/strict";
import { test } from "node:test";
import { codecName, layerOfQuality, qualityOfLayer, sortRids, streamId, trackMime } from "./track-info.ts";

const [LOW, MEDIUM, HIGH] = [0, 1, 2];

test("RIDs are sorted by what they mean", () => {
  assert.deepEqual(sortRids(["f", "h", "q"]), ["q", "h", "f"]);
  assert.deepEqual(sortRids(["0", "2"]), ["2", "0"]);
  assert.deepEqual(sortRids(["lo", "hi", "q"]), ["lo", "hi", "q"]);
});

const qualities: [number[], number[], number[]][] = [
  // declared, layer of LOW MEDIUM HIGH, quality of layer 0 1 2
  [
    [LOW, MEDIUM, HIGH],
    [0, 1, 2],
    [LOW, MEDIUM, HIGH],
  ],
  [
    [HIGH, LOW],
    [0, 1, 1],
    [LOW, HIGH, HIGH],
  ],
  [
    [LOW, MEDIUM],
    [0, 1, 1],
    [LOW, MEDIUM, MEDIUM],
  ],
  [
    [MEDIUM, HIGH],
    [0, 0, 1],
    [MEDIUM, HIGH, HIGH],
  ],
  [[HIGH], [0, 0, 0], [HIGH, HIGH, HIGH]],
  [[LOW], [0, 0, 0], [LOW, LOW, LOW]],
  [[], [0, 1, 2], [LOW, MEDIUM, HIGH]],
];
for (const [declared, layers, back] of qualities) {
  test(`layers of a publisher that declared qualities ${declared.join()}`, () => {
    assert.deepEqual(
      [LOW, MEDIUM, HIGH].map((quality) => layerOfQuality(quality, declared)),
      layers,
    );
    assert.deepEqual(
      [0, 1, 2].map((layer) => qualityOfLayer(layer, declared)),
      back,
    );
  });
}

test("names", () => {
  assert.equal(streamId("PA_1", "TR_2"), "PA_1|TR_2");
  assert.equal(streamId("PA_1", "TR_2", "camera"), "PA_1|camera");
  assert.equal(trackMime("video", "vp8"), "video/VP8");
  assert.equal(trackMime("audio", "audio/RED"), "audio/red");
  assert.equal(trackMime("audio", "video/vp8"), undefined);
  assert.equal(trackMime("video", "theora"), undefined);
  assert.equal(codecName("video/AV1"), "av1");
});
