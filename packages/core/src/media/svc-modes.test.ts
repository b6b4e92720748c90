/**
 * For tests: the scalability modes of WebRTC-SVC as dependency structures, worked out from which frame leans on which by the
 * definitions of the AV1 RTP specification (appendix A), not copied from an encoder.
 */
import type { StructureInput, TemplateInput } from "@stoa/testkit/dependency-descriptor";

/** How an encoder lays out its layers. */
export interface Mode {
  readonly structure: StructureInput;
  readonly spatials: number;
  readonly temporals: number;
  /** Pictures after which it begins again. */
  readonly period: number;
  /** Each spatial layer is a stream of its own: its key frames carry the structure. */
  readonly apart: boolean;
  /** The template of a frame and its temporal layer, by its spatial layer and the pictures since the key picture. */
  frame(spatial: number, sinceKey: number): { readonly template: number; readonly temporal: number };
}

/** All with two or three layers of some kind. */
export const MODE_NAMES = [
  ["L1T2", "L1T3", "L2T1", "L2T2", "L2T3", "L3T1", "L3T2", "L3T3"],
  ["L2T1_KEY", "L2T2_KEY", "L2T2_KEY_SHIFT", "L2T3_KEY", "L3T1_KEY", "L3T2_KEY", "L3T3_KEY"],
  ["S2T1", "S2T2", "S2T3", "S3T1", "S3T2", "S3T3"],
].flat();

interface Drawn {
  readonly number: number;
  readonly picture: number;
  readonly spatial: number;
  readonly temporal: number;
  readonly leansOn: readonly Drawn[];
}

/** Temporal layer of each picture, and how many pictures back the one lies that it leans on in its own spatial layer. */
const PATTERNS: Readonly<Record<number, readonly (readonly [temporal: number, back: number])[]>> = {
  1: [[0, 1]],
  2: [
    [0, 2],
    [1, 1],
  ],
  3: [
    [0, 4],
    [2, 1],
    [1, 2],
    [2, 1],
  ],
};

const PERIODS = 4;

/** A mode by its name: "L2T3", "L3T3_KEY", "S3T1" … */
export function modeOf(name: string): Mode {
  const spatials = Number(name[1]);
  const temporals = Number(name[3]);
  const pattern = PATTERNS[temporals]!;
  const drawn = draw(name, spatials, pattern);
  const templates: TemplateInput[] = drawn.map((frame) => templateOf(frame, drawn, spatials, temporals));
  const keys = templates.map((template) => JSON.stringify(template));
  const unique = templates
    .filter((_, i) => keys.indexOf(keys[i]!) === i)
    .toSorted((a, b) => a.spatial - b.spatial || a.temporal - b.temporal);
  const uniqueKeys = unique.map((template) => JSON.stringify(template));
  const layers = Array.from({ length: spatials * temporals }, (_, target) => Math.floor(target / temporals));
  return {
    structure: { idOffset: 7, templates: unique, protectedBy: layers },
    spatials,
    temporals,
    period: pattern.length,
    apart: name.startsWith("S"),
    frame(spatial, sinceKey) {
      // From the third period on nothing is new.
      const place = sinceKey < 2 * pattern.length ? sinceKey : 2 * pattern.length + (sinceKey % pattern.length);
      const at = place * spatials + spatial;
      return { template: uniqueKeys.indexOf(keys[at]!), temporal: drawn[at]!.temporal };
    },
  };
}

/** A key picture and some periods behind it. */
function draw(name: string, spatials: number, pattern: readonly (readonly [number, number])[]): Drawn[] {
  const apart = name.startsWith("S");
  const keyOnly = name.includes("_KEY");
  const frames: Drawn[] = [];
  for (let picture = 0; picture < PERIODS * pattern.length; picture++) {
    for (let spatial = 0; spatial < spatials; spatial++) {
      // Shifted: the upper layer has its temporal layers half a period later, save for the key picture.
      const shift = name.endsWith("SHIFT") && spatial > 0 && picture > 0 ? pattern.length / 2 : 0;
      const [temporal, back] = pattern[(picture + shift) % pattern.length]!;
      const leansOn: Drawn[] = [];
      const before = frames[(picture - Math.min(back, Math.max(picture, 1))) * spatials + spatial];
      if (picture > 0) leansOn.push(before!);
      if (spatial > 0 && !apart && (picture === 0 || !keyOnly)) leansOn.push(frames.at(-1)!);
      frames.push({ number: frames.length, picture, spatial, temporal: picture === 0 ? 0 : temporal, leansOn });
    }
  }
  return frames;
}

function templateOf(frame: Drawn, all: readonly Drawn[], spatials: number, temporals: number): TemplateInput {
  let targets = "";
  const chains: number[] = [];
  for (let spatial = 0; spatial < spatials; spatial++) {
    for (let temporal = 0; temporal < temporals; temporal++) {
      targets += indication(frame, needed(all, spatial, temporal));
    }
    const chain = needed(all, spatial, 0);
    const last = all.findLast((other) => other.number < frame.number && chain.has(other));
    chains.push(last ? frame.number - last.number : 0);
  }
  const differences = frame.leansOn.map((other) => frame.number - other.number);
  return { spatial: frame.spatial, temporal: frame.temporal, targets, differences, chains };
}

/** What it takes to show these layers. */
function needed(all: readonly Drawn[], spatial: number, temporal: number): Set<Drawn> {
  const found = new Set<Drawn>();
  const add = (frame: Drawn): void => {
    if (found.has(frame)) return;
    found.add(frame);
    for (const other of frame.leansOn) add(other);
  };
  for (const frame of all) if (frame.spatial === spatial && frame.temporal <= temporal) add(frame);
  return found;
}

function indication(frame: Drawn, target: ReadonlySet<Drawn>): string {
  if (!target.has(frame)) return "-";
  const later = [...target].filter((other) => other.number > frame.number);
  if (!later.some((other) => other.leansOn.includes(frame))) return "D";
  const decodable = new Set<Drawn>();
  const add = (one: Drawn): void => {
    decodable.add(one);
    one.leansOn.forEach(add);
  };
  add(frame);
  for (const other of later.toSorted((a, b) => a.number - b.number)) {
    if (!other.leansOn.every((one) => decodable.has(one))) return "R";
    decodable.add(other);
  }
  return "S";
}
