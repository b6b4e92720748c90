import assert from "node:assert/strict";
import { test } from "node:test";
import { L1T3, L2T1, L3T3_KEY, descriptor } from "@stoa/testkit/dependency-descriptor";
import type { DescriptorInput, StructureInput } from "@stoa/testkit/dependency-descriptor";
import fc from "fast-check";
import { lengthWithActiveTargets, writeActiveTargets } from "./active-targets.ts";
import { indicationOf, newDependencyDescriptor, readDependencyDescriptor } from "./dependency-descriptor.ts";
import type { DependencyDescriptor, DependencyStructure } from "./dependency-descriptor.ts";

/** Reads bytes that stand somewhere in a larger buffer. */
function read(bytes: number[], known?: DependencyStructure): DependencyDescriptor | undefined {
  const u8 = new Uint8Array([9, 9, 9, ...bytes, 0xff, 0xff]);
  const into = newDependencyDescriptor();
  return readDependencyDescriptor(u8, 3, bytes.length, known, into) ? into : undefined;
}

function structureOf(input: StructureInput): DependencyStructure {
  return read(descriptor({ template: 0, frame: 0, structure: input }, input))!.structure!;
}

const targets = (dd: DependencyDescriptor, count: number) =>
  Array.from({ length: count }, (_, i) => "-DSR"[indicationOf(dd.indications, i)]).join("");

for (const [name, input] of Object.entries({ L1T3, L2T1, L3T3_KEY })) {
  test(`a key frame of ${name} tells the structure, and every template is read by it`, () => {
    const structure = structureOf(input);
    const count = input.templates[0]!.targets.length;
    assert.equal(structure.targetCount, count);
    assert.deepEqual([...structure.protectedBy], input.protectedBy);
    for (const [index, template] of input.templates.entries()) {
      const dd = read(descriptor({ template: index, frame: 65_535, first: false, last: false }, input), structure)!;
      assert.ok(dd.resolved);
      assert.deepEqual([dd.startsFrame, dd.endsFrame, dd.frameNumber], [false, false, 65_535]);
      assert.deepEqual([dd.spatial, dd.temporal], [template.spatial, template.temporal]);
      assert.equal(targets(dd, count), template.targets);
      assert.deepEqual([...dd.differences.subarray(0, dd.differenceCount)], template.differences);
      assert.deepEqual([...dd.chainDifferences.subarray(0, structure.chainCount)], template.chains);
      assert.equal(dd.activeTargets, -1);
    }
  });
}

test("decode targets have the highest layers that belong to them", () => {
  const structure = structureOf(L3T3_KEY);
  assert.deepEqual([...structure.targetSpatial], [0, 0, 0, 1, 1, 1, 2, 2, 2]);
  assert.deepEqual([...structure.targetTemporal], [0, 1, 2, 0, 1, 2, 0, 1, 2]);
});

test("a frame may differ from its template", () => {
  const structure = structureOf(L3T3_KEY);
  const own = { targets: "SDR-SDR-S", differences: [1, 17, 300], chains: [200, 0, 9], active: 0b111 };
  const dd = read(descriptor({ template: 3, frame: 7, ...own }, L3T3_KEY), structure)!;
  assert.equal(targets(dd, 9), own.targets);
  assert.deepEqual([...dd.differences.subarray(0, dd.differenceCount)], own.differences);
  assert.deepEqual([...dd.chainDifferences.subarray(0, 3)], own.chains);
  assert.equal(dd.activeTargets, 0b111);
});

test("without the structure, or with another one, only the frame number is known", () => {
  const bytes = descriptor({ template: 1, frame: 77 }, L1T3);
  for (const known of [undefined, structureOf(L2T1)]) {
    const dd = read(bytes, known)!;
    assert.equal(dd.resolved, false);
    assert.equal(dd.frameNumber, 77);
  }
});

test("hostile bytes are read or refused, and nothing is kept beyond the bounds", () => {
  const known = structureOf(L3T3_KEY);
  const dd = newDependencyDescriptor();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.boolean(), (bytes, structured) => {
      // Half of them claim to bring a structure.
      if (structured && bytes.length > 3) bytes[3]! |= 0x80;
      readDependencyDescriptor(bytes, 0, bytes.length, known, dd);
      if (dd.structure) assert.ok(dd.structure.templateCount <= 64 && dd.structure.targetCount <= 16);
    }),
    { numRuns: 2000 },
  );
  for (const cut of [1, 2, 10, 40]) {
    const bytes = descriptor({ template: 0, frame: 1, structure: L3T3_KEY }, L3T3_KEY);
    assert.equal(read(bytes.slice(0, cut)), undefined);
  }
});

const letters = fc.constantFrom("-", "D", "S", "R");
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

test("a mask put into any descriptor leaves all else as it was", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(L1T3, L2T1, L3T3_KEY),
      fc.nat(0xffff),
      fc.boolean(),
      maybe(fc.nat(0x1ff)),
      maybe(fc.array(letters, { minLength: 9, maxLength: 9 })),
      maybe(fc.array(fc.integer({ min: 1, max: 4096 }), { maxLength: 8 })),
      maybe(fc.array(fc.nat(255), { minLength: 3, maxLength: 3 })),
      fc.nat(0x1ff),
      (input, frame, keyed, active, targetLetters, differences, chains, wanted) => {
        const structure = structureOf(input);
        const { targetCount } = structure;
        const all = (1 << targetCount) - 1;
        const fields: DescriptorInput = { template: 1, frame };
        if (keyed) fields.structure = input;
        if (active !== undefined) fields.active = active & all;
        if (targetLetters) fields.targets = targetLetters.slice(0, targetCount).join("");
        if (differences) fields.differences = differences;
        if (chains) fields.chains = chains.slice(0, structure.chainCount);
        const bytes = descriptor(fields, input);
        const before = read(bytes, structure)!;
        const mask = wanted & all;
        const u8 = new Uint8Array(1000).fill(0xa5);
        u8.set(bytes, 11);
        const length = lengthWithActiveTargets(bytes.length, before.hasMask, targetCount);
        writeActiveTargets(u8, 11, bytes.length, 500, mask, targetCount, before.maskBit, before.hasMask);
        assert.equal(u8[500 + length], 0xa5, "not a byte further");
        const after = read([...u8.subarray(500, 500 + length)], structure)!;
        assert.deepEqual(
          { ...after, maskBit: 0, hasMask: true },
          { ...before, activeTargets: mask, maskBit: 0, hasMask: true },
        );
      },
    ),
    { numRuns: 500 },
  );
});
