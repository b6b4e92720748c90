/** The marks as a receiver feels them: through a sender that has more than the receiver takes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChannelSender } from "./channel-sender.ts";
import { ManualPort } from "./manual-port.test.ts";
import { LOSSY_MARKS } from "./water-marks.ts";

function setup() {
  const sender = new ChannelSender({ overflow: "reject", marks: LOSSY_MARKS });
  const port = new ManualPort();
  sender.attach(port, 0);
  return { sender, port };
}

test("the marks follow the receiver: about 100 ms of what it takes, within the limits", () => {
  for (const [bytesPerMs, expected] of [
    [10, 8 << 10],
    [400, 40_000],
    [100_000, 256 << 10],
  ] as const) {
    const { sender, port } = setup();
    const offerUntilBehind = (nowMs: number) => {
      while (sender.waitingFrames < 100) sender.offer(new Uint8Array(1000), nowMs);
    };
    for (let nowMs = 0; nowMs < 4000; nowMs += 2) {
      offerUntilBehind(nowMs);
      // What the receiver would have taken, but never all: the next packet is on its way.
      port.drain(Math.min(2 * bytesPerMs, port.buffered - 1));
      sender.handleDrained(nowMs);
    }
    const { highMarkBytes } = sender;
    // A channel that is drained faster than it is filled shows less than its rate.
    if (bytesPerMs === 100_000) assert.ok(highMarkBytes > 200_000 && highMarkBytes <= expected, `${highMarkBytes}`);
    else assert.ok(Math.abs(highMarkBytes - expected) < expected * 0.05, `${highMarkBytes} for ${bytesPerMs}`);
    assert.equal(port.lowWater, highMarkBytes >>> 1);
  }
});

test("an idle time does not make a receiver look slow", () => {
  const { sender, port } = setup();
  let nowMs = 0;
  for (; nowMs < 3000; nowMs += 2) {
    while (sender.waitingFrames < 10) sender.offer(new Uint8Array(1000), nowMs);
    port.drain(Math.min(800, port.buffered - 1));
    sender.handleDrained(nowMs);
  }
  const busyMark = sender.highMarkBytes;
  port.buffered = 0;
  while (sender.waitingFrames > 0) {
    sender.handleDrained(nowMs);
    port.buffered = 0;
  }
  for (; nowMs < 30_000; nowMs += 1000) {
    sender.offer(new Uint8Array(10), nowMs);
    port.buffered = 0;
  }
  assert.ok(sender.highMarkBytes > 0.95 * busyMark, `${sender.highMarkBytes} after ${busyMark}`);
});
