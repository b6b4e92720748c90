import assert from "node:assert/strict";
import { test } from "node:test";
import type { SenderSpec } from "../engine/specs.ts";
import { frame } from "./harness-packets.test.ts";
import { nack } from "./harness-rtcp.test.ts";
import { audioReceiver, audioSender, videoReceiver, videoSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";
import { NO_DELAY, PlayoutDelay } from "./playout-delay.ts";

/** Least and largest delay of a value, in milliseconds. */
function limits(value: number): [number, number] | undefined {
  return value === NO_DELAY ? undefined : [(value >> 12) * 10, (value & 0xfff) * 10];
}

test("the value goes on packets until a report shows that one of them came", () => {
  const delay = new PlayoutDelay({ minMs: 100, maxMs: 2000 });
  assert.deepEqual(limits(delay.take(0x1fffe, 0)), [100, 2000]);
  delay.reported(0xfffd, 0, true, 1, 0, 50);
  assert.deepEqual(limits(delay.take(0x1ffff, 60)), [100, 2000]);
  // Beyond a wrap of the number.
  delay.reported(0x0001, 0, true, 10, 0, 100);
  assert.equal(delay.take(0x20005, 120), NO_DELAY);
});

test("without a largest delay it is ten seconds, and nothing goes beyond twelve bits", () => {
  assert.deepEqual(limits(new PlayoutDelay({ minMs: 250, maxMs: 0 }).take(1, 0)), [250, 10_000]);
  assert.deepEqual(limits(new PlayoutDelay({ minMs: 1e6, maxMs: 1e7 }).take(1, 0)), [40_950, 40_950]);
  assert.deepEqual(limits(new PlayoutDelay({ minMs: 900, maxMs: 300 }).take(1, 0)), [300, 300]);
});

/** Reports once in a second, from second `from` on; the values that were sent. */
function follow(delay: PlayoutDelay, from: number, jitterMs: number, nacksPerSecond = 0, steady = true): number[] {
  const sent: number[] = [];
  for (let i = from; i < from + 8; i++) {
    const sequence = 1000 * i;
    const value = limits(delay.take(sequence, 1000 * i));
    if (value) sent.push(value[0]);
    delay.reported(sequence + 10, jitterMs, steady, 100 * i, nacksPerSecond * i, 1000 * i + 1000);
  }
  return sent;
}

test("the least delay follows ten times the jitter, by 80 ms a second at most, within the room's limits", () => {
  const delay = new PlayoutDelay({ minMs: 100, maxMs: 500 });
  assert.deepEqual(follow(delay, 1, 40), [100, 180, 260, 340, 400]);
  assert.deepEqual(follow(delay, 9, 200), [480, 500]);
  assert.deepEqual(follow(delay, 17, 0), [420, 340, 260, 180, 100]);
});

test("many retransmissions count too; the jitter of a screen share does not", () => {
  const delay = new PlayoutDelay({ minMs: 0, maxMs: 1000 });
  assert.deepEqual(follow(delay, 1, 0, 90), [0, 60]);
  assert.deepEqual(follow(new PlayoutDelay({ minMs: 0, maxMs: 1000 }), 1, 90, 0, false), [0]);
});

/** A receiver report of the viewer about its video: highest number, jitter in timestamp units. */
function report(highest: number, jitter: number): Uint8Array {
  const words = [0x81c90007, 1, 0x90000001, 0, highest, jitter, 0, 0];
  const view = new DataView(new ArrayBuffer(32));
  words.forEach((word, i) => view.setUint32(4 * i, word));
  return new Uint8Array(view.buffer);
}

function call(extensions: SenderSpec["extensions"]): World {
  const world = new World();
  world.addPeer(1, [videoReceiver(), audioReceiver()], []);
  const options = { congestion: { enabled: false, allowPause: false }, playoutDelay: { minMs: 200, maxMs: 1000 } };
  world.addPeer(2, [], [videoSender({ extensions }), audioSender({ extensions })], options);
  return world;
}

test("video carries it as three bytes, retransmissions and sound do not, and an answer ends it", () => {
  const world = call({ playoutDelay: 5 });
  for (let s = 1; s <= 3; s++) world.feed(1, frame(s, s === 1));
  const sent = world.takeRtp(2);
  assert.equal(sent.length, 3);
  // 200 and 1,000 ms in steps of 10.
  for (const packet of sent) assert.deepEqual(packet.extensions.get(5), [0x01, 0x40, 0x64]);
  world.advance(200);
  world.feed(2, nack(0x90000001, sent[1]!.sequence));
  const [repeated] = world.takeRtp(2);
  assert.equal(repeated!.payloadType, 101);
  assert.equal(repeated!.extensions.has(5), false);

  world.feed(2, report(sent[2]!.sequence, 90));
  world.feed(1, frame(4));
  assert.equal(world.takeRtp(2)[0]!.extensions.has(5), false);
  // 100 ms of jitter: the least delay is to rise.
  world.advance(1000);
  world.feed(2, report(sent[2]!.sequence, 9000));
  world.feed(1, frame(5));
  const [, , third] = world.takeRtp(2)[0]!.extensions.get(5)!;
  assert.equal(third, 0x64);
});

test("where it is not negotiated, nothing is sent of it", () => {
  const world = call({});
  world.feed(1, frame(1, true));
  assert.equal(world.takeRtp(2)[0]!.extensions.size, 0);
});
