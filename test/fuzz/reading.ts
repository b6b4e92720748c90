/**
 * Targets for readers of one datagram or payload: changed samples and noise. Each is read twice, once among zeroes and once among
 * ones; what was read must be the same, so no reader looks beyond its bytes.
 */
import assert from "node:assert/strict";
import { choose, operand } from "./engine.ts";
import type { Case, Target } from "./engine.ts";
import { mutated, noise } from "./mutate.ts";

const MARGIN_BYTES = 300;

/** Reads `length` bytes at `at`; gives all that it found, made of plain values, or undefined. */
export type Read = (u8: Uint8Array, at: number, length: number) => unknown;

/** A target that changes one of `samples` in several ways and reads it by all of `readers`. */
export function readingTarget(
  name: string,
  about: string,
  samples: readonly Uint8Array[],
  readers: Readonly<Record<string, Read>>,
  repair: (bytes: Uint8Array) => void = () => undefined,
): Target {
  return {
    name,
    about,
    maxSteps: 10,
    run(steps: Case): string {
      const first = steps[0] ?? [];
      let bytes =
        operand(first, 0) % 8 === 0 ? noise(operand(first, 1), operand(first, 2) % 200) : sample(operand(first, 1));
      for (const step of steps.slice(1)) bytes = mutated(bytes, step, 0, 0, sample(operand(step, 4)));
      if (operand(first, 3) % 4 !== 0) repair(bytes);
      const outcomes = Object.entries(readers).map(([reader, read]) => `${reader}:${outcomeOf(bytes, read, reader)}`);
      return outcomes.join(" ");
    },
  };

  function sample(by: number): Uint8Array {
    return choose(samples, by).slice();
  }
}

/** The shape of what was found. */
function outcomeOf(bytes: Uint8Array, read: Read, reader: string): string {
  const found = [0x00, 0xff].map((around) => {
    const u8 = new Uint8Array(bytes.length + 2 * MARGIN_BYTES).fill(around);
    u8.set(bytes, MARGIN_BYTES);
    const value = read(u8, MARGIN_BYTES, bytes.length);
    assert.ok(
      u8.subarray(0, MARGIN_BYTES).every((byte) => byte === around) &&
        u8.subarray(MARGIN_BYTES + bytes.length).every((byte) => byte === around),
      `${reader} writes outside of its bytes`,
    );
    return JSON.stringify(value) ?? "";
  });
  assert.equal(found[0], found[1], `${reader} reads outside of its bytes`);
  return found[0]!
    .replaceAll(/-?[0-9.]+/g, magnitude)
    .replaceAll(/(\d+,)\1+/g, "$1")
    .slice(0, 200);
}

function magnitude(number: string): string {
  return String(Math.ceil(Math.log2(1 + Math.abs(Number(number)))));
}
