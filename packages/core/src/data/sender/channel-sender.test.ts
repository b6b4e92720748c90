import assert from "node:assert/strict";
import { test } from "node:test";
import { ChannelSender } from "./channel-sender.ts";
import type { Fate } from "./frame-queue.ts";
import { ManualPort } from "./manual-port.test.ts";
import type { SenderOptions } from "./sender-options.ts";
import type { MarkLimits } from "./water-marks.ts";

const payload = (mark: number, length = 100) => new Uint8Array(length).fill(mark);
/** A mark that does not move. */
const fixed = (bytes: number): MarkLimits => ({ minBytes: bytes, maxBytes: bytes, targetMs: 100 });

function setup(options: Partial<SenderOptions> = {}) {
  const sender = new ChannelSender({ overflow: "reject", marks: fixed(100), ...options });
  const port = new ManualPort();
  sender.attach(port, 0);
  const fates: [number, Fate][] = [];
  const offer = (mark: number, nowMs = 0, length = 100) =>
    sender.offer(payload(mark, length), nowMs, (fate) => fates.push([mark, fate]));
  const drain = (bytes: number, nowMs = 0) => {
    if (port.drain(bytes)) sender.handleDrained(nowMs);
  };
  return { sender, port, fates, offer, drain };
}

test("what the channel has room for goes straight through, the rest waits and follows in order", () => {
  const { port, fates, offer, drain } = setup();
  assert.deepEqual([offer(1), offer(2), offer(3), offer(4)], ["sent", "sent", "queued", "queued"]);
  assert.deepEqual(port.marks, [1, 2], "at the mark still sends, above it does not");
  drain(200);
  assert.deepEqual(port.marks, [1, 2, 3, 4]);
  assert.deepEqual(fates, [
    [1, "sent"],
    [2, "sent"],
    [3, "sent"],
    [4, "sent"],
  ]);
});

test("block: the producer hears when there is room, and only then", () => {
  let writable = 0;
  const { sender, offer, drain } = setup({ overflow: "block", maxFrames: 2, onWritable: () => writable++ });
  [1, 2, 3, 4].forEach((mark) => offer(mark));
  assert.equal(offer(5), "blocked");
  assert.equal(writable, 0);
  drain(200);
  assert.equal(writable, 1);
  assert.equal(offer(5), "queued");
  assert.equal(sender.stats.refused, 1);
});

test("block: a producer whose frame needs much room is not woken for a little", () => {
  let writable = 0;
  const { offer, drain } = setup({ overflow: "block", maxBytes: 300, onWritable: () => writable++ });
  [1, 2, 3, 4, 5].forEach((mark) => offer(mark));
  assert.equal(offer(6, 0, 250), "blocked");
  drain(200);
  assert.equal(writable, 0, "only 200 of 250");
  drain(200);
  assert.equal(writable, 1);
});

test("drop oldest: what is new comes in for what has waited longest, and its producer hears", () => {
  const { sender, port, fates, offer, drain } = setup({ overflow: "dropOldest", maxFrames: 2 });
  for (let mark = 1; mark <= 6; mark++) assert.match(offer(mark), /sent|queued/);
  drain(1000);
  assert.deepEqual(port.marks, [1, 2, 5, 6]);
  assert.deepEqual(
    fates.filter(([, fate]) => fate === "evicted").map(([mark]) => mark),
    [3, 4],
  );
  assert.equal(sender.stats.evicted, 2);
});

test("drop newest and reject: what waits stays", () => {
  for (const [overflow, answer] of [
    ["dropNewest", "dropped"],
    ["reject", "rejected"],
  ] as const) {
    const { port, offer, drain } = setup({ overflow, maxBytes: 200 });
    [1, 2, 3, 4].forEach((mark) => offer(mark));
    assert.equal(offer(5), answer);
    drain(1000);
    assert.deepEqual(port.marks, [1, 2, 3, 4]);
  }
});

test("a frame that could never be sent is refused and changes nothing", () => {
  const { sender, fates, offer } = setup({ overflow: "dropOldest", maxBytes: 1000, maxPayloadBytes: 500 });
  [1, 2, 3].forEach((mark) => offer(mark));
  assert.equal(offer(9, 0, 501), "tooLarge");
  assert.equal(sender.offer([payload(9, 400), payload(9, 400), payload(9, 400)], 0), "tooLarge");
  assert.equal(sender.offer([], 0), "tooLarge");
  assert.equal(sender.waitingFrames, 1);
  assert.equal(fates.length, 2);
  assert.equal(sender.stats.refused, 3);
});

