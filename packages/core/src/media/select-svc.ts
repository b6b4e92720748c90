/**
 * Which frames of a stream with dependency descriptors one subscriber gets (AV1 RTP payload specification, appendix A; decision
 * 0004). A decode target flows; another one takes its place at a frame where that can be decoded: up where the frame is a
 * "switch" for it, down where all that it leans on was forwarded, else at a key frame, which `stuck` asks for.
 * A frame is forwarded whole or not at all: what was decided for its first packet holds for all of them.
 */
import { NOT_PRESENT, SWITCH } from "@stoa/wire/codec/dependency-descriptor";
import { FRAMES, NO_FRAME, hasStructure } from "./frame-table.ts";
import type { FrameTable } from "./frame-table.ts";
import { FRAME_START } from "./ring.ts";
import type { PacketRing } from "./ring.ts";

const MASK = FRAMES - 1;
const NO_TARGET = -1;

/** What was decided for a frame; 0 = nothing. */
const LEFT_OUT = 1;
const FORWARDED = 2;
/** Forwarded, and the last of its picture. */
const LAST = 3;

/** No mask is to be written. */
export const NO_MASK = -1;

export class SvcSelection {
  /** Layers of the decode target that flows; -1 = none does. */
  spatial = -1;
  temporal = -1;
  /** The target has to wait for a key frame. */
  stuck = false;
  /** The frame that `wants` looked at last is the last of its picture that goes out. */
  lastOfPicture = false;
  /** The decode target that flows. */
  target = NO_TARGET;
  #epoch = 0;
  #first = 0;
  #highest = 0;
  /** Timestamp of the picture to which the newest frame belongs, and whether that is the first one of it. */
  #picture = 0;
  #fresh = true;
  /** A frame of it was left out: what of it has not come may lean on that. */
  #thinned = false;
  /** Timestamp of the picture whose last frame went out, if one did. */
  #closed = 0;
  #hasClosed = false;
  /** The receiver was told that not all decode targets are active. */
  #narrowed = false;
  /** What the last choice was made for, while it needs no other: see `#choose`. */
  #settledFor = -1;
  readonly #number = new Int32Array(FRAMES);
  readonly #verdict = new Uint8Array(FRAMES);

  /** The stream starts with this frame. */
  begin(frame: number): void {
    this.target = this.spatial = this.temporal = NO_TARGET;
    this.stuck = this.#hasClosed = this.#thinned = false;
    this.#settledFor = -1;
    this.#first = frame;
    this.#highest = (frame - 1) | 0;
    this.#verdict.fill(0);
  }

  /** Whether the packet's frame is forwarded to a subscriber that is to get these layers at most. */
  wants(frames: FrameTable, ring: PacketRing, index: number, maxSpatial: number, maxTemporal: number): boolean {
    const frame = ring.frame[index]!;
    const slot = frame & MASK;
    let verdict = this.#verdict[slot]!;
    if (verdict === 0 || this.#number[slot] !== frame) {
      const structured = hasStructure(ring.descriptorMask[index]!);
      const spatial = ring.spatial[index]!;
      verdict = this.#decide(frames, frame, ring.timestamp[index]!, spatial, structured, maxSpatial, maxTemporal);
    }
    this.lastOfPicture = verdict === LAST;
    return verdict !== LEFT_OUT;
  }

