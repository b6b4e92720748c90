/** One who has sent very much at once, and others in the same room: whose turn it is, and when. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DataPacket, UserPacket } from "@livekit/protocol";
import type { Client } from "./worker-client.ts";
import { World } from "./worker-world.ts";

const RELIABLE = "_reliable";
const FIRST = Buffer.from("this one is late");

const message = (payload: Uint8Array): Uint8Array =>
  new DataPacket({ value: { case: "user", value: new UserPacket({ payload }) } }).toBinary();
const numbered = (number: number): Uint8Array => message(Uint8Array.of(number >> 8, number & 0xff));

/** The senders of what a client got, and alice's numbers. */
function got(client: Client): { from: string; number: number }[] {
  return client.messages.map(({ bytes }) => {
    const { participantIdentity, value } = DataPacket.fromBinary(bytes);
    assert.ok(value.case === "user");
    const [high, low] = value.value.payload;
    return { from: participantIdentity, number: value.value.payload.length === 2 ? (high! << 8) + low! : -1 };
  });
}

/** Alice sends so many messages of which the first is lost for a while: when it is there, all of them are, at one moment. */
function burst(count: number) {
  const world = new World(1, { delayMs: 10 });
  const [alice, bob, carol] = ["alice", "bob", "carol"].map((name) => world.join(name));
  for (const client of [alice!, bob!, carol!]) client.openChannel(RELIABLE);
  world.network.blocked = ({ bytes }) => Buffer.from(bytes).includes(FIRST);
  alice!.sendData(RELIABLE, message(FIRST));
  for (let i = 0; i < count; i++) {
    alice!.sendData(RELIABLE, numbered(i));
    if (i % 10 === 0) world.run(10);
  }
  world.run(2000);
  assert.deepEqual(got(carol!), [], "they wait for the first");
  world.network.blocked = () => false;
  return { world, alice: alice!, bob: bob!, carol: carol! };
}

test("a burst of thousands of messages is handled in many turns, and the messages of others come between", () => {
  const { world, bob, carol } = burst(6000);
  world.run(60_000, () => carol.messages.length > 0);
  for (let i = 0; i < 200; i++) {
    bob.sendData(RELIABLE, message(new Uint8Array(1)));
    world.run(1);
  }
  world.run(5000);
  const all = got(carol);
  assert.deepEqual(
    all.flatMap(({ from, number }) => (from === "alice" ? [number] : [])),
    Array.from({ length: 6001 }, (_, i) => i - 1),
  );
  const others = all.flatMap(({ from }, i) => (from === "bob" ? [i] : []));
  assert.equal(others.length, 200);
  // Bob's first message leaves when alice's first has arrived at carol, and is 10 ms on its way; then there is one every millisecond.
  assert.ok(others[0]! < 6000, `${others[0]} messages before bob's first`);
  const between = others.map((at, i) => at - (others[i - 1] ?? at));
  assert.ok(Math.max(...between) < 500, `${Math.max(...between)} messages of alice's between two of bob's`);
});

test("whoever leaves behind a burst is heard to its end", () => {
  const { world, alice, bob, carol } = burst(2500);
  world.run(60_000, () => carol.messages.length > 0);
  const { length } = carol.messages;
  assert.ok(length < 1000, `${length} messages so far`);
  world.engine.handleCommand({ type: "closePeer", peer: alice.id }, world.clock.nowMs);
  world.run(5000);
  assert.deepEqual([bob.messages.length, carol.messages.length], [2501, 2501]);
});
