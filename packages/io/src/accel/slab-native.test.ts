import { test } from "node:test";
import assert from "node:assert/strict";
import { PacketPool, SLOT_BYTES } from "@stoa/core/slab";
import { loadLibC } from "./native.ts";
import type { PacketMemory } from "./slab-native.ts";
import { DEFAULT_SLAB_BYTES, allocateNativeMemory, allocatePortableMemory } from "./slab-native.ts";

const MIB = 1 << 20;
const residentMib = (): number => process.memoryUsage().rss / MIB;
const libc = process.platform === "linux" ? loadLibC() : undefined;

/** Nothing is collected while the tests run: memory that is given back would hide what another test touches. */
const kept: PacketMemory[] = [];

const kinds: [string, (bytes: number) => PacketMemory][] = [
  ["portable", allocatePortableMemory],
  ["native without mmap", (bytes) => allocateNativeMemory(bytes, undefined)],
];
if (libc) kinds.push(["native", (bytes) => allocateNativeMemory(bytes, libc)]);

for (const [name, allocate] of kinds) {
  test(`${name} memory is usable from end to end, and refuses sizes that offsets cannot hold`, () => {
    const memory = allocate(4 * MIB);
    kept.push(memory);
    const { u8 } = memory.slab;
    assert.equal(u8.length, 4 * MIB);
    u8[u8.length - 1] = 7;
    assert.equal(u8[u8.length - 1], 7);
    for (const bytes of [0, -1, 1000, 2 ** 30 + 1, Number.NaN]) {
      assert.throws(() => allocate(bytes), { code: "invalid_argument" });
    }
    memory.close();
  });
}

for (const [name, allocate] of kinds) {
  test(`${name} memory of the default size costs only what is touched`, () => {
    const before = residentMib();
    const memory = allocate(DEFAULT_SLAB_BYTES);
    kept.push(memory);
    assert.ok(residentMib() - before < 16, `untouched: ${residentMib() - before} MiB`);
    const pool = new PacketPool(memory.slab, 100_000);
    for (let i = 0; i < 32_768; i++) memory.slab.u8[pool.take()] = 1;
    const touched = residentMib() - before;
    assert.ok(touched > 32 && touched < 160, `${(32_768 * SLOT_BYTES) / MIB} MiB of slots: ${touched} MiB`);
    memory.close();
  });
}

if (libc) {
  test("closed native memory is given back, and a late read finds zeros instead of a crash", () => {
    const memory = allocateNativeMemory(128 * MIB, libc);
    kept.push(memory);
    memory.slab.u8.fill(1);
    const before = residentMib();
    memory.close();
    assert.ok(before - residentMib() > 100, `${before} MiB before, ${residentMib()} after`);
    assert.equal(memory.slab.u8[12_345], 0);
  });
}
