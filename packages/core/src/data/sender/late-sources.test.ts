/** Sources that share a sender and come at different times. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChannelSender } from "./channel-sender.ts";
import { ManualPort } from "./manual-port.test.ts";

const PAYLOAD_BYTES = 100;

function setup() {
  const marks = { minBytes: PAYLOAD_BYTES, maxBytes: PAYLOAD_BYTES, targetMs: 100 };
  const sender = new ChannelSender({ overflow: "dropOldest", marks });
  const port = new ManualPort();
  sender.attach(port, 0);
  const sources = new Map<number, { parts: undefined }>();
  /** Offers so many payloads of a source, which bear its number. */
  const offer = (number: number, count: number) => {
    const source = sources.get(number) ?? { parts: undefined };
    sources.set(number, source);
    for (let i = 0; i < count; i++) sender.offer(new Uint8Array(PAYLOAD_BYTES).fill(number), 0, undefined, source);
  };
  /** The channel takes so many payloads more; whose they are. */
  const drain = (count: number): number[] => {
    const from = port.taken.length;
    for (let i = 0; i < count; i++) {
      port.drain(PAYLOAD_BYTES);
      sender.handleDrained(0);
    }
    return port.marks.slice(from);
  };
  return { offer, drain };
}

test("a source that comes late is given as much as the others from then on, and not what it did not want before", () => {
  const { offer, drain } = setup();
  offer(1, 302);
  drain(200);
  offer(2, 50);
  assert.equal(drain(20).filter((number) => number === 2).length, 10);
  // Nor does one that was here before, and had nothing to send for a while.
  drain(200);
  offer(1, 200);
  drain(100);
  offer(2, 50);
  assert.equal(drain(20).filter((number) => number === 2).length, 10);
});

test("what is recalled grows old like anything else, also while there is no channel", () => {
  const sender = new ChannelSender({ overflow: "dropOldest", ttlMs: 100, recallBytes: 1000 });
  sender.attach(new ManualPort(), 0);
  sender.offer(new Uint8Array(PAYLOAD_BYTES), 0);
  assert.equal(
    sender.recall(() => true, 10),
    1,
  );
  assert.equal(sender.nextTimeoutMs(), 110);
  sender.handleTimeout(110);
  assert.equal(sender.waitingFrames, 0);
  assert.equal(sender.stats.expired, 1);
});
