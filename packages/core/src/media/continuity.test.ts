import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Continuity, MAY_WAIT, MUST_START, NO_REFERENCE, NO_SEQUENCE } from "./continuity.ts";
import type { ContinuityState } from "./continuity.ts";

const CLOCK = 90_000;

const seedState: ContinuityState = {
  ssrc: 5,
  sequence: 65_535,
  timestamp: 0xffffff00,
  atMs: 0,
  pictureId: 32_767,
  tl0PicIdx: 255,
  keyIdx: 31,
  widePictureId: true,
  frame: -1,
  rtxSequence: 9,
  packets: 10,
  octets: 1000,
};

/** One packet of the source: how far it is displaced when it arrives, and what becomes of it. */
interface Step {
  fate: "arrives" | "lost" | "late" | "dropped";
  /** A new source with wild numbers begins with this packet. */
  restart: boolean;
}

const steps = fc.array(
  fc.record({
    fate: fc.oneof(
      { weight: 10, arbitrary: fc.constant<Step["fate"]>("arrives") },
      { weight: 2, arbitrary: fc.constant<Step["fate"]>("lost") },
      { weight: 2, arbitrary: fc.constant<Step["fate"]>("late") },
      { weight: 3, arbitrary: fc.constant<Step["fate"]>("dropped") },
    ),
    restart: fc.nat(60).map((n) => n === 0),
  }),
  { minLength: 2, maxLength: 200 },
);

test("under loss, reordering, dropping, new sources and seeding the numbers never break", () => {
  fc.assert(
    fc.property(
      steps,
      fc.integer(),
      fc.nat(0xffff),
      fc.boolean(),
      fc.integer({ min: 1, max: 12 }),
      (list, base, initial, seeded, delay) => {
        const continuity = new Continuity(initial);
        if (seeded) assert.equal(continuity.seed(seedState, 5, 0), "applied");
        const before = continuity.sequence;
        let source = base | 0;
        let ticksMs = 10;
        /** Outgoing number of every packet that was not dropped, by its place in the input; -1 = lost. */
        const out: number[] = [];
        let waiting: { place: number; sequence: number; timestamp: number; due: number }[] = [];
        const arrive = (place: number, sequence: number, timestamp: number) => {
          out[place] = continuity.map(sequence, timestamp, ticksMs);
          assert.notEqual(out[place], NO_SEQUENCE);
        };
        let timestamp = base ^ 0x12345678;
        list.forEach((step, i) => {
          ticksMs += 10;
          timestamp = (timestamp + 900) | 0;
          const begins = i === 0 || step.restart;
          if (begins) {
            // What is still on its way from the old source no longer counts.
            for (const packet of waiting) out[packet.place] = -1;
            waiting = [];
            if (i > 0) source = (source + 1_000_003) | 0;
            if (i > 0) timestamp = (timestamp * 7 + 13) | 0;
            assert.ok(continuity.begin(source, timestamp, NO_REFERENCE, 0, CLOCK, ticksMs));
          }
          const place = out.length;
          if (begins || step.fate === "arrives") {
            out.push(-1);
            arrive(place, source, timestamp);
          } else if (step.fate === "dropped") {
            if (continuity.isNewest(source)) continuity.drop(source);
          } else {
            out.push(-1);
            if (step.fate === "late") waiting.push({ place, sequence: source, timestamp, due: i + delay });
          }
          for (const packet of waiting) if (packet.due === i) arrive(packet.place, packet.sequence, packet.timestamp);
          waiting = waiting.filter((packet) => packet.due > i);
          source = (source + 1) | 0;
        });
        const sent = out.map((number, place) => ({ number, place })).filter((p) => p.number !== -1);
        for (let i = 1; i < sent.length; i++) {
          const step = (sent[i]!.number - sent[i - 1]!.number) | 0;
          assert.ok(step > 0, "rises with the input's order");
          // Numbers missing between two packets are packets missing between them, except those lost just before a new
          // source, whose numbers are not kept free.
          assert.ok(step <= sent[i]!.place - sent[i - 1]!.place, "no gap that the input does not have");
        }
        assert.equal(sent[0]!.number, before + 1, "the first number");
      },
    ),
    { numRuns: 1000 },
  );
});

test("timestamps rise from source to source, by the wall clock if nothing better is known", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ gapMs: fc.nat(5000), timestamp: fc.integer() }), { minLength: 2, maxLength: 20 }),
      (sources) => {
        const continuity = new Continuity(0);
        let ticksMs = 0;
        let last: number | undefined;
        let sequence = 5;
        for (const { gapMs, timestamp } of sources) {
          ticksMs += gapMs;
          assert.ok(continuity.begin(sequence, timestamp, NO_REFERENCE, 0, CLOCK, ticksMs));
          continuity.map(sequence, timestamp, ticksMs);
          if (last !== undefined) {
            assert.equal((continuity.timestamp - last) | 0, Math.max(1, gapMs * 90));
          }
          last = continuity.timestamp;
          sequence += 100;
        }
      },
    ),
  );
});

