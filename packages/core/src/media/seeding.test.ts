/** A stream that goes on in another forwarder, at random places: whoever watches sees one stream without a seam. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readVp8, rtp, vp8, type Rtp } from "./harness-packets.test.ts";
import { AV1, H264, VP9 } from "./harness-specs.test.ts";
import { Rig } from "./rig.test.ts";
import { DESCRIPTOR_ID, SvcEncoder, readSeen } from "./svc-encoder.test.ts";

/** Pictures sent by one forwarder, some of them lost on the way to it. */
const stay = fc.record({
  pictures: fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }),
  sequence: fc.nat(0xffff),
  picture: fc.nat(0x7fff),
  timestamp: fc.nat(0x7fffffff),
  gapMs: fc.nat(5000),
  temporal: fc.nat(3),
});

function assertSeamless(packets: readonly Rtp[], places: readonly number[]): void {
  for (const place of places) {
    const [before, after] = [packets[place - 1]!, packets[place]!];
    assert.equal(after.sequence, (before.sequence + 1) & 0xffff);
    assert.ok(((after.timestamp - before.timestamp) | 0) > 0);
  }
}

test("VP8: numbers, time and picture ids go on from one forwarder to the next; nobody goes on twice", () => {
  fc.assert(
    fc.property(fc.array(stay, { minLength: 2, maxLength: 5 }), (stays) => {
      const packets: Rtp[] = [];
      const seams: number[] = [];
      let nowMs = 1_700_000_000_000.25;
      let state: ReturnType<Rig["downlink"]["take"]>;
      for (const [n, { pictures, sequence, picture, timestamp, gapMs, temporal }] of stays.entries()) {
        const rig = new Rig();
        rig.nowMs = nowMs += gapMs;
        rig.advance(0);
        if (n > 0) {
          assert.equal(rig.downlink.seed(state, rig.time), "applied");
          assert.equal(rig.downlink.seed(state, rig.time), "alreadyStarted");
          seams.push(packets.length);
        }
        rig.downlink.allocate(2, temporal);
        for (const [i, lost] of pictures.entries()) {
          const numbers = {
            pictureId: (picture + i) & 0x7fff,
            tl0: i,
            temporal: i & 1,
            sync: true,
            keyIdx: i === 0 ? n : 0,
          };
          const payload = vp8({ key: i === 0, ...numbers, body: [n] });
          const at = { sequence: (sequence + i) & 0xffff, timestamp: (timestamp + i * 3000) >>> 0 };
          if (!lost || i === 0) rig.feed(rtp({ ssrc: 1000, ...at, marker: true, payload }));
          rig.advance(33);
        }
        nowMs = rig.nowMs;
        packets.push(...rig.take());
        state = rig.downlink.take(rig.time);
        assert.ok(state);
        assert.equal(rig.downlink.take(rig.time), undefined);
      }
      assertSeamless(packets, seams);
      for (const place of seams) {
        const [before, after] = [readVp8(packets[place - 1]!.payload), readVp8(packets[place]!.payload)];
        assert.equal((after.pictureId - before.pictureId) & 0x7fff, 1);
        assert.equal((after.tl0 - before.tl0) & 255, 1);
        assert.equal((after.keyIdx - before.keyIdx) & 31, 1);
      }
    }),
    { numRuns: 150 },
  );
});

for (const codec of [AV1, VP9]) {
  test(`${codec.mime}: frame numbers go on too`, () => framesGoOn(codec));
}

function framesGoOn(codec: typeof AV1): void {
  const extensions = { dependencyDescriptor: DESCRIPTOR_ID };
  const mime = codec === AV1 ? "av1" : "vp9";
  fc.assert(
    fc.property(fc.nat(0xffff), fc.nat(0xffff), fc.integer({ min: 1, max: 20 }), (one, other, count) => {
      const rigs = [one, other].map((frame) => ({
        rig: new Rig({ codecs: [codec], extensions }, { codecs: [codec], extensions }),
        encoder: new SvcEncoder("L1T3", { mime, frame: frame + 1000, sequence: frame }),
      }));
      const packets = rigs.map(({ rig, encoder }, n) => {
        if (n > 0) rig.downlink.seed(rigs[0]!.rig.downlink.take(rigs[0]!.rig.time), rig.time);
        for (let i = 0; i < count; i++) {
          for (const frame of encoder.next(i === 0)) for (const packet of frame.packets) rig.feed(packet);
          rig.advance(33);
        }
        return rig.take();
      });
      assertSeamless(packets.flat(), [packets[0]!.length]);
      const frames = readSeen(packets.flat()).map((s) => s.frame);
      for (let i = 2; i < frames.length; i += 2) assert.equal((frames[i]! - frames[i - 1]!) & 0xffff, 1);
    }),
    { numRuns: 50 },
  );
}

test("H.264: numbers and time go on, also of a stream that comes to a forwarder under other numbers", () => {
  fc.assert(
    fc.property(fc.array(stay, { minLength: 2, maxLength: 5 }), (stays) => {
      const packets: Rtp[] = [];
      const seams: number[] = [];
      let nowMs = 1_700_000_000_000.25;
      let state: ReturnType<Rig["downlink"]["take"]>;
      for (const { pictures, sequence, timestamp, gapMs } of stays) {
        const rig = new Rig({ codecs: [H264] }, { codecs: [H264] });
        rig.nowMs = nowMs += gapMs;
        rig.advance(0);
        if (state) {
          assert.equal(rig.downlink.seed(state, rig.time), "applied");
          seams.push(packets.length);
        }
        for (const [i, lost] of pictures.entries()) {
          const at = { sequence: (sequence + i) & 0xffff, timestamp: (timestamp + i * 3000) >>> 0 };
          const payload = i === 0 ? [0x78, 0, 2, 0x67, 1, 0, 2, 0x65, 1] : [0x61, i];
          if (!lost || i === 0) rig.feed(rtp({ payloadType: 108, ssrc: 1000, ...at, marker: true, payload }));
          rig.advance(33);
        }
        nowMs = rig.nowMs;
        packets.push(...rig.take());
        state = rig.downlink.take(rig.time);
        assert.ok(state);
      }
      assertSeamless(packets, seams);
    }),
    { numRuns: 150 },
  );
});
