import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { Pair, SeededRandom } from "./pair.test.ts";
import type { Network } from "./pair.test.ts";

/** A message that says its number, then pseudo-random bytes; at least 4 bytes, or none at all. */
function numbered(index: number, length: number): Uint8Array {
  if (length === 0) return new Uint8Array(0);
  const bytes = new SeededRandom(index + 7).bytes(Math.max(4, length));
  new DataView(bytes.buffer).setUint32(0, index);
  return bytes;
}

function indexOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}

function assertBytes(actual: Uint8Array | undefined, expected: Uint8Array, what: string): void {
  assert.ok(actual && Buffer.compare(actual, expected) === 0, what);
}

/** Lengths around the edges of a fragment, tiny and huge ones. */
const lengths = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 4, max: 3000 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1131, 1132, 1133, 2264, 2265, 65_535, 65_536, 262_144) },
);

const networks: fc.Arbitrary<Network> = fc.record({
  seed: fc.integer({ min: 1, max: 1 << 30 }),
  delayMs: fc.constantFrom(0, 5, 50),
  jitterMs: fc.constantFrom(0, 0, 3, 30),
  loss: fc.double({ min: 0, max: 0.2, noNaN: true }),
  duplicate: fc.constantFrom(0, 0.05),
});

test("a reliable ordered channel loses, doubles and reorders nothing on a bad network", () => {
  fc.assert(
    fc.property(networks, fc.array(lengths, { minLength: 1, maxLength: 20 }), (network, sizes) => {
      const pair = new Pair(network).connect();
      const id = pair.open({ ordered: true });
      const messages = sizes.map((size, i) => numbered(i, size));
      for (const message of messages) {
        assert.equal(pair.client.association.send(id, message, true, pair.nowMs), "queued");
      }
      const done = pair.runUntil(() => pair.server.messages().length >= messages.length, 600_000);
      assert.ok(done, "everything arrives");
      const received = pair.server.messages();
      assert.equal(received.length, messages.length);
      messages.forEach((message, i) => assertBytes(received[i], message, `message ${i}`));
      pair.run(5000);
      assert.equal(pair.server.messages().length, messages.length, "nothing twice");
      assert.equal(pair.client.association.bufferedAmount(id), 0);
    }),
    { numRuns: 40 },
  );
});

test("channels in both directions, ordered and not, keep their own order", () => {
  fc.assert(
    fc.property(networks, (network) => {
      const pair = new Pair(network).connect();
      const ordered = [pair.open({ ordered: true }), pair.open({ ordered: true })];
      const unordered = pair.open({ ordered: false });
      const sides = [pair.client, pair.server];
      for (let i = 0; i < 60; i++) {
        for (const id of [...ordered, unordered]) {
          for (const side of sides) side.association.send(id, numbered(i, 4 + ((i * 977) % 5000)), true, pair.nowMs);
        }
        pair.run(1);
      }
      const all = () => sides.every((side) => side.messages().length >= 180);
      assert.ok(pair.runUntil(all, 600_000), "everything arrives");
      const expected = Array.from({ length: 60 }, (_, i) => i);
      for (const side of sides) {
        for (const id of ordered) assert.deepEqual(side.messages(id).map(indexOf), expected);
        const any = side.messages(unordered).map(indexOf);
        assert.deepEqual(
          any.toSorted((a, b) => a - b),
          expected,
        );
      }
    }),
    { numRuns: 25 },
  );
});

test("text, binary and empty messages arrive as what they were", () => {
  const pair = new Pair().connect();
  const id = pair.open({ ordered: true });
  const hello = new TextEncoder().encode("grüß dich");
  const { association } = pair.client;
  association.send(id, hello, false, pair.nowMs);
  association.send(id, new Uint8Array(0), false, pair.nowMs);
  association.send(id, new Uint8Array(0), true, pair.nowMs);
  association.send(id, Uint8Array.of(0), true, pair.nowMs);
  pair.run(100);
  const got = pair.server.events.flatMap((e) => (e.type === "message" ? [[e.binary, [...e.data]]] : []));
  assert.deepEqual(got, [
    [false, [...hello]],
    [false, []],
    [true, []],
    [true, [0]],
  ]);
});

test("an unordered message does not wait for a lost one before it", () => {
  const pair = new Pair({ delayMs: 20 }).connect();
  const id = pair.open({ ordered: false });
  pair.network = { delayMs: 20, loss: 1 };
  pair.client.association.send(id, numbered(0, 100), true, pair.nowMs);
  pair.run(1);
  pair.network = { delayMs: 20 };
  pair.client.association.send(id, numbered(1, 100), true, pair.nowMs);
  pair.run(25);
  assert.deepEqual(pair.server.messages().map(indexOf), [1]);
  pair.run(1000);
  assert.deepEqual(pair.server.messages().map(indexOf), [1, 0]);
});