  #decide(
    frames: FrameTable,
    frame: number,
    timestamp: number,
    spatial: number,
    structured: boolean,
    maxSpatial: number,
    maxTemporal: number,
  ): number {
    const at = frames.find(frame);
    if (((frame - this.#first) | 0) < 0 || ((this.#highest - frame) | 0) > MASK) return LEFT_OUT;
    // Of a structure that is gone: what depends on it is not known.
    if (at === NO_FRAME) return FORWARDED;
    if (((frame - this.#highest) | 0) > 0) {
      this.#fresh = timestamp !== this.#picture || ((frame - 1) | 0) < this.#first;
      this.#thinned &&= !this.#fresh;
      this.#picture = timestamp;
      this.#highest = frame;
      this.#choose(frames, at, timestamp, spatial, structured, maxSpatial, maxTemporal);
    }
    const present =
      this.target !== NO_TARGET &&
      (frames.epochOf(at) !== this.#epoch || frames.indication(at, this.target) !== NOT_PRESENT);
    let verdict = LEFT_OUT;
    if (present) verdict = spatial === this.spatial ? LAST : FORWARDED;
    if (verdict === LAST) {
      this.#closed = timestamp;
      this.#hasClosed = true;
    }
    this.#thinned ||= verdict === LEFT_OUT && timestamp === this.#picture;
    this.#number[frame & MASK] = frame;
    this.#verdict[frame & MASK] = verdict;
    return verdict;
  }

  /** Lets another decode target flow from this frame on, if one should and can. */
  #choose(
    frames: FrameTable,
    at: number,
    timestamp: number,
    spatial: number,
    structured: boolean,
    maxSpatial: number,
    maxTemporal: number,
  ): void {
    const structure = frames.structure!;
    const wish = (maxSpatial << 4) | maxTemporal | (frames.active << 8);
    if (this.#epoch !== frames.epoch) {
      this.#epoch = frames.epoch;
      this.target = NO_TARGET;
    } else if (wish === this.#settledFor) {
      return;
    }
    let wanted = NO_TARGET;
    let wantedScore = -1;
    let best = this.target;
    // Nothing is left for the sake of fewer pictures that does not have as large ones.
    let bestScore = -1;
    if (best !== NO_TARGET && (frames.active & (1 << best)) !== 0) {
      bestScore = this.#score(this.spatial, Math.min(this.temporal, maxTemporal), maxSpatial) - 1;
    }
    for (let target = 0; target < structure.targetCount; target++) {
      const temporal = structure.targetTemporal[target]!;
      if (temporal > maxTemporal || (frames.active & (1 << target)) === 0) continue;
      const score = this.#score(structure.targetSpatial[target]!, temporal, maxSpatial);
      if (score > wantedScore) {
        wantedScore = score;
        wanted = target;
      }
      if (score <= bestScore) continue;
      if (target !== this.target && !this.#reaches(frames, at, timestamp, target)) continue;
      bestScore = score;
      best = target;
    }
    if (wanted !== best && this.#comesLater(frames, at, spatial, structured, wanted)) {
      this.target = NO_TARGET;
      return;
    }
    if (best !== NO_TARGET) {
      this.target = best;
      this.spatial = structure.targetSpatial[best]!;
      this.temporal = structure.targetTemporal[best]!;
    }
    this.#settledFor = this.target === wanted ? wish : -1;
    this.#noteStuck(frames, at, wanted);
  }

  /**
   * Whether the decode target that is wanted begins with a later frame of this key picture, because its spatial layers do not lean
   * on each other: the frames before it are none of it, and a picture ends but once.
   */
  #comesLater(frames: FrameTable, at: number, spatial: number, structured: boolean, wanted: number): boolean {
    if (wanted === NO_TARGET || (!structured && (this.target !== NO_TARGET || this.#fresh))) return false;
    if (frames.differenceCount(at) > 0 || frames.indication(at, wanted) !== NOT_PRESENT) return false;
    return frames.structure!.targetSpatial[wanted]! > spatial;
  }

  /**
   * The wish is new: sees at once that it takes a key frame to go down, for want of the frames that the lower layers lean on,
   * rather than at the next of those frames.
   */
  foresee(frames: FrameTable, maxSpatial: number, maxTemporal: number): void {
    const { structure } = frames;
    const at = frames.find(this.#highest);
    if (!structure || at === NO_FRAME || this.target === NO_TARGET || this.#epoch !== frames.epoch) return;
    let wanted = NO_TARGET;
    for (let target = 0; target < structure.targetCount; target++) {
      const fits = structure.targetSpatial[target]! <= maxSpatial && structure.targetTemporal[target]! <= maxTemporal;
      if (fits && (frames.active & (1 << target)) !== 0) wanted = target;
    }
    if (wanted === NO_TARGET || structure.targetSpatial[wanted]! >= this.spatial) return;
    if (!this.#mayHave((this.#highest - frames.chainDifference(at, wanted)) | 0)) this.stuck = true;
  }

  /** How good a decode target is: within the wish the more the better, above it (where the stream is now) the less; -1 = no good. */
  #score(spatial: number, temporal: number, maxSpatial: number): number {
    if (spatial <= maxSpatial) return 128 + spatial * 16 + temporal * 2;
    return spatial <= this.spatial ? 64 - spatial * 16 + temporal * 2 : -1;
  }

  #noteStuck(frames: FrameTable, at: number, wanted: number): void {
    if (wanted === NO_TARGET) return;
    if (this.target === NO_TARGET) {
      // What was to begin in the key picture did not come.
      this.stuck ||= this.#fresh;
      return;
    }
    const { targetSpatial } = frames.structure!;
    const distance = targetSpatial[wanted]! - targetSpatial[this.target]!;
    if (distance === 0) this.stuck = false;
    // Further down a frame may come that lets it go on.
    else if (distance > 0 || frames.indication(at, wanted) !== NOT_PRESENT) this.stuck = true;
  }

  /** Whether a decode target can flow from this frame on. */
  #reaches(frames: FrameTable, at: number, timestamp: number, target: number): boolean {
    const indication = frames.indication(at, target);
    const count = frames.differenceCount(at);
    // The receiver was told that this picture ended.
    const ended = this.#hasClosed && this.#closed === timestamp;
    if (count === 0) return indication !== NOT_PRESENT && !ended;
    if (this.target === NO_TARGET) return false;
    const { targetSpatial, targetTemporal } = frames.structure!;
    const larger = targetSpatial[target]! - this.spatial;
    const more = targetTemporal[target]! - this.temporal;
    const chain = frames.chainDifference(at, target);
    if (chain !== 0 && !this.#mayHave((this.#highest - chain) | 0)) return false;
    // To leave out pictures it takes no particular one.
    if (larger === 0 && more < 0 && this.#fresh) return true;
    if (indication === NOT_PRESENT || ((larger > 0 || more > 0) && indication !== SWITCH)) return false;
    if (larger > 0 && ended) return false;
    const growsOnThinned = this.#thinned && (larger > 0 || more > 0);
    for (let i = 0; i < count; i++) {
      const needed = (this.#highest - frames.difference(at, i)) | 0;
      if (!this.#mayHave(needed) || (growsOnThinned && !this.#decided(needed))) return false;
    }
    return true;
  }

  /** Whether the subscriber got a frame, or will: what got lost on the way to us is asked for again. */
  #mayHave(frame: number): boolean {
    if (((frame - this.#first) | 0) < 0 || ((this.#highest - frame) | 0) > MASK) return false;
    return !this.#decided(frame) || this.#verdict[frame & MASK] !== LEFT_OUT;
  }

  /** Whether a packet of the frame came. */
  #decided(frame: number): boolean {
    return this.#number[frame & MASK] === frame && this.#verdict[frame & MASK] !== 0;
  }

  /**
   * The mask of active decode targets to send with a packet, or `NO_MASK`: the receiver is told with each frame that it gets
   * only some of them, and once when that is over.
   */
  mask(frames: FrameTable, flags: number, tells: boolean, structured: boolean): number {
    if (this.target === NO_TARGET || this.#epoch !== frames.epoch) return NO_MASK;
    if (!tells && !structured && (flags & FRAME_START) === 0) return NO_MASK;
    const mask = frames.within[this.target]! & frames.active;
    if (mask !== frames.active) {
      this.#narrowed = true;
      return mask;
    }
    const again = this.#narrowed && !tells && !structured;
    this.#narrowed = false;
    return again ? mask : NO_MASK;
  }
}