test("frames of several payloads stay whole: one that has begun is not evicted, and nothing comes in between", () => {
  const { sender, port, drain } = setup({ overflow: "dropOldest", maxFrames: 2, maxBytes: 10_000 });
  const frame = (mark: number, count = 3) => Array.from({ length: count }, () => payload(mark));
  const fates: string[] = [];
  for (let mark = 1; mark <= 5; mark++) sender.offer(frame(mark), 0, (fate) => fates.push(`${mark} ${fate}`));
  assert.deepEqual(port.marks, [1, 1], "the first has begun");
  for (let i = 0; i < 20; i++) drain(100);
  assert.deepEqual(port.marks, [1, 1, 1, 5, 5, 5]);
  assert.deepEqual(fates, ["2 evicted", "3 evicted", "4 evicted", "1 sent", "5 sent"]);
});

test("a begun frame leaves no room for a newcomer: nobody is evicted in vain", () => {
  const { sender, offer } = setup({ overflow: "dropOldest", maxBytes: 600 });
  sender.offer(
    [1, 1, 1, 1].map((mark) => payload(mark)),
    0,
  );
  assert.equal(offer(2), "queued");
  assert.equal(offer(3, 0, 300), "dropped");
  assert.equal(sender.waitingFrames, 2);
});

test("a frame that waited longer than its time to live is dropped, one that has begun is not", () => {
  const { sender, port, fates, offer, drain } = setup({ ttlMs: 50 });
  sender.offer([payload(1, 101), payload(1)], 0);
  offer(2, 10);
  offer(3, 30);
  assert.equal(sender.nextTimeoutMs(), 60);
  sender.handleTimeout(60);
  assert.deepEqual(fates, [[2, "expired"]]);
  assert.equal(sender.nextTimeoutMs(), 80);
  drain(1000, 79);
  assert.deepEqual(port.marks, [1, 1, 3]);
  assert.equal(sender.nextTimeoutMs(), Number.POSITIVE_INFINITY);
});

test("frames expire while no channel is there, too", () => {
  const { sender, fates, offer } = setup({ ttlMs: 50 });
  sender.detach();
  offer(1, 0);
  sender.handleTimeout(sender.nextTimeoutMs());
  assert.deepEqual(fates, [[1, "expired"]]);
});

test("frames that were offered before there is a channel go out with it", () => {
  const sender = new ChannelSender({ overflow: "reject" });
  assert.equal(sender.offer(payload(1), 0), "queued");
  const port = new ManualPort();
  sender.attach(port, 5);
  assert.deepEqual(port.marks, [1]);
});

test("a channel that is lost in a frame: the next one gets that frame from its start, and the rest in order", () => {
  const { sender, port, fates, offer } = setup();
  sender.offer([payload(1), payload(2), payload(3)], 0, (fate) => fates.push([1, fate]));
  assert.deepEqual(port.marks, [1, 2]);
  offer(4);
  port.open = false;
  sender.handleDrained(1);
  sender.detach();
  const next = new ManualPort();
  sender.attach(next, 2);
  next.drain(1000);
  sender.handleDrained(3);
  assert.deepEqual(next.marks, [1, 2, 3, 4]);
  assert.deepEqual(fates, [
    [1, "sent"],
    [4, "sent"],
  ]);
});

test("a channel that turns out to be closed is let go, and nothing is lost by it", () => {
  const { sender, port, offer } = setup();
  port.open = false;
  assert.equal(offer(1), "queued");
  assert.equal(sender.attached, false);
  const next = new ManualPort();
  sender.attach(next, 1);
  assert.deepEqual(next.marks, [1]);
});

test("a channel that says full and never calls is asked again", () => {
  const { sender, port, offer } = setup({ marks: fixed(1000) });
  port.capacity = 150;
  assert.deepEqual([offer(1), offer(2)], ["sent", "queued"]);
  assert.deepEqual(port.marks, [1]);
  port.buffered = 0;
  assert.equal(sender.nextTimeoutMs(), 50);
  sender.handleTimeout(50);
  assert.deepEqual(port.marks, [1, 2]);
  assert.equal(sender.nextTimeoutMs(), Number.POSITIVE_INFINITY);
});

