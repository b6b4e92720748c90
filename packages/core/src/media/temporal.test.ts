/** Temporal layers of VP8: what a subscriber of fewer pictures gets is a whole stream without gaps of our making. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readVp8, rtp, vp8, type Rtp } from "./harness-packets.test.ts";
import { Rig } from "./rig.test.ts";

/** Layers of a period, and which pictures refer to layer 0 only. */
const PATTERN = [0, 2, 1, 2];

interface Packet {
  readonly bytes: Uint8Array;
  readonly picture: number;
  readonly temporal: number;
  readonly first: boolean;
  readonly last: boolean;
}

/** An encoder of three temporal layers, two packets per picture. */
class Encoder {
  picture: number;
  sequence: number;
  #tl0 = 250;
  #count = 0;

  constructor(sequence = 65_500, picture = 32_750) {
    this.sequence = sequence;
    this.picture = picture;
  }

  next(key = false, sync = true): Packet[] {
    if (key) this.#count = 0;
    const temporal = PATTERN[this.#count++ % 4]!;
    if (temporal === 0) this.#tl0++;
    const picture = this.picture++;
    return [true, false].map((first) => {
      const numbers = { pictureId: picture & 0x7fff, tl0: this.#tl0, keyIdx: 3, temporal };
      const payload = vp8({ ...numbers, key, first, sync: sync && temporal > 0, body: [picture >> 8, picture & 255] });
      const sequence = this.sequence++ & 0xffff;
      const timestamp = (picture * 3000) >>> 0;
      const bytes = rtp({ ssrc: 1000, sequence, timestamp, marker: !first, payload });
      return { bytes, picture, temporal, first, last: !first };
    });
  }
}

const temporals = (packets: readonly Rtp[]) =>
  packets
    .filter((p) => p.marker)
    .map((p) => readVp8(p.payload).temporal)
    .join("");

function assertContinuous(packets: readonly Rtp[]): void {
  for (let i = 1; i < packets.length; i++) {
    const [a, b] = [packets[i - 1]!, packets[i]!];
    assert.equal(b.sequence, (a.sequence + 1) & 0xffff);
    const step = (readVp8(b.payload).pictureId - readVp8(a.payload).pictureId) & 0x7fff;
    assert.equal(step, a.timestamp === b.timestamp ? 0 : 1, `picture of packet ${i}`);
    const tl0 = (readVp8(b.payload).tl0 - readVp8(a.payload).tl0) & 255;
    assert.equal(tl0, a.timestamp !== b.timestamp && readVp8(b.payload).temporal === 0 ? 1 : 0);
  }
}

test("fewer pictures per second: down at once, up where the stream allows it, no gap in any number", () => {
  const rig = new Rig();
  const encoder = new Encoder();
  const run = (pictures: number, sync = true) => {
    for (let i = 0; i < pictures; i++) {
      for (const packet of encoder.next(encoder.picture === 32_750, sync)) rig.feed(packet.bytes);
      rig.advance(33);
    }
  };
  run(8);
  rig.downlink.allocate(2, 0);
  run(8);
  rig.downlink.allocate(2, 1);
  run(8);
  rig.downlink.allocate(2, 3);
  run(8, false);
  run(8);
  const seen = rig.take();
  assert.equal(temporals(seen), "02120212" + "00" + "0101" + "0101" + "02120212");
  assertContinuous(seen);
});

test("a key frame raises to the target at once", () => {
  const rig = new Rig();
  const encoder = new Encoder();
  rig.downlink.allocate(2, 0);
  const run = (pictures: number, key: boolean) => {
    for (let i = 0; i < pictures; i++) {
      for (const packet of encoder.next(key && i === 0, false)) rig.feed(packet.bytes);
      rig.advance(33);
    }
  };
  run(8, true);
  rig.downlink.allocate(2, 3);
  run(4, false);
  assert.equal(rig.downlink.wantsKeyFrame, false, "fewer pictures are no reason to ask for a key frame");
  run(4, true);
  assert.equal(temporals(rig.take()), "00" + "0" + "0212");
});

test("a frame rate that is enough is met by the layers that have it", () => {
  const rig = new Rig();
  const encoder = new Encoder();
  rig.downlink.setSettings({ disabled: false, maxSpatial: 2, fps: 15, priority: 0 });
  for (let i = 0; i < 90; i++) {
    for (const packet of encoder.next(i === 0)) rig.feed(packet.bytes);
    rig.advance(33.3);
  }
  rig.take();
  for (let i = 0; i < 30; i++) {
    for (const packet of encoder.next()) rig.feed(packet.bytes);
    rig.advance(33.3);
  }
  const shown = temporals(rig.take());
  assert.ok(shown.length === 15 || shown.length === 16, shown);
  assert.ok(!shown.includes("2"));
});

test("a packet of a picture that was left out fills its number when it comes late, and when it is asked for", () => {
  const rig = new Rig();
  const encoder = new Encoder();
  rig.downlink.allocate(2, 0);
  for (const packet of encoder.next(true)) rig.feed(packet.bytes);
  const [first, second] = encoder.next();
  rig.feed(second!.bytes);
  encoder.next();
  encoder.next();
  for (const packet of encoder.next()) rig.feed(packet.bytes);
  rig.flush();
  rig.feed(first!.bytes);
  rig.flush();
  const seen = rig.take();
  const filler = seen.at(-1)!;
  assert.deepEqual(filler.payload, []);
  assert.equal(filler.marker, false);
  assert.equal(filler.sequence, (seen[1]!.sequence + 1) & 0xffff);
  const repeated = rig.nack(filler.sequence)!;
  assert.deepEqual(repeated.payload, [filler.sequence >> 8, filler.sequence & 255]);
});

const fate = fc.oneof(
  { weight: 20, arbitrary: fc.constant("arrives") },
  { weight: 2, arbitrary: fc.constant("lost") },
  { weight: 2, arbitrary: fc.constant("late") },
  { weight: 1, arbitrary: fc.constant("twice") },
);
const step = fc.record({
  fates: fc.tuple(fate, fate),
  key: fc.nat(11).map((n) => n === 0),
  sync: fc.boolean(),
  target: fc.option(fc.nat(3), { freq: 6 }),
});

test("whatever is lost, late or left out: numbers rise, gaps are those of the input, pictures are whole and decodable", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 80 }), fc.nat(0xffff), fc.nat(0x7fff), (steps, s0, p0) => {
      const rig = new Rig();
      const encoder = new Encoder(s0, p0);
      const packets: Packet[] = [];
      let delayed: Packet[] = [];
      for (const [i, now] of steps.entries()) {
        if (now.target !== null) rig.downlink.allocate(2, now.target);
        const before = delayed;
        delayed = [];
        for (const [n, packet] of encoder.next(i === 0 || now.key, now.sync).entries()) {
          packets.push(packet);
          if (now.fates[n] === "lost" && i > 0) continue;
          if (now.fates[n] === "late" && i > 0) delayed.push(packet);
          else rig.feed(packet.bytes);
          if (now.fates[n] === "twice") rig.feed(packet.bytes);
        }
        for (const packet of before) rig.feed(packet.bytes);
        rig.advance(33);
      }
      const out = rig.take();
      let highest = out[0]!.sequence;
      const sorted = out
        .map((packet) => {
          const extended = highest + (((packet.sequence - highest) << 16) >> 16);
          highest = Math.max(highest, extended);
          const picture = packet.payload.length > 0 ? readVp8(packet.payload).rest.slice(-2) : undefined;
          return { extended, packet, picture: picture && picture[0]! * 256 + picture[1]! };
        })
        .toSorted((a, b) => a.extended - b.extended);
      assert.equal(new Set(sorted.map((p) => p.extended)).size, sorted.length, "no number twice");
      const full = sorted.filter((p) => p.picture !== undefined);
      for (let i = 1; i < full.length; i++) {
        const [a, b] = [full[i - 1]!, full[i]!];
        const [av, bv] = [readVp8(a.packet.payload), readVp8(b.packet.payload)];
        const steps16 = (b.picture! - a.picture!) & 0xffff;
        const idStep = (bv.pictureId - av.pictureId) & 0x7fff;
        assert.ok(steps16 < 1000 && idStep <= steps16, "pictures keep their order");
        assert.equal(idStep === 0, steps16 === 0, "one id per picture");
      }
      // A picture that leans on others of its layer or below is not sent without them, save what the network took.
      const shown = new Set(full.map((p) => p.picture!));
      const lastOf = [-1, -1, -1];
      const hurt = new Set<number>();
      for (const [i, now] of steps.entries()) {
        const { picture, temporal } = packets[2 * i]!;
        if (i > 0 && now.fates.some((f) => f === "lost" || f === "late")) hurt.add(picture);
        if (i === 0 || now.key) lastOf.fill(-1);
        const leans = now.sync && temporal > 0 ? [0] : [0, 1, 2].slice(0, temporal + 1);
        for (const layer of shown.has(picture & 0xffff) && !hurt.has(picture) ? leans : []) {
          const needed = lastOf[layer]!;
          assert.ok(needed < 0 || hurt.has(needed) || shown.has(needed & 0xffff), `${picture} leans on ${needed}`);
        }
        lastOf[temporal] = picture;
      }
      // What the subscriber misses is missing in the input too.
      const arrived = new Set(out.map((p) => p.sequence));
      const gaps = sorted.at(-1)!.extended - sorted[0]!.extended + 1 - sorted.length;
      const lost = steps.flatMap((now, i) => (i === 0 ? [] : now.fates.filter((f) => f === "lost" || f === "late")));
      assert.ok(gaps <= lost.length, `${gaps} gaps, ${lost.length} lost or late of ${arrived.size}`);
    }),
    { numRuns: 200 },
  );
});
