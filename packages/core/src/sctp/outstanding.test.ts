import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { writeU16 } from "@stoa/wire/sctp/bytes";
import { parseSack, writeSackHeader } from "@stoa/wire/sctp/sack";
import { NEVER } from "../clock.ts";
import { newOutboundStream } from "./outbound-message.ts";
import type { OutboundMessage } from "./outbound-message.ts";
import { Outstanding } from "./outstanding.ts";
import { newStats } from "./stats.ts";

const stream = newOutboundStream(0);

function message(length: number, maxRetransmits = Number.POSITIVE_INFINITY): OutboundMessage {
  return {
    stream,
    data: new Uint8Array(length),
    ppid: 53,
    unordered: true,
    maxRetransmits,
    expiresAtMs: NEVER,
    counted: true,
    ssn: 0,
    sentBytes: 0,
    abandoned: false,
  };
}

class Bench {
  readonly stats = newStats();
  readonly finished: OutboundMessage[] = [];
  readonly outstanding = new Outstanding(1, this.stats, (one) => this.finished.push(one));

  /** TSNs 1 … count, 100 bytes each. */
  send(count: number, maxRetransmits?: number): OutboundMessage[] {
    return Array.from({ length: count }, () => {
      const one = message(100, maxRetransmits);
      this.outstanding.push(one, 0, 100, true, 0);
      return one;
    });
  }

  sack(cumulative: number, gaps: readonly (readonly [number, number])[] = [], nowMs = 50, recovering = false): boolean {
    const bytes = new Uint8Array(16 + 4 * gaps.length);
    gaps.forEach(([from, to], i) => {
      writeU16(bytes, 16 + 4 * i, from - cumulative);
      writeU16(bytes, 18 + 4 * i, to - cumulative);
    });
    const end = writeSackHeader(bytes, 0, cumulative, 100_000, gaps.length, 0);
    return this.outstanding.handleSack(bytes, parseSack(bytes, 0, end)!, recovering, nowMs);
  }

  lost(): number[] {
    const tsns: number[] = [];
    const { outstanding } = this;
    for (let p = outstanding.losses.first(0); p >= 0; p = outstanding.losses.first(0)) {
      tsns.push(outstanding.ring.tsnAt(p));
      outstanding.resent(p, true, 60);
    }
    return tsns;
  }
}

test("a chunk that three SACKs report missing is sent again, once", () => {
  const bench = new Bench();
  bench.send(10);
  bench.sack(1, [[3, 3]]);
  bench.sack(1, [[3, 4]]);
  assert.deepEqual(bench.lost(), []);
  bench.sack(1, [[3, 5]]);
  assert.ok(bench.outstanding.report.lostChunks > 0);
  assert.deepEqual(bench.lost(), [2]);
  assert.equal(bench.outstanding.report.rttMs, 50);
  for (let last = 6; last <= 10; last++) bench.sack(1, [[3, last]]);
  assert.deepEqual(bench.lost(), [], "what was sent before the retransmission tells nothing of it");
  bench.send(3);
  for (let last = 11; last <= 13; last++) bench.sack(1, [[3, last]]);
  assert.deepEqual(bench.lost(), [2], "what was sent after it does");
});

test("the same SACK three times is not three reports", () => {
  const bench = new Bench();
  bench.send(5);
  for (let i = 0; i < 5; i++) bench.sack(0, [[2, 3]]);
  assert.deepEqual(bench.lost(), []);
});

test("a chunk that the peer takes back is in flight again", () => {
  const bench = new Bench();
  bench.send(4);
  bench.sack(0, [[2, 4]]);
  assert.equal(bench.outstanding.ring.flightBytes, 100);
  bench.sack(0, [[2, 2]]);
  assert.equal(bench.outstanding.ring.flightBytes, 300);
  bench.sack(4);
  assert.equal(bench.outstanding.ring.flightBytes, 0);
  assert.equal(bench.finished.length, 4);
});

test("time is never measured on what was sent twice", () => {
  const bench = new Bench();
  bench.send(1);
  bench.outstanding.loseAll(10);
  assert.deepEqual(bench.lost(), [1]);
  bench.sack(1, [], 70);
  assert.equal(bench.outstanding.report.rttMs, -1);
});

