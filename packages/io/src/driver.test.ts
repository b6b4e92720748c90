import { describe, test } from "node:test";
import assert from "node:assert/strict";
import type { DatagramBatch, PacketSink } from "@stoa/core/paths";
import type { Engine } from "./driver.ts";
import { Driver } from "./driver.ts";

const BATCH: DatagramBatch = {
  count: 0,
  at: new Int32Array(),
  length: new Int32Array(),
  path: new Int32Array(),
  taken: new Uint8Array(),
};

/** An engine with one deadline that writes down what happens, on a clock that the test moves. */
function setUp(t: { mock: { timers: { enable(options: { apis: ["setTimeout"] }): void; tick(ms: number): void } } }) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const diary: string[] = [];
  const state = { nowMs: 1000, deadlineMs: Number.POSITIVE_INFINITY };
  const engine: Engine = {
    handleBatch: (_batch, nowMs) => void diary.push(`batch ${nowMs}`),
    handleTimeout: (nowMs) => {
      diary.push(`timeout ${nowMs}`);
      state.deadlineMs = Number.POSITIVE_INFINITY;
    },
    nextTimeoutMs: () => state.deadlineMs,
  };
  const sink = { flush: () => void diary.push("flush") } as unknown as PacketSink;
  const driver = new Driver({ engine, sink, clock: () => state.nowMs, afterTurn: () => void diary.push("events") });
  return {
    diary,
    state,
    driver,
    pass: (ms: number): void => {
      state.nowMs += ms;
      t.mock.timers.tick(ms);
    },
  };
}

describe("driver", () => {
  test("a batch is handled, then events, then the flush", (t) => {
    const { driver, diary } = setUp(t);
    driver.handleBatch(BATCH);
    assert.deepEqual(diary, ["batch 1000", "events", "flush"]);
  });

  test("a command is a turn of its own", (t) => {
    const { driver, diary } = setUp(t);
    driver.perform((nowMs) => diary.push(`command ${nowMs}`));
    assert.deepEqual(diary, ["command 1000", "events", "flush"]);
  });

  test("the timer fires at the deadline, not before", (t) => {
    const { driver, diary, state, pass } = setUp(t);
    driver.perform(() => (state.deadlineMs = 1050.5));
    diary.length = 0;
    pass(50);
    assert.deepEqual(diary, []);
    pass(1);
    assert.deepEqual(diary, ["timeout 1051", "events", "flush"]);
  });

  test("an earlier deadline replaces the timer; a later one costs one empty turn at most", (t) => {
    const { driver, diary, state, pass } = setUp(t);
    driver.perform(() => (state.deadlineMs = 1100));
    driver.perform(() => (state.deadlineMs = 1020));
    diary.length = 0;
    pass(20);
    assert.deepEqual(diary, ["timeout 1020", "events", "flush"]);
    diary.length = 0;
    driver.perform(() => (state.deadlineMs = 1040));
    driver.perform(() => (state.deadlineMs = 1200));
    diary.length = 0;
    pass(30);
    assert.deepEqual(diary, ["events", "flush"]);
    diary.length = 0;
    pass(150);
    assert.deepEqual(diary, ["timeout 1200", "events", "flush"]);
  });

  test("a deadline that passed is handled in the turn of a batch, so a flood does not starve timers", (t) => {
    const { driver, diary, state } = setUp(t);
    driver.perform(() => (state.deadlineMs = 1010));
    diary.length = 0;
    state.nowMs = 1012; // no timer could fire yet
    driver.handleBatch(BATCH);
    assert.deepEqual(diary, ["batch 1012", "timeout 1012", "events", "flush"]);
  });

  test("an engine whose deadline does not move costs one turn a millisecond, not a busy loop", (t) => {
    const { driver, diary, state, pass } = setUp(t);
    const stuck = state as { deadlineMs: number };
    Object.defineProperty(stuck, "deadlineMs", { get: () => 900, set: () => {} });
    driver.handleBatch(BATCH);
    for (let i = 0; i < 10; i++) pass(1);
    assert.equal(diary.filter((line) => line.startsWith("timeout")).length, 11);
  });

  test("after close nothing happens any more", (t) => {
    const { driver, diary, state, pass } = setUp(t);
    driver.perform(() => (state.deadlineMs = 1010));
    diary.length = 0;
    driver.close();
    pass(100);
    driver.handleBatch(BATCH);
    driver.perform(() => diary.push("command"));
    assert.deepEqual(diary, []);
  });
});
