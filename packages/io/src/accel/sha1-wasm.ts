/**
 * SHA-1 blocks (FIPS 180-4, section 6.1) and the XOR of a key stream as WebAssembly, written out at load: all 80 rounds
 * in a row, the message schedule in sixteen locals. About as fast as compiled C without SIMD; plain JavaScript is slower.
 */
import type { WasmMemory } from "./wasm.ts";
import { EMPTY_BLOCK, OP, code, instantiate, signed, unsigned } from "./wasm.ts";

/** What the module exports; all arguments are byte offsets or counts. */
export interface Sha1Wasm {
  /** Feeds `count` ≥ 1 blocks of 64 bytes at `at` to the five native-endian words at `state`. */
  readonly blocks: (state: number, at: number, count: number) => void;
  /** Writes `from` XOR `stream` to `to`, `length` ≥ 8 rounded up to a multiple of 8; any alignment. */
  readonly xor: (to: number, from: number, stream: number, length: number) => void;
}

/** Builds the functions over the packet memory. */
export function createSha1Wasm(memory: WasmMemory): Sha1Wasm {
  return instantiate(memory, [
    { name: "blocks", parameters: 3, locals: 26, code: blocksCode() },
    { name: "xor", parameters: 4, locals: 0, code: xorCode() },
  ]);
}

// Parameters and locals of `blocks`.
const STATE = 0;
const AT = 1;
const COUNT = 2;
/** a … e of the running block; the roles rotate from round to round instead of the values. */
const WORKING = 3;
/** The chaining value h0 … h4. */
const CHAIN = 8;
/** Sixteen words of the message schedule, used as a ring. */
const SCHEDULE = 13;

const get = (local: number): number[] => code(OP.localGet, unsigned(local));
const set = (local: number): number[] => code(OP.localSet, unsigned(local));
const constant = (value: number): number[] => code(OP.i32Const, signed(value));
const rotateLeft = (bits: number): number[] => code(constant(bits), OP.i32Rotl);
const load = (offset: number): number[] => code(OP.i32Load, 0, unsigned(offset));
const store = (offset: number): number[] => code(OP.i32Store, 0, unsigned(offset));
const add = (local: number, value: number): number[] => code(get(local), constant(value), OP.i32Add, set(local));

function blocksCode(): number[] {
  const five = [0, 1, 2, 3, 4];
  const forEach = (part: (i: number) => number[]): number[] => five.flatMap(part);
  return code(
    forEach((i) => code(get(STATE), load(4 * i), set(CHAIN + i))),
    code(OP.loop, EMPTY_BLOCK),
    forEach((i) => code(get(CHAIN + i), set(WORKING + i))),
    Array.from({ length: 80 }, (_, round) => roundCode(round)).flat(),
    // After 80 rounds (a multiple of five) the roles are back where they began.
    forEach((i) => code(get(CHAIN + i), get(WORKING + i), OP.i32Add, set(CHAIN + i))),
    add(AT, 64),
    add(COUNT, -1),
    code(get(COUNT), OP.brIf, 0, OP.end),
    forEach((i) => code(get(STATE), get(CHAIN + i), store(4 * i))),
  );
}

/** e += rotl(a, 5) + f(b, c, d) + k + w;  b = rotl(b, 30);  then e plays a, a plays b … */
function roundCode(round: number): number[] {
  const role = (i: number): number => WORKING + ((((i - round) % 5) + 5) % 5);
  const [a, b, c, d, e] = [role(0), role(1), role(2), role(3), role(4)];
  return code(
    scheduleCode(round),
    code(get(a), rotateLeft(5), get(e), OP.i32Add),
    code(mixCode(round, b, c, d), OP.i32Add),
    code(constant(roundConstant(round)), OP.i32Add),
    code(get(SCHEDULE + (round % 16)), OP.i32Add, set(e)),
    code(get(b), rotateLeft(30), set(b)),
  );
}

/** Puts word `round` of the schedule in its local. */
function scheduleCode(round: number): number[] {
  const word = (i: number): number => SCHEDULE + (i % 16);
  if (round < 16) return code(get(AT), load(4 * round), set(word(round)), swapBytes(word(round)));
  const [third, eighth] = [get(word(round - 3)), get(word(round - 8))];
  const [fourteenth, sixteenth] = [get(word(round - 14)), get(word(round - 16))];
  const mixed = code(third, eighth, OP.i32Xor, fourteenth, OP.i32Xor, sixteenth, OP.i32Xor);
  return code(mixed, rotateLeft(1), set(word(round)));
}

/** The message is big-endian, WebAssembly little-endian. */
function swapBytes(local: number): number[] {
  const odd = code(get(local), rotateLeft(8), constant(0x00ff00ff), OP.i32And);
  const even = code(get(local), rotateLeft(24), constant(0xff00ff00), OP.i32And);
  return code(odd, even, OP.i32Or, set(local));
}

function mixCode(round: number, b: number, c: number, d: number): number[] {
  // choose: d ^ (b & (c ^ d))
  if (round < 20) return code(get(d), get(b), get(c), get(d), OP.i32Xor, OP.i32And, OP.i32Xor);
  // majority: (b & c) | (d & (b | c))
  if (round >= 40 && round < 60) {
    return code(get(b), get(c), OP.i32And, get(d), get(b), get(c), OP.i32Or, OP.i32And, OP.i32Or);
  }
  // parity: b ^ c ^ d
  return code(get(b), get(c), OP.i32Xor, get(d), OP.i32Xor);
}

function roundConstant(round: number): number {
  return [0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6][Math.floor(round / 20)]!;
}

function xorCode(): number[] {
  const [to, from, stream, length] = [0, 1, 2, 3];
  const word = (pointer: number): number[] => code(get(pointer), OP.i64Load, 0, 0);
  return code(
    code(OP.loop, EMPTY_BLOCK),
    code(get(to), word(from), word(stream), OP.i64Xor, OP.i64Store, 0, 0),
    code(add(to, 8), add(from, 8), add(stream, 8), add(length, -8)),
    code(get(length), constant(0), OP.i32GtS, OP.brIf, 0, OP.end),
  );
}
