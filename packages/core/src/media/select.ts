/**
 * Which spatial layer a subscriber is to get: the highest one that flows and is not above what it may have. If there is none:
 * in simulcast the lowest one above (LiveKit calls that overshoot), in SVC the lowest, which all others are built on.
 * Pure policy: what can be forwarded when is the downlink's business.
 */
import { MAX_SPATIAL } from "./stream-tracker.ts";
import type { Uplink } from "./uplink.ts";

/** `current`: what to stay with if no layer flows; may be -1. */
export function selectSpatial({ layers, trackers, isSimulcast }: Uplink, maxSpatial: number, current: number): number {
  for (let spatial = maxSpatial; spatial >= 0; spatial--) if (trackers.flows(spatial)) return spatial;
  // A single stream need not flow steadily: a still screen may send nothing for a while.
  if (!isSimulcast) return 0;
  for (let spatial = maxSpatial + 1; spatial < layers.length; spatial++) if (trackers.flows(spatial)) return spatial;
  return current;
}

/**
 * How far up to forward within a stream. In SVC a layer that was never seen counts as well: the first picture brings its
 * layers one by one, and none of them is to be missed.
 */
export function selectWithin({ trackers, isSimulcast }: Uplink, maxSpatial: number): number {
  if (isSimulcast) return MAX_SPATIAL;
  for (let spatial = maxSpatial; spatial > 0; spatial--) if (trackers.mayFlow(spatial)) return spatial;
  return 0;
}
