/**
 * The dependency descriptor (AV1 RTP payload specification, appendix A), which also travels with VP9: which frame a packet
 * belongs to, what that frame depends on, and which decode targets (combinations of layers) need it. Reading is
 * total; what it keeps is bounded: a structure of more than 16 decode targets or with frames of more than 8 references is
 * refused. A structure comes with key frames and is needed to read what follows.
 */

export const MAX_DECODE_TARGETS = 16;
export const MAX_FRAME_DIFFERENCES = 8;
const MAX_TEMPLATES = 64;

/** How a frame is to a decode target: two bits per target in `indications`, target 0 lowest; 1 discardable, 3 required. */
export const NOT_PRESENT = 0;
/** If this frame can be decoded, so can all that follow in the decode target. */
export const SWITCH = 2;

/** What every descriptor begins with, and the flags that follow in a longer one. */
export const MANDATORY_BYTES = 3;
export const MANDATORY_BITS = 24;
export const FLAG_BITS = 5;
const IDS = 64;

/** What a key frame says of the frames that follow. */
export interface DependencyStructure {
  readonly templateIdOffset: number;
  readonly templateCount: number;
  readonly targetCount: number;
  readonly chainCount: number;
  /** By template. */
  readonly spatial: Uint8Array;
  readonly temporal: Uint8Array;
  readonly indications: Int32Array;
  readonly differenceCount: Uint8Array;
  readonly differences: Uint8Array;
  readonly chainDifferences: Uint8Array;
  /** By decode target: the chain that protects it, and its highest layers. */
  readonly protectedBy: Uint8Array;
  readonly targetSpatial: Uint8Array;
  readonly targetTemporal: Uint8Array;
}

/** One descriptor; filled in by `readDependencyDescriptor`, meant to be reused. */
export interface DependencyDescriptor {
  startsFrame: boolean;
  endsFrame: boolean;
  frameNumber: number;
  /** The structure that came with it. */
  structure: DependencyStructure | undefined;
  /** Decode targets that are sent, one bit each; -1 = not said. */
  activeTargets: number;
  /** False: nothing more is known, for want of the structure. */
  resolved: boolean;
  spatial: number;
  temporal: number;
  /** Of all decode targets, two bits each. */
  indications: number;
  /** How far back the frames lie that this one refers to. */
  differenceCount: number;
  readonly differences: Uint16Array;
  /** Per chain: how far back its last frame lies; 0 = the chain begins here. */
  readonly chainDifferences: Uint8Array;
  /** Where the mask of active targets stands or would stand, in bits. */
  maskBit: number;
  hasMask: boolean;
}

/** An empty descriptor to be filled in. */
export function newDependencyDescriptor(): DependencyDescriptor {
  return {
    startsFrame: false,
    endsFrame: false,
    frameNumber: 0,
    structure: undefined,
    activeTargets: -1,
    resolved: false,
    spatial: 0,
    temporal: 0,
    indications: 0,
    differenceCount: 0,
    differences: new Uint16Array(MAX_FRAME_DIFFERENCES),
    chainDifferences: new Uint8Array(MAX_DECODE_TARGETS),
    maskBit: 0,
    hasMask: false,
  };
}

/** How a frame is to one decode target. */
export function indicationOf(indications: number, target: number): number {
  return (indications >>> (2 * target)) & 3;
}

/** A reader of bits; what lies behind the end is zero, and noted. */
const bits = {
  u8: new Uint8Array(0) as Uint8Array,
  at: 0,
  end: 0,
  overrun: false,
};

function read(count: number): number {
  let value = 0;
  for (let i = 0; i < count; i++) {
    if (bits.at >= bits.end) {
      bits.overrun = true;
      return 0;
    }
    value = (value << 1) | ((bits.u8[bits.at >> 3]! >> (7 - (bits.at & 7))) & 1);
    bits.at++;
  }
  return value;
}

/** A number below `limit` in as few bits as can be (the specification's ns(n)). */
function readBelow(limit: number): number {
  const width = 32 - Math.clz32(limit);
  const short = (1 << width) - limit;
  const value = read(width - 1);
  return value < short ? value : (value << 1) - short + read(1);
}

/**
 * Reads the descriptor of `length` bytes at `at`, with the structure of the last key frame. False if it is malformed; `into`
 * is then undefined.
 */
export function readDependencyDescriptor(
  u8: Uint8Array,
  at: number,
  length: number,
  known: DependencyStructure | undefined,
  into: DependencyDescriptor,
): boolean {
  if (length < MANDATORY_BYTES) return false;
  into.startsFrame = (u8[at]! & 0x80) !== 0;
  into.endsFrame = (u8[at]! & 0x40) !== 0;
  const templateId = u8[at]! & 63;
  into.frameNumber = (u8[at + 1]! << 8) | u8[at + 2]!;
  into.structure = undefined;
  into.activeTargets = -1;
  into.resolved = into.hasMask = false;
  into.maskBit = 0;
  bits.u8 = u8;
  bits.at = at * 8 + MANDATORY_BITS;
  bits.end = (at + length) * 8;
  bits.overrun = false;
  const flags = length > MANDATORY_BYTES ? read(FLAG_BITS) : 0;
  if (flags & 0x10) {
    const structure = readStructure();
    if (!structure || bits.overrun) return false;
    into.structure = structure;
    into.activeTargets = (1 << structure.targetCount) - 1;
  }
  const structure = into.structure ?? known;
  if (!structure) return true;
  into.maskBit = length > MANDATORY_BYTES ? bits.at - at * 8 : MANDATORY_BITS;
  into.hasMask = (flags & 0x08) !== 0;
  if (into.hasMask) into.activeTargets = read(structure.targetCount);
  return readFrame(structure, templateId, flags, into) && !bits.overrun;
}

