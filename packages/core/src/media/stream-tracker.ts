/**
 * Which spatial layers of one uplink really flow (LiveKit's packet trackers): a layer lives from its first packet on, dies when
 * it sends too little while others go on, and comes back when it sends enough again or begins a key frame; one stray
 * packet revives nothing. When nothing at all comes (the publisher is muted, the network stalls), nothing dies: the
 * picture stands still.
 */

/** LiveKit: at most three spatial layers. */
export const MAX_SPATIAL = 3;

/** A layer is judged once per cycle. */
const CYCLE_MS = 500;
const SCREEN_SHARE_CYCLE_MS = 2000;
/** Packets per cycle: the lowest layer may be slow; the ones above have more to send, unless pictures are few. */
const ENOUGH_LOWEST = 1;
const ENOUGH_HIGHER = 5;
/** Somebody sent something this lately: the publisher is not merely stalled. */
const FLOWING_MS = 150;

export class StreamTrackers {
  /** Bit n: layer n flows. */
  alive = 0;
  /** Bit n: layer n flowed at some time. */
  #known = 0;
  readonly #packets = new Uint32Array(MAX_SPATIAL);
  readonly #lastMs = new Float64Array(MAX_SPATIAL);
  /** When the cycle began. */
  readonly #cycleMs = new Float64Array(1);
  #screenShare = false;

  /** Whether a layer flows. */
  flows(spatial: number): boolean {
    return (this.alive & (1 << spatial)) !== 0;
  }

  /** Whether a layer flows, or was never seen and may begin at any time. */
  mayFlow(spatial: number): boolean {
    return ((this.alive | ~this.#known) & (1 << spatial)) !== 0;
  }

  /** A packet came; `start`: it begins a key frame. True if the layer came to life. */
  note(spatial: number, start: boolean, nowMs: number): boolean {
    const bit = 1 << spatial;
    this.#packets[spatial]!++;
    this.#lastMs[spatial] = nowMs;
    if ((this.alive & bit) !== 0) return false;
    const enough = spatial === 0 || this.#screenShare ? ENOUGH_LOWEST : ENOUGH_HIGHER;
    const stray = (this.#known & bit) !== 0 && !start && this.#packets[spatial]! < enough;
    if (stray) return false;
    this.alive |= bit;
    this.#known |= bit;
    return true;
  }

  /** Lets layers die; call several times per cycle. True if one did. */
  check(screenShare: boolean, nowMs: number): boolean {
    this.#screenShare = screenShare;
    let latestMs = -1e12;
    for (let spatial = 0; spatial < MAX_SPATIAL; spatial++) {
      if (this.#known & (1 << spatial)) latestMs = Math.max(latestMs, this.#lastMs[spatial]!);
    }
    const cycleMs = screenShare ? SCREEN_SHARE_CYCLE_MS : CYCLE_MS;
    // Of a stalled publisher nothing can be said.
    const judged = nowMs - this.#cycleMs[0]! >= cycleMs && nowMs - latestMs < FLOWING_MS;
    const before = this.alive;
    for (let spatial = 0; spatial < MAX_SPATIAL; spatial++) {
      const silent = latestMs - this.#lastMs[spatial]! >= cycleMs;
      const slow = judged && this.#packets[spatial]! < this.#enough(spatial);
      if (silent || slow) this.alive &= ~(1 << spatial);
    }
    if (judged) {
      this.#packets.fill(0);
      this.#cycleMs[0] = nowMs;
    }
    return this.alive !== before;
  }

  /** The publisher said that this layer ends. */
  stop(spatial: number): void {
    this.#lastMs[spatial] = -1e12;
  }

  /** How many packets per cycle keep a layer alive. */
  #enough(spatial: number): number {
    // The isolated lowest bit.
    const lowest = this.alive & -this.alive;
    if (this.#screenShare || lowest === 0 || lowest >= 1 << spatial) return ENOUGH_LOWEST;
    const pace = this.#packets[31 - Math.clz32(lowest)]! >> 1;
    return Math.min(Math.max(pace, ENOUGH_LOWEST), ENOUGH_HIGHER);
  }
}
