import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { NEVER } from "../../clock.ts";
import { FairQueue } from "./fair-queue.ts";
import type { FrameSource } from "./frame-in-parts.ts";
import type { WaitingFrame } from "./frame-queue.ts";

const SOURCES: readonly (FrameSource | undefined)[] = [
  undefined,
  ...Array.from({ length: 3 }, () => ({ parts: undefined })),
];
const LONGEST = 100;

interface Sent extends WaitingFrame {
  readonly source: number;
}

const frame = (source: number, bytes: number, expiresAtMs = NEVER): Sent => ({
  source,
  payloads: [new Uint8Array(bytes)],
  bytes,
  sinceMs: 0,
  expiresAtMs,
  done: undefined,
  parts: undefined,
  next: 0,
});

/** Takes out everything, frame by frame. */
function takeAll(queue: FairQueue): WaitingFrame[] {
  const taken: WaitingFrame[] = [];
  for (let head = queue.head(); head; head = queue.head()) {
    taken.push(head);
    assert.ok(queue.advance());
  }
  return taken;
}

test("a small frame waits for one large one of another source, not for all of them", () => {
  const queue = new FairQueue(1000, 1 << 20);
  for (let i = 0; i < 10; i++) queue.push(SOURCES[1], frame(1, 100));
  queue.advance();
  queue.push(SOURCES[2], frame(2, 1));
  queue.push(SOURCES[2], frame(2, 1));
  const order = takeAll(queue).map((taken) => (taken as Sent).source);
  assert.deepEqual(order.slice(0, 4), [1, 2, 2, 1]);
});

test("what goes out again goes before all sources, is nobody's, and counts", () => {
  const queue = new FairQueue(1000, 1 << 20);
  const [first, second] = [frame(1, 10), frame(1, 20)];
  queue.push(SOURCES[1], second);
  queue.push(undefined, frame(0, 30));
  queue.pushFirst([first]);
  assert.deepEqual([queue.frames, queue.bytes, queue.sources], [3, 60, 3]);
  assert.deepEqual([queue.bytesOf(SOURCES[1]), queue.bytesOf(undefined), queue.bytesOf(SOURCES[2])], [20, 30, 0]);
  assert.equal(queue.headOf(SOURCES[1]), second);
  assert.equal(queue.head(), first);
  const earlier = frame(2, 5);
  queue.pushFirst([earlier]);
  assert.deepEqual(takeAll(queue).slice(0, 2), [earlier, first]);
  assert.deepEqual([queue.frames, queue.bytes, queue.sources], [0, 0, 0]);
});

type Step =
  | { readonly do: "push"; readonly source: number; readonly bytes: number; readonly expiresAtMs: number }
  | { readonly do: "pushFirst"; readonly bytes: readonly number[] }
  | { readonly do: "advance" }
  | { readonly do: "dropHead" }
  | { readonly do: "rewind" }
  | { readonly do: "evict"; readonly source: number }
  | { readonly do: "takeOver"; readonly nowMs: number };

const source = fc.nat({ max: SOURCES.length - 1 });
const bytes = fc.integer({ min: 1, max: LONGEST });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("push" as const),
      source,
      bytes,
      expiresAtMs: fc.constantFrom(NEVER, 10, 20),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("pushFirst" as const), bytes: fc.array(bytes, { maxLength: 3 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.constantFrom<Step>({ do: "advance" }, { do: "advance" }, { do: "dropHead" }, { do: "rewind" }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("evict" as const), source }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("takeOver" as const), nowMs: fc.nat({ max: 30 }) }) },
);

/** What should wait: by source, and before all of that. */
class Model {
  readonly queues: Sent[][] = SOURCES.map(() => []);
  again: Sent[] = [];
  /** Bytes that each was given since all of them began to wait without a break. */
  readonly given = SOURCES.map(() => 0);

  get all(): Sent[] {
    return [...this.again, ...this.queues.flat()];
  }

  remove(taken: WaitingFrame | undefined): void {
    if (!taken) return;
    const queue = [this.again, ...this.queues].find((frames) => frames.includes(taken as Sent));
    assert.ok(queue, "it was waiting");
    assert.equal(queue[0], taken, "each source keeps its order");
    queue.shift();
  }
}

function apply(queue: FairQueue, model: Model, next: Step): void {
  switch (next.do) {
    case "push": {
      const pushed = frame(next.source, next.bytes, next.expiresAtMs);
      model.queues[next.source]!.push(pushed);
      return queue.push(SOURCES[next.source], pushed);
    }
    case "pushFirst": {
      const pushed = next.bytes.map((length) => frame(-1, length));
      model.again = [...pushed, ...model.again];
      return queue.pushFirst(pushed);
    }
    case "advance":
      return advance(queue, model);
    case "dropHead":
      return model.remove(queue.dropHead());
    case "rewind":
      return queue.rewind();
    case "evict":
      return model.remove(queue.evict(SOURCES[next.source]));
    case "takeOver": {
      const over = queue.takeOver(next.nowMs);
      const isOver = model.queues.some(([head]) => head && head.expiresAtMs <= next.nowMs);
      assert.equal(over !== undefined, isOver);
      return model.remove(over);
    }
  }
}

function advance(queue: FairQueue, model: Model): void {
  const head = queue.head() as Sent | undefined;
  assert.equal(head !== undefined, model.all.length > 0, "something is next as long as anything waits");
  if (model.again.length > 0) assert.equal(head, model.again[0]);
  assert.equal(queue.advance(), head !== undefined);
  model.remove(head);
  if (head && head.source >= 0) model.given[head.source]! += head.bytes;
}

test("whatever happens: counts are right, each source keeps its order, and those that wait are given as much", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
      const queue = new FairQueue(NEVER, NEVER);
      const model = new Model();
      for (const next of steps) {
        apply(queue, model, next);
        const { all, queues } = model;
        assert.equal(queue.frames, all.length);
        assert.equal(
          queue.bytes,
          all.reduce((sum, one) => sum + one.bytes, 0),
        );
        assert.equal(queue.sources, [model.again, ...queues].filter((frames) => frames.length > 0).length);
        SOURCES.forEach((of, i) => {
          assert.equal(
            queue.bytesOf(of),
            queues[i]!.reduce((sum, one) => sum + one.bytes, 0),
          );
          assert.equal(queue.headOf(of), queues[i]![0]);
        });
        const heads = queues.map((frames) => frames[0]?.expiresAtMs ?? NEVER);
        assert.equal(queue.nextExpiryMs(), Math.min(...heads));
        // As long as all wait none is more than a frame ahead of another.
        if (queues.some((frames) => frames.length === 0)) model.given.fill(0);
        const ahead = Math.max(...model.given) - Math.min(...model.given);
        assert.ok(ahead <= 2 * LONGEST, `${ahead} bytes ahead`);
      }
    }),
    { numRuns: 300 },
  );
});
