/**
 * Sharing what a link carries among the video tracks of one subscriber (livekit.md 3.9). Pure: a table of bit rates and a budget in, layers out.
 *   1. A screen share of one layer gets it, whatever else there is: half a screen is none.
 *   2. Every other track gets its lowest layer, those of high priority first. If it may be paused and does not fit, it is.
 *   3. In rounds, those of high priority first, each track is raised by one step as long as the step fits.
 * A step that the track has not reached yet needs more room than one that it stands on, and none is taken shortly after a fall; what
 * does not fit is given up at once.
 */

export const MAX_SPATIAL = 3;
export const MAX_TEMPORAL = 4;
/** Not forwarded. */
export const PAUSED = -1;
/** What a client may ask for; 0 = the default. */
export const SCREEN_SHARE_PRIORITY = 255;
export const VIDEO_PRIORITY = 1;

/** A step up needs this much room beyond what it costs. */
const RAISE_ROOM = 1.1;
/** None is taken for so long after a fall. */
export const SETTLE_MS = 3000;

/** One track that a subscriber wants. The allocator writes the last two fields. */
export interface TrackShare {
  /** Bits per second up to and with layer (spatial, temporal), at `layerAt`; 0 = nothing flows there. */
  readonly bps: Float64Array;
  /** The highest layers that are wanted; `maxSpatial` < 0: the track is off and costs nothing. */
  maxSpatial: number;
  maxTemporal: number;
  /** By spatial layer: the lowest temporal layer with which it looks better than all frames of the layer below. */
  readonly entry: Int8Array;
  /** 1 … 255. */
  priority: number;
  /** A screen share of a single layer: never lowered. */
  unmanaged: boolean;
  /** What it was granted before, and is granted now; `PAUSED` for none. */
  spatial: number;
  temporal: number;
}

/** What was shared, bits per second. */
export interface Shared {
  allocatedBps: number;
  /** What all wanted layers would need. */
  desiredBps: number;
  /** The cheapest step that did not fit; 0 = all did. */
  nextStepBps: number;
  /** Some track got less than before. */
  fell: boolean;
}

/** A track of which nothing is known yet. */
export function newTrackShare(): TrackShare {
  return {
    bps: new Float64Array(MAX_SPATIAL * MAX_TEMPORAL),
    maxSpatial: MAX_SPATIAL - 1,
    maxTemporal: MAX_TEMPORAL - 1,
    entry: new Int8Array(MAX_SPATIAL).fill(1),
    priority: VIDEO_PRIORITY,
    unmanaged: false,
    spatial: MAX_SPATIAL - 1,
    temporal: MAX_TEMPORAL - 1,
  };
}

/** Where the rate of a layer stands in `TrackShare.bps`. */
export function layerAt(spatial: number, temporal: number): number {
  return spatial * MAX_TEMPORAL + temporal;
}

/** How `allocate` is to go about it. */
export interface AllocateOptions {
  /** Bits per second for video; 0 = no limit is known. */
  readonly budgetBps: number;
  /** The same for what flows already: more than the budget, while nothing says that it is too much; 0 = no limit. */
  readonly holdBps: number;
  readonly allowPause: boolean;
  /** Enough time has passed since the last fall. */
  readonly mayRaise: boolean;
}

/** Sorted by priority before use; the order among equals is that of `tracks`. */
const order: TrackShare[] = [];
/** Where each of `order` stands: places in `bps`, -1 = nothing. */
const places: number[] = [];
const formerPlaces: number[] = [];

/** Shares the budget; writes `spatial` and `temporal` of each track. */
export function allocate(tracks: readonly TrackShare[], options: AllocateOptions, into: Shared): Shared {
  order.length = 0;
  for (const track of tracks) order.push(track);
  order.sort((a, b) => b.priority - a.priority);
  into.allocatedBps = 0;
  into.desiredBps = 0;
  into.nextStepBps = 0;
  into.fell = false;
  for (let i = 0; i < order.length; i++) {
    const track = order[i]!;
    const top = topPlace(track);
    into.desiredBps += costOf(track, top);
    formerPlaces[i] = track.spatial < 0 ? -1 : layerAt(track.spatial, Math.max(track.temporal, 0));
    places[i] = options.budgetBps === 0 || track.unmanaged ? top : -1;
    into.allocatedBps += costOf(track, places[i]!);
  }
  if (options.budgetBps > 0) {
    giveLowest(options, into);
    let raised = true;
    while (raised) raised = raiseRound(options, into);
    into.nextStepBps = cheapestStep();
  }
  for (let i = 0; i < order.length; i++) into.fell = grant(order[i]!, places[i]!, formerPlaces[i]!) || into.fell;
  return into;
}

