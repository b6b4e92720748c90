/** What a client wants and what an allocator grants: the minimum of both is forwarded. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rtp, vp8 } from "./harness-packets.test.ts";
import { Rig } from "./rig.test.ts";

/** Two streams of one picture per 33 ms; key frames when asked for. */
class Call {
  readonly rig = new Rig({
    ssrcs: [
      { ssrc: 1000, rtxSsrc: 0 },
      { ssrc: 2000, rtxSsrc: 0 },
    ],
  });
  #step = 0;

  run(steps: number): string {
    const { rig } = this;
    for (let i = 0; i < steps; i++, this.#step++) {
      const key = this.#step === 0 || rig.downlink.wantsKeyFrame;
      for (const [layer, ssrc] of [1000, 2000].entries()) {
        const payload = vp8({ key, pictureId: this.#step, body: [layer] });
        rig.feed(rtp({ ssrc, sequence: this.#step, timestamp: this.#step * 3000, marker: true, payload }), layer);
      }
      rig.advance(33);
    }
    return rig
      .take()
      .map((p) => p.payload.at(-1))
      .join("");
  }

  want(maxSpatial: number, disabled = false): void {
    this.rig.downlink.setSettings({ disabled, maxSpatial, fps: 0, priority: 0 });
  }
}

test("the allocator lowers, pauses and lets go; what the client wants stays known", () => {
  const call = new Call();
  const { downlink } = call.rig;
  assert.match(call.run(5), /^0?1111/);
  downlink.allocate(0, 3);
  assert.deepEqual([downlink.wantedSpatial, downlink.targetSpatial, downlink.currentSpatial], [2, 0, 1]);
  assert.equal(call.run(3), "000");
  downlink.allocate(-1, -1);
  assert.deepEqual([downlink.wantedSpatial, downlink.targetSpatial, downlink.currentSpatial], [2, -1, -1]);
  assert.equal(call.run(3), "");
  assert.equal(downlink.wantsKeyFrame, false);
  downlink.allocate(2, 3);
  assert.match(call.run(4), /^0?111/);
});

test("the client's wish holds however much is granted", () => {
  const call = new Call();
  call.want(0);
  assert.equal(call.run(3), "000");
  call.rig.downlink.allocate(2, 3);
  assert.equal(call.run(2), "00");
  call.want(2, true);
  assert.deepEqual([call.rig.downlink.wantedSpatial, call.run(3)], [-1, ""]);
  call.want(3);
  assert.deepEqual([call.rig.downlink.wantedSpatial, call.run(3)], [-1, ""], "quality OFF");
});
