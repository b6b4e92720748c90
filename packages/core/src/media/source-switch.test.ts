/** Changes of layer that nobody sees: what a running stream waits for, what is refused, and how latecomers begin. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TrackSpec } from "../engine/specs.ts";
import { readVp8, rtp, vp8, type Rtp } from "./harness-packets.test.ts";
import { rtcpKind, senderReport } from "./harness-rtcp.test.ts";
import { videoReceiver, videoSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";

const PUBLISHER = 1;
const VIEWER = 2;
const TICKS = 2970;

const spec = (layerMode: "simulcast" | "simulcastIncompleteReports"): TrackSpec => ({
  room: "RM_r",
  participant: "PA_p",
  kind: "video",
  source: "camera",
  codecs: [{ mime: "video/vp8", layerMode }],
  encrypted: false,
  trailer: new Uint8Array(0),
  regressedTo: -1,
});

/** Two layers with clocks of their own; the upper one may lie behind. */
class Publisher {
  readonly world = new World();
  plis = [0, 0];
  lagMs = 0;
  #step = 0;
  #key = [true, true];

  constructor(layerMode: "simulcast" | "simulcastIncompleteReports" = "simulcast") {
    const ssrcs = [0, 1].map((i) => ({ ssrc: 2000 + i, rtxSsrc: 0 }));
    this.world.forwarder.setTrack("TR_v", spec(layerMode));
    this.world.addPeer(PUBLISHER, [videoReceiver({ ssrcs })], []);
  }

  #timestamp(layer: number): number {
    const lag = layer === 1 ? this.lagMs * 90 : 0;
    return (layer * 0x70000000 + this.#step * TICKS - lag) >>> 0;
  }

