import { test } from "node:test";
import assert from "node:assert/strict";
import { Pair } from "./pair.test.ts";

test("the network of these tests loses, delays and repeats what it says", () => {
  const pair = new Pair({ seed: 3, delayMs: 10 }).connect();
  // A handshake takes two round trips, simultaneous or not.
  assert.ok(pair.nowMs - 1_000_000 >= 30 && pair.nowMs - 1_000_000 < 50, `${pair.nowMs}`);
  pair.network = { loss: 1 };
  const id = pair.client.association.openChannel({ label: "x", ordered: true });
  pair.run(1000);
  assert.ok(!pair.server.has("channelOpen"));
  pair.network = {};
  assert.ok(pair.runUntil(() => pair.client.has("channelOpen"), 5000));
  assert.equal(id, 0);
});
