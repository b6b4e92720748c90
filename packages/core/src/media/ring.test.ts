import assert from "node:assert/strict";
import { test } from "node:test";
import { PacketPool, Slab } from "../slab.ts";
import { seeded } from "./harness.test.ts";
import { ABSENT, PacketRing } from "./ring.ts";

test("a ring gives every slot back exactly once", () => {
  const random = seeded(3);
  const pool = new PacketPool(new Slab(new ArrayBuffer(4 << 20)), 700);
  const ring = new PacketRing(pool, 64);
  let highest = 1000;
  for (let i = 0; i < 5000; i++) {
    const kind = random();
    if (kind < 0.02) highest += Math.floor(random() * 300);
    if (kind > 0.99) ring.expire(i - 30);
    const sequence = kind < 0.7 ? ++highest : highest - Math.floor(random() * 100);
    if (ring.tooOld(sequence) || ring.find(sequence) !== ABSENT) continue;
    const slot = random() < 0.1 ? -1 : pool.take();
    assert.notEqual(ring.claim(sequence, slot, 0, i), ABSENT);
    assert.ok(ring.find(sequence) !== ABSENT);
    assert.ok(pool.used <= 64 && ring.used <= 64);
  }
  ring.expire(1e9);
  assert.equal(pool.used, 0);
  assert.equal(ring.used, 0);
  // If any slot had been given back twice, two of these would be the same.
  const all = new Set(Array.from({ length: 700 }, () => pool.take()));
  assert.equal(all.size, 700);
});

test("a ring forgets what is older than asked, and nothing else", () => {
  const pool = new PacketPool(new Slab(new ArrayBuffer(4 << 20)), 64);
  const ring = new PacketRing(pool, 32);
  for (let s = 10; s < 30; s++) ring.claim(s, pool.take(), 0, s * 10);
  ring.expire(200);
  for (let s = 10; s < 30; s++) assert.equal(ring.find(s) !== ABSENT, s >= 20, `${s}`);
  assert.equal(pool.used, 10);
});
