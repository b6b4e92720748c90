import assert from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "./harness.test.ts";
import { LATE, NEWER, REJECTED, RESTARTED, SequenceExtender } from "./sequence.ts";

test("sequence numbers are extended over wraps in either direction", () => {
  const random = seeded(7);
  const extender = new SequenceExtender();
  assert.equal(extender.extend(65_000), RESTARTED);
  const base = extender.value - 65_000;
  let truth = 65_000;
  for (let i = 0; i < 20_000; i++) {
    const next = truth + Math.floor(random() * 40) - 15;
    if (next < 65_000) continue;
    const verdict = extender.extend(next & 0xffff);
    assert.equal(extender.value - base, next);
    assert.equal(verdict, next > truth ? NEWER : LATE);
    truth = Math.max(truth, next);
  }
  assert.ok(truth > 140_000, "several wraps");
});

test("a wild jump counts only when the next packet confirms it, and then lies above all before", () => {
  const extender = new SequenceExtender();
  extender.extend(100);
  extender.extend(101);
  const before = extender.value;
  assert.equal(extender.extend(30_000), REJECTED);
  assert.equal(extender.extend(102), NEWER);
  assert.equal(extender.value, before + 1);
  assert.equal(extender.extend(40_000), REJECTED);
  assert.equal(extender.extend(40_001), RESTARTED);
  assert.ok(extender.value - before > 65_536 - 1000);
  assert.equal(extender.extend(40_000), LATE);
});

test("extended numbers survive the wrap at 2^31", () => {
  const extender = new SequenceExtender();
  extender.extend(0);
  let sequence = 0;
  for (let i = 0; i < 900_000; i++) {
    sequence = (sequence + 2900) & 0xffff;
    const before = extender.highest;
    assert.equal(extender.extend(sequence), NEWER);
    assert.equal((extender.highest - before) | 0, 2900);
  }
});
