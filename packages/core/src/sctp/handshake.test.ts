import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  COOKIE_ACK,
  COOKIE_ECHO,
  INIT,
  INIT_ACK,
  SHUTDOWN,
  SHUTDOWN_ACK,
  SHUTDOWN_COMPLETE,
} from "@stoa/wire/sctp/chunk-types";
import { readI32 } from "@stoa/wire/sctp/bytes";
import { closeChunk, finishPacket, startPacket } from "@stoa/wire/sctp/packet";
import { SctpAssociation } from "./association.ts";
import { Pair, SeededRandom } from "./pair.test.ts";

const firstChunk = (bytes: Uint8Array) => bytes[12]!;

/** A packet with one chunk of 4 bytes and `value` behind it. */
function packet(tag: number, type: number, value: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(16 + value.length);
  const at = startPacket(bytes, 5000, 5000, tag);
  bytes.set(value, at + 4);
  closeChunk(bytes, at, type, 0, at + 4 + value.length);
  finishPacket(bytes, bytes.length);
  return bytes;
}

test("an association comes up whoever starts, or both", () => {
  for (const starters of [["client"], ["server"], ["client", "server"]] as const) {
    const pair = new Pair({ delayMs: 10 });
    for (const side of starters) pair[side].association.connect(pair.nowMs);
    const id = pair.client.association.openChannel({ label: "a", ordered: true });
    assert.equal(pair.client.association.send(id, Uint8Array.of(1), true, pair.nowMs), "queued", "before it is up");
    assert.ok(pair.runUntil(() => pair.server.messages().length === 1, 5000));
    assert.ok(pair.runUntil(() => pair.client.has("channelOpen"), 1000));
    assert.equal(pair.client.events.filter((e) => e.type === "connected").length, 1);
    assert.equal(pair.server.events.filter((e) => e.type === "connected").length, 1);
  }
});

test("simultaneous handshakes survive loss, reordering and repetition", () => {
  const networks = fc.record({
    seed: fc.integer({ min: 1, max: 1 << 30 }),
    loss: fc.double({ min: 0, max: 0.3, noNaN: true }),
    duplicate: fc.constantFrom(0, 0.3),
    delayMs: fc.constant(5),
    jitterMs: fc.constantFrom(0, 20, 500),
  });
  fc.assert(
    fc.property(networks, fc.integer({ min: 0, max: 50 }), (network, laterMs) => {
      const pair = new Pair(network);
      pair.client.association.connect(pair.nowMs);
      const early = pair.client.association.openChannel({ label: "c", ordered: true });
      pair.client.association.send(early, Uint8Array.of(1), true, pair.nowMs);
      pair.run(laterMs);
      pair.server.association.connect(pair.nowMs);
      const other = pair.server.association.openChannel({ label: "s", ordered: true });
      assert.notEqual(early, other);
      pair.server.association.send(other, Uint8Array.of(2), true, pair.nowMs);
      assert.ok(
        pair.runUntil(() => pair.server.messages().length === 1 && pair.client.messages().length === 1, 60_000),
      );
      pair.run(2000);
      for (const side of [pair.client, pair.server]) {
        assert.equal(side.events.filter((e) => e.type === "connected").length, 1, "no restart");
        assert.equal(side.messages().length, 1);
      }
    }),
    { numRuns: 200 },
  );
});

test("stream ids follow the DTLS role", () => {
  const pair = new Pair();
  const open = (association: SctpAssociation) => association.openChannel({ label: "", ordered: true });
  assert.deepEqual([open(pair.client.association), open(pair.client.association)], [0, 2]);
  assert.deepEqual([open(pair.server.association), open(pair.server.association)], [1, 3]);
});

test("a lost COOKIE ACK does not hold back data that follows it", () => {
  const pair = new Pair({ delayMs: 10 });
  pair.filter = (bytes) => (firstChunk(bytes) === COOKIE_ACK ? undefined : bytes);
  pair.client.association.connect(pair.nowMs);
  const id = pair.server.association.openChannel({ label: "x", ordered: true });
  pair.server.association.send(id, Uint8Array.of(7), true, pair.nowMs);
  assert.ok(pair.runUntil(() => pair.client.messages().length === 1, 1000));
});

