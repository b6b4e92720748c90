/**
 * What the dependency descriptors of one incoming stream say, noted once for all subscribers: the structure in force, and for
 * the newest frames which decode targets need them and what they lean on. Bounded: 256 frames. A structure is taken
 * only from a frame that leans on nothing.
 */
import {
  MAX_DECODE_TARGETS,
  MAX_FRAME_DIFFERENCES,
  indicationOf,
  newDependencyDescriptor,
  readDependencyDescriptor,
} from "@stoa/wire/codec/dependency-descriptor";
import type { DependencyStructure } from "@stoa/wire/codec/dependency-descriptor";
import { FRAME_END, FRAME_START, HAS_FRAME, INDEPENDENT, KEY_START } from "./ring.ts";
import type { PacketRing } from "./ring.ts";

/** A power of two; two seconds of three spatial layers. */
export const FRAMES = 256;
const MASK = FRAMES - 1;

/** No such frame. */
export const NO_FRAME = -1;

const descriptor = newDependencyDescriptor();

/** In `PacketRing.descriptorMask`: place of the mask in bits, whether it is there, number of decode targets, structure there. */
const HAS_MASK = 1 << 11;
const TARGETS_SHIFT = 12;
const HAS_STRUCTURE = 1 << 17;

export class FrameTable {
  structure: DependencyStructure | undefined;
  /** Rises with each structure; 0 = there was none. */
  epoch = 0;
  /** Decode targets that the publisher sends, one bit each. */
  active = 0;
  /** By decode target: those that lie within its layers, one bit each. */
  readonly within = new Int32Array(MAX_DECODE_TARGETS);
  readonly #number = new Int32Array(FRAMES);
  readonly #epoch = new Int32Array(FRAMES);
  readonly #indications = new Int32Array(FRAMES);
  readonly #differenceCount = new Uint8Array(FRAMES);
  readonly #differences = new Uint16Array(FRAMES * MAX_FRAME_DIFFERENCES);
  readonly #chainDifferences = new Uint8Array(FRAMES * MAX_DECODE_TARGETS);
  /** Extended number of the frame read last, of the one that brought the structure, of the one that told `active`. */
  #frame = 0;
  #structureFrame = 0;
  /** Timestamp of its picture. */
  #structureTimestamp = 0;
  #activeFrame = 0;

  /** Place of a frame, or `NO_FRAME`. */
  find(frame: number): number {
    const at = frame & MASK;
    return this.#epoch[at] !== 0 && this.#number[at] === frame ? at : NO_FRAME;
  }

  /** The structure by which a frame is described. */
  epochOf(at: number): number {
    return this.#epoch[at]!;
  }

