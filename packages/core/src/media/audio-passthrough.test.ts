/** Sound goes through as it was sent: discontinuous transmission, stereo, packets of any length. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rtp } from "./harness-packets.test.ts";
import { rtcpKind } from "./harness-rtcp.test.ts";
import { OPUS, RED, audioReceiver, audioSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";

const PUBLISHER = 1;
const VIEWER = 2;
/** First byte of an opus packet: 20 ms of fullband CELT, one frame; stereo has one bit more. */
const MONO = 0xf8;
const STEREO = 0xfc;

/** A speaker whose packets have their timestamps from the clock and their numbers one after another. */
class Speaker {
  readonly world = new World();
  #sequence = 0xfff0;

  constructor() {
    this.world.addPeer(PUBLISHER, [audioReceiver()], []);
    this.world.addPeer(VIEWER, [], [audioSender()]);
  }

  say(payload: number[], thenMs = 20): void {
    const timestamp = Math.round(this.world.nowMs * 48) >>> 0;
    const sequence = this.#sequence++ & 0xffff;
    this.world.feed(PUBLISHER, rtp({ payloadType: 111, sequence, timestamp, ssrc: 500, payload }));
    this.world.advance(thenMs);
  }
}

test("pauses of discontinuous transmission: times jump as they were sent, numbers do not, nothing is asked for", () => {
  const speaker = new Speaker();
  const gaps: number[] = [];
  const say = (thenMs: number) => {
    speaker.say([MONO, gaps.length], thenMs);
    gaps.push(thenMs);
  };
  for (let i = 0; i < 10; i++) say(20);
  // Comfort noise, then a pause beyond all timers, then speech.
  for (let i = 0; i < 8; i++) say(400);
  say(15_000);
  for (let i = 0; i < 10; i++) say(20);
  const packets = speaker.world.takeRtp(VIEWER);
  assert.deepEqual(
    packets.map((p) => p.payload),
    gaps.map((_, i) => [MONO, i]),
    "nothing is made up, nothing left out",
  );
  for (let i = 1; i < packets.length; i++) {
    assert.equal((packets[i]!.sequence - packets[i - 1]!.sequence) & 0xffff, 1);
    assert.equal((packets[i]!.timestamp - packets[i - 1]!.timestamp) | 0, gaps[i - 1]! * 48);
  }
  assert.ok(speaker.world.takeRtcp(PUBLISHER).every((p) => !rtcpKind(p).startsWith("205/1")));
  assert.equal(speaker.world.events.filter((event) => event.type === "downlinkStarted").length, 1);
});

test("stereo and mono frames change as the publisher changes, and no byte of them does", () => {
  const speaker = new Speaker();
  const long = Array.from({ length: 1275 }, (_, i) => i & 255);
  const sent = [[MONO, 1], [STEREO, 2, 3], [STEREO, ...long], [MONO], [STEREO | 3, 0x82, 1, 2]];
  for (const payload of sent) speaker.say(payload);
  assert.deepEqual(
    speaker.world.takeRtp(VIEWER).map((p) => p.payload),
    sent,
  );
});

test("opus made of RED keeps the pauses too", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [audioReceiver({ codecs: [RED, OPUS] })], []);
  world.addPeer(VIEWER, [], [audioSender()]);
  // The packet behind a pause cannot reach back to the frame before it: 14 bits are 341 ms.
  const stamps = [0, 960, 960 + 19_200, 960 + 2 * 19_200];
  for (const [i, timestamp] of stamps.entries()) {
    const payload = i === 1 ? [0xef, 960 >> 6, (960 & 63) << 2, 1, 111, 0, 1] : [111, i];
    world.feed(PUBLISHER, rtp({ payloadType: 63, sequence: i, timestamp, ssrc: 500, payload }));
    world.advance(400);
  }
  const packets = world.takeRtp(VIEWER);
  assert.deepEqual(
    packets.map((p) => [p.sequence - packets[0]!.sequence, p.timestamp - packets[0]!.timestamp, ...p.payload]),
    stamps.map((timestamp, i) => [i, timestamp, i]),
  );
});
