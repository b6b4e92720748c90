import { test } from "node:test";
import assert from "node:assert/strict";
import { PacketPool, Slab } from "./slab.ts";
test("a slab reuses what was freed, a pool stops at its limit", () => {
  const slab = new Slab(new ArrayBuffer(1 << 20));
  const a = slab.alloc(100);
  slab.free(a, 100);
  assert.equal(slab.alloc(100), a);
  const pool = new PacketPool(slab, 2);
  const first = pool.take();
  assert.notEqual(first, -1);
  assert.notEqual(pool.take(), -1);
  assert.equal(pool.take(), -1);
  pool.give(first);
  assert.equal(pool.take(), first);
});
