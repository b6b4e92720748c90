import assert from "node:assert/strict";
import { test } from "node:test";
import { BatchTime } from "./transport.ts";

test("small numbers of time and Unix times agree, whichever comes first", () => {
  const time = new BatchTime();
  const early = time.ticksAt(1_700_000_000_000);
  time.set(1_700_000_000_250.75);
  assert.equal(time.ticksMs - early, 250);
  assert.equal(time.unixMs(early), 1_700_000_000_000);
  assert.equal(time.ticksAt(1_700_000_000_100), early + 100);
});
