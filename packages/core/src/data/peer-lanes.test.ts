import assert from "node:assert/strict";
import { test } from "node:test";
import { message, setup } from "./lanes-harness.test.ts";
import { PublisherHolds } from "./publisher-holds.ts";

test("a label without an open channel is closed, one with a channel takes messages on the last of them", () => {
  const { lanes, port } = setup();
  assert.equal(lanes.send("_reliable", message(1), 0), "closed");
  lanes.open("_reliable", 1, 0);
  lanes.open("_reliable", 3, 0);
  lanes.open("custom", 5, 0);
  assert.equal(lanes.send("_reliable", message(1), 0), "queued");
  assert.deepEqual([port(1).marks, port(3).marks], [[], [1]]);
  assert.deepEqual([lanes.label(1), lanes.label(5), lanes.label(7)], ["_reliable", "custom", undefined]);
  lanes.closed(1);
  assert.equal(lanes.isOpen("_reliable"), true);
  lanes.closed(3);
  assert.equal(lanes.isOpen("_reliable"), false);
  assert.equal(lanes.send("_reliable", message(2), 0), "closed");
  assert.equal(lanes.send("custom", message(2), 0), "closed", "the server never sends on a label of the client's");
});

test("what waits for a channel that closes goes out on the next one of its label, before anything newer", () => {
  const { lanes, port } = setup();
  lanes.open("_reliable", 1, 0);
  for (let mark = 0; mark < 100; mark++) lanes.send("_reliable", message(mark), 0);
  const onFirst = port(1).marks.length;
  assert.ok(onFirst < 100);
  lanes.closed(1);
  lanes.open("_reliable", 3, 10);
  lanes.send("_reliable", message(100), 10);
  port(3).drain(1 << 20);
  lanes.advance(20);
  assert.deepEqual(
    port(3).marks,
    Array.from({ length: 101 - onFirst }, (_, i) => onFirst + i),
  );
});

test("a reliable lane refuses what is new beyond its bound, a lossy one lets the oldest go", () => {
  for (const [label, refused] of [
    ["_reliable", true],
    ["_lossy", false],
  ] as const) {
    const { lanes, port } = setup();
    lanes.open(label, 1, 0);
    const outcomes = Array.from({ length: 1000 }, (_, i) => lanes.send(label, message(i & 255, 20_000), 0));
    assert.equal(outcomes.at(-1), refused ? "full" : "queued");
    const before = port(1).taken.length;
    port(1).drain(1 << 30);
    lanes.advance(1);
    assert.equal(port(1).marks[before], refused ? before : (1000 - 52) & 255);
  }
});

test("a message that is too long for the client is refused at once and harms no other", () => {
  const { lanes, port } = setup();
  lanes.open("_reliable", 1, 0);
  port(1).maxPayload = 65_536;
  assert.equal(lanes.send("_reliable", message(1, 70_000), 0), "tooLarge");
  assert.equal(lanes.send("_reliable", message(2), 0), "queued");
  assert.deepEqual(port(1).marks, [2]);
});

test("every message is counted once by what became of it; what waits for a peer that goes is not lost to anybody", () => {
  const { lanes, port, fates } = setup({ slowThresholdBps: 100_000, lossyTargetMs: 100 });
  lanes.open("_reliable", 1, 0);
  lanes.open("_lossy", 3, 0);
  lanes.open("_data_track", 5, 0);
  port(1).maxPayload = 65_536;
  lanes.send("_reliable", message(0, 70_000), 0);
  for (let ms = 0; ms < 1000; ms++) {
    lanes.advance(ms);
    for (const label of ["_reliable", "_lossy", "_data_track"]) lanes.send(label, message(1), ms);
  }
  lanes.close();
  const { "reliable slow": slow, "reliable sent": sent, "reliable too_long": tooLong } = fates;
  assert.ok(slow! > 700 && sent! > 5, `${slow} refused, ${sent} sent`);
  assert.equal(tooLong, 1);
  for (const channel of ["lossy", "data_track"]) {
    const [went, old] = [fates[`${channel} sent`]!, fates[`${channel} stale`]!];
    assert.ok(went > 5 && old > 850 && went + old <= 1000, `${channel}: ${went} sent, ${old} dropped`);
  }
});

test("how much may wait can be told, but a message of any length may", () => {
  for (const [maxBufferedBytes, kept] of [
    [1_000_000, 1_000_000],
    [1, 262_144],
  ] as const) {
    const { lanes, port, fates } = setup({ maxBufferedBytes });
    lanes.open("_reliable", 1, 0);
    for (let i = 0; i < 100; i++) lanes.send("_reliable", message(1, 50_000), 0);
    const onChannel = port(1).taken.length;
    const waiting = Math.floor(kept / 50_000);
    assert.deepEqual(fates, { "reliable sent": onChannel, "reliable full": 100 - onChannel - waiting });
  }
});

test("messages of a data track that waited 100 ms are dropped without anything else happening", () => {
  const { lanes, port } = setup();
  lanes.open("_data_track", 1, 0);
  for (let mark = 0; mark < 20; mark++) lanes.send("_data_track", message(mark), mark);
  const taken = port(1).taken.length;
  assert.equal(lanes.nextTimeoutMs(), 100 + taken);
  for (let dueMs = lanes.nextTimeoutMs(); dueMs < 1000; dueMs = lanes.nextTimeoutMs()) lanes.advance(dueMs);
  port(1).drain(1 << 20);
  lanes.advance(1000);
  assert.equal(port(1).taken.length, taken);
});

