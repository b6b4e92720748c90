/**
 * How much of a track one subscriber is to get at most: the minimum of what its client wants and of what an allocator grants
 * (decision 0004).
 */
import type { DownlinkSettings } from "../engine/specs.ts";
import { MAX_TEMPORAL } from "./layer-rates.ts";
import { MAX_SPATIAL } from "./stream-tracker.ts";

/** No layer. */
export const NO_LAYER = -1;

/** VideoQuality OFF. */
const QUALITY_OFF = 3;

export class LayerWish {
  settings: DownlinkSettings = { disabled: false, maxSpatial: MAX_SPATIAL - 1, fps: 0, priority: 0 };
  /** The publisher muted the track. */
  muted = false;
  #spatial = MAX_SPATIAL - 1;
  #temporal = MAX_TEMPORAL - 1;

  /** What the bandwidth allows. True if that is new. */
  allocate(spatial: number, temporal: number): boolean {
    if (spatial === this.#spatial && temporal === this.#temporal) return false;
    this.#spatial = spatial;
    this.#temporal = temporal;
    return true;
  }

  /** The highest spatial layer that the client wants; `NO_LAYER` = none at all. */
  wantedSpatial(isVideo: boolean): number {
    const { disabled, maxSpatial } = this.settings;
    if (disabled || this.muted) return NO_LAYER;
    if (!isVideo) return 0;
    return maxSpatial >= QUALITY_OFF ? NO_LAYER : Math.min(maxSpatial, MAX_SPATIAL - 1);
  }

  /** The bandwidth allows no layer at all. */
  get paused(): boolean {
    return this.#spatial < 0;
  }

  /** The bandwidth allows less than the client wants. */
  get restrained(): boolean {
    return this.#spatial < this.wantedSpatial(true);
  }

  /** The highest layer to forward; `NO_LAYER` = none at all. */
  spatial(isVideo: boolean): number {
    return Math.min(this.wantedSpatial(isVideo), this.#spatial);
  }

  /** The highest temporal layer to forward, of those that the client wants. */
  temporal(wanted: number): number {
    return Math.min(wanted, this.#temporal);
  }
}
