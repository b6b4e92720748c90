/** Changes to bytes as a step of a case describes them. */
import { operand } from "./engine.ts";
import type { Step } from "./engine.ts";

const MAX_BYTES = 4000;

/** Bytes that look like noise, decided by `seed`. */
export function noise(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed ^ 0x9e3779b9;
  for (let i = 0; i < length; i++) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + i;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

/**
 * A changed copy: operand `first` says how, the next ones where and to what. Bytes before `from` stay. `other` is what a
 * piece may be taken from.
 */
export function mutated(bytes: Uint8Array, step: Step, first: number, from: number, other = bytes): Uint8Array {
  const where = operand(step, first + 1);
  const value = operand(step, first + 2);
  const more = operand(step, first + 3);
  if (bytes.length <= from) return concat(bytes, noise(where, value % 64));
  const at = from + (where % (bytes.length - from));
  const changed = bytes.slice();
  switch (operand(step, first) % 9) {
    case 0:
      changed[at] = value;
      return changed;
    case 1:
      changed[at]! ^= 1 << (value & 7);
      return changed;
    case 2:
      return put(changed, at, value, 2);
    case 3:
      return put(changed, at & -2, value, 4);
    case 4:
      return bytes.slice(0, at);
    case 5:
      return concat(bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + 1 + (value % 64))));
    case 6:
      return concat(bytes.subarray(0, at), noise(value, more % 64), bytes.subarray(at));
    case 7: {
      const start = value % (other.length + 1);
      return concat(bytes.subarray(0, at), other.subarray(start, start + 1 + (more % 256)), bytes.subarray(at));
    }
    default:
      return concat(bytes, noise(value, more % 128));
  }
}

function put(bytes: Uint8Array, at: number, value: number, size: number): Uint8Array {
  for (let i = 0; i < size && at + i < bytes.length; i++) bytes[at + i] = value >>> (8 * (size - 1 - i));
  return bytes;
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes.slice(0, MAX_BYTES);
}
