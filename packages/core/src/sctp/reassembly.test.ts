import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { FLAG_BEGIN, FLAG_END, FLAG_UNORDERED } from "@stoa/wire/sctp/data";
import { Reassembly } from "./reassembly.ts";
import { ReceiveBuffer } from "./receive-buffer.ts";
import { newStats } from "./stats.ts";
import { TsnTracker } from "./tsn-tracker.ts";

interface Fragment {
  readonly tsn: number;
  readonly flags: number;
  readonly message: number;
  readonly payload: Uint8Array;
}

/** Fragments of messages of these sizes (in fragments), from `firstTsn` on. */
function fragmentsOf(sizes: readonly number[], firstTsn: number): Fragment[] {
  let tsn = firstTsn;
  return sizes.flatMap((size, message) =>
    Array.from({ length: size }, (_, i) => {
      let flags = message % 2 === 0 ? 0 : FLAG_UNORDERED;
      if (i === 0) flags |= FLAG_BEGIN;
      if (i === size - 1) flags |= FLAG_END;
      return { tsn: tsn++ | 0, flags, message, payload: new Uint8Array(1 + ((message + i) % 5)).fill(message) };
    }),
  );
}

class Bench {
  readonly memory = new ReceiveBuffer(1_000_000);
  readonly stats = newStats();
  readonly reassembly: Reassembly;
  readonly tracker: TsnTracker;
  readonly whole: { ssn: number; data: Uint8Array | undefined }[] = [];

  constructor(firstTsn: number, maxBytes = 1000) {
    this.reassembly = new Reassembly(this.memory, this.stats, maxBytes);
    this.tracker = new TsnTracker(firstTsn);
  }

  take({ tsn, flags, message, payload }: Fragment): void {
    if (this.tracker.check(tsn) !== "new") return;
    const before = this.tracker.cumulativeTsn;
    this.tracker.mark(tsn);
    const bytes = new Uint8Array(payload.length + 3);
    bytes.set(payload, 2);
    const chunk = { flags, tsn, streamId: 1, ssn: message, ppid: 53, from: 2, to: 2 + payload.length };
    const done = this.reassembly.add(bytes, chunk, before);
    if (done) this.whole.push({ ssn: done.ssn, data: done.data });
    this.reassembly.purge(this.tracker.cumulativeTsn);
  }
}

const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 12 });
const firsts = fc.constantFrom(5, 0x7fffffff - 10, -10);

test("whatever order the fragments come in, every message comes out whole, once", () => {
  const shuffled = fc.tuple(sizes, firsts).chain(([list, first]) =>
    fc.record({
      list: fc.constant(list),
      first: fc.constant(first),
      order: fc.shuffledSubarray(fragmentsOf(list, first), { minLength: list.reduce((a, b) => a + b, 0) }),
    }),
  );
  fc.assert(
    fc.property(shuffled, ({ list, first, order }) => {
      const bench = new Bench(first);
      for (const fragment of order) bench.take(fragment);
      const got = bench.whole.toSorted((a, b) => a.ssn - b.ssn);
      const all = fragmentsOf(list, first);
      assert.deepEqual(
        got.map(({ ssn, data }) => [ssn, [...data!]]),
        list.map((_, m) => [m, all.filter((f) => f.message === m).flatMap((f) => [...f.payload])]),
      );
      assert.equal(bench.memory.usedBytes, 0);
      assert.equal(bench.stats.droppedMessages, 0);
    }),
    { numRuns: 300 },
  );
});

test("what the peer gives up is forgotten, what comes after it is not", () => {
  const cases = fc.tuple(sizes, firsts).chain(([list, first]) =>
    fc.record({
      list: fc.constant(list),
      first: fc.constant(first),
      skipMessages: fc.integer({ min: 0, max: list.length }),
      early: fc.shuffledSubarray(fragmentsOf(list, first)),
    }),
  );
  fc.assert(
    fc.property(cases, ({ list, first, skipMessages, early }) => {
      const bench = new Bench(first);
      for (const fragment of early) bench.take(fragment);
      // All fragments of the first messages are skipped, whether they came or not; then the rest comes.
      const skipped = list.slice(0, skipMessages).reduce((a, b) => a + b, 0);
      bench.tracker.skipTo((first + skipped - 1) | 0);
      bench.reassembly.skipTo((first + skipped - 1) | 0);
      bench.reassembly.purge(bench.tracker.cumulativeTsn);
      for (const fragment of fragmentsOf(list, first)) bench.take(fragment);
      const got = new Set(bench.whole.map(({ ssn }) => ssn));
      assert.equal(got.size, bench.whole.length, "nothing twice");
      list.forEach((_, m) => assert.ok(m < skipMessages || got.has(m), `message ${m} of ${list.length}`));
      assert.equal(bench.memory.usedBytes, 0);
    }),
    { numRuns: 300 },
  );
});

test("a message that grows too long is dropped when it ends, and holds no bytes until then", () => {
  const bench = new Bench(0, 100);
  for (let tsn = 0; tsn < 50; tsn++) {
    const flags = tsn === 0 ? FLAG_BEGIN : tsn === 49 ? FLAG_END : 0;
    bench.take({ tsn, flags, message: 3, payload: new Uint8Array(10) });
  }
  assert.deepEqual(bench.whole, [{ ssn: 3, data: undefined }]);
  assert.equal(bench.stats.droppedMessages, 1);
  assert.equal(bench.memory.usedBytes, 0);
});