test("a peer that never answers the handshake, or stops answering later, is given up", () => {
  const pair = new Pair();
  pair.filter = () => undefined;
  pair.client.association.connect(pair.nowMs);
  assert.ok(pair.runUntil(() => pair.client.has("closed"), 120_000));
  assert.ok(pair.nowMs - 1_000_000 > 20_000);

  for (const busy of [true, false]) {
    const other = new Pair({ delayMs: 5 }).connect();
    const id = other.open({ ordered: true });
    other.filter = () => undefined;
    if (busy) other.client.association.send(id, new Uint8Array(10), true, other.nowMs);
    const startMs = other.nowMs;
    assert.ok(other.runUntil(() => other.client.has("closed"), 600_000));
    assert.ok(other.nowMs - startMs > 30_000, "not before ICE would notice");
    assert.ok(other.nowMs - startMs < 150_000, `${other.nowMs - startMs}`);
    assert.ok(other.client.has("channelClosed"));
    assert.equal(other.client.association.send(id, new Uint8Array(1), true, other.nowMs), "closed");
    assert.equal(other.client.association.nextTimeoutMs(), Number.POSITIVE_INFINITY);
  }
});

test("an idle association stays up, and an outage of half a minute is survived", () => {
  const pair = new Pair({ delayMs: 5 }).connect();
  const id = pair.open({ ordered: true });
  pair.run(600_000);
  assert.ok(pair.client.association.connected && pair.server.association.connected);
  pair.network = { loss: 1 };
  pair.client.association.send(id, Uint8Array.of(1), true, pair.nowMs);
  pair.run(30_000);
  pair.network = { delayMs: 5 };
  assert.ok(
    pair.runUntil(() => pair.server.messages().length === 1, 3100),
    "within the largest timeout",
  );
});

test("an abort ends both sides and closes their channels", () => {
  const pair = new Pair().connect();
  const id = pair.open({ ordered: true });
  pair.client.association.abort("leaving");
  pair.run(10);
  for (const side of [pair.client, pair.server]) {
    assert.deepEqual(
      side.events.slice(-2).map((e) => e.type),
      ["channelClosed", "closed"],
    );
    assert.equal(side.association.send(id, new Uint8Array(1), true, pair.nowMs), "closed");
    assert.equal(side.association.openChannel({ label: "", ordered: true }), -1);
  }
});

test("a peer that restarts gets a new association; the old channels are closed", () => {
  const pair = new Pair({ delayMs: 5 }).connect();
  const id = pair.open({ ordered: true });
  pair.server.association.send(id, new Uint8Array(300_000), true, pair.nowMs);
  pair.run(3);
  // The client forgets everything and starts again on the same DTLS connection.
  const fresh = new Pair({ seed: 99, delayMs: 5 });
  const { association } = fresh.client;
  association.connect(pair.nowMs);
  const label = association.openChannel({ label: "again", ordered: true });
  association.send(label, Uint8Array.of(5), true, pair.nowMs);
  const { server } = pair;
  const before = server.events.length;
  for (let i = 0; i < 20; i++) {
    for (let p = association.pollPacket(pair.nowMs); p; p = association.pollPacket(pair.nowMs)) {
      server.association.handlePacket(p.slice(), pair.nowMs);
    }
    for (let p = server.association.pollPacket(pair.nowMs); p; p = server.association.pollPacket(pair.nowMs)) {
      association.handlePacket(p.slice(), pair.nowMs);
    }
  }
  for (let e = server.association.pollEvent(); e; e = server.association.pollEvent()) server.events.push(e);
  assert.deepEqual(
    server.events.slice(before).map((e) => e.type),
    ["channelClosed", "connected", "channelOpen", "message"],
  );
  assert.equal(server.association.bufferedAmount(id), 0);
});

test("a late INIT, COOKIE ECHO or INIT ACK does not disturb an association", () => {
  const pair = new Pair({ delayMs: 5 });
  const kept: { bytes: Uint8Array; toServer: boolean }[] = [];
  pair.filter = (bytes, from) => {
    if (firstChunk(bytes) <= 2 || firstChunk(bytes) === COOKIE_ECHO) {
      kept.push({ bytes: bytes.slice(), toServer: from === pair.client });
    }
    return bytes;
  };
  pair.connect();
  pair.filter = undefined;
  const id = pair.open({ ordered: true });
  assert.ok(kept.some(({ bytes }) => firstChunk(bytes) === INIT));
  for (const { bytes, toServer } of kept) pair.inject(toServer ? pair.server : pair.client, bytes);
  pair.run(1000);
  pair.client.association.send(id, Uint8Array.of(1), true, pair.nowMs);
  pair.run(100);
  assert.equal(pair.server.messages().length, 1);
  for (const side of [pair.client, pair.server]) {
    assert.equal(side.events.filter((e) => e.type === "connected").length, 1);
  }
});

