import assert from "node:assert/strict";
import { test } from "node:test";
import { ChannelSender } from "./channel-sender.ts";
import { ManualPort } from "./manual-port.test.ts";

/** A sender on a channel whose mark does not move. */
function setup(recallBytes: number, markBytes: number) {
  const marks = { minBytes: markBytes, maxBytes: markBytes, targetMs: 100 };
  const sender = new ChannelSender({ overflow: "reject", marks, recallBytes });
  const port = new ManualPort();
  sender.attach(port, 0);
  const offer = (mark: number, nowMs = 0) => void sender.offer(new Uint8Array(100).fill(mark), nowMs);
  return { sender, port, offer };
}

test("a channel that is replaced: of what it was given lately the missing goes out first on the next one, in order", () => {
  const { sender, port, offer } = setup(1000, 100);
  for (let mark = 1; mark <= 4; mark++) offer(mark);
  const next = new ManualPort();
  sender.recall((bytes) => bytes[0] !== 1, 10);
  sender.attach(next, 10);
  for (let i = 0; i < 4; i++) if (next.drain(200)) sender.handleDrained(10);
  assert.deepEqual(
    [port.marks, next.marks],
    [
      [1, 2],
      [2, 3, 4],
    ],
  );
  const third = new ManualPort();
  sender.recall(() => true, 20);
  sender.attach(third, 20);
  for (let i = 0; i < 4; i++) if (third.drain(200)) sender.handleDrained(20);
  assert.deepEqual(third.marks, [2, 3, 4]);
});

test("what can be recalled is bounded in bytes and in age, and nothing is unless that was asked for", () => {
  const recalled = (recallBytes: number, everyMs: number, atMs: number) => {
    const { sender, offer } = setup(recallBytes, 1 << 20);
    for (let mark = 0; mark < 10; mark++) offer(mark, everyMs * mark);
    const next = new ManualPort();
    sender.recall(() => true, atMs);
    sender.attach(next, atMs);
    return next.marks;
  };
  assert.deepEqual(recalled(300, 1, 10), [7, 8, 9]);
  assert.deepEqual(recalled(0, 1, 10), []);
  assert.deepEqual(recalled(3000, 1, 25_000), []);
  const young = recalled(3000, 3000, 28_000);
  assert.ok(young.length >= 3 && young.length <= 7 && young.at(-1) === 9, young.join());
});
