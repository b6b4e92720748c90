/**
 * What each layer of one uplink costs and how many pictures it has, measured. Bit rates are those that a subscriber would be
 * sent: of one stream in simulcast, of all layers that the chosen one is built on in SVC. Measured over a second, over
 * four for a screen share, whose changes come in bursts; brought up to date each second.
 */
import { MAX_SPATIAL } from "./stream-tracker.ts";

/** LiveKit: at most four temporal layers. */
export const MAX_TEMPORAL = 4;

const CELLS = MAX_SPATIAL * MAX_TEMPORAL;
const PERIOD_MS = 1000;
/** Periods remembered. */
const WINDOW = 4;
/** A longer period was a pause, which says nothing of what the layers cost. */
const MAX_PERIOD_MS = 3000;

/** Place of a layer in the tables. */
function cell(spatial: number, temporal: number): number {
  return spatial * MAX_TEMPORAL + temporal;
}

export class LayerRates {
  /** Counted in this period: bytes that a subscriber of the layer gets, and pictures of just this layer. */
  readonly #bytes = new Float64Array(CELLS);
  readonly #frames = new Float64Array(CELLS);
  /** Per period: the same per second. */
  readonly #periodBps = new Float64Array(CELLS * WINDOW);
  readonly #periodFps = new Float64Array(CELLS * WINDOW);
  readonly #bps = new Float64Array(CELLS);
  readonly #fps = new Float64Array(CELLS);
  /** When the period began; 0 = nothing came yet. */
  readonly #sinceMs = new Float64Array(1);
  #periods = 0;

  /** Bits per second that a subscriber of this layer is sent; 0 if it has nothing of its own, or is not known yet. */
  bps(spatial: number, temporal: number): number {
    return this.#bps[cell(spatial, temporal)]!;
  }

  /** Pictures per second of a spatial layer up to this temporal one. */
  fps(spatial: number, temporal: number): number {
    let sum = 0;
    for (let t = 0; t <= temporal; t++) sum += this.#fps[cell(spatial, t)]!;
    return sum;
  }

  /** The highest temporal layer of a spatial one that has pictures, or -1. */
  maxTemporal(spatial: number): number {
    for (let t = MAX_TEMPORAL - 1; t >= 0; t--) if (this.#fps[cell(spatial, t)]! > 0) return t;
    return -1;
  }

  /** The lowest temporal layer with this many pictures per second (0 = any number of them). */
  temporalFor(spatial: number, fps: number): number {
    const highest = this.maxTemporal(spatial);
    if (fps <= 0 || highest < 0) return MAX_TEMPORAL - 1;
    // Measured rates waver; nobody sees one picture less in ten.
    for (let t = 0; t < highest; t++) if (this.fps(spatial, t) >= fps * 0.9) return t;
    return MAX_TEMPORAL - 1;
  }

  /** A packet of this layer came. `above`: it also goes to the subscribers of higher spatial layers. */
  add(spatial: number, temporal: number, above: boolean, bytes: number): void {
    const top = above ? MAX_SPATIAL - 1 : spatial;
    for (let s = spatial; s <= top; s++) {
      for (let t = temporal; t < MAX_TEMPORAL; t++) this.#bytes[cell(s, t)]! += bytes;
    }
  }

  /** A packet came that goes to the subscribers of this layer, whatever layer it is of. */
  addTo(spatial: number, temporal: number, bytes: number): void {
    this.#bytes[cell(spatial, temporal)]! += bytes;
  }

  /** A picture of just this layer came. */
  addFrame(spatial: number, temporal: number): void {
    this.#frames[cell(spatial, temporal)]!++;
  }

  /** Ends the period if it is time to. True if the rates are new. */
  update(screenShare: boolean, nowMs: number): boolean {
    const sinceMs = this.#sinceMs[0]!;
    if (sinceMs === 0) this.#sinceMs[0] = nowMs;
    const elapsedMs = nowMs - sinceMs;
    if (sinceMs === 0 || elapsedMs < PERIOD_MS) return false;
    this.#sinceMs[0] = nowMs;
    if (elapsedMs > MAX_PERIOD_MS) {
      this.#bytes.fill(0);
      this.#frames.fill(0);
      return false;
    }
    const at = (this.#periods++ % WINDOW) * CELLS;
    for (let i = 0; i < CELLS; i++) {
      this.#periodBps[at + i] = (this.#bytes[i]! * 8000) / elapsedMs;
      this.#periodFps[at + i] = (this.#frames[i]! * 1000) / elapsedMs;
    }
    this.#bytes.fill(0);
    this.#frames.fill(0);
    this.#average(screenShare ? Math.min(this.#periods, WINDOW) : 1);
    return true;
  }

  #average(periods: number): void {
    for (let i = 0; i < CELLS; i++) {
      let bps = 0;
      let fps = 0;
      for (let back = 1; back <= periods; back++) {
        const at = ((this.#periods - back) % WINDOW) * CELLS + i;
        bps += this.#periodBps[at]!;
        fps += this.#periodFps[at]!;
      }
      this.#bps[i] = bps / periods;
      this.#fps[i] = fps / periods;
    }
    // What does not exist costs nothing: it is only counted on from the layer below.
    for (let s = 0; s < MAX_SPATIAL; s++) {
      for (let t = this.maxTemporal(s) + 1; t < MAX_TEMPORAL; t++) this.#bps[cell(s, t)] = 0;
    }
  }
}
