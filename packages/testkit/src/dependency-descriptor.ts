/** For tests: dependency descriptors written bit by bit from a plain description, by other means than those under test. */

export interface TemplateInput {
  spatial: number;
  temporal: number;
  /** One letter per decode target: "-" not present, "D" discardable, "S" switch, "R" required. */
  targets: string;
  differences: number[];
  chains: number[];
}

export interface StructureInput {
  idOffset: number;
  /** Ordered by layer, as the format demands. */
  templates: TemplateInput[];
  /** Per decode target; empty: there are no chains. */
  protectedBy: number[];
  resolutions?: [number, number][];
}

export interface DescriptorInput {
  first?: boolean;
  last?: boolean;
  template: number;
  frame: number;
  structure?: StructureInput;
  active?: number;
  targets?: string;
  differences?: number[];
  chains?: number[];
}

class Bits {
  text = "";

  put(count: number, value: number): void {
    if (count > 0) this.text += value.toString(2).padStart(count, "0").slice(-count);
  }

  /** ns(n) of the specification. */
  below(limit: number, value: number): void {
    const width = Math.floor(Math.log2(limit)) + 1;
    const short = 2 ** width - limit;
    if (value < short) {
      this.put(width - 1, value);
    } else {
      this.put(width, value + short);
    }
  }

  targets(letters: string): void {
    for (const letter of letters) this.put(2, "-DSR".indexOf(letter));
  }

  bytes(): number[] {
    const padded = this.text.padEnd(Math.ceil(this.text.length / 8) * 8, "0");
    return padded.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2));
  }
}

/** The bytes; `targetCount` and chain count are those of the structure in force. */
export function descriptor(input: DescriptorInput, structure: StructureInput): number[] {
  const bits = new Bits();
  bits.put(1, input.first === false ? 0 : 1);
  bits.put(1, input.last === false ? 0 : 1);
  bits.put(6, (input.template + structure.idOffset) & 63);
  bits.put(16, input.frame & 0xffff);
  const targetCount = structure.templates[0]!.targets.length;
  const { active, targets, differences, chains } = input;
  const extended = [input.structure, active, targets, differences, chains].map((field) =>
    field === undefined ? 0 : 1,
  );
  if (!extended.includes(1)) return bits.bytes();
  bits.text += extended.join("");
  if (input.structure) putStructure(bits, input.structure);
  if (active !== undefined) bits.put(targetCount, active);
  if (targets !== undefined) bits.targets(targets);
  if (differences !== undefined) {
    for (const difference of differences) {
      const size = difference <= 16 ? 1 : difference <= 256 ? 2 : 3;
      bits.put(2, size);
      bits.put(4 * size, difference - 1);
    }
    bits.put(2, 0);
  }
  for (const chain of chains ?? []) bits.put(8, chain);
  return bits.bytes();
}

function putStructure(bits: Bits, { idOffset, templates, protectedBy, resolutions }: StructureInput): void {
  const targetCount = templates[0]!.targets.length;
  const chainCount = protectedBy.length === 0 ? 0 : Math.max(...protectedBy) + 1;
  bits.put(6, idOffset);
  bits.put(5, targetCount - 1);
  for (const [i, now] of templates.entries()) {
    const next = templates[i + 1];
    if (!next) bits.put(2, 3);
    else if (next.spatial !== now.spatial) bits.put(2, 2);
    else bits.put(2, next.temporal === now.temporal ? 0 : 1);
  }
  for (const template of templates) bits.targets(template.targets);
  for (const { differences } of templates) {
    for (const difference of differences) {
      bits.put(1, 1);
      bits.put(4, difference - 1);
    }
    bits.put(1, 0);
  }
  bits.below(targetCount + 1, chainCount);
  if (chainCount > 0) {
    for (const chain of protectedBy) bits.below(chainCount, chain);
    for (const { chains } of templates) for (const chain of chains) bits.put(4, chain);
  }
  bits.put(1, resolutions ? 1 : 0);
  for (const [width, height] of resolutions ?? []) {
    bits.put(16, width - 1);
    bits.put(16, height - 1);
  }
}

const template = (layer: string, targets: string, differences: number[], chains: number[]): TemplateInput => ({
  spatial: Number(layer[1]),
  temporal: Number(layer[3]),
  targets,
  differences,
  chains,
});

/** One spatial layer, three temporal ones, in the pattern 0 2 1 2. Templates: key, T0, T1, first T2, second T2. */
export const L1T3: StructureInput = {
  idOffset: 0,
  templates: [
    template("S0T0", "SSS", [], [0]),
    template("S0T0", "SSS", [4], [4]),
    template("S0T1", "-DS", [2], [2]),
    template("S0T2", "--D", [1], [1]),
    template("S0T2", "--D", [1], [3]),
  ],
  protectedBy: [0, 0, 0],
};

/** Two spatial layers, each picture of the upper one leans on the lower. Templates: S0 key, S0, S1 key, S1. */
export const L2T1: StructureInput = {
  idOffset: 60,
  templates: [
    template("S0T0", "SS", [], [0, 0]),
    template("S0T0", "SR", [2], [2, 1]),
    template("S1T0", "-S", [1], [1, 1]),
    template("S1T0", "-R", [2, 1], [1, 1]),
  ],
  protectedBy: [0, 1],
};

/**
 * Three spatial layers that lean on each other in key pictures only, three temporal ones in the pattern 0 2 1 2; each
 * picture has three frames. Decode targets: S0T0 S0T1 S0T2 S1T0 … S2T2. Templates per spatial layer as in `L1T3`.
 */
export const L3T3_KEY: StructureInput = {
  idOffset: 10,
  templates: [0, 1, 2].flatMap((s) => {
    const own = (letters: string) => "---".repeat(s) + letters + "---".repeat(2 - s);
    const chains = (distance: (chain: number) => number) => [0, 1, 2].map(distance);
    return [
      template(
        `S${s}T0`,
        "---".repeat(s) + "SSS".repeat(3 - s),
        s === 0 ? [] : [1],
        chains((c) => Math.max(s - c, Math.min(s, 1))),
      ),
      template(
        `S${s}T0`,
        own("SSS"),
        [12],
        chains((c) => (c < s ? s - c : 12 + s - c)),
      ),
      template(
        `S${s}T1`,
        own("-DS"),
        [6],
        chains((c) => 6 + s - c),
      ),
      template(
        `S${s}T2`,
        own("--D"),
        [3],
        chains((c) => 3 + s - c),
      ),
      template(
        `S${s}T2`,
        own("--D"),
        [3],
        chains((c) => 9 + s - c),
      ),
    ];
  }),
  protectedBy: [0, 0, 0, 1, 1, 1, 2, 2, 2],
  resolutions: [
    [320, 180],
    [640, 360],
    [1280, 720],
  ],
};
