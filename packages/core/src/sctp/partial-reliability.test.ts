import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { Pair } from "./pair.test.ts";

function numbered(index: number, length = 100): Uint8Array {
  const bytes = new Uint8Array(length).fill(index & 0xff);
  new DataView(bytes.buffer).setUint32(0, index);
  return bytes;
}

const indexOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);

test("maxRetransmits 0 loses what the network loses, and never delays what it delivers", () => {
  const pair = new Pair({ seed: 11, delayMs: 10 }).connect();
  const id = pair.open({ ordered: false, maxRetransmits: 0 });
  pair.network = { delayMs: 10, loss: 0.1 };
  const sentMs: number[] = [];
  const delays: number[] = [];
  pair.server.onEvent = (event) => {
    if (event.type === "message") delays.push(pair.nowMs - sentMs[indexOf(event.data)]!);
  };
  for (let i = 0; i < 2000; i++) {
    sentMs.push(pair.nowMs);
    assert.equal(pair.client.association.send(id, numbered(i), true, pair.nowMs), "queued");
    pair.run(20);
  }
  pair.run(2000);
  assert.ok(delays.length > 1740 && delays.length < 1860, `${delays.length} of 2000 arrive at 10 % loss`);
  assert.ok(Math.max(...delays) < 11, `${Math.max(...delays)} ms`);
  // A lost SACK makes the sender give up what has arrived.
  const { abandonedMessages } = pair.client.association.stats;
  assert.ok(abandonedMessages >= 2000 - delays.length && abandonedMessages < 2100 - delays.length);
  assert.equal(pair.client.association.bufferedAmount(id), 0);
});

test("without loss maxRetransmits 0 loses nothing, also beyond the congestion window", () => {
  const pair = new Pair({ delayMs: 10, jitterMs: 1 }).connect();
  const id = pair.open({ ordered: false, maxRetransmits: 0 });
  for (let i = 0; i < 300; i++) pair.client.association.send(id, numbered(i, 1000), true, pair.nowMs);
  pair.run(5000);
  assert.equal(pair.server.messages().length, 300);
});

test("an ordered lossy channel goes on after a loss", () => {
  const pair = new Pair({ delayMs: 10 }).connect();
  const id = pair.open({ ordered: true, maxRetransmits: 0 });
  for (let i = 0; i < 20; i++) {
    pair.network = { delayMs: 10, loss: i === 5 || i === 6 ? 1 : 0 };
    pair.client.association.send(id, numbered(i), true, pair.nowMs);
    pair.run(5);
  }
  pair.run(200);
  const expected = Array.from({ length: 20 }, (_, i) => i).filter((i) => i !== 5 && i !== 6);
  assert.deepEqual(pair.server.messages().map(indexOf), expected);
  assert.equal(pair.client.association.stats.timeouts, 0, "FORWARD TSN does not wait for the timer");
});

test("a long message that lost a fragment is given up as a whole", () => {
  for (const ordered of [true, false]) {
    const pair = new Pair({ delayMs: 10 }).connect();
    const id = pair.open({ ordered, maxRetransmits: 0 });
    let packets = 0;
    // The third packet of the message; the window is smaller than the message, so its end is not sent yet.
    pair.filter = (bytes, from) => (from === pair.client && ++packets === 3 ? undefined : bytes);
    pair.client.association.send(id, numbered(1, 200_000), true, pair.nowMs);
    pair.client.association.send(id, numbered(2, 5000), true, pair.nowMs);
    pair.run(1000);
    assert.deepEqual(pair.server.messages().map(indexOf), [2]);
    assert.equal(pair.client.association.bufferedAmount(id), 0);
    assert.equal(pair.client.association.stats.abandonedMessages, 1);
    const again = pair.client.association.send(id, numbered(3, 5000), true, pair.nowMs);
    assert.equal(again, "queued");
    pair.run(100);
    assert.deepEqual(pair.server.messages().map(indexOf), [2, 3]);
  }
});