test("a lost reliable message is repaired within 250 ms at 20 ms round trip", () => {
  for (const ordered of [true, false]) {
    const pair = new Pair({ delayMs: 10 }).connect();
    const id = pair.open({ ordered });
    pair.run(2000);
    pair.network = { delayMs: 10, loss: 1 };
    pair.client.association.send(id, numbered(0, 500), true, pair.nowMs);
    const sentMs = pair.nowMs;
    pair.run(1);
    pair.network = { delayMs: 10 };
    assert.ok(pair.runUntil(() => pair.server.messages().length === 1, 10_000));
    assert.ok(pair.nowMs - sentMs < 250, `${pair.nowMs - sentMs} ms`);
  }
});

test("a gap in a stream of messages is repaired in about two round trips, without the timer", () => {
  const pair = new Pair({ delayMs: 50 }).connect();
  const id = pair.open({ ordered: true });
  let lost = false;
  for (let i = 0; i < 40; i++) {
    pair.filter = (bytes, from) => {
      if (i !== 10 || lost || from !== pair.client) return bytes;
      lost = true;
      return undefined;
    };
    pair.client.association.send(id, numbered(i, 1000), true, pair.nowMs);
    pair.run(5);
  }
  assert.ok(pair.runUntil(() => pair.server.messages().length === 40, 300));
  assert.equal(pair.client.association.stats.timeouts, 0);
  // The lost packet carried its message in two chunks.
  assert.equal(pair.client.association.stats.retransmittedChunks, 2);
});

test("TSNs and SSNs wrap", () => {
  const network = { delayMs: 1, loss: 0.05, jitterMs: 2, seed: 5 };
  const pair = new Pair(network, {}, {}, [0x7fffffff - 2000, 0xffffffff - 2000]);
  pair.connect();
  const id = pair.open({ ordered: true });
  const count = 70_000;
  let next = 0;
  let got = 0;
  pair.server.onEvent = (event) => {
    if (event.type !== "message") return;
    assert.equal(indexOf(event.data), got++);
    if (got % 10 === 0) pair.server.association.send(id, event.data, true, pair.nowMs);
  };
  let echoed = 0;
  pair.client.onEvent = (event) => {
    if (event.type === "message") assert.equal(indexOf(event.data), echoed++ * 10 + 9);
  };
  while (got < count) {
    while (next < count && pair.client.association.bufferedAmount(id) < 4000) {
      pair.client.association.send(id, numbered(next++, 4), true, pair.nowMs);
    }
    pair.run(5);
    assert.ok(pair.nowMs < 1e9, "makes progress");
  }
  pair.run(10_000);
  assert.equal(echoed, count / 10);
});

test("a bulk transfer does not starve another channel", () => {
  const pair = new Pair({ delayMs: 5, bytesPerMs: 1000 }).connect();
  const bulk = pair.open({ ordered: true });
  const small = pair.open({ ordered: true });
  for (let i = 0; i < 200; i++) pair.client.association.send(bulk, numbered(i, 16_384), true, pair.nowMs);
  pair.run(100);
  const atMs = pair.nowMs;
  pair.client.association.send(small, numbered(0, 100), true, pair.nowMs);
  assert.ok(pair.runUntil(() => pair.server.messages(small).length === 1, 60_000));
  // What is in flight already goes first: the line's queue, not the 3 MB that wait behind it.
  assert.ok(pair.nowMs - atMs < 1000, `${pair.nowMs - atMs} ms`);
  assert.ok(pair.server.messages(bulk).length < 190);
});

test("a receiver that does not poll stops the sender, and starts it again", () => {
  const limits = { receiveWindowBytes: 100_000, maxReceiveMessageBytes: 50_000 };
  const pair = new Pair({ delayMs: 5 }, { limits }).connect();
  const id = pair.open({ ordered: true });
  pair.server.paused = true;
  for (let i = 0; i < 60; i++) pair.client.association.send(id, numbered(i, 10_000), true, pair.nowMs);
  pair.run(20_000);
  assert.ok(pair.client.association.connected, "an empty window is not a dead peer");
  const waiting = pair.client.association.bufferedAmount(id);
  assert.ok(waiting > 450_000, `${waiting} bytes wait at the sender`);
  pair.server.paused = false;
  assert.ok(pair.runUntil(() => pair.server.messages().length === 60, 5000));
  assert.deepEqual(
    pair.server.messages().map(indexOf),
    Array.from({ length: 60 }, (_, i) => i),
  );
});

test("a full send buffer says so, and says when there is room again", () => {
  const pair = new Pair({ delayMs: 5, bytesPerMs: 1000 }, { limits: { sendBufferBytes: 200_000 } }).connect();
  const bulk = pair.open({ ordered: true });
  const other = pair.open({ ordered: true });
  const { association } = pair.client;
  let sent = 0;
  while (association.send(bulk, numbered(sent, 10_000), true, pair.nowMs) === "queued") sent++;
  assert.equal(sent, 19);
  assert.equal(association.send(other, numbered(0, 10_000), true, pair.nowMs), "full");
  const isLow = (id: number) => () => pair.client.events.some((e) => e.type === "bufferedLow" && e.channel === id);
  assert.ok(!isLow(other)());
  assert.ok(pair.runUntil(isLow(other), 10_000));
  assert.equal(association.send(other, numbered(0, 10_000), true, pair.nowMs), "queued");
  assert.ok(pair.runUntil(isLow(bulk), 10_000));
});

