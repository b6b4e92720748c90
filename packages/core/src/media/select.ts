/**
 * Which layer a subscriber is to get: the highest one that flows and is not above what it wants; if there is none, the
 * lowest one above (LiveKit calls that overshoot). Pure policy: what can be forwarded when is the downlink's business.
 */
import type { Layer } from "./layer.ts";

/** VideoQuality OFF. */
export const QUALITY_OFF = 3;

/** `current`: what to stay with if no layer flows; may be -1. */
export function selectLayer(layers: readonly Layer[], maxSpatial: number, current: number): number {
  const top = Math.min(maxSpatial, layers.length - 1);
  // A single layer need not flow steadily: a still screen may send nothing for a while.
  if (layers.length === 1) return 0;
  for (let index = top; index >= 0; index--) if (layers[index]!.alive) return index;
  for (let index = top + 1; index < layers.length; index++) if (layers[index]!.alive) return index;
  return current;
}
