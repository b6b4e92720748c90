import { test } from "node:test";
import assert from "node:assert/strict";
import { PathSize } from "./path-size.ts";

const MTU = 1144;
/** Two chunks of 564 bytes behind the header of a packet. */
const FULL = 1140;
const NARROW = 576;
const BULK = 100_000;

function proven(): PathSize {
  const path = new PathSize(MTU);
  path.sent(FULL, 1);
  path.arrived();
  return path;
}

test("chunks are half a packet until a full packet has arrived, and then for what must not get stuck", () => {
  const path = new PathSize(MTU);
  assert.equal(path.packetBytes(false, 0), FULL);
  assert.equal(path.payloadBytes(BULK, false), NARROW - 28);
  path.sent(FULL - 4, 1);
  path.arrived();
  assert.equal(path.payloadBytes(BULK, false), NARROW - 28, "almost full is not full");
  path.sent(FULL, 2);
  path.arrived();
  assert.equal(path.payloadBytes(BULK, false), FULL - 28);
  assert.equal(path.payloadBytes(1000, false), NARROW - 28);
  assert.equal(path.payloadBytes(1000, true), FULL - 28, "what is given up blocks nothing");
});

test("small packets tell nothing, and one large packet is watched at a time", () => {
  const path = new PathSize(MTU);
  path.sent(NARROW, 1);
  assert.equal(path.watching, false);
  path.sent(NARROW + 4, 2);
  path.sent(FULL, 3);
  assert.equal(path.watchedTsn, 2);
});

test("a path that has taken no full packet is narrow after one loss, one that has after three in a row", () => {
  const fresh = new PathSize(MTU);
  fresh.sent(FULL, 1);
  fresh.failed(0);
  assert.equal(fresh.packetBytes(false, 0), NARROW);

  const path = proven();
  const lose = () => {
    path.sent(FULL, 2);
    path.failed(0);
  };
  lose();
  assert.equal(
    path.payloadBytes(BULK, false),
    NARROW - 28,
    "no chunk that a narrow path would not take is made meanwhile",
  );
  lose();
  path.sent(FULL, 3);
  path.arrived();
  lose();
  lose();
  assert.equal(path.packetBytes(false, 0), FULL);
  lose();
  assert.equal(path.packetBytes(false, 0), NARROW);
});

test("a narrow path is asked after one second, then after twice as long each time, a minute at most", () => {
  const path = new PathSize(MTU);
  path.sent(FULL, 1);
  path.failed(0);
  let nowMs = 0;
  for (const waitMs of [1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 64_000]) {
    assert.equal(path.packetBytes(false, nowMs + waitMs - 1), NARROW);
    nowMs += waitMs;
    assert.equal(path.packetBytes(true, nowMs), NARROW, "not with what was lost");
    assert.equal(path.packetBytes(false, nowMs), FULL);
    path.sent(FULL, 2);
    assert.equal(path.packetBytes(false, nowMs), NARROW, "with one packet");
    path.failed(nowMs);
  }
  path.sent(FULL, 3);
  path.arrived();
  assert.equal(path.packetBytes(false, nowMs), FULL);
});