test("a reference decides, unless it is absurd; one that runs backwards waits or is corrected", () => {
  const at = (reference: number, kind: typeof MAY_WAIT | typeof MUST_START) => {
    const continuity = new Continuity(0);
    continuity.begin(1, 1000, NO_REFERENCE, 0, CLOCK, 0);
    continuity.map(1, 1000, 0);
    const begun = continuity.begin(50, 7, kind, reference, CLOCK, 100);
    if (!begun) return "waits";
    continuity.map(50, 7, 100);
    return continuity.timestamp - 1000;
  };
  assert.equal(at(1000 + 9500, MAY_WAIT), 9500);
  assert.equal(at(1000 + 1, MAY_WAIT), 1);
  assert.equal(at(1000, MAY_WAIT), 1, "the same instant: the next tick");
  assert.equal(at(1000 - 4000, MAY_WAIT), 1, "44 ms behind");
  assert.equal(at(1000 - 5000, MAY_WAIT), "waits");
  assert.equal(at(1000 - 5000, MUST_START), 9000, "by the wall clock");
  assert.equal(at(1000 - 90 * 3000, MAY_WAIT), 9000, "three seconds behind: not believed");
  assert.equal(at(1000 + 90 * 20_000, MUST_START), 9000, "twenty seconds ahead: not believed");
});

test("a late packet finds its number behind many dropped runs, or is refused", () => {
  const continuity = new Continuity(100);
  continuity.begin(1000, 0, NO_REFERENCE, 0, CLOCK, 0);
  // Two packets in, one dropped, again and again; every fifth of those sent is lost for now.
  const expected = new Map<number, number>();
  let next = 100;
  for (let s = 1000; s < 1600; s++) {
    if (s % 3 === 2) {
      continuity.drop(s);
      continue;
    }
    if (s % 5 === 0 && s > 1000) expected.set(s, next);
    else assert.equal(continuity.map(s, 0, 0), next);
    next++;
  }
  // The 64 newest runs are remembered.
  for (const [sequence, number] of expected) {
    assert.equal(continuity.map(sequence, 0, 0), sequence > 1600 - 64 * 3 ? number : NO_SEQUENCE);
  }
  assert.equal(continuity.map(999, 0, 0), NO_SEQUENCE, "before the start");
});

test("picture numbers follow on at a change of source and keep their distance within", () => {
  const continuity = new Continuity(0);
  const sent: number[][] = [];
  const picture = (id: number, tl0: number, keyIdx: number) => {
    continuity.notePictures(id, continuity.pictureIdOffset, tl0, keyIdx, true);
    sent.push([continuity.pictureId, continuity.tl0PicIdx, continuity.keyIdx]);
  };
  continuity.begin(1, 0, NO_REFERENCE, 0, CLOCK, 0);
  continuity.beginPictures(32_766, 254, 30);
  assert.equal(continuity.rewritesPictures, false);
  picture(32_766, 254, 30);
  picture(32_767, 255, 30);
  continuity.begin(9, 0, NO_REFERENCE, 0, CLOCK, 0);
  continuity.beginPictures(77, 3, 5);
  assert.equal(continuity.rewritesPictures, true);
  picture(77, 3, 5);
  picture(79, 4, 5);
  assert.deepEqual(sent, [
    [32_766, 254, 30],
    [32_767, 255, 30],
    [0, 0, 31],
    [2, 1, 31],
  ]);
});

test("a state is applied once, to a stream that has not begun, of the same SSRC", () => {
  const fresh = new Continuity(3);
  assert.equal(fresh.seed(undefined, 5, 0), "empty");
  assert.equal(fresh.seed({ ...seedState, ssrc: 6 }, 5, 0), "otherSsrc");
  assert.equal(fresh.seed(seedState, 5, 0), "applied");
  assert.equal(fresh.seed(seedState, 5, 0), "alreadyStarted");
  fresh.begin(1, 7, NO_REFERENCE, 0, CLOCK, 20);
  assert.equal(fresh.map(1, 7, 20) & 0xffff, 0, "65535 + 1");
  assert.equal(fresh.timestamp >>> 0, (0xffffff00 + 1800) >>> 0);
  const begun = new Continuity(3);
  begun.begin(1, 7, NO_REFERENCE, 0, CLOCK, 20);
  assert.equal(begun.seed(seedState, 5, 0), "alreadyStarted");
  const ended = new Continuity(3);
  ended.ended = true;
  assert.equal(ended.seed(seedState, 5, 0), "alreadyStarted");
});

test("no offset is taken for a sign that there is none", () => {
  for (const source of [0x7fffffff, 0x7ffffffe, -0x80000000, -1, 0]) {
    const continuity = new Continuity(0);
    continuity.begin(source, 0, NO_REFERENCE, 0, CLOCK, 0);
    assert.equal(continuity.map(source, 0, 0), 0);
    continuity.drop((source + 2) | 0);
    assert.equal(continuity.map((source + 1) | 0, 0, 0), 1, "a late one");
    assert.equal(continuity.map((source + 3) | 0, 0, 0), 2);
  }
});
