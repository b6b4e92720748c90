import assert from "node:assert/strict";
import { test } from "node:test";
import { SimulcastCodecInfo, TrackInfo, TrackType, VideoLayer, VideoQuality } from "@livekit/protocol";
import { qualityOfSpatial, spatialForQuality, spatialForSize } from "./video-layers.ts";

const { LOW, MEDIUM, HIGH } = VideoQuality;

function track(info: Partial<TrackInfo>, layers: Partial<VideoLayer>[]): TrackInfo {
  const codec = new SimulcastCodecInfo({ layers: layers.map((layer) => new VideoLayer(layer)) });
  return new TrackInfo({ type: TrackType.VIDEO, ...info, codecs: [codec] });
}

// What a publisher of these layers is asked for, and what it calls the layers that it sends.
const announced: [string, VideoQuality[], [number, number, number]][] = [
  ["three layers", [LOW, MEDIUM, HIGH], [0, 1, 2]],
  ["the lower two", [LOW, MEDIUM], [0, 1, 1]],
  ["the upper two", [MEDIUM, HIGH], [0, 0, 1]],
  ["without the middle", [LOW, HIGH], [0, 1, 1]],
  ["one layer, the best", [HIGH], [0, 0, 0]],
  ["one layer, the least", [LOW], [0, 0, 0]],
  ["the same quality twice", [LOW, LOW, HIGH], [0, 1, 1]],
  ["nothing announced", [], [0, 1, 2]],
];
for (const [what, qualities, expected] of announced) {
  test(`layer for a quality: ${what}`, () => {
    const info = track(
      {},
      qualities.map((quality) => ({ quality })),
    );
    assert.deepEqual(
      [LOW, MEDIUM, HIGH].map((quality) => spatialForQuality(info, 0, quality)),
      expected,
    );
    for (const quality of qualities) {
      assert.equal(qualityOfSpatial(info, 0, spatialForQuality(info, 0, quality)), quality);
    }
  });
}

const sizes: [string, Partial<TrackInfo>, Partial<VideoLayer>[], [number, number], number][] = [
  ["the lowest layer that is large enough", { width: 1280, height: 720 }, heights(180, 360, 720), [640, 360], 1],
  ["a tenth too small will do", { width: 1280, height: 720 }, heights(180, 360, 720), [356, 200], 0],
  ["larger than everything", { width: 1280, height: 720 }, heights(180, 360, 720), [1920, 1080], 2],
  ["of the upper two layers, the lower", { width: 1280, height: 720 }, upper(360, 720), [300, 170], 0],
  ["of the upper two layers, the upper", { width: 1280, height: 720 }, upper(360, 720), [1280, 720], 1],
  ["usual sizes when the layers are unknown", { width: 1280, height: 720 }, [], [640, 360], 1],
  ["usual sizes for two layers of no size", { width: 1280, height: 720 }, heights(0, 0), [1280, 720], 1],
  ["portrait: the width counts", { width: 720, height: 1280 }, [], [360, 640], 1],
  ["one layer", { width: 1280, height: 720 }, heights(720), [320, 180], 0],
  ["nothing known", {}, [], [320, 180], 2],
];
for (const [what, info, layers, [width, height], expected] of sizes) {
  test(`layer for a size: ${what}`, () => {
    assert.equal(spatialForSize(track(info, layers), 0, width, height), expected);
  });
}

function heights(...values: number[]): Partial<VideoLayer>[] {
  return values.map((height, quality) => ({ quality, height, width: (height * 16) / 9 }));
}

function upper(...values: number[]): Partial<VideoLayer>[] {
  return heights(...values).map((layer) => ({ ...layer, quality: (layer.quality ?? 0) + 1 }));
}
