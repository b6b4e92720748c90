/** A peer that says that it has little room, or none, and acknowledges whatever comes at once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Rogue } from "./rogue.test.ts";
import { RTO_MIN_MS } from "./rto.ts";

/** A server with so many messages of one chunk each to send, and a window of so many bytes. */
function setup(messages: number, windowBytes: number): Rogue {
  const rogue = new Rogue();
  rogue.open(0);
  rogue.acknowledgeAll();
  rogue.sack(rogue.serverTsn, [], windowBytes);
  for (let i = 0; i < messages; i++) rogue.server.send(0, new Uint8Array(500), true, rogue.pair.nowMs);
  rogue.pair.run(0);
  return rogue;
}

test("beyond a window that is too small goes one chunk at a time", () => {
  const rogue = setup(10, 100);
  for (let tsn = rogue.serverTsn + 1; tsn <= rogue.serverTsn + 10; tsn++) {
    assert.deepEqual(
      rogue.takeData().map((chunk) => chunk.tsn),
      [tsn | 0],
    );
    rogue.sack(tsn | 0, [], 100);
  }
  assert.equal(rogue.server.sendHeldBytes, 0);
});

test("into a closed window goes one chunk in a timeout, however promptly the peer takes it", () => {
  const rogue = setup(1000, 0);
  const forMs = 10_000;
  let chunks = 0;
  for (let ms = 0; ms < forMs; ms += 5) {
    for (const { tsn } of rogue.takeData()) {
      chunks++;
      rogue.sack(tsn, [], 0);
    }
    rogue.pair.run(5);
  }
  assert.ok(chunks > 5 && chunks <= forMs / RTO_MIN_MS + 1, `${chunks} chunks in ${forMs} ms`);
});
