/**
 * The memory of the packet path. Native: a block outside the garbage collector whose machine address native calls are
 * given. Portable: the memory of a WebAssembly instance, so that the SHA-1 of the portable back end works on it in place.
 * Both are committed lazily by the system: an untouched slab of 512 MiB costs address space only.
 */
import { Slab } from "@stoa/core/slab";
import { StoaError } from "@stoa/core/errors";
import type { LibC } from "./native.ts";
import { allocateNative, viewNative } from "./native.ts";
import type { WasmMemory } from "./wasm.ts";
import { createWasmMemory } from "./wasm.ts";

/** Default size of a worker's packet memory. */
export const DEFAULT_SLAB_BYTES = 512 << 20;

/** Offsets must stay small integers in V8 and be valid 32-bit words. */
const MAX_SLAB_BYTES = 1 << 30;

const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x2 | 0x20 | 0x4000;
const MAP_32BIT = 0x40;
const MADV_DONTNEED = 4;

/** A slab and what its back end needs to reach it. */
export interface PacketMemory {
  readonly slab: Slab;
  /** Machine address of offset 0; undefined on the portable path. */
  readonly base: number | undefined;
  /** On the portable path: the WebAssembly memory that is the slab. */
  readonly wasm: WasmMemory | undefined;
  /** Gives the physical memory back. The slab must not be used any more. */
  close(): void;
}

/** Native packet memory, by `mmap` where there is one. */
export function allocateNativeMemory(bytes: number, libc: LibC | undefined): PacketMemory {
  const size = checkSize(bytes);
  if (!libc) {
    const block = allocateNative(size, "undefined");
    const slab = new Slab(block.bytes.buffer);
    return { slab, base: block.address, wasm: undefined, close: () => block.free() };
  }
  const address = map(libc, size);
  const slab = new Slab(viewNative(address, size));
  // The view cannot be taken from JavaScript again, so the address range stays; only its pages go.
  const close = (): void => void libc.madvise(address, size, MADV_DONTNEED);
  return { slab, base: address, wasm: undefined, close };
}

function map(libc: LibC, size: number): number {
  // Below 2 GiB an address is a small integer in V8, and a native call with it allocates nothing. x86-64 can ask for that.
  const low =
    process.arch === "x64"
      ? libc.mmap(0, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE | MAP_32BIT, -1, 0)
      : -1;
  const address = low > 0 ? low : libc.mmap(0, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0);
  if (address > 0) return address;
  throw new StoaError("out_of_memory", `the system refused ${size} bytes of packet memory; make the slab smaller`);
}

/** Portable packet memory. */
export function allocatePortableMemory(bytes: number): PacketMemory {
  const wasm = createWasmMemory(Math.ceil(checkSize(bytes) / 65_536));
  return { slab: new Slab(wasm.buffer), base: undefined, wasm, close: () => {} };
}

function checkSize(bytes: number): number {
  if (Number.isInteger(bytes) && bytes >= 1 << 16 && bytes <= MAX_SLAB_BYTES) return bytes;
  throw new StoaError("invalid_argument", `packet memory must be 64 KiB … 1 GiB, not ${bytes} bytes`);
}
