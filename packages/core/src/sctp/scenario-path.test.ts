/** A path that takes only packets up to a size, from the start or from some moment on, and peers with larger packets than ours. */
import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { Pair } from "./pair.test.ts";
import { ORDERED, Traffic, UNORDERED } from "./traffic.test.ts";

/** What our peers use, see `DataChannels`; a DTLS record adds 37 bytes, UDP and IPv6 48. */
const MTU = 1144;
/** IPv6's least, less those 85 bytes. */
const SMALLEST_IPV6 = 1195;

/** Drops what is longer than `bytes` says, and notes the largest packet that passed. */
class NarrowPath {
  bytes: number;
  largest = 0;
  dropped = 0;

  constructor(pair: Pair, bytes = Number.POSITIVE_INFINITY) {
    this.bytes = bytes;
    pair.filter = (packet) => {
      if (packet.length > this.bytes) {
        this.dropped++;
        return undefined;
      }
      this.largest = Math.max(this.largest, packet.length);
      return packet;
    };
  }
}

const networks = fc.record({
  seed: fc.integer({ min: 1, max: 1 << 30 }),
  delayMs: fc.constantFrom(1, 20, 60),
  jitterMs: fc.constantFrom(0, 10),
  loss: fc.constantFrom(0, 0.01, 0.05),
  duplicate: fc.constantFrom(0, 0.05),
});

test("the smallest path of IPv6 takes every packet", () => {
  const pair = new Pair({ delayMs: 10 }, { mtu: MTU }).connect();
  const path = new NarrowPath(pair, SMALLEST_IPV6);
  const traffic = new Traffic(pair);
  for (let i = 0; i < 50; i++) traffic.send(pair.client, ORDERED, 50_000);
  traffic.flush(10_000);
  assert.equal(path.dropped, 0);
  assert.ok(path.largest > MTU - 20 && path.largest <= MTU, `${path.largest}`);
});

test("a path that is narrow from the start carries everything, bulk included", () => {
  fc.assert(
    fc.property(networks, fc.integer({ min: 580, max: 1140 }), (network, bytes) => {
      const pair = new Pair(network, { mtu: MTU }).connect();
      new NarrowPath(pair, bytes);
      const traffic = new Traffic(pair, network.seed);
      for (let i = 0; i < 10; i++) {
        traffic.send(pair.client, ORDERED, 40_000);
        traffic.sendSome(10, 3000);
        pair.run(50);
      }
      traffic.flush(60_000);
      traffic.assertDelivered();
      traffic.assertAtRest();
    }),
    { numRuns: 25 },
  );
});

test("a path that narrows under conversation loses nothing, and the association lives", () => {
  fc.assert(
    fc.property(networks, fc.integer({ min: 580, max: 1140 }), (network, bytes) => {
      const pair = new Pair(network, { mtu: MTU }).connect();
      const path = new NarrowPath(pair);
      const traffic = new Traffic(pair, network.seed);
      const talk = (forMs: number) => {
        for (let ms = 0; ms < forMs; ms += 100) {
          traffic.sendSome(4, 4000);
          pair.run(100);
        }
      };
      talk(3000);
      path.bytes = bytes;
      talk(5000);
      traffic.flush(30_000);
      path.bytes = Number.POSITIVE_INFINITY;
      talk(3000);
      path.bytes = bytes;
      talk(3000);
      traffic.flush(30_000);
      traffic.assertDelivered();
      traffic.assertAtRest();
    }),
    {
      numRuns: 25,
      // The watched chunk was lost behind others that did not get through, and was never sent again.
      examples: [[{ seed: 224340058, delayMs: 1, jitterMs: 0, loss: 0, duplicate: 0 }, 584]],
    },
  );
});

test("a bulk transfer goes on when a path that narrowed is wide again within half a minute", () => {
  const pair = new Pair({ delayMs: 20 }, { mtu: MTU }).connect();
  const path = new NarrowPath(pair);
  const traffic = new Traffic(pair);
  for (let i = 0; i < 60; i++) traffic.send(pair.client, i % 2 === 0 ? ORDERED : UNORDERED, 100_000);
  pair.run(200);
  path.bytes = 900;
  pair.run(30_000);
  assert.ok(path.dropped > 0 && pair.client.association.sendHeldBytes > 0, "the transfer is stuck");
  path.bytes = Number.POSITIVE_INFINITY;
  path.largest = 0;
  traffic.flush(20_000);
  assert.ok(path.largest > 900);
  traffic.assertDelivered();
  traffic.assertAtRest();
});

test("a bulk transfer on a path that stays narrow ends the association within two minutes, and its memory is free", () => {
  const pair = new Pair({ delayMs: 20 }, { mtu: MTU }).connect();
  const path = new NarrowPath(pair);
  const traffic = new Traffic(pair);
  for (let i = 0; i < 60; i++) traffic.send(pair.client, ORDERED, 100_000);
  pair.run(200);
  path.bytes = 900;
  assert.ok(pair.runUntil(() => pair.client.has("closed"), 120_000));
  assert.ok(pair.client.has("channelClosed"));
  assert.equal(pair.client.association.sendHeldBytes, 0);
  assert.equal(pair.client.association.nextTimeoutMs(), Number.POSITIVE_INFINITY);
});

test("large packets are tried again, and used when they pass", () => {
  const pair = new Pair({ delayMs: 20 }, { mtu: MTU }).connect();
  const path = new NarrowPath(pair, 700);
  const traffic = new Traffic(pair);
  const talk = (seconds: number) => {
    for (let i = 0; i < 10 * seconds; i++) {
      traffic.send(pair.client, ORDERED, 5000);
      pair.run(100);
    }
  };
  talk(20);
  // One packet each time, after 1, 2, 4 … seconds.
  assert.ok(path.dropped < 20, `${path.dropped} packets were lost on a narrow path`);
  path.bytes = Number.POSITIVE_INFINITY;
  talk(40);
  path.largest = 0;
  talk(1);
  assert.ok(path.largest > MTU - 20, `${path.largest}`);
  traffic.assertDelivered();
});

test("a peer's larger packets and fragments are taken", () => {
  for (const mtu of [1280, 1500, 9000, 16_384]) {
    const pair = new Pair({ delayMs: 5, loss: 0.02, seed: mtu }, { mtu: MTU }, { mtu }).connect();
    const path = new NarrowPath(pair);
    const traffic = new Traffic(pair);
    for (let i = 0; i < 20; i++) {
      traffic.send(pair.server, ORDERED, 100_000);
      traffic.send(pair.client, ORDERED, 10_000);
    }
    traffic.flush(60_000);
    assert.ok(path.largest > mtu - 20);
    traffic.assertDelivered();
  }
});
