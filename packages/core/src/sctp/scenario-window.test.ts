/** Receivers that are slow, stop, or start again while the news of it is lost. */
import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { SACK } from "@stoa/wire/sctp/chunk-types";
import { Pair } from "./pair.test.ts";
import type { Side } from "./pair.test.ts";
import { ORDERED, Traffic } from "./traffic.test.ts";

const SMALL = { receiveWindowBytes: 65_536, maxReceiveMessageBytes: 32_768 };

/** Fills the window of a server that has stopped polling; some more waits at the client. */
function closeWindow(pair: Pair, traffic: Traffic): void {
  pair.server.paused = true;
  for (let i = 0; i < 20; i++) traffic.send(pair.client, ORDERED, 10_000);
  pair.run(3000);
  const held = pair.server.association.receiveHeldBytes;
  assert.ok(held > 40_000 && held <= SMALL.receiveWindowBytes, `${held}`);
}

/** Polls one event, as a slow owner does. */
function pollOne(side: Side): void {
  const event = side.association.pollEvent();
  if (event) side.events.push(event);
}

test("owners that stop and go on at any time lose nothing and stop nobody for good", () => {
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.integer({ min: 1, max: 1 << 30 }),
        delayMs: fc.constantFrom(0, 10, 80),
        jitterMs: fc.constantFrom(0, 10),
        loss: fc.double({ min: 0, max: 0.2, noNaN: true }),
      }),
      fc.array(fc.record({ client: fc.boolean(), server: fc.boolean(), ms: fc.integer({ min: 1, max: 3000 }) }), {
        minLength: 1,
        maxLength: 10,
      }),
      (network, turns) => {
        const pair = new Pair(network, { limits: SMALL }).connect();
        const traffic = new Traffic(pair, network.seed);
        for (const turn of turns) {
          pair.client.paused = turn.client;
          pair.server.paused = turn.server;
          traffic.sendSome(20, 20_000);
          pair.run(turn.ms);
          for (const { association } of [pair.client, pair.server]) {
            assert.ok(association.receiveHeldBytes <= 2 * SMALL.receiveWindowBytes);
          }
        }
        pair.client.paused = false;
        pair.server.paused = false;
        traffic.flush(60_000);
        traffic.assertDelivered();
        traffic.assertAtRest();
      },
    ),
    { numRuns: 40 },
  );
});

test("a closed window is asked seldom, and an hour of it is no reason to end", () => {
  const pair = new Pair({ delayMs: 10 }, { limits: SMALL }).connect();
  const traffic = new Traffic(pair);
  closeWindow(pair, traffic);
  pair.run(20_000);
  const before = pair.client.sentPackets;
  pair.run(3_600_000);
  const packets = pair.client.sentPackets - before;
  assert.ok(packets > 600 && packets < 2600, `${packets} packets in an hour`);
  assert.ok(pair.client.association.connected);
  pair.server.paused = false;
  traffic.flush(5000);
  traffic.assertDelivered();
});

test("the news that a window is open again gets lost, and the sender finds out by itself", () => {
  const pair = new Pair({ delayMs: 10 }, { limits: SMALL }).connect();
  const traffic = new Traffic(pair);
  closeWindow(pair, traffic);
  pair.filter = (bytes, from) => (from === pair.server ? undefined : bytes);
  pair.server.paused = false;
  pair.run(500);
  pair.filter = undefined;
  const fromMs = pair.nowMs;
  traffic.flush(10_000);
  // The longest timeout and what follows.
  assert.ok(pair.nowMs - fromMs < 3500, `${pair.nowMs - fromMs} ms`);
  traffic.assertDelivered();
  traffic.assertAtRest();
});

test("a receiver that takes one message at a time is not fed in crumbs", () => {
  const pair = new Pair({ delayMs: 10 }, { limits: SMALL }).connect();
  const traffic = new Traffic(pair);
  closeWindow(pair, traffic);
  let packets = 0;
  let bytes = 0;
  pair.filter = (packet, from) => {
    if (from === pair.client && packet[12] !== SACK) {
      packets++;
      bytes += packet.length;
    }
    return packet;
  };
  const polled = pair.server.events.length;
  for (let i = 0; i < 200 && pair.client.association.sendHeldBytes > 0; i++) {
    pollOne(pair.server);
    pair.run(200);
  }
  assert.ok(pair.server.events.length - polled >= 10);
  assert.ok(bytes / packets > 500, `${packets} packets of ${Math.round(bytes / packets)} bytes on average`);
});

test("a window smaller than any message still takes them, one after the other", () => {
  const pair = new Pair({ delayMs: 5 }).connect();
  const traffic = new Traffic(pair);
  pair.filter = (packet, from) => {
    if (from === pair.server && packet[12] === SACK) {
      new DataView(packet.buffer, packet.byteOffset).setUint32(20, 1);
      packet.fill(0, 8, 12);
    }
    return packet;
  };
  for (let i = 0; i < 20; i++) traffic.send(pair.client, ORDERED, 3000);
  traffic.flush(10_000);
  pair.filter = undefined;
  traffic.assertDelivered();
});
