/**
 * A WebAssembly module writer, just large enough for `sha1-wasm.ts`: one imported memory, functions of i32 parameters
 * and no result (WebAssembly core specification 1.0, chapter 5). No binary comes with the sources.
 */

/** A memory that is never grown, so its buffer stays the same. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

/** One function: its name, the number of i32 parameters, of i32 locals after them, and its instructions. */
export interface WasmFunction {
  readonly name: string;
  readonly parameters: number;
  readonly locals: number;
  readonly code: readonly number[];
}

interface WasmApi {
  readonly Memory: new (limits: { initial: number; maximum: number }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: Record<string, Record<string, unknown>>,
  ) => { readonly exports: Record<string, (...args: number[]) => void> };
}

/** Node has no types for it without those of the browser. */
const api = (globalThis as unknown as { WebAssembly: WasmApi }).WebAssembly;

/** "\0asm", version 1 */
const MAGIC_AND_VERSION = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

const I32 = 0x7f;
const END = 0x0b;

/** Opcodes that the project uses. */
export const OP = {
  loop: 0x03,
  end: END,
  brIf: 0x0d,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  i32Load: 0x28,
  i64Load: 0x29,
  i32Store: 0x36,
  i64Store: 0x37,
  i32Const: 0x41,
  i32GtS: 0x4a,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32And: 0x71,
  i32Or: 0x72,
  i32Xor: 0x73,
  i32Rotl: 0x77,
  i64Xor: 0x85,
} as const;

/** Instructions in a row. */
export function code(...parts: readonly (number | readonly number[])[]): number[] {
  return parts.flat();
}

/** Type of a block that leaves nothing on the stack. */
export const EMPTY_BLOCK = 0x40;

/** A memory of `pages` times 64 KiB, committed lazily. */
export function createWasmMemory(pages: number): WasmMemory {
  return new api.Memory({ initial: pages, maximum: pages });
}

/** Builds the functions over a memory of at most 1 GiB. */
export function instantiate<Names extends string>(
  memory: WasmMemory,
  functions: readonly (WasmFunction & { readonly name: Names })[],
): Readonly<Record<Names, (...args: number[]) => void>> {
  const module = new api.Module(writeModule(functions));
  const { exports } = new api.Instance(module, { env: { memory } });
  return exports as Record<Names, (...args: number[]) => void>;
}

function writeModule(functions: readonly WasmFunction[]): Uint8Array {
  const types = functions.map((f) => [0x60, ...vector(Array<number[]>(f.parameters).fill([I32])), 0]);
  const memoryImport = [...name("env"), ...name("memory"), 0x02, 0x01, ...unsigned(0), ...unsigned(16_384)];
  const bodies = functions.map((f) => {
    const body = [1, ...unsigned(f.locals), I32, ...f.code, END];
    return [...unsigned(body.length), ...body];
  });
  const exported = functions.map((f, i) => [...name(f.name), 0x00, ...unsigned(i)]);
  const indices = functions.map((_, i) => unsigned(i));
  const sections = [section(1, types), section(2, [memoryImport]), section(3, indices), section(7, exported)];
  return Uint8Array.from([MAGIC_AND_VERSION, ...sections, section(10, bodies)].flat());
}

function section(id: number, items: readonly (readonly number[])[]): number[] {
  const content = vector(items);
  return [id, ...unsigned(content.length), ...content];
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function name(text: string): number[] {
  return vector(Array.from(text, (character) => [character.charCodeAt(0)]));
}

/** LEB128 of an unsigned 32-bit number. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return [...bytes, rest];
}

/** LEB128 of a signed 32-bit number. */
export function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  while (rest < -64 || rest > 63) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>= 7;
  }
  return [...bytes, rest & 0x7f];
}
