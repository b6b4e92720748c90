import assert from "node:assert/strict";
import { test } from "node:test";
import { PacketPool, Slab } from "../slab.ts";
import { HeldPackets } from "./held-packets.ts";

test("held packets are handed over once; the rest goes back to the pool", () => {
  const pool = new PacketPool(new Slab(new ArrayBuffer(4 << 20)), 100);
  const held = new HeldPackets(pool);
  for (let i = 0; i < 60; i++) held.hold(pool.take(), i, 1000 + i);
  assert.equal(held.count, 48);
  assert.equal(pool.used, 48);
  const lengths: number[] = [];
  const kept: number[] = [];
  held.replay((at, length) => {
    lengths.push(length);
    if (length % 2 === 0) kept.push(at);
    return length % 2 === 0;
  });
  assert.deepEqual(
    lengths,
    Array.from({ length: 48 }, (_, i) => 12 + i),
  );
  assert.equal(pool.used, kept.length);
  held.replay(() => assert.fail("nothing is left"));
});
