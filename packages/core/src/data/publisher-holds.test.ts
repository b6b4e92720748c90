/** Several publishers and one slow receiver: who waits, and whose messages go. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { message, setup } from "./lanes-harness.test.ts";
import { PublisherHolds } from "./publisher-holds.ts";

/** A receiver of 4 Mbit/s in whose lane Dave's messages wait, more than it should. */
function filled(bytes: number) {
  const made = setup();
  const dave = { parts: undefined };
  made.lanes.open("_reliable", 1, 0);
  let nowMs = 0;
  for (let queued = 0; (queued - made.port(1).taken.length) * 1000 < bytes; nowMs++) {
    made.port(1).drain(500);
    made.lanes.advance(nowMs);
    for (let i = 0; i < 4; i++) if (made.lanes.send("_reliable", message(1), nowMs, dave) === "queued") queued++;
  }
  return { ...made, dave, nowMs };
}

test("only those are held who fill the lane, until what waits of them is little", () => {
  const { lanes, port, dave, nowMs: startMs } = filled(2_500_000);
  const [alice, erin] = [{ parts: undefined }, { parts: undefined }];
  const holds = new PublisherHolds<string>();
  lanes.send("_reliable", message(2), startMs, alice);
  assert.equal(lanes.isCongested(false, startMs, dave), true);
  assert.equal(lanes.isCongested(false, startMs, alice), false);
  assert.equal(lanes.isCongested(false, startMs, erin), false, "who has sent nothing");
  assert.equal(lanes.isCongested(false, startMs), false, "what the server sends");
  // A file of hers changes that.
  for (let i = 0; i < 100; i++) lanes.send("_reliable", message(2), startMs, alice);
  assert.equal(lanes.isCongested(false, startMs, alice), true);
  holds.hold("alice", lanes, false, startMs, alice);
  holds.hold("dave", lanes, false, startMs, dave);
  let nowMs = startMs;
  const released: string[] = [];
  for (; released.length < 2; nowMs++) {
    port(1).drain(500);
    lanes.advance(nowMs);
    released.push(...holds.release(nowMs));
  }
  assert.deepEqual(released, ["alice", "dave"], "who filled less goes on before");
});

test("of many that fill the lane together each counts that has more than its share", () => {
  const { lanes, dave, nowMs } = filled(1_500_000);
  const crowd = Array.from({ length: 200 }, () => ({ parts: undefined }));
  for (const [i, source] of crowd.entries())
    for (let j = 0; j < (i < 100 ? 1 : 20); j++) lanes.send("_reliable", message(3), nowMs, source);
  const held = [dave, ...crowd].map((source) => lanes.isCongested(false, nowMs, source));
  assert.deepEqual(held, [true, ...crowd.map((_, i) => i >= 100)]);
});

test("a lane that somebody has filled is not full for others, whose messages take turns with his", () => {
  const { lanes, port, fates, dave, nowMs } = filled(16_777_000);
  assert.equal(lanes.send("_reliable", message(1), nowMs, dave), "full");
  const alice = { parts: undefined };
  const lost = fates["reliable full"];
  const before = port(1).taken.length;
  for (let i = 0; i < 20; i++) assert.equal(lanes.send("_reliable", message(2), nowMs, alice), "queued");
  assert.equal(fates["reliable full"], lost);
  port(1).drain(1 << 20);
  lanes.advance(nowMs);
  const next = port(1).marks.slice(before, before + 42);
  assert.equal(next.filter((mark) => mark === 2).length, 20, "turn by turn");
  // There is an end to that as well.
  const outcomes = Array.from({ length: 2000 }, () => lanes.send("_reliable", message(2), nowMs, alice));
  assert.equal(outcomes.at(-1), "full");
});

test("what waited in several turns for a channel that closes goes out on the next one, each in its order", () => {
  const { lanes, port } = setup();
  const sources = [{ parts: undefined }, { parts: undefined }];
  lanes.open("_reliable", 1, 0);
  for (let mark = 0; mark < 200; mark++) lanes.send("_reliable", message(mark), 0, sources[mark & 1]);
  const had = new Set(port(1).marks.slice(0, 50));
  lanes.closed(1);
  assert.equal(
    lanes.open("_reliable", 3, 10, (payload) => !had.has(payload[0]!)),
    port(1).marks.length - 50,
  );
  for (let nowMs = 20; nowMs < 25; nowMs++) {
    port(3).drain(1 << 20);
    lanes.advance(nowMs);
  }
  for (const parity of [0, 1]) {
    const marks = [...had, ...port(3).marks].filter((mark) => (mark & 1) === parity);
    assert.deepEqual(
      marks,
      Array.from({ length: 100 }, (_, i) => 2 * i + parity),
    );
  }
});

test("of lossy messages that a receiver cannot take those go of whom most waits", () => {
  const { lanes, port, fates } = setup();
  const [alice, dave] = [{ parts: undefined }, { parts: undefined }];
  lanes.open("_lossy", 1, 0);
  for (let i = 0; i < 5000; i++) {
    lanes.send("_lossy", message(1), i, dave);
    if (i % 50 === 0) lanes.send("_lossy", message(2), i, alice);
  }
  for (let nowMs = 5000; nowMs < 5500; nowMs++) {
    port(1).drain(1 << 20);
    lanes.advance(nowMs);
  }
  assert.equal(port(1).marks.filter((mark) => mark === 2).length, 100, "all of hers arrive");
  assert.ok(fates["lossy full"]! > 3900, "and of his what is fresh");
});
