/**
 * What a client calls quality and size, and what the worker calls a spatial layer (livekit.md 1.13, 3.3). A publisher may
 * announce one, two or three layers of any qualities: the spatial layers are those, from the lowest on. Invariant: a
 * layer that comes out exists, as far as the publisher told which ones it sends.
 */
import { TrackType, VideoQuality, type TrackInfo, type VideoLayer } from "@livekit/protocol";

/** A layer may be this much smaller than what is asked for and still do. */
const SIZE_TOLERANCE = 0.9;
/** Heights of the layers of a track that does not tell them, below its own. */
const USUAL_HEIGHTS = [180, 360];

/** The spatial layer for a quality: the lowest announced one that is good enough, else the best. */
export function spatialForQuality(info: TrackInfo, codecIndex: number, quality: VideoQuality): number {
  const qualities = announcedQualities(info, codecIndex);
  if (qualities.length === 0) return Math.min(quality, VideoQuality.HIGH);
  const found = qualities.findIndex((one) => one >= quality);
  return found >= 0 ? found : qualities.length - 1;
}

/** What the publisher calls this spatial layer. */
export function qualityOfSpatial(info: TrackInfo, codecIndex: number, spatial: number): VideoQuality {
  const qualities = announcedQualities(info, codecIndex);
  if (qualities.length === 0) return Math.min(spatial, VideoQuality.HIGH);
  return qualities[Math.min(spatial, qualities.length - 1)]!;
}

/** The lowest spatial layer that is large enough; for portrait video the width decides, unless the layers are known. */
export function spatialForSize(info: TrackInfo, codecIndex: number, width: number, height: number): number {
  if (info.type !== TrackType.VIDEO) return 0;
  if (info.height === 0) return spatialForQuality(info, codecIndex, VideoQuality.HIGH);
  const known = layersOf(info, codecIndex)
    .map((layer) => layer.height)
    .sort((a, b) => a - b);
  if (known.length > 0 && known[0]! > 0) return Math.min(lowestAtLeast(known, SIZE_TOLERANCE * height), 2);
  const portrait = info.width < info.height;
  const heights = [...USUAL_HEIGHTS, portrait ? info.width : info.height];
  return spatialForQuality(info, codecIndex, lowestAtLeast(heights, SIZE_TOLERANCE * (portrait ? width : height)));
}

function lowestAtLeast(heights: readonly number[], wanted: number): number {
  for (let i = 0; i < heights.length - 1; i++) {
    // Equal neighbours are one layer announced twice: take the upper.
    if (heights[i]! >= wanted && heights[i] !== heights[i + 1]) return i;
  }
  return heights.length - 1;
}

/** Rising, each once; empty when the publisher announced none. */
function announcedQualities(info: TrackInfo, codecIndex: number): VideoQuality[] {
  const qualities = new Set<VideoQuality>();
  for (const { quality } of layersOf(info, codecIndex)) if (quality <= VideoQuality.HIGH) qualities.add(quality);
  return [...qualities].sort((a, b) => a - b);
}

function layersOf(info: TrackInfo, codecIndex: number): readonly VideoLayer[] {
  return info.codecs[codecIndex]?.layers ?? info.layers;
}