test("whatever SACKs and losses come, the sums are right and every message finishes once", () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant("send"), a: fc.integer({ min: 1, max: 40 }), b: fc.nat(2), c: fc.nat(3) }),
    fc.record({ kind: fc.constant("sack"), a: fc.nat(20), b: fc.nat(10), c: fc.nat(10) }),
    fc.record({ kind: fc.constant("lose"), a: fc.constant(0), b: fc.constant(0), c: fc.constant(0) }),
    fc.record({ kind: fc.constant("resend"), a: fc.constant(0), b: fc.constant(0), c: fc.constant(0) }),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const bench = new Bench();
      const { outstanding } = bench;
      const sent: OutboundMessage[] = [];
      for (const { kind, a, b, c } of actions) {
        if (kind === "send") {
          const one = message(a * 100, b === 2 ? Number.POSITIVE_INFINITY : b);
          sent.push(one);
          const fragments = c === 0 ? Math.max(1, a >> 1) : a;
          for (let i = 0; i < fragments; i++) outstanding.push(one, i * 100, 100, true, 0);
          if (fragments < a) {
            outstanding.abandonment.abandonCurrent(one);
            outstanding.pushPlaceholder(one);
          }
        } else if (kind === "sack") {
          const cumulative = outstanding.ring.cumulativeTsn + a;
          bench.sack(cumulative, [[cumulative + 1 + b, cumulative + 1 + b + c]], 50, c % 2 === 0);
        } else if (kind === "lose") outstanding.loseAll(5);
        else bench.lost();
        assert.ok(
          outstanding.ring.flightBytes >= 0 && outstanding.ring.lostCount >= 0 && outstanding.ring.abandonedCount >= 0,
        );
        assert.ok(outstanding.abandonment.skippable() <= outstanding.ring.count);
      }
      bench.sack(outstanding.ring.cumulativeTsn + outstanding.ring.count);
      assert.equal(outstanding.ring.flightBytes, 0);
      assert.equal(outstanding.ring.lostCount, 0);
      assert.equal(outstanding.ring.abandonedCount, 0);
      assert.deepEqual(bench.finished, sent);
    }),
    { numRuns: 500 },
  );
});

test("a chunk that was lost again is found by what was sent after it, without any new data", () => {
  const bench = new Bench();
  bench.send(10);
  for (let last = 4; last <= 6; last++) bench.sack(1, [[4, last]]);
  assert.deepEqual(bench.lost(), [2, 3]);
  const { outstanding } = bench;
  // Only 3 of the two arrives; both were sent at 60 ms.
  bench.sack(1, [[3, 6]], 110);
  assert.deepEqual(bench.lost(), []);
  for (let last = 7; last <= 10; last++) bench.sack(1, [[3, last]], 110);
  assert.equal(outstanding.ring.lostCount, 0, "nothing that was sent later has arrived");
  outstanding.push(message(100), 0, 100, true, 100);
  bench.sack(1, [[3, 11]], 150);
  assert.deepEqual(bench.lost(), [2]);
});

test("a SACK that may have been cut short takes nothing back, a timeout does", () => {
  const bench = new Bench();
  bench.send(100);
  const every = (count: number) => Array.from({ length: count }, (_, i) => [3 + 2 * i, 3 + 2 * i] as const);
  bench.sack(1, every(40));
  const { flightBytes } = bench.outstanding.ring;
  bench.sack(1, every(20));
  assert.equal(bench.outstanding.ring.flightBytes, flightBytes);
  bench.lost();
  bench.outstanding.loseAll(500);
  const again = bench.lost();
  assert.ok(again.includes(81), "reported once, but not by the last SACK");
  assert.ok(!again.includes(21));
});

test("whatever a peer reports and takes back again, what it does not have is in flight or to be sent again", () => {
  const step = fc.record({
    arrive: fc.array(fc.integer({ min: 2, max: 40 }), { maxLength: 12 }),
    forget: fc.array(fc.integer({ min: 2, max: 40 }), { maxLength: 3 }),
    resend: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const bench = new Bench();
      bench.send(40);
      const has = new Set([1]);
      let cumulative = 1;
      for (const { arrive, forget, resend } of steps) {
        for (const tsn of forget) if (tsn > cumulative) has.delete(tsn);
        for (const tsn of arrive) has.add(tsn);
        while (has.has(cumulative + 1)) cumulative++;
        const gaps = blocksOf([...has].filter((tsn) => tsn > cumulative));
        // One that is longer may have been cut short.
        if (gaps.length >= 16) return;
        assert.ok(bench.sack(cumulative, gaps));
        const missing = 40 - has.size;
        assert.equal(bench.outstanding.ring.flightBytes / 100 + bench.outstanding.ring.lostCount, missing);
        if (resend) bench.lost();
        assert.equal(bench.outstanding.ring.flightBytes / 100 + bench.outstanding.ring.lostCount, missing);
      }
    }),
    { numRuns: 2000 },
  );
});

function blocksOf(tsns: readonly number[]): [number, number][] {
  const blocks: [number, number][] = [];
  for (const tsn of tsns.toSorted((a, b) => a - b)) {
    const last = blocks.at(-1);
    if (last?.[1] === tsn - 1) last[1] = tsn;
    else blocks.push([tsn, tsn]);
  }
  return blocks;
}

test("packets are counted by the chunks that lead them, however many they hold", () => {
  const bench = new Bench();
  const { outstanding } = bench;
  const one = message(1200);
  // Packets of three chunks; the second is lost.
  for (let i = 0; i < 12; i++) outstanding.push(one, i * 100, 100, i % 3 === 0, 0);
  bench.sack(3);
  assert.deepEqual([outstanding.report.ackedChunks, outstanding.report.ackedPackets], [3, 1]);
  for (const end of [7, 8, 9]) bench.sack(3, [[7, end]]);
  assert.deepEqual([outstanding.report.lostChunks, outstanding.report.lostPackets], [3, 1]);
});