test("failed sends take no credit: the sender still sends after a thousand of them", () => {
  const { sender, port, offer } = setup();
  port.maxPayload = 100;
  for (let i = 0; i < 500; i++) {
    assert.equal(offer(1, i, 150), "tooLarge");
    sender.offer([payload(1, 150), payload(1)], i);
  }
  assert.equal(sender.stats.failed, 500);
  assert.equal(offer(2), "sent");
});

test("a payload that the channel refuses for good takes its frame with it, not the ones behind", () => {
  const { sender, port, fates, drain } = setup();
  port.maxPayload = 120;
  sender.offer([payload(1, 101), payload(1, 130), payload(1)], 0, (fate) => fates.push([1, fate]));
  sender.offer([payload(2), payload(2)], 0, (fate) => fates.push([2, fate]));
  drain(101);
  drain(1000);
  assert.deepEqual(port.marks, [1, 2, 2]);
  assert.deepEqual(fates, [
    [1, "failed"],
    [2, "sent"],
  ]);
});

test("a stalled channel: bounded, what is fresh is kept, and it goes on where it was", () => {
  const { sender, port, drain } = setup({ overflow: "dropOldest", maxFrames: 50, maxBytes: 5000 });
  for (let i = 0; i < 10_000; i++) sender.offer(payload(i & 255), i);
  assert.equal(sender.waitingFrames, 50);
  assert.ok(sender.waitingBytes <= 5000);
  assert.equal(sender.drainBps, 0);
  assert.equal(sender.waitedMs(10_000), 50);
  drain(200, 10_000);
  assert.deepEqual(port.marks.slice(2), [(10_000 - 50) & 255, (10_000 - 49) & 255]);
});

test("close hands back what was not sent, and nothing is taken after it", () => {
  const { sender, port, fates, offer } = setup();
  sender.offer([payload(1), payload(2), payload(3)], 0, (fate) => fates.push([1, fate]));
  offer(4);
  const report = sender.close();
  assert.deepEqual(
    report.unsent.map((frame) => frame.map((bytes) => bytes[0])),
    [[1, 2, 3], [4]],
  );
  assert.equal(report.unsentBytes, 400);
  assert.deepEqual(fates, [
    [1, "closed"],
    [4, "closed"],
  ]);
  assert.equal(offer(5), "closed");
  sender.handleDrained(1);
  sender.attach(new ManualPort(), 2);
  assert.equal(port.taken.length, 2);
  assert.equal(sender.attached, false);
});

test("close wakes producers that wait, so that they hear of it", () => {
  const answers: string[] = [];
  const made = setup({ overflow: "block", maxFrames: 1, onWritable: () => answers.push(made.offer(5)) });
  [1, 2, 3].forEach((mark) => made.offer(mark));
  answers.push(made.offer(4));
  made.sender.close();
  assert.deepEqual(answers, ["blocked", "closed"]);
});

test("a producer may offer the next frame from a fate", () => {
  const { sender, port, drain } = setup();
  let next = 3;
  const more = (fate: Fate) => {
    if (fate === "sent" && next < 20) sender.offer(payload(next++), 0, more);
  };
  sender.offer([payload(1), payload(2)], 0, more);
  for (let i = 0; i < 30; i++) drain(1000);
  assert.deepEqual(
    port.marks,
    Array.from({ length: 19 }, (_, i) => i + 1),
  );
});

test("by default a payload may have 64,000 bytes, as LiveKit's clients take it, and no more", () => {
  const { port, offer } = setup();
  assert.equal(offer(1, 0, 64_001), "tooLarge");
  assert.equal(offer(2, 0, 64_000), "sent");
  assert.deepEqual(port.marks, [2]);
});

test("of a receiver whose channel was replaced nothing is said from before", () => {
  const { sender, port, offer } = setup();
  for (let mark = 1; mark < 9; mark++) offer(mark);
  port.drain(10);
  sender.handleDrained(1000);
  assert.notEqual(sender.drainBps, -1);
  assert.equal(sender.stalledMs(1500), 500);
  const next = new ManualPort();
  next.buffered = port.buffered;
  sender.attach(next, 1500);
  assert.equal(sender.drainBps, -1);
  assert.equal(sender.stalledMs(1500), 0);
});
