/** What an operator may set of the media engine, as clients see it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { frame } from "./harness-packets.test.ts";
import { nack, rtcpKind } from "./harness-rtcp.test.ts";
import { videoReceiver, videoSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";
import { DEFAULT_TUNING, packetsFor, type MediaTuning } from "./tuning.ts";

const PUBLISHER = 1;
const VIEWER = 2;
const MEDIA = 0x90000001;

function start(tuning: Partial<MediaTuning>): World {
  const world = new World(1, { tuning: { ...DEFAULT_TUNING, ...tuning } });
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  return world;
}

for (const [packets, oldest] of [
  [64, 60],
  [512, 500],
  [1024, 1000],
] as const) {
  test(`a ring of ${packets} packets repeats one that is ${oldest} packets old, and none that is ${packets + 20}`, () => {
    const world = start({ videoPackets: packets });
    for (let s = 1; s <= packets + 100; s++) world.feed(PUBLISHER, frame(s, s === 1));
    const sent = world.takeRtp(VIEWER).map(({ sequence }) => sequence);
    const repeated = (back: number) => {
      world.feed(VIEWER, nack(MEDIA, sent.at(-back)!));
      return world.takeRtp(VIEWER).length;
    };
    assert.equal(repeated(oldest), 1);
    assert.equal(repeated(packets + 20), 0);
  });
}

test("a publisher is asked for a key frame as often as it is set, by layer", () => {
  const count = (keyFrameIntervalsMs: MediaTuning["keyFrameIntervalsMs"]) => {
    const world = start({ keyFrameIntervalsMs });
    let asked = 0;
    for (let s = 1; s <= 290; s++) {
      world.feed(PUBLISHER, frame(s)); // never a key frame, so that the viewer waits for one
      world.advance(10);
      asked += world.takeRtcp(PUBLISHER).filter((bytes) => rtcpKind(bytes) === "206/1").length;
    }
    return asked;
  };
  assert.equal(count([500, 1000, 1000]), 6);
  assert.equal(count([1000, 1000, 1000]), 3);
  assert.equal(count([2000, 1000, 1000]), 2);
});

test("a wish for packets is met by the next power of two, within bounds", () => {
  assert.deepEqual([0, 64, 200, 500, 512, 513, 1e9].map(packetsFor), [64, 64, 256, 512, 512, 1024, 4096]);
});
