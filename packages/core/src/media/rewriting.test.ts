/** The whole way of a simulcast track under loss, reordering, duplicates, padding and changes of layer, at random. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readVp8, rtp, vp8 } from "./harness-packets.test.ts";
import { H264, VP8, videoReceiver, videoSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";

const PUBLISHER = 1;
const VIEWER = 2;

type Fate = "arrives" | "lost" | "late" | "twice" | "padding";

const fate = fc.oneof(
  { weight: 20, arbitrary: fc.constant<Fate>("arrives") },
  { weight: 2, arbitrary: fc.constant<Fate>("lost") },
  { weight: 2, arbitrary: fc.constant<Fate>("late") },
  { weight: 1, arbitrary: fc.constant<Fate>("twice") },
  { weight: 1, arbitrary: fc.constant<Fate>("padding") },
);

/** One frame time: the fate of two packets of each of two layers, and perhaps a new wish of the subscriber. */
const step = fc.record({
  fates: fc.array(fate, { minLength: 4, maxLength: 4 }),
  key: fc.nat(5).map((n) => n === 0),
  quality: fc.option(fc.nat(1), { freq: 8 }),
  muted: fc.option(fc.boolean(), { freq: 15 }),
  batch: fc.boolean(),
});

interface Input {
  readonly layer: number;
  readonly sequence: number;
  readonly picture: number;
  readonly keyStart: boolean;
  readonly padding: boolean;
}

/** A packet of a picture; VP8 says its numbers, H.264 has none: parameter sets, then the end of a fragmented slice. */
function payloadOf(isVp8: boolean, key: boolean, first: boolean, picture: number, body: readonly number[]): number[] {
  if (isVp8) return vp8({ key, first, pictureId: picture, tl0: picture, keyIdx: picture, body });
  const head = first ? [key ? 0x67 : 0x61, 9] : [0x7c, key ? 0x45 : 0x41];
  return [...head, ...body];
}

for (const codec of [VP8, H264]) {
  const isVp8 = codec === VP8;
  const what = isVp8 ? "and decodable picture ids" : "and whole pictures";
  test(`${codec.mime}: what goes out rises without repetition, with gaps only where the input has them, ${what}`, () =>
    rewritten(codec));
}

function rewritten(codec: typeof VP8): void {
  const isVp8 = codec === VP8;
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 10, maxLength: 60 }),
      fc.tuple(fc.nat(0xffff), fc.nat(0xffff)),
      fc.tuple(fc.nat(0x7fff), fc.nat(0x7fff)),
      fc.boolean(),
      (steps, start, pictures, rtxNegotiated) => {
        const world = new World();
        const ssrcs = [0, 1].map((i) => ({ ssrc: 2000 + i, rtxSsrc: rtxNegotiated ? 3000 + i : 0 }));
        world.addPeer(PUBLISHER, [videoReceiver({ ssrcs, codecs: [codec] })], []);
        world.addPeer(VIEWER, [], [videoSender({ codecs: [codec] })]);
        const inputs: Input[] = [];
        const next = [...start];
        let delayed: Uint8Array[] = [];
        steps.forEach((now, i) => {
          if (now.quality !== null) {
            world.forwarder.setDownlink(VIEWER, "TR_v", {
              disabled: false,
              maxSpatial: now.quality,
              fps: 0,
              priority: 0,
            });
          }
          if (now.muted !== null) world.forwarder.muteTrack("TR_v", now.muted);
          const before = delayed;
          delayed = [];
          for (const [n, packetFate] of now.fates.entries()) {
            const layer = n >> 1;
            const first = (n & 1) === 0;
            const sequence = next[layer]!;
            next[layer] = (sequence + 1) & 0xffff;
            const picture = (pictures[layer]! + i) & 0x7fff;
            const padding = packetFate === "padding";
            const id = inputs.length;
            inputs.push({ layer, sequence, picture, keyStart: now.key && first && !padding, padding });
            const body = [id >> 8, id & 255];
            const payload = payloadOf(isVp8, now.key, first, picture, body);
            const { payloadType } = codec;
            const common = {
              payloadType,
              sequence,
              timestamp: (i * 2970 + layer * 0x80000000) >>> 0,
              ssrc: 2000 + layer,
            };
            const bytes = rtp(padding ? { ...common, padding: 50 } : { ...common, payload, marker: !first });
            if (packetFate === "lost") continue;
            if (packetFate === "late") delayed.push(bytes);
            else world.feed(PUBLISHER, bytes, !now.batch);
            if (packetFate === "twice") world.feed(PUBLISHER, bytes, !now.batch);
          }
          for (const bytes of before) world.feed(PUBLISHER, bytes, !now.batch);
          world.endBatch();
          world.advance(33);
        });

        const out = world.takeRtp(VIEWER).filter((p) => p.ssrc === 0x90000001);
        if (out.length === 0) return;
        let highest = out[0]!.sequence;
        const sorted = out
          .map((packet) => {
            const extended = highest + (((packet.sequence - highest) << 16) >> 16);
            highest = Math.max(highest, extended);
            const { payload } = packet;
            const input = payload.length > 0 ? inputs[payload.at(-2)! * 256 + payload.at(-1)!] : undefined;
            return { extended, packet, input };
          })
          .toSorted((a, b) => a.extended - b.extended);
        assert.equal(new Set(sorted.map((p) => p.extended)).size, sorted.length, "no number twice");
        assert.ok(sorted[0]!.input!.keyStart, "starts with a key frame");
        for (let i = 1; i < sorted.length; i++) {
          const a = sorted[i - 1]!;
          const b = sorted[i]!;
          // Empty packets fill the place of late padding.
          if (!a.input || !b.input) continue;
          const step16 = b.extended - a.extended;
          const [av, bv] = [a, b].map(({ packet }) => (isVp8 ? readVp8(packet.payload) : undefined));
          // A picture whose start came late may be begun with once more, as another one.
          const samePicture =
            a.input.layer === b.input.layer && a.input.picture === b.input.picture && !b.input.keyStart;
          const pictureStep = av && bv ? (bv.pictureId - av.pictureId) & 0x7fff : undefined;
          if (a.input.layer === b.input.layer && !(b.input.keyStart && step16 === 1)) {
            const apart = (b.input.sequence - a.input.sequence) & 0xffff;
            const swallowed = inputs.filter(
              (p) => p.layer === a.input!.layer && p.padding && ((p.sequence - a.input!.sequence) & 0xffff) < apart,
            ).length;
            assert.equal(step16, apart - swallowed, "gaps where the input has them, save padding");
            if (isVp8) assert.equal(pictureStep, (b.input.picture - a.input.picture) & 0x7fff);
          } else if (a.input.layer !== b.input.layer) {
            assert.equal(step16, 1, "a change of layer leaves no gap");
            assert.ok(b.input.keyStart, "a change of layer begins with a key frame");
            if (av && bv) assert.deepEqual([pictureStep, (bv.tl0 - av.tl0) & 255], [1, 1]);
          }
          const timeStep = (b.packet.timestamp - a.packet.timestamp) | 0;
          assert.ok(timeStep >= 0, "time does not run backwards");
          assert.ok(
            (pictureStep ?? (samePicture ? 0 : 1)) === 0 ? timeStep === 0 : timeStep > 0,
            "one time per picture",
          );
        }
        world.advance(10_000);
        assert.equal(world.pool.used, 0);
      },
    ),
    { numRuns: 200 },
  );
}