test("bufferedAmount falls as packets leave, and the low water mark is told once", () => {
  const pair = new Pair({ delayMs: 5, bytesPerMs: 100 }).connect();
  const id = pair.open({ ordered: true });
  const { association } = pair.client;
  association.setLowWater(id, 50_000);
  for (let i = 0; i < 20; i++) association.send(id, numbered(i, 10_000), true, pair.nowMs);
  assert.equal(association.bufferedAmount(id), 200_000);
  assert.ok(pair.runUntil(() => pair.client.has("bufferedLow"), 60_000));
  assert.ok(association.bufferedAmount(id) <= 50_000);
  assert.ok(association.bufferedAmount(id) > 30_000);
  pair.run(60_000);
  assert.equal(pair.client.events.filter((e) => e.type === "bufferedLow").length, 1);
});

test("a message longer than the peer takes is refused; one longer than we take is dropped alone", () => {
  const pair = new Pair({}, { maxMessageSize: 20_000 }, { limits: { maxReceiveMessageBytes: 5000 } }).connect();
  const id = pair.open({ ordered: true });
  const { association } = pair.client;
  assert.equal(association.send(id, numbered(0, 20_001), true, pair.nowMs), "tooLarge");
  association.send(id, numbered(1, 20_000), true, pair.nowMs);
  association.send(id, numbered(2, 5000), true, pair.nowMs);
  pair.run(500);
  assert.deepEqual(pair.server.messages().map(indexOf), [2]);
  assert.equal(pair.server.association.stats.droppedMessages, 1);
});

test("a peer that only ever tells of a small window, and never that it opened again, is served by the round trip", () => {
  const pair = new Pair({ delayMs: 5 }).connect();
  const id = pair.open({ ordered: true });
  pair.filter = (bytes, from) => {
    // A SACK at the head of a packet: 10 bytes are left.
    if (from === pair.server && bytes[12] === 3) new DataView(bytes.buffer, bytes.byteOffset).setUint32(12 + 8, 10);
    return bytes;
  };
  for (let i = 0; i < 200; i++) pair.client.association.send(id, numbered(i, 150), true, pair.nowMs);
  assert.ok(
    pair.runUntil(() => pair.server.messages().length === 200, 200 * 15),
    `${pair.server.messages().length} of 200 in time`,
  );
  assert.deepEqual(
    pair.server.messages().map(indexOf),
    Array.from({ length: 200 }, (_, i) => i),
  );
});

test("behind a gap the first packets are acknowledged one by one, later ones in pairs, and what fills it at once", () => {
  const pair = new Pair({ delayMs: 10 }).connect();
  const id = pair.open({ ordered: true });
  for (let i = 0; i < 10; i++) pair.client.association.send(id, new Uint8Array(60_000), true, pair.nowMs);
  let sent = 0;
  let fifth = 0;
  pair.filter = (bytes, from) => {
    if (from !== pair.client || bytes[12] !== 0) return bytes;
    const tsn = new DataView(bytes.buffer, bytes.byteOffset).getInt32(16);
    if (++sent === 5) fifth = tsn;
    // The fifth never arrives, however often it is sent.
    return tsn === fifth ? undefined : bytes;
  };
  const before = pair.server.sentPackets;
  pair.run(95);
  const { packetsIn } = pair.server.association.stats;
  const sacks = pair.server.sentPackets - before;
  assert.ok(packetsIn > 150, `${packetsIn} packets`);
  assert.ok(sacks < 0.6 * packetsIn, `${sacks} SACKs for ${packetsIn} packets`);
  assert.ok(sacks > 0.45 * packetsIn, `${sacks} SACKs for ${packetsIn} packets`);
  pair.filter = undefined;
  assert.ok(
    pair.runUntil(() => pair.server.messages().length === 10, 5000),
    "the rest comes",
  );
});

test("a path that stands still for a moment costs neither the window nor everything a second time", () => {
  const pair = new Pair({ delayMs: 20, bytesPerMs: 20_000 }).connect();
  const id = pair.open({ ordered: true });
  let bytes = 0;
  pair.server.onEvent = (event) => {
    if (event.type === "message") bytes += event.data.length;
  };
  const { association } = pair.client;
  const pump = (ms: number) => {
    for (const endMs = pair.nowMs + ms; pair.nowMs < endMs; pair.run(5)) {
      while (association.bufferedAmount(id) < 4_000_000) association.send(id, new Uint8Array(60_000), true, pair.nowMs);
    }
  };
  pump(2000);
  const { timeouts, retransmittedChunks } = association.stats;
  // What is sent now arrives half a second late.
  pair.network = { delayMs: 520, bytesPerMs: 20_000 };
  pump(200);
  pair.network = { delayMs: 20, bytesPerMs: 20_000 };
  pump(1200);
  assert.ok(association.stats.timeouts > timeouts);
  assert.ok(association.stats.retransmittedChunks - retransmittedChunks < 600);
  bytes = 0;
  pump(500);
  assert.ok(bytes > 6_000_000, `${bytes} bytes of 10,000,000`);
});
