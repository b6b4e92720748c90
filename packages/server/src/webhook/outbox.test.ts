/** The outbox on a virtual clock: order, bounds, pauses, and what becomes of a letter whose opening was lost. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Outbox, type Letter, type OutboxLimits } from "./outbox.ts";

const LIMITS: OutboxLimits = {
  maxDepth: 5,
  maxLetters: 12,
  maxBytes: 1000,
  maxAgeMs: 60_000,
  maxUnderWay: 3,
  firstPauseMs: 1000,
  lastPauseMs: 30_000,
};

/** Always the longest pause. */
const SLOW_LOT = { bytes: () => new Uint8Array(), uint32: () => 2 ** 32 - 1 };

let lastId = 0;
function letter(room: string, more: Partial<Letter> = {}): Letter {
  const id = `EV_${++lastId}`;
  return { id, event: "x", room, body: "b", bytes: 10, ...more };
}

function outbox(more: Partial<OutboxLimits> = {}): Outbox {
  return new Outbox({ ...LIMITS, ...more }, SLOW_LOT);
}

const ids = (sendings: readonly { letter: Letter }[]) => sendings.map(({ letter: { id } }) => id);

describe("an outbox", () => {
  test("sends one letter of a room at a time, rooms side by side", () => {
    const box = outbox();
    const [a1, a2, b1] = [letter("a"), letter("a"), letter("b")];
    for (const each of [a1, a2, b1]) assert.equal(box.push(each, 0), "queued");
    assert.deepEqual(ids(box.take(0)), [a1.id, b1.id]);
    assert.deepEqual(box.take(0), []);
    assert.equal(box.settle(a1, "delivered", 5), "delivered");
    assert.deepEqual(ids(box.take(5)), [a2.id]);
    assert.equal(box.size, 2);
  });

  test("tries again after a pause that doubles, and keeps the others of the room back meanwhile", () => {
    const box = outbox({ maxAgeMs: Number.POSITIVE_INFINITY });
    const [first, second] = [letter("a"), letter("a")];
    box.push(first, 0);
    box.push(second, 0);
    let nowMs = 0;
    const pauses: number[] = [];
    for (let attempt = 1; attempt <= 8; attempt++) {
      assert.deepEqual(
        box.take(nowMs).map((sending) => [sending.letter.id, sending.attempt]),
        [[first.id, attempt]],
      );
      assert.equal(box.settle(first, "again", nowMs), "paused");
      const dueMs = box.nextTimeoutMs();
      pauses.push(Math.round((dueMs - nowMs) / 1000));
      assert.deepEqual(box.take(dueMs - 1), []);
      nowMs = dueMs;
    }
    assert.deepEqual(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
  });

  test("a dead receiver keeps no more under way than it may, and other rooms get their turn", () => {
    const box = outbox();
    for (const room of ["a", "b", "c", "d"]) box.push(letter(room), 0);
    const under = box.take(0);
    assert.deepEqual(
      under.map((sending) => sending.letter.room),
      ["a", "b", "c"],
    );
    box.settle(under[0]!.letter, "again", 10);
    assert.deepEqual(
      box.take(10).map((sending) => sending.letter.room),
      ["d"],
    );
  });

  test("gives a letter up that would be too old, and takes the next", () => {
    const box = outbox({ maxAgeMs: 1500 });
    const [old, young] = [letter("a"), letter("a")];
    box.push(old, 0);
    box.push(young, 1400);
    box.take(0);
    assert.equal(box.settle(old, "again", 1000), "expired");
    assert.deepEqual(ids(box.take(1500)), [young.id]);
  });

  test("finds letters that grew too old while they waited", () => {
    const box = outbox({ maxAgeMs: 1500 });
    const [head, stale] = [letter("a"), letter("a")];
    box.push(head, 0);
    box.push(stale, 0);
    box.take(0);
    box.settle(head, "delivered", 2000);
    assert.deepEqual(box.take(2000), []);
    assert.deepEqual(box.takeExpired(), [stale]);
    assert.equal(box.size, 0);
  });

  test("is bounded by room, in total and in bytes", () => {
    const box = outbox({ maxLetters: 7 });
    for (let i = 0; i < 5; i++) assert.equal(box.push(letter("a"), 0), "queued");
    assert.equal(box.push(letter("a"), 0), "full");
    assert.equal(box.push(letter("b"), 0), "queued");
    assert.equal(box.push(letter("c", { bytes: 990 }), 0), "full");
    assert.equal(box.push(letter("c"), 0), "queued");
    assert.equal(box.push(letter("d"), 0), "full");
  });

  test("says nothing of the end of a stay whose beginning was lost", () => {
    const box = outbox({ maxDepth: 1 });
    box.push(letter("a"), 0);
    assert.equal(box.push(letter("a", { opens: "PA_1" }), 0), "full");
    const head = box.take(0)[0]!.letter;
    box.settle(head, "delivered", 0);
    assert.equal(box.push(letter("a", { needs: "PA_1" }), 0), "orphan");
    assert.equal(box.push(letter("a", { needs: "PA_2" }), 0), "queued");
  });

  test("the end of a stay goes with the beginning that expired before it", () => {
    const box = outbox({ maxAgeMs: 1000 });
    const [joined, left] = [letter("a", { opens: "PA_1" }), letter("a", { needs: "PA_1" })];
    box.push(joined, 0);
    box.push(left, 900);
    box.take(0);
    assert.equal(box.settle(joined, "again", 800), "expired");
    assert.deepEqual(box.take(900), []);
    assert.deepEqual(box.takeExpired(), [left]);
  });

  test("a receiver that refused the beginning is told the end", () => {
    const box = outbox();
    const [joined, left] = [letter("a", { opens: "PA_1" }), letter("a", { needs: "PA_1" })];
    box.push(joined, 0);
    box.push(left, 0);
    box.take(0);
    box.settle(joined, "refused", 0);
    assert.deepEqual(ids(box.take(0)), [left.id]);
  });
});

test("whatever the receiver does, each letter leaves exactly once, in the order of its room", () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("push" as const), room: fc.constantFrom("a", "b", "c") }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("settle" as const),
        pick: fc.nat(),
        how: fc.constantFrom("delivered" as const, "refused" as const, "again" as const),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(20_000) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const box = outbox();
      let nowMs = 0;
      const waiting = new Map<string, number>();
      const under: Letter[] = [];
      const lastOut = new Map<string, number>();
      let number = 0;
      const leave = (one: Letter) => {
        assert.ok(waiting.delete(one.id), "left twice");
        const order = Number(one.body);
        assert.ok(order > (lastOut.get(one.room) ?? -1), "out of order");
        lastOut.set(one.room, order);
      };
      for (const each of steps) {
        if (each.do === "push") {
          const one = letter(each.room, { body: String(number++) });
          if (box.push(one, nowMs) === "queued") waiting.set(one.id, nowMs);
        } else if (each.do === "wait") nowMs += each.ms;
        else if (under.length > 0) {
          const [one] = under.splice(each.pick % under.length, 1) as [Letter];
          if (box.settle(one, each.how, nowMs) !== "paused") leave(one);
        }
        for (const { letter: one } of box.take(nowMs)) {
          assert.ok(!under.some(({ room }) => room === one.room), "two of one room");
          under.push(one);
        }
        box.takeExpired().forEach(leave);
        assert.ok(under.length <= LIMITS.maxUnderWay);
        assert.equal(box.size, waiting.size);
      }
      // a receiver that comes back gets all that is still young enough
      for (let i = 0; i < 200 && box.size > 0; i++) {
        for (const one of under.splice(0)) {
          assert.equal(box.settle(one, "delivered", nowMs), "delivered");
          leave(one);
        }
        nowMs = Math.max(nowMs, Math.min(box.nextTimeoutMs(), nowMs + 30_000));
        under.push(...box.take(nowMs).map((sending) => sending.letter));
        box.takeExpired().forEach(leave);
      }
      assert.equal(waiting.size, 0);
    }),
    { numRuns: 200 },
  );
});

