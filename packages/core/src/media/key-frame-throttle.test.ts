import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyFrameThrottle } from "./key-frame-throttle.ts";

test("key frames are asked for once per interval", () => {
  const low = new KeyFrameThrottle(0);
  const high = new KeyFrameThrottle(2);
  const count = (throttle: KeyFrameThrottle) => {
    let asked = 0;
    for (let now = 0; now < 3000; now += 10) {
      throttle.request();
      if (throttle.take(now)) asked++;
    }
    return asked;
  };
  assert.equal(count(low), 6);
  assert.equal(count(high), 3);
  low.request();
  low.fulfilled();
  assert.equal(low.take(1e6), false);
});
