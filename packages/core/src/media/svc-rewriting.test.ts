/** The whole way of an SVC stream under loss, reordering, duplicates, key frames and changes of target, at random. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AV1, VP9 } from "./harness-specs.test.ts";
import { Rig } from "./rig.test.ts";
import { DESCRIPTOR_ID, MODES, SvcEncoder, readSeen } from "./svc-encoder.test.ts";
import type { Frame, Seen } from "./svc-encoder.test.ts";
import { modeOf } from "./svc-modes.test.ts";
import type { Mode } from "./svc-modes.test.ts";

type Fate = "arrives" | "lost" | "late" | "twice";

/** One picture. */
interface Step {
  /** What becomes of its packets, two a layer. */
  readonly fates: Fate[];
  readonly key: boolean;
  /** A new wish: layers. */
  readonly target: [number, number] | null;
  readonly batch: boolean;
}

const ALL_ARRIVES: Fate[] = ["arrives", "arrives", "arrives", "arrives", "arrives", "arrives"];

const fate: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 40, arbitrary: fc.constant<Fate>("arrives") },
  { weight: 2, arbitrary: fc.constant<Fate>("lost") },
  { weight: 2, arbitrary: fc.constant<Fate>("late") },
  { weight: 1, arbitrary: fc.constant<Fate>("twice") },
);
const step: fc.Arbitrary<Step> = fc.record({
  fates: fc.array(fate, { minLength: 6, maxLength: 6 }),
  key: fc.nat(9).map((n) => n === 0),
  target: fc.option(fc.tuple(fc.nat(2), fc.nat(2)), { freq: 4 }),
  batch: fc.boolean(),
});

/** A wish for more pictures in one whose lowest layer was left out and whose middle one was lost: the highest leans on both. */
const MIDDLE_LOST: Fate[] = ["arrives", "arrives", "lost", "lost", "arrives", "arrives"];
const IN_MID_PICTURE: Step[] = [
  { fates: ALL_ARRIVES, key: false, target: [2, 0], batch: false },
  { fates: ALL_ARRIVES, key: true, target: null, batch: false },
  { fates: ALL_ARRIVES, key: false, target: null, batch: false },
  { fates: MIDDLE_LOST, key: false, target: [2, 2], batch: false },
  { fates: ALL_ARRIVES, key: false, target: null, batch: false },
];

interface Sent extends Seen {
  readonly extended: number;
}

/** What went out, in the order of its numbers. */
function inOrder(seen: readonly Seen[]): Sent[] {
  let highest = seen[0]!.packet.sequence;
  const sent = seen.map((now) => {
    const extended = highest + (((now.packet.sequence - highest) << 16) >> 16);
    highest = Math.max(highest, extended);
    return { ...now, extended };
  });
  return sent.toSorted((a, b) => a.extended - b.extended);
}

/** `hurt`: frames of which the network took or delayed something; `apart`: spatial layers do not lean on each other. */
function check(
  sent: readonly Sent[],
  frames: readonly Frame[],
  hurt: ReadonlySet<number>,
  keyLost: boolean,
  apart: boolean,
): void {
  const byNumber = new Map(frames.map((frame) => [frame.number & 0xffff, frame]));
  assert.equal(new Set(sent.map((s) => s.extended)).size, sent.length, "no number twice");
  const full = sent.filter((s) => s.packet.payload.length > 0);
  const got = new Set(full.map((s) => byNumber.get(s.source)!.number));
  const start = byNumber.get(full[0]!.source)!;
  assert.ok(start.key && (apart || start.spatial === 0), "starts with a key frame");
  const offset = (full[0]!.frame - full[0]!.source) & 0xffff;
  const pictures = new Map<number, Sent[]>();
  for (const now of full) {
    assert.equal((now.frame - now.source) & 0xffff, offset, "frame numbers keep their distance");
    const frame = byNumber.get(now.source)!;
    pictures.set(frame.picture, [...(pictures.get(frame.picture) ?? []), now]);
    if (keyLost) continue;
    for (const difference of frame.differences) {
      const needed = frame.number - difference;
      assert.ok(got.has(needed) || hurt.has(needed) || hurt.has(frame.number), `${frame.number} leans on ${needed}`);
    }
  }
  for (const [picture, packets] of pictures) {
    const all = frames.filter((frame) => frame.picture === picture);
    if (all.some((frame) => hurt.has(frame.number))) continue;
    const markers = packets.map((p) => p.packet.marker);
    assert.deepEqual(
      markers,
      [...Array<boolean>(markers.length - 1).fill(false), true],
      `markers of picture ${picture}`,
    );
    assert.equal(packets.length % 2, 0, "frames are whole");
  }
}

const modes: Record<string, Mode> = {
  ...MODES,
  ...Object.fromEntries(["L3T3", "L2T2_KEY_SHIFT", "S2T1", "S3T3"].map((name) => [name, modeOf(name)])),
};

for (const [name, mode] of Object.entries(modes)) {
  for (const mime of ["vp9", "av1"] as const) {
    test(`${name} of ${mime}: numbers rise, frames lean on what was sent, every picture ends with a marker`, () => {
      fc.assert(
        fc.property(
          fc.array(step, { minLength: 5, maxLength: 60 }),
          fc.nat(0xffff),
          fc.nat(0xffff),
          (steps, sequence, firstFrame) => {
            const codec = mime === "vp9" ? VP9 : AV1;
            const extensions = { dependencyDescriptor: DESCRIPTOR_ID };
            const rig = new Rig({ codecs: [codec], extensions }, { codecs: [codec], extensions });
            const encoder = new SvcEncoder(mode, { sequence, frame: firstFrame + 1000, mime });
            const frames: Frame[] = [];
            const hurt = new Set<number>();
            let lost = 0;
            let keyLost = false;
            let delayed: Uint8Array[] = [];
            for (const [i, now] of steps.entries()) {
              if (now.target) rig.downlink.allocate(now.target[0], now.target[1]);
              const before = delayed;
              delayed = [];
              for (const frame of encoder.next(i === 0 || now.key)) {
                frames.push(frame);
                for (const [n, packet] of frame.packets.entries()) {
                  const becomes = i === 0 ? "arrives" : now.fates[frame.spatial * 2 + n];
                  if (becomes === "lost" || becomes === "late") {
                    hurt.add(frame.number);
                    lost++;
                    if (frame.key && n === 0 && (mode.apart || frame.spatial === 0)) keyLost = true;
                  }
                  if (becomes === "late") delayed.push(packet);
                  if (becomes === "arrives" || becomes === "twice") rig.feed(packet);
                  if (becomes === "twice") rig.feed(packet);
                  if (now.batch) rig.flush();
                }
              }
              for (const packet of before) rig.feed(packet);
              rig.advance(33);
            }
            const sent = inOrder(readSeen(rig.take()));
            check(sent, frames, hurt, keyLost, mode.apart);
            const gaps = sent.at(-1)!.extended - sent[0]!.extended + 1 - sent.length;
            assert.ok(gaps <= lost, `${gaps} gaps, ${lost} lost or late`);
            rig.nowMs += 10_000;
            rig.uplink.check(rig.nowMs, 2000);
            assert.equal(rig.pool.used, 0);
          },
        ),
        { numRuns: 120, examples: [[IN_MID_PICTURE, 0, 0]] },
      );
    });
  }
}