function giveLowest(options: AllocateOptions, into: Shared): void {
  for (let i = 0; i < order.length; i++) {
    const track = order[i]!;
    if (track.unmanaged) continue;
    const lowest = nextPlace(track, -1);
    if (lowest < 0) continue;
    const cost = track.bps[lowest]!;
    if (options.allowPause && !fits(cost, formerPlaces[i]! < 0, options, into)) continue;
    places[i] = lowest;
    into.allocatedBps += cost;
  }
}

function raiseRound(options: AllocateOptions, into: Shared): boolean {
  let raised = false;
  for (let i = 0; i < order.length; i++) {
    const track = order[i]!;
    const place = places[i]!;
    const next = place < 0 ? -1 : nextPlace(track, place);
    if (next < 0) continue;
    const cost = track.bps[next]! - track.bps[place]!;
    if (!fits(cost, next > formerPlaces[i]!, options, into)) continue;
    places[i] = next;
    into.allocatedBps += cost;
    raised = true;
  }
  return raised;
}

function fits(costBps: number, isRaise: boolean, options: AllocateOptions, { allocatedBps }: Shared): boolean {
  const { budgetBps, holdBps, mayRaise } = options;
  if (isRaise) return mayRaise && costBps * RAISE_ROOM <= budgetBps - allocatedBps;
  return holdBps === 0 || costBps <= holdBps - allocatedBps;
}

/** The next layer up that flows and costs more, within what is wanted; -1 = there is none. From -1: the lowest. */
function nextPlace(track: TrackShare, place: number): number {
  const { bps } = track;
  const base = baseSpatial(track);
  if (base < 0) return -1;
  const top = Math.max(track.maxSpatial, base);
  const spent = place < 0 ? 0 : bps[place]!;
  for (let spatial = base; spatial <= top; spatial++) {
    const first = spatial > base ? entryOf(track, spatial) : 0;
    for (let temporal = first; temporal <= track.maxTemporal; temporal++) {
      const at = layerAt(spatial, temporal);
      if (at > place && bps[at]! > spent) return at;
    }
  }
  return -1;
}

/** Where a higher picture begins: at a few of its frames it is no gain over a lower one at all of them. */
function entryOf({ bps, entry, maxTemporal }: TrackShare, spatial: number): number {
  let temporal = Math.min(entry[spatial]!, maxTemporal);
  while (temporal > 0 && bps[layerAt(spatial, temporal)]! === 0) temporal--;
  return temporal;
}

/** The lowest spatial layer that flows: one above what is wanted if there is no other; -1 = nothing flows. */
function baseSpatial({ bps, maxSpatial }: TrackShare): number {
  if (maxSpatial < 0) return -1;
  for (let spatial = 0; spatial < MAX_SPATIAL; spatial++) if (bps[layerAt(spatial, 0)]! > 0) return spatial;
  return -1;
}

/** The last place that steps lead to. */
function topPlace(track: TrackShare): number {
  let place = -1;
  for (let next = nextPlace(track, -1); next >= 0; next = nextPlace(track, next)) place = next;
  return place;
}

function costOf(track: TrackShare, place: number): number {
  return place < 0 ? 0 : track.bps[place]!;
}

function cheapestStep(): number {
  let cheapest = 0;
  for (let i = 0; i < order.length; i++) {
    const place = places[i]!;
    const next = nextPlace(order[i]!, place);
    if (next < 0 || order[i]!.unmanaged) continue;
    const cost = order[i]!.bps[next]! - costOf(order[i]!, place);
    if (cheapest === 0 || cost < cheapest) cheapest = cost;
  }
  return cheapest;
}

/** Writes what a track got; true if it fell. A track that has all it wants, or of which nothing flows, is not held to a layer. */
function grant(track: TrackShare, place: number, former: number): boolean {
  if (nextPlace(track, place) < 0) {
    track.spatial = MAX_SPATIAL - 1;
    track.temporal = MAX_TEMPORAL - 1;
    return false;
  }
  track.spatial = place < 0 ? PAUSED : Math.floor(place / MAX_TEMPORAL);
  track.temporal = place < 0 ? PAUSED : place % MAX_TEMPORAL;
  return place < former && former >= 0;
}
