/** Each scalability mode of WebRTC-SVC: a viewer gets the layers that it wants, can decode all of it, and may change its mind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Call } from "./svc-call.test.ts";
import { MODE_NAMES, modeOf } from "./svc-modes.test.ts";
import type { Mode } from "./svc-modes.test.ts";

/** What a viewer of these layers is shown in a period that begins `at` pictures behind a key picture. */
function shownOf(mode: Mode, spatial: number, temporal: number, at: number): string {
  const pictures: string[] = [];
  for (let i = at; i < at + mode.period; i++) {
    const frame = mode.frame(spatial, i);
    if (frame.temporal <= temporal) pictures.push(`S${spatial}T${frame.temporal}`);
  }
  return pictures.join(" ");
}

/** Pictures at the end of the last run. */
const tail = (shown: string, count: number) => shown.split(" ").slice(-count).join(" ");

function targets({ spatials, temporals }: Mode): [number, number][] {
  const all: [number, number][] = [];
  for (let s = 0; s < spatials; s++) for (let t = 0; t < temporals; t++) all.push([s, t]);
  return all;
}

for (const name of MODE_NAMES) {
  const mode = modeOf(name);

  test(`${name}: every decode target from the first picture on`, () => {
    for (const [spatial, temporal] of targets(mode)) {
      const call = new Call(mode, { mime: "av1" });
      call.rig.downlink.allocate(spatial, temporal);
      const shown = call.run(3 * mode.period);
      const expected = [0, 1, 2].map((i) => shownOf(mode, spatial, temporal, i * mode.period)).join(" ");
      assert.equal(shown, expected, `S${spatial}T${temporal}`);
      assert.equal(call.keyFrames, 1);
      call.check();
    }
  });

  test(`${name}: from every decode target to every other`, () => {
    for (const from of targets(mode)) {
      for (const to of targets(mode)) {
        const call = new Call(mode, { mime: "av1" });
        call.rig.downlink.allocate(...from);
        call.run(2 * mode.period);
        const keyFrames = call.keyFrames;
        call.rig.downlink.allocate(...to);
        const change = `S${from[0]}T${from[1]} to S${to[0]}T${to[1]}`;
        const pictures = call.run(5 * mode.period);
        const steady = new Set(Array.from({ length: mode.period }, (_, i) => shownOf(mode, ...to, 100 + i)));
        const length = shownOf(mode, ...to, 100).split(" ").length;
        assert.ok(steady.has(tail(pictures, length)), `${change}: ${pictures}`);
        if (from[0] === to[0]) assert.equal(call.keyFrames, keyFrames, `${change} takes no key frame`);
        assert.ok(call.keyFrames <= keyFrames + 1, `${change}: one is enough`);
        call.check();
      }
    }
  });
}

test("spatial layers that do not lean on each other: one that is not sent any more is left, and taken again", () => {
  const call = new Call(modeOf("S3T1"), { mime: "av1" });
  call.run(30);
  call.encoder.sent = 2;
  assert.match(call.run(60), /S1T0 S1T0 S1T0$/);
  call.encoder.sent = 3;
  assert.match(call.run(60), /S2T0 S2T0 S2T0$/);
});

test("the key frame of the upper one of two such layers does not come: another one is asked for", () => {
  const call = new Call(modeOf("S2T1"), { mime: "vp9" });
  const [lower] = call.encoder.next(true);
  for (const packet of lower!.packets) call.rig.feed(packet);
  call.rig.advance(33);
  assert.deepEqual(call.rig.take(), []);
  for (const frame of call.encoder.next()) for (const packet of frame.packets) call.rig.feed(packet);
  call.rig.advance(33);
  assert.ok(call.rig.downlink.wantsKeyFrame);
  for (const frame of call.encoder.next(true)) for (const packet of frame.packets) call.rig.feed(packet);
  call.rig.advance(33);
  const seen = call.rig.take();
  assert.deepEqual(
    seen.map((packet) => packet.marker),
    [false, true],
    "one frame, the upper one, with an end",
  );
});
