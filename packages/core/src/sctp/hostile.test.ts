import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { writeU16, writeU32 } from "@stoa/wire/sctp/bytes";
import * as type from "@stoa/wire/sctp/chunk-types";
import { FLAG_BEGIN, FLAG_END, FLAG_UNORDERED, writeDataHeader } from "@stoa/wire/sctp/data";
import { PPID_BINARY } from "@stoa/wire/sctp/dcep";
import { closeChunk, finishPacket, startPacket } from "@stoa/wire/sctp/packet";
import { Pair } from "./pair.test.ts";
import { BOTH, Rogue } from "./rogue.test.ts";

test("broken packets are counted and change nothing", () => {
  const rogue = new Rogue();
  rogue.open(0);
  const { server } = rogue;
  const good = new Uint8Array(40);
  const end = writeDataHeader(good, startPacket(good, 5000, 5000, rogue.tag), BOTH, rogue.tsn, 0, 1, PPID_BINARY, 9);
  finishPacket(good, end);
  const bad: Uint8Array[] = [new Uint8Array(0), good.subarray(0, 15), good.subarray(0, end - 1)];
  for (let i = 0; i < end; i++) {
    const flipped = good.slice(0, end);
    flipped[i]! ^= 0x10;
    bad.push(flipped);
  }
  for (const bytes of bad) rogue.pair.inject(rogue.pair.server, bytes);
  assert.equal(server.stats.badPackets, bad.length);
  rogue.send((bytes, at) => writeDataHeader(bytes, at, BOTH, rogue.tsn, 0, 1, PPID_BINARY, 9), rogue.tag ^ 1);
  rogue.send((bytes, at) => closeChunk(bytes, at, type.ABORT, 0, at + 4), rogue.tag ^ 1);
  assert.equal(server.stats.strayPackets, 2);
  assert.equal(rogue.messages().length, 0);
  rogue.pair.inject(rogue.pair.server, good.slice(0, end));
  rogue.pair.run(0);
  assert.equal(rogue.messages().length, 1, "the good one still counts");
});

test("chunks of length zero, or longer than the packet, end the packet", () => {
  for (const length of [0, 1, 3, 200]) {
    const rogue = new Rogue();
    const before = rogue.server.stats.badChunks;
    rogue.send((bytes, at) => {
      writeU16(bytes, at + 2, length);
      return at + 16;
    });
    assert.equal(rogue.server.stats.badChunks, before + 1);
    assert.ok(rogue.server.connected);
  }
});

test("TSNs out of all reach are dropped, those within come again in order", () => {
  const rogue = new Rogue();
  rogue.open(0);
  for (const far of [70_000, 1 << 20, 0x7ffffff0, -5, -(1 << 30)]) {
    rogue.data(BOTH, 0, 9, Uint8Array.of(1), PPID_BINARY, (rogue.tsn + far) | 0);
  }
  assert.equal(rogue.server.stats.droppedChunks, 3);
  assert.equal(rogue.server.stats.duplicateChunks, 2);
  rogue.data(BOTH, 0, 1, Uint8Array.of(2));
  assert.equal(rogue.messages().length, 1);
});

test("a SACK of what was never sent, or with absurd gaps, is ignored", () => {
  const rogue = new Rogue();
  rogue.open(0);
  rogue.server.send(0, new Uint8Array(5000), true, rogue.pair.nowMs);
  rogue.pair.run(0);
  const held = rogue.server.sendHeldBytes;
  rogue.sack(rogue.serverTsn + 100, []);
  rogue.sack(rogue.serverTsn - 100, []);
  rogue.sack(rogue.serverTsn ^ 0x80000000, []);
  rogue.sack(rogue.serverTsn, [[2, 60_000]]);
  rogue.sack(rogue.serverTsn, [[5, 2]]);
  rogue.sack(rogue.serverTsn, [[0, 0]]);
  rogue.sack(rogue.serverTsn, [[3, 4], [3, 4], [2, 2]]); // prettier-ignore
  // Counts that do not fit the chunk.
  rogue.send((bytes, at) => {
    writeU16(bytes, at + 12, 500);
    return closeChunk(bytes, at, type.SACK, 0, at + 16);
  });
  assert.equal(rogue.server.sendHeldBytes, held, "nothing was acknowledged for good");
  // OPEN was acknowledged with ACK: one chunk; then nine of the message, two to a packet.
  rogue.sack(rogue.serverTsn + 10, []);
  assert.equal(rogue.server.sendHeldBytes, 0);
});

test("fragments that contradict each other are dropped, and hold no memory", () => {
  const rogue = new Rogue();
  rogue.open(0);
  const bytes = new Uint8Array(500);
  for (let round = 0; round < 300; round++) {
    rogue.data(FLAG_BEGIN, 0, 1, bytes);
    rogue.data(FLAG_BEGIN, 0, 1, bytes);
    rogue.data(0, 1, 1, bytes);
    rogue.data(FLAG_UNORDERED, 0, 0, bytes);
    rogue.data(FLAG_END, 0, 2, bytes);
    rogue.data(0, 0, 7, bytes);
  }
  assert.ok(rogue.server.receiveHeldBytes < 2000, `${rogue.server.receiveHeldBytes}`);
  assert.ok(rogue.server.stats.droppedMessages > 300);
  rogue.data(BOTH, 0, 1, Uint8Array.of(1));
  assert.equal(rogue.messages().length, 1);
});