  run(steps: number): void {
    for (let i = 0; i < steps; i++) {
      for (const packet of this.world.takeRtcp(PUBLISHER)) {
        if (rtcpKind(packet) !== "206/1") continue;
        const layer = new DataView(packet.buffer).getUint32(8) - 2000;
        this.plis[layer]!++;
        this.#key[layer] = true;
      }
      for (const layer of [0, 1]) {
        for (const first of [true, false]) {
          const numbers = { pictureId: this.#step, tl0: this.#step, keyIdx: 0 };
          const payload = vp8({ key: this.#key[layer]!, first, ...numbers, body: [layer] });
          const sequence = this.#step * 2 + (first ? 0 : 1);
          const timestamp = this.#timestamp(layer);
          this.world.feed(PUBLISHER, rtp({ ssrc: 2000 + layer, sequence, timestamp, marker: !first, payload }), false);
        }
        this.#key[layer] = false;
      }
      this.world.endBatch();
      this.#step++;
      this.world.advance(33);
    }
  }

  /** A sender report of one layer; its clock says the truth, its pictures may be late. */
  report(layer: number): void {
    const ms = this.#step * 33;
    const fraction = Math.floor(((ms % 1000) / 1000) * 2 ** 32);
    const timestamp = (layer * 0x70000000 + this.#step * TICKS) >>> 0;
    this.world.feed(PUBLISHER, senderReport(2000 + layer, 3_900_000_000 + Math.floor(ms / 1000), fraction, timestamp));
  }

  want(maxSpatial: number): void {
    this.world.forwarder.setDownlink(VIEWER, "TR_v", { disabled: false, maxSpatial, fps: 0, priority: 0 });
  }
}

const layers = (packets: readonly Rtp[]) => packets.map((p) => p.payload.at(-1)!).join("");

test("a running stream waits for the reports of both layers, and asks for no key frame meanwhile", () => {
  const publisher = new Publisher();
  const { world } = publisher;
  world.addPeer(VIEWER, [], [videoSender()]);
  publisher.want(0);
  publisher.run(40);
  publisher.report(0);
  publisher.plis = [0, 0];
  publisher.want(1);
  publisher.run(20);
  assert.match(layers(world.takeRtp(VIEWER)), /^0+$/);
  assert.deepEqual(publisher.plis, [0, 0]);
  publisher.report(1);
  publisher.run(10);
  assert.match(layers(world.takeRtp(VIEWER)), /^0+1+$/);
  assert.deepEqual(publisher.plis, [0, 1]);
});

test("senders that never report are not waited for longer than three seconds, those known for it not at all", () => {
  for (const mode of ["simulcast", "simulcastIncompleteReports"] as const) {
    const publisher = new Publisher(mode);
    publisher.world.addPeer(VIEWER, [], [videoSender()]);
    publisher.want(0);
    publisher.run(40);
    publisher.want(1);
    publisher.run(15);
    assert.equal(layers(publisher.world.takeRtp(VIEWER)).at(-1), mode === "simulcast" ? "0" : "1");
    publisher.run(50);
    assert.equal(layers(publisher.world.takeRtp(VIEWER)).at(-1), "1");
  }
});

test("at the very start the layer that is wanted is taken as soon as it comes", () => {
  const publisher = new Publisher();
  publisher.world.addPeer(VIEWER, [], [videoSender()]);
  publisher.run(10);
  assert.match(layers(publisher.world.takeRtp(VIEWER)), /^0{0,2}1+$/);
});

test("a layer that lies behind is refused twice, then taken, and time never runs backwards", () => {
  const publisher = new Publisher();
  const { world } = publisher;
  publisher.lagMs = 120;
  world.addPeer(VIEWER, [], [videoSender()]);
  publisher.want(0);
  publisher.run(40);
  publisher.report(0);
  publisher.report(1);
  publisher.plis = [0, 0];
  publisher.want(1);
  publisher.run(150);
  const seen = world.takeRtp(VIEWER);
  assert.match(layers(seen), /^0+1+$/);
  assert.equal(publisher.plis[1], 3);
  for (let i = 1; i < seen.length; i++) assert.ok(((seen[i]!.timestamp - seen[i - 1]!.timestamp) | 0) >= 0);
});

test("whoever joins within a moment begins with the key frame of the others, with all that followed", () => {
  const publisher = new Publisher();
  const { world } = publisher;
  publisher.run(40);
  publisher.report(0);
  publisher.report(1);
  publisher.run(20);
  publisher.plis = [0, 0];
  for (let id = 2; id < 10; id++) {
    world.addPeer(id, [], [videoSender()]);
    publisher.run(1);
  }
  publisher.run(2);
  assert.deepEqual(publisher.plis, [0, 1]);
  for (let id = 2; id < 10; id++) {
    const seen = world.takeRtp(id);
    assert.match(layers(seen), /^1+$/);
    assert.equal(readVp8(seen[0]!.payload).rest[0], 0, "a key frame first");
    for (let i = 1; i < seen.length; i++) assert.equal(seen[i]!.sequence, (seen[i - 1]!.sequence + 1) & 0xffff);
    assert.equal(readVp8(seen.at(-1)!.payload).pictureId - readVp8(seen[0]!.payload).pictureId, seen.length / 2 - 1);
  }
});

test("an old key frame is nothing to begin with: a new one is asked for", () => {
  const publisher = new Publisher();
  publisher.run(12);
  publisher.plis = [0, 0];
  publisher.world.addPeer(VIEWER, [], [videoSender()]);
  publisher.run(1);
  assert.equal(publisher.plis[1], 1);
  assert.equal(readVp8(publisher.world.takeRtp(VIEWER)[0]!.payload).pictureId, 12);
});

test("after an interruption nothing is shown that was shown before", () => {
  const publisher = new Publisher();
  const { world } = publisher;
  world.addPeer(VIEWER, [], [videoSender()]);
  publisher.run(4);
  const before = world.takeRtp(VIEWER);
  world.transports.get(VIEWER)!.connected = false;
  publisher.run(1);
  world.transports.get(VIEWER)!.connected = true;
  publisher.run(1);
  assert.deepEqual(world.takeRtp(VIEWER), [], "not the key frame of a moment ago");
  publisher.run(10);
  const after = world.takeRtp(VIEWER);
  assert.ok(after[0]!.payload.length > 0 && readVp8(after[0]!.payload).rest[0] === 0);
  assert.ok(((after[0]!.timestamp - before.at(-1)!.timestamp) | 0) > 0);
});