  /** How the frame is to a decode target. */
  indication(at: number, target: number): number {
    return indicationOf(this.#indications[at]!, target);
  }

  differenceCount(at: number): number {
    return this.#differenceCount[at]!;
  }

  /** How far back the frame lies that this one leans on. */
  difference(at: number, which: number): number {
    return this.#differences[at * MAX_FRAME_DIFFERENCES + which]!;
  }

  /** How far back the last frame lies of the chain that protects a decode target; 0 = it begins, or there are no chains. */
  chainDifference(at: number, target: number): number {
    const { structure } = this;
    if (!structure || structure.chainCount === 0) return 0;
    return this.#chainDifferences[at * MAX_DECODE_TARGETS + structure.protectedBy[target]!]!;
  }

  /** Another source: its numbers begin anew. */
  clear(): void {
    this.structure = undefined;
    this.#epoch.fill(0);
    this.active = 0;
  }

  /**
   * Reads the descriptor of `length` bytes at `from` and completes the ring's entry. What cannot be read leaves the entry as
   * the payload says. True if the descriptor brought another structure.
   */
  note(u8: Uint8Array, from: number, length: number, ring: PacketRing, index: number): boolean {
    if (!readDependencyDescriptor(u8, from, length, this.structure, descriptor)) return false;
    const frame = (this.#frame + (((descriptor.frameNumber - this.#frame) << 16) >> 16)) | 0;
    this.#frame = frame;
    const { structure } = descriptor;
    const timestamp = ring.timestamp[index]!;
    const repeats = structure !== undefined && this.#repeats(structure, timestamp);
    const brings = structure !== undefined && !repeats && this.#take(structure, frame, timestamp);
    // It may belong to a former structure.
    if (!descriptor.resolved || (structure !== undefined && !repeats && structure !== this.structure)) return false;
    this.#noteActive(frame);
    this.#noteFrame(frame);
    this.#noteEntry(ring, index, frame, brings, repeats);
    return brings;
  }

  /**
   * Whether the picture brings the structure in force once more: where spatial layers do not lean on each other (S2T1 …), the key
   * frame of each has it, so that each can be decoded alone.
   */
  #repeats(
    { templateIdOffset, templateCount, targetCount, chainCount }: DependencyStructure,
    timestamp: number,
  ): boolean {
    const known = this.structure;
    return (
      known !== undefined &&
      timestamp === this.#structureTimestamp &&
      templateIdOffset === known.templateIdOffset &&
      templateCount === known.templateCount &&
      targetCount === known.targetCount &&
      chainCount === known.chainCount
    );
  }

  /** Takes the structure of a key frame, unless there is a newer one. */
  #take(structure: DependencyStructure, frame: number, timestamp: number): boolean {
    if (!descriptor.startsFrame || !descriptor.resolved || descriptor.differenceCount > 0) return false;
    if (this.structure && ((frame - this.#structureFrame) | 0) < 0) return false;
    this.structure = structure;
    this.#structureFrame = frame;
    this.#structureTimestamp = timestamp;
    this.#activeFrame = frame;
    this.epoch++;
    const { targetCount, targetSpatial, targetTemporal } = structure;
    for (let target = 0; target < targetCount; target++) {
      let within = 0;
      for (let other = 0; other < targetCount; other++) {
        const lower =
          targetSpatial[other]! <= targetSpatial[target]! && targetTemporal[other]! <= targetTemporal[target]!;
        if (lower) within |= 1 << other;
      }
      this.within[target] = within;
    }
    return true;
  }

  #noteActive(frame: number): void {
    if (descriptor.activeTargets < 0 || ((frame - this.#activeFrame) | 0) < 0) return;
    this.active = descriptor.activeTargets;
    this.#activeFrame = frame;
  }

  #noteFrame(frame: number): void {
    const at = frame & MASK;
    this.#number[at] = frame;
    this.#epoch[at] = this.epoch;
    this.#indications[at] = descriptor.indications;
    this.#differenceCount[at] = descriptor.differenceCount;
    this.#differences.set(descriptor.differences, at * MAX_FRAME_DIFFERENCES);
    this.#chainDifferences.set(descriptor.chainDifferences, at * MAX_DECODE_TARGETS);
  }

  #noteEntry(ring: PacketRing, index: number, frame: number, brings: boolean, repeats: boolean): void {
    let flags = (ring.flags[index]! & ~(FRAME_START | FRAME_END | INDEPENDENT)) | HAS_FRAME;
    if (descriptor.startsFrame) flags |= FRAME_START;
    if (descriptor.endsFrame) flags |= FRAME_END;
    if (descriptor.differenceCount === 0) flags |= INDEPENDENT;
    if (brings) flags |= KEY_START;
    ring.flags[index] = flags;
    ring.frame[index] = frame;
    ring.spatial[index] = descriptor.spatial;
    ring.temporal[index] = descriptor.temporal;
    const { structure } = this;
    ring.descriptorMask[index] =
      descriptor.maskBit |
      (descriptor.hasMask ? HAS_MASK : 0) |
      (structure!.targetCount << TARGETS_SHIFT) |
      (brings || repeats ? HAS_STRUCTURE : 0);
  }
}

/** Place of the mask of active decode targets in a descriptor, in bits. */
export function maskBit(word: number): number {
  return word & (HAS_MASK - 1);
}

export function hasMask(word: number): boolean {
  return (word & HAS_MASK) !== 0;
}

export function hasStructure(word: number): boolean {
  return (word & HAS_STRUCTURE) !== 0;
}

/** How many decode targets the descriptor's structure has. */
export function targetCount(word: number): number {
  return (word >> TARGETS_SHIFT) & 31;
}