test("memory stays within twice the window, whatever is left open", () => {
  const limits = { receiveWindowBytes: 100_000, maxReceiveMessageBytes: 50_000 };
  const payload = new Uint8Array(1000);
  const attacks: ((rogue: Rogue, i: number) => void)[] = [
    // Every second TSN: nothing ever becomes whole or in order.
    (rogue, i) => rogue.data(BOTH, 0, i + 5, payload, PPID_BINARY, (rogue.tsn + 2 * i + 1) | 0),
    (rogue, i) => rogue.data(FLAG_BEGIN, 0, 1, payload, PPID_BINARY, (rogue.tsn + 2 * i + 1) | 0),
    (rogue, i) => rogue.data(0, i & 0xffff, 1, payload, PPID_BINARY, (rogue.tsn + 40_000 - 2 * i) | 0),
    // In order by TSN, but the first SSN never comes.
    (rogue, i) => rogue.data(BOTH, 0, (i + 5) & 0x7fff, payload),
    // A message without end.
    (rogue, i) => rogue.data(i === 0 ? FLAG_BEGIN : 0, 0, 1, payload),
    // A far TSN first, then the gap is filled.
    (rogue, i) => rogue.data(0, 0, 1, payload, PPID_BINARY, (rogue.tsn + (i === 0 ? 60_000 : i)) | 0),
    // Tiny fragments: what they cost is more than what they say.
    (rogue, i) => rogue.data(FLAG_BEGIN, 0, 1, Uint8Array.of(1), PPID_BINARY, (rogue.tsn + 2 * i + 1) | 0),
    // All stream ids.
    (rogue, i) => rogue.data(BOTH, i & 0xffff, 3, payload),
  ];
  for (const [n, attack] of attacks.entries()) {
    const rogue = new Rogue(limits);
    rogue.open(0);
    let most = 0;
    for (let i = 0; i < 5000; i++) {
      attack(rogue, i);
      most = Math.max(most, rogue.server.receiveHeldBytes);
    }
    assert.ok(most <= 202_000, `attack ${n}: ${most} bytes`);
  }
});

test("FORWARD TSN: absurd ones are dropped, sensible ones free what they skip", () => {
  const rogue = new Rogue();
  rogue.open(0);
  for (let i = 0; i < 50; i++) rogue.data(FLAG_BEGIN, 0, 1, new Uint8Array(1000), PPID_BINARY, rogue.tsn + 2 * i + 1);
  assert.ok(rogue.server.receiveHeldBytes > 50_000);
  rogue.forward((rogue.tsn + (1 << 25)) | 0, [0, 1]);
  rogue.forward((rogue.tsn - 1000) | 0, [0, 60_000]);
  assert.ok(rogue.server.receiveHeldBytes > 50_000);
  // 250 streams with far SSNs that have never been heard of.
  const many = Array.from({ length: 500 }, (_, i) => (i % 2 === 0 ? i : 0x7fff));
  rogue.forward(rogue.tsn + 200, many);
  assert.equal(rogue.server.receiveHeldBytes, 0);
  rogue.tsn = (rogue.tsn + 201) | 0;
  rogue.data(BOTH, 0, 0x8000, Uint8Array.of(1));
  assert.equal(rogue.messages().length, 1, "the stream goes on behind the skipped SSN");
});

test("data on streams that nobody opened is dropped", () => {
  const rogue = new Rogue();
  rogue.open(1);
  for (let i = 0; i < 5000; i++) rogue.data(BOTH, (i * 13) & 0xffff, 0, new Uint8Array(100));
  for (let i = 0; i < 5000; i++) rogue.data(BOTH | FLAG_UNORDERED, (i * 13) & 0xffff, 0, new Uint8Array(100));
  assert.equal(rogue.messages().length, 0);
  assert.equal(rogue.server.stats.droppedMessages, 10_000);
  assert.equal(rogue.server.receiveHeldBytes, 0);
  rogue.data(BOTH, 1, 1, Uint8Array.of(1));
  assert.equal(rogue.messages().length, 1, "an open channel does not mind");
});

