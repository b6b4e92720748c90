/** A room whose network begins to drop large datagrams without a word: what people write to each other still arrives. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RoomWorld } from "./room-world.ts";

/** Datagrams above this are dropped once the path is narrow; far below what any packet of a data channel may need. */
const NARROW_BYTES = 700;
const MESSAGES = 200;

test("reliable messages arrive once, in order and within seconds when the path narrows, and nobody has to reconnect", () => {
  for (const messageBytes of [200, 900, 3000]) {
    const world = new RoomWorld(messageBytes, { delayMs: 20 });
    const [ada, bob, cleo] = [world.join("ada"), world.join("bob", "single"), world.join("cleo", "dual")];
    world.run(5000);
    const { network } = world.worker;
    const blockedBefore = network.blocked;
    let dropped = 0;
    for (let i = 0; i < MESSAGES; i++) {
      if (i === MESSAGES / 4) {
        network.blocked = (flight) => {
          const large = flight.bytes.length > NARROW_BYTES;
          if (large) dropped++;
          return large || blockedBefore(flight);
        };
      }
      ada.send(i, messageBytes);
      world.run(50);
    }
    world.run(10_000);
    const all = Array.from({ length: MESSAGES }, (_, i) => i);
    for (const member of [bob, cleo]) {
      assert.deepEqual(member.received.get("ada"), all, `${member.identity}, ${messageBytes} bytes`);
      assert.deepEqual([member.restarts, member.resumes, member.sawLeave], [0, 0, []]);
    }
    assert.ok(messageBytes < NARROW_BYTES || dropped > 0, "the path was narrow");
  }
});