test("filters that hide how stays end leave no trace of those whose beginning was lost", () => {
  const box = outbox({ maxAgeMs: 1000 });
  let nowMs = 0;
  for (let i = 0; i < 1000; i++, nowMs += 5000) {
    const room = `room ${i}`;
    for (const sid of ["PA_1", "PA_2", "PA_3"]) box.push(letter(room, { opens: sid }), nowMs);
    const [sending] = box.take(nowMs);
    box.skip({ room, needs: "PA_1" }); // hidden while its beginning is under way
    assert.equal(box.settle(sending!.letter, "again", nowMs + 900), "expired");
    box.take(nowMs + 2000);
    assert.equal(box.takeExpired().length, 2);
    box.skip({ room, needs: "PA_2" });
    assert.equal(box.rooms, 1, "the end of PA_3 could be told");
    box.skip({ room, last: true });
    assert.equal(box.rooms, 0);
  }
});

test("whatever is hidden, dropped or late: no end without its beginning, and nothing is kept of rooms that are over", () => {
  const hidden = fc.boolean();
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("open" as const), room: fc.constantFrom("a", "b") }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("close" as const), pick: fc.nat(), hidden }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("end" as const), room: fc.constantFrom("a", "b"), left: hidden, hidden }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("settle" as const),
        how: fc.constantFrom("delivered", "refused", "again"),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(40_000) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const box = outbox();
      let nowMs = 0;
      let stays = 0;
      const present: { room: string; sid: string }[] = [];
      const lost = new Set<string>();
      const under: Letter[] = [];
      const lose = ({ opens }: Letter) => opens !== undefined && lost.add(opens);
      const close = ({ room, sid }: { room: string; sid: string }, isHidden: boolean) => {
        if (isHidden) box.skip({ room, needs: sid });
        else box.push(letter(room, { needs: sid }), nowMs);
      };
      const end = (room: string, left: boolean, isHidden: boolean) => {
        for (let i = present.length - 1; i >= 0; i--) {
          if (present[i]!.room === room) close(present.splice(i, 1)[0]!, left);
        }
        if (isHidden) box.skip({ room, last: true });
        else box.push(letter(room, { last: true }), nowMs);
      };
      const turn = () => {
        for (const { letter: one } of box.take(nowMs)) {
          assert.ok(one.needs === undefined || !lost.has(one.needs), "an end without its beginning");
          under.push(one);
        }
        box.takeExpired().forEach(lose);
      };
      for (const each of steps) {
        if (each.do === "open") {
          const stay = { room: each.room, sid: `PA_${++stays}` };
          present.push(stay);
          const opening = letter(each.room, { opens: stay.sid });
          if (box.push(opening, nowMs) === "full") lose(opening);
        } else if (each.do === "close" && present.length > 0) {
          close(present.splice(each.pick % present.length, 1)[0]!, each.hidden);
        } else if (each.do === "end") end(each.room, each.left, each.hidden);
        else if (each.do === "wait") nowMs += each.ms;
        else if (each.do === "settle" && under.length > 0) {
          const one = under.shift()!;
          if (box.settle(one, each.how as "again", nowMs) === "expired") lose(one);
        }
        turn();
      }
      for (const room of ["a", "b"]) end(room, true, true);
      for (let i = 0; i < 200 && box.size > 0; i++) {
        for (const one of under.splice(0)) if (box.settle(one, "again", nowMs) === "expired") lose(one);
        nowMs += 30_000;
        turn();
      }
      assert.deepEqual([box.size, box.rooms], [0, 0]);
    }),
    { numRuns: 300 },
  );
});