test("storms of OPEN, RE-CONFIG, INIT and HEARTBEAT are answered in bounds", () => {
  const rogue = new Rogue();
  for (let i = 0; i < 5000; i++) rogue.open(2 * i);
  assert.equal(rogue.pair.server.events.filter((e) => e.type === "channelOpen").length, 1024);
  rogue.answers.length = 0;
  const streams = Array.from({ length: 300 }, (_, i) => i);
  for (let i = 0; i < 3000; i++) {
    rogue.reConfig({ type: "outgoingReset", requestSeq: i * 7919, responseSeq: 0, lastTsn: rogue.tsn, streams });
    rogue.reConfig({ type: "addStreams", requestSeq: rogue.requestSeq++ | 0, outgoing: true, count: 60_000 });
    rogue.reConfig({ type: "response", responseSeq: i, result: i % 8 });
  }
  assert.ok(rogue.answers.length < 12_000);
  assert.ok(!rogue.pair.server.has("channelClosed"));
  const last = (rogue.tsn - 1) | 0;
  rogue.reConfig({ type: "outgoingReset", requestSeq: rogue.requestSeq++, responseSeq: 0, lastTsn: last, streams: [] });
  assert.equal(rogue.pair.server.events.filter((e) => e.type === "channelClosed").length, 1024);

  // Nobody polls packets in between: the queues of answers are bounded.
  const quiet = new Rogue();
  const init = new Uint8Array(32);
  startPacket(init, 5000, 5000, 0);
  writeU32(init, 16, 77);
  writeU32(init, 20, 100_000);
  writeU32(init, 24, 0x00100010);
  closeChunk(init, 12, type.INIT, 0, 32);
  finishPacket(init, 32);
  const beat = new Uint8Array(1016);
  closeChunk(beat, startPacket(beat, 5000, 5000, quiet.tag), type.HEARTBEAT, 0, 1016);
  finishPacket(beat, 1016);
  for (let i = 0; i < 2000; i++) {
    quiet.server.handlePacket(init.slice(), quiet.pair.nowMs);
    quiet.server.handlePacket(beat.slice(), quiet.pair.nowMs);
  }
  quiet.pair.run(0);
  assert.ok(quiet.answers.length < 100, `${quiet.answers.length}`);
  assert.ok(quiet.server.connected);
});

test("unknown chunks are skipped or end the packet as their high bits say", () => {
  for (const [kind, goesOn, reported] of [
    [0x3f, false, false],
    [0x7f, false, true],
    [0xbf, true, false],
    [0xff, true, true],
  ] as const) {
    const rogue = new Rogue();
    rogue.open(0);
    rogue.answers.length = 0;
    rogue.send((bytes, at) => {
      const next = closeChunk(bytes, at, kind, 0, at + 9);
      return writeDataHeader(bytes, next, BOTH, rogue.tsn, 0, 1, PPID_BINARY, 3);
    });
    assert.equal(rogue.messages().length, goesOn ? 1 : 0);
    assert.equal(rogue.answers.includes(type.ERROR), reported);
  }
});

test("mutated packets throw nothing and break no bounds", () => {
  const limits = { receiveWindowBytes: 200_000, maxReceiveMessageBytes: 100_000, sendBufferBytes: 500_000 };
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1 << 30 }),
      fc.array(fc.record({ at: fc.nat(), value: fc.nat(255), copies: fc.nat(2) }), { minLength: 1, maxLength: 40 }),
      fc.boolean(),
      (seed, mutations, fixTag) => {
        const pair = new Pair({ seed, delayMs: 5, jitterMs: 5, loss: 0.05, duplicate: 0.05 }, { limits });
        let n = 0;
        pair.filter = (bytes) => {
          const mutation = mutations[n++ % mutations.length]!;
          if (n % 3 !== 0) return bytes;
          const changed = bytes.slice(0, mutation.copies === 2 ? 12 + (mutation.at % bytes.length) : bytes.length);
          for (let i = 0; i <= mutation.copies; i++) {
            const at = (fixTag ? 12 : 4) + ((mutation.at + 5 * i) % Math.max(1, changed.length - 12));
            if (at < changed.length) changed[at] = mutation.value;
          }
          if (changed.length >= 12) finishPacket(changed, changed.length);
          return changed;
        };
        pair.client.association.connect(pair.nowMs);
        pair.server.association.connect(pair.nowMs);
        const a = pair.client.association.openChannel({ label: "a", ordered: true });
        const b = pair.server.association.openChannel({ label: "b", ordered: false, maxRetransmits: 1 });
        for (let i = 0; i < 30; i++) {
          pair.client.association.send(a, new Uint8Array(i * 300), true, pair.nowMs);
          pair.server.association.send(b, new Uint8Array(i * 200), false, pair.nowMs);
          if (i === 25) pair.client.association.closeChannel(a);
          pair.run(20);
          for (const { association } of [pair.client, pair.server]) {
            assert.ok(association.receiveHeldBytes >= 0 && association.receiveHeldBytes <= 450_000);
            assert.ok(association.sendHeldBytes >= 0 && association.sendHeldBytes <= 600_000);
          }
        }
        // A bad packet must not leave a timer that fires for ever without time passing.
        pair.run(20_000);
        assert.ok(pair.client.association.nextTimeoutMs() > pair.nowMs);
      },
    ),
    { numRuns: 300 },
  );
});

test("arbitrary bytes throw nothing", () => {
  const rogue = new Rogue();
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.constantFrom(...Array.from({ length: 20 }, (_, i) => i), 130, 192),
      (body, kind) => {
        rogue.send(
          (bytes, at) => {
            bytes.set(body, at + 4);
            return closeChunk(bytes, at, kind, body.length & 7, at + 4 + body.length);
          },
          kind === type.INIT ? 0 : rogue.tag,
        );
        rogue.pair.inject(rogue.pair.server, body);
      },
    ),
    { numRuns: 3000 },
  );
});