function readFrame(
  structure: DependencyStructure,
  templateId: number,
  flags: number,
  into: DependencyDescriptor,
): boolean {
  const template = (templateId - structure.templateIdOffset + IDS) % IDS;
  // Of another structure, whose key frame is missing.
  if (template >= structure.templateCount) return true;
  into.resolved = true;
  into.spatial = structure.spatial[template]!;
  into.temporal = structure.temporal[template]!;
  into.indications = flags & 0x04 ? readIndications(structure.targetCount) : structure.indications[template]!;
  into.differenceCount = structure.differenceCount[template]!;
  for (let i = 0; i < into.differenceCount; i++) {
    into.differences[i] = structure.differences[template * MAX_FRAME_DIFFERENCES + i]!;
  }
  if (flags & 0x02) {
    into.differenceCount = 0;
    for (let size = read(2); size !== 0; size = read(2)) {
      if (into.differenceCount === MAX_FRAME_DIFFERENCES) return false;
      into.differences[into.differenceCount++] = read(4 * size) + 1;
    }
  }
  const { chainCount } = structure;
  for (let i = 0; i < chainCount; i++) {
    into.chainDifferences[i] = flags & 0x01 ? read(8) : structure.chainDifferences[template * chainCount + i]!;
  }
  return true;
}

function readIndications(targetCount: number): number {
  let indications = 0;
  for (let target = 0; target < targetCount; target++) indications |= read(2) << (2 * target);
  return indications;
}

function readStructure(): DependencyStructure | undefined {
  const templateIdOffset = read(6);
  const targetCount = read(5) + 1;
  if (targetCount > MAX_DECODE_TARGETS) return undefined;
  const spatials = new Uint8Array(MAX_TEMPLATES);
  const temporals = new Uint8Array(MAX_TEMPLATES);
  const templateCount = readTemplateLayers(spatials, temporals);
  if (templateCount < 0) return undefined;
  const indications = new Int32Array(templateCount);
  for (let i = 0; i < templateCount; i++) indications[i] = readIndications(targetCount);
  const differenceCount = new Uint8Array(templateCount);
  const differences = new Uint8Array(templateCount * MAX_FRAME_DIFFERENCES);
  for (let i = 0; i < templateCount; i++) {
    while (read(1) === 1) {
      if (differenceCount[i] === MAX_FRAME_DIFFERENCES) return undefined;
      differences[i * MAX_FRAME_DIFFERENCES + differenceCount[i]!] = read(4) + 1;
      differenceCount[i]!++;
    }
  }
  const chainCount = readBelow(targetCount + 1);
  const protectedBy = new Uint8Array(targetCount);
  const chainDifferences = new Uint8Array(templateCount * chainCount);
  if (chainCount > 0) {
    for (let target = 0; target < targetCount; target++) protectedBy[target] = readBelow(chainCount);
    for (let i = 0; i < chainDifferences.length; i++) chainDifferences[i] = read(4);
  }
  skipResolutions(spatials[templateCount - 1]!);
  return {
    templateIdOffset,
    templateCount,
    targetCount,
    chainCount,
    spatial: spatials.slice(0, templateCount),
    temporal: temporals.slice(0, templateCount),
    indications,
    differenceCount,
    differences,
    chainDifferences,
    protectedBy,
    targetSpatial: highestOf(spatials, indications, targetCount),
    targetTemporal: highestOf(temporals, indications, targetCount),
  };
}

/** Fills in the layers of all templates; returns how many there are, or -1 if that is too many. */
function readTemplateLayers(spatials: Uint8Array, temporals: Uint8Array): number {
  let spatial = 0;
  let temporal = 0;
  for (let count = 0; count < MAX_TEMPLATES && !bits.overrun;) {
    spatials[count] = spatial;
    temporals[count++] = temporal;
    const next = read(2);
    if (next === 3) return count;
    if (next === 1) temporal++;
    if (next === 2) {
      temporal = 0;
      spatial++;
    }
  }
  return -1;
}

function skipResolutions(maxSpatial: number): void {
  if (read(1) === 0) return;
  for (let spatial = 0; spatial <= maxSpatial; spatial++) {
    read(16);
    read(16);
  }
}

/** Per decode target the highest layer of the templates that belong to it. */
function highestOf(layers: Uint8Array, indications: Int32Array, targetCount: number): Uint8Array {
  const highest = new Uint8Array(targetCount);
  for (let target = 0; target < targetCount; target++) {
    for (const [template, all] of indications.entries()) {
      if (indicationOf(all, target) !== NOT_PRESENT) highest[target] = Math.max(highest[target]!, layers[template]!);
    }
  }
  return highest;
}
