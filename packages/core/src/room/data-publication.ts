/** What a participant publishes as data tracks, besides the tracks themselves; the rules are in `data-track.ts`. */
import type { PublishedDataTrack } from "./data-track.ts";

export interface DataPublication {
  /** Names of its tracks. */
  readonly names: Set<string>;
  /** The sum of their `infoBytes`. */
  infoBytes: number;
  /** Tracks of which nobody has read yet: an update about the participant waits. */
  unoffered: PublishedDataTrack[];
}

/** Nothing yet. */
export function newDataPublication(): DataPublication {
  return { names: new Set(), infoBytes: 0, unoffered: [] };
}