test("maxRetransmits n sends n + 1 times", () => {
  for (const maxRetransmits of [0, 1, 3]) {
    const pair = new Pair({ delayMs: 1 }).connect();
    const id = pair.open({ ordered: false, maxRetransmits });
    let sent = 0;
    pair.filter = (bytes, from) => {
      if (from !== pair.client || bytes[12] !== 0) return bytes;
      sent++;
      return undefined;
    };
    pair.client.association.send(id, numbered(0), true, pair.nowMs);
    pair.run(30_000);
    assert.equal(sent, maxRetransmits + 1);
    assert.equal(pair.client.association.stats.abandonedMessages, 1);
  }
});

test("maxPacketLifeTime gives up what is late: lost in flight, or waiting at the sender", () => {
  const pair = new Pair({ delayMs: 10 }).connect();
  const id = pair.open({ ordered: true, maxPacketLifeTimeMs: 100 });
  pair.network = { delayMs: 10, loss: 1 };
  pair.client.association.send(id, numbered(0), true, pair.nowMs);
  pair.run(50);
  pair.network = { delayMs: 10 };
  pair.run(1000);
  assert.equal(pair.server.messages().length, 0, "the timer comes after its end");
  pair.client.association.send(id, numbered(1), true, pair.nowMs);
  pair.run(100);
  assert.deepEqual(pair.server.messages().map(indexOf), [1]);

  // A line of 100 bytes per ms takes 5 s for half a megabyte; after 100 ms nothing new may start.
  pair.network = { delayMs: 10, bytesPerMs: 100 };
  for (let i = 2; i < 52; i++) pair.client.association.send(id, numbered(i, 10_000), true, pair.nowMs);
  const endMs = pair.nowMs + 100;
  let lastMs = 0;
  pair.filter = (bytes, from) => {
    if (from === pair.client && bytes[12] === 0) lastMs = pair.nowMs;
    return bytes;
  };
  pair.run(8000);
  assert.ok(lastMs <= endMs + 500, `still sending ${lastMs - endMs} ms after the end of all messages`);
  assert.equal(pair.client.association.bufferedAmount(id), 0);
  assert.ok(pair.server.messages().length < 20);
});

test("lossy traffic on a bad network neither stops nor breaks a reliable channel beside it", () => {
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.integer({ min: 1, max: 1 << 30 }),
        delayMs: fc.constantFrom(1, 20, 80),
        jitterMs: fc.constantFrom(0, 10),
        loss: fc.double({ min: 0, max: 0.2, noNaN: true }),
        duplicate: fc.constantFrom(0, 0.05),
      }),
      fc.constantFrom(0, 1, 2),
      fc.boolean(),
      (network, maxRetransmits, ordered) => {
        const pair = new Pair(network).connect();
        const reliable = pair.open({ ordered: true });
        const lossy = pair.open({ ordered, maxRetransmits });
        for (let i = 0; i < 100; i++) {
          pair.client.association.send(lossy, numbered(i, 50 + ((i * 131) % 4000)), true, pair.nowMs);
          if (i % 5 === 0) pair.client.association.send(reliable, numbered(i / 5, 700), true, pair.nowMs);
          pair.run(10);
        }
        assert.ok(
          pair.runUntil(() => pair.server.messages(reliable).length === 20, 60_000),
          "reliable ones arrive",
        );
        assert.deepEqual(
          pair.server.messages(reliable).map(indexOf),
          Array.from({ length: 20 }, (_, i) => i),
        );
        pair.run(60_000);
        const got = pair.server.messages(lossy).map(indexOf);
        assert.equal(new Set(got).size, got.length, "nothing twice");
        if (ordered)
          assert.deepEqual(
            got,
            got.toSorted((a, b) => a - b),
          );
        assert.ok(got.length + pair.client.association.stats.abandonedMessages >= 100, "delivered or given up");
        assert.equal(pair.client.association.bufferedAmount(lossy), 0);
        // The association has come to rest: nothing but a heartbeat is due.
        assert.ok(pair.client.association.nextTimeoutMs() > pair.nowMs);
      },
    ),
    { numRuns: 60 },
  );
});