test("a peer's SHUTDOWN is answered when our data is through", () => {
  const pair = new Pair({ delayMs: 5 }).connect();
  const id = pair.open({ ordered: true });
  let serverTag = 0;
  let clientTag = 0;
  const seen: number[] = [];
  pair.filter = (bytes, from) => {
    if (from === pair.client) serverTag = readI32(bytes, 4) >>> 0;
    else {
      clientTag = readI32(bytes, 4) >>> 0;
      seen.push(firstChunk(bytes));
    }
    return bytes;
  };
  pair.client.association.send(id, new Uint8Array(10), true, pair.nowMs);
  pair.server.association.send(id, new Uint8Array(50_000), true, pair.nowMs);
  pair.run(1);
  // It acknowledges nothing new: distance 0x7fffffff would be absurd, so use a TSN far in the past.
  pair.inject(pair.server, packet(serverTag, SHUTDOWN, [0, 0, 0, 0]));
  assert.equal(pair.server.association.send(id, new Uint8Array(1), true, pair.nowMs), "closed");
  pair.run(100);
  assert.equal(pair.client.messages().length, 1, "what was queued still arrives");
  assert.ok(seen.includes(SHUTDOWN_ACK));
  assert.notEqual(clientTag, 0);
  pair.inject(pair.server, packet(serverTag, SHUTDOWN_COMPLETE));
  pair.run(1);
  assert.ok(pair.server.has("closed"));
});

test("nothing is sent before connect, and a second connect changes nothing", () => {
  const association = new SctpAssociation({ random: new SeededRandom(1), role: "client", maxMessageSize: 0 });
  association.openChannel({ label: "x", ordered: true });
  assert.equal(association.pollPacket(0), undefined);
  assert.equal(association.nextTimeoutMs(), Number.POSITIVE_INFINITY);
  association.connect(10);
  association.connect(10);
  assert.ok(association.pollPacket(10));
  assert.equal(association.pollPacket(10), undefined);
});

test("the checksum is left out once both sides agree, and never if the peer did not offer it", () => {
  const checksum = (bytes: Uint8Array) => readI32(bytes, 8);
  const isHandshake = (bytes: Uint8Array) => [INIT, INIT_ACK, COOKIE_ECHO].includes(firstChunk(bytes));
  for (const offered of [true, false]) {
    const pair = new Pair({ delayMs: 5, loss: 0.1, seed: 4 });
    const zero = { client: 0, server: 0 };
    let handshake = 0;
    pair.filter = (bytes, from) => {
      if (isHandshake(bytes)) {
        assert.notEqual(checksum(bytes), 0);
        handshake++;
        // Hides the client's offer under an unknown type that is skipped.
        const at = bytes.findIndex((_, i) => readI32(bytes, i) === (0x80010008 | 0));
        if (!offered && from === pair.client && at > 0) {
          bytes[at] = 0xbf;
          finishPacket(bytes, bytes.length);
        }
      } else if (checksum(bytes) === 0) zero[from === pair.client ? "client" : "server"]++;
      return bytes;
    };
    pair.connect();
    const id = pair.open({ ordered: true });
    pair.client.association.send(id, new Uint8Array(20_000), true, pair.nowMs);
    assert.ok(pair.runUntil(() => pair.server.messages().length === 1, 5000));
    assert.ok(handshake > 3 && zero.client > 15);
    assert.equal(zero.server > 0, offered);
  }
});

test("a handshake without checksum is refused", () => {
  const pair = new Pair();
  pair.filter = (bytes) => bytes.fill(0, 8, 12);
  pair.client.association.connect(pair.nowMs);
  pair.run(5000);
  assert.ok(!pair.server.has("connected"));
  assert.ok(pair.server.association.stats.badPackets > 2);
});
