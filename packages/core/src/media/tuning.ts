/** Sizes and times of the media engine that an operator may set. LiveKit's, where nothing is said. */

export interface MediaTuning {
  /** Packets of one stream that are kept, to be sent again to who lost them; powers of two. */
  readonly videoPackets: number;
  readonly audioPackets: number;
  /** The least time between two requests for a key frame, by layer, the lowest first. */
  readonly keyFrameIntervalsMs: readonly [number, number, number];
}

/** What a server does that was told nothing. */
export const DEFAULT_TUNING: MediaTuning = {
  videoPackets: 512,
  audioPackets: 256,
  keyFrameIntervalsMs: [500, 1000, 1000],
};

/** Below this a lost packet would be gone before anybody could ask for it; above, one stream takes memory for ten. */
const LEAST_PACKETS = 64;
const MOST_PACKETS = 4096;

/** The size that is used for a wish: the next power of two within bounds. */
export function packetsFor(wish: number): number {
  let packets = LEAST_PACKETS;
  while (packets < wish && packets < MOST_PACKETS) packets *= 2;
  return packets;
}