/** Sends and drains for `ms`, one message a millisecond. */
function flow({ lanes, port }: ReturnType<typeof setup>, startMs: number, ms: number, bytesPerMs: number): string[] {
  return Array.from({ length: ms }, (_, i) => {
    port(1).drain(bytesPerMs);
    lanes.advance(startMs + i);
    return lanes.send("_reliable", message(1), startMs + i);
  });
}

test("with a threshold a stalled receiver loses messages before long, and gets all of them again when it is back", () => {
  const made = setup({ slowThresholdBps: 100_000 });
  made.lanes.open("_reliable", 1, 0);
  const stalled = flow(made, 0, 1000, 0);
  assert.ok(
    stalled.slice(0, 100).every((outcome) => outcome === "queued"),
    "it may only be a moment",
  );
  assert.ok(stalled.slice(200).every((outcome) => outcome === "full"));
  assert.equal(made.lanes.isCongested(false, 1000), false);
  const back = flow(made, 1000, 1000, 5000);
  assert.ok(back.slice(100).every((outcome) => outcome === "queued"));
});

test("with a threshold a receiver that stalls for a moment after brisk traffic loses nothing", () => {
  const made = setup({ slowThresholdBps: 100_000 });
  made.lanes.open("_reliable", 1, 0);
  const outcomes = [...flow(made, 0, 1000, 5000), ...flow(made, 1000, 800, 0), ...flow(made, 1800, 1000, 5000)];
  assert.ok(outcomes.every((outcome) => outcome === "queued"));
});

test("with a threshold a receiver above it is congested, never slow; without one, not so soon", () => {
  for (const slowThresholdBps of [0, 1_000_000]) {
    const made = setup({ slowThresholdBps });
    made.lanes.open("_reliable", 1, 0);
    // 4 Mbit/s of the 8 that are sent.
    const outcomes = flow(made, 0, 1000, 500);
    assert.ok(outcomes.every((outcome) => outcome === "queued"));
    assert.equal(made.lanes.isCongested(false, 1000), slowThresholdBps > 0);
  }
});

/** A publisher of 64 Mbit/s that waits when it is told to, for a while; gives what became of its messages and when it waited. */
function pacedFlow(addressed: boolean, ms: number, bytesPerMs: (ms: number) => number) {
  const { lanes, port, fates } = setup();
  lanes.open("_reliable", 1, 0);
  let heldMs = 0;
  for (let nowMs = 0; nowMs < ms; nowMs++) {
    port(1).drain(bytesPerMs(nowMs));
    lanes.advance(nowMs);
    if (lanes.isCongested(addressed, nowMs)) heldMs++;
    else for (let i = 0; i < 8; i++) lanes.send("_reliable", message(1), nowMs);
  }
  return { lost: fates["reliable full"] ?? 0, heldMs };
}

test("without a threshold a brisk receiver is waited for and loses nothing, stalls of a second included", () => {
  const steady = pacedFlow(false, 20_000, () => 4000);
  assert.equal(steady.lost, 0);
  assert.ok(steady.heldMs > 5000, "half of what is sent can be taken");
  const starved = pacedFlow(false, 20_000, (ms) => (ms % 3000 < 1000 ? 0 : 4000));
  assert.equal(starved.lost, 0);
});

test("without a threshold a slow receiver is waited for only if it was named, a stalled one not for long", () => {
  const slow = () => 50;
  const heard = pacedFlow(false, 20_000, slow);
  assert.ok(heard.lost > 0 && heard.heldMs < 2500, `held for ${heard.heldMs} ms`);
  const named = pacedFlow(true, 20_000, slow);
  assert.equal(named.lost, 0);
  const stalled = pacedFlow(true, 20_000, () => 0);
  assert.ok(stalled.heldMs <= 2000, `held for ${stalled.heldMs} ms`);
  assert.ok(stalled.lost > 0);
});

test("a publisher is held for as long as its receiver is congested", () => {
  const made = setup({ slowThresholdBps: 1_000_000 });
  const { lanes, port } = made;
  const holds = new PublisherHolds<string>();
  assert.deepEqual(holds.release(0), []);
  lanes.open("_reliable", 1, 0);
  flow(made, 0, 1000, 500);
  holds.hold("alice", lanes, false, 1000);
  holds.hold("bob", lanes, false, 1000);
  assert.deepEqual(holds.release(1000), []);
  assert.equal(holds.nextTimeoutMs(), 1050);
  holds.remove("bob");
  for (let nowMs = 1000; lanes.isCongested(false, nowMs); nowMs++) {
    port(1).drain(500);
    lanes.advance(nowMs);
  }
  assert.deepEqual(holds.release(1500), ["alice"]);
  assert.equal(holds.isHeld("alice"), false);
  assert.equal(holds.nextTimeoutMs(), Number.POSITIVE_INFINITY);
});

test("a receiver that is gone holds nobody", () => {
  const made = setup({ slowThresholdBps: 1_000_000 });
  made.lanes.open("_reliable", 1, 0);
  flow(made, 0, 1000, 500);
  assert.equal(made.lanes.isCongested(false, 1000), true);
  made.lanes.close();
  assert.equal(made.lanes.isCongested(false, 1000), false);
  assert.equal(made.lanes.send("_reliable", message(1), 1001), "closed");
  assert.equal(made.lanes.nextTimeoutMs(), Number.POSITIVE_INFINITY);
});
