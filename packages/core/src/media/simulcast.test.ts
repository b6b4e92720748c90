import assert from "node:assert/strict";
import { test } from "node:test";
import { readVp8, rtp, vp8, type Rtp } from "./harness-packets.test.ts";
import { nack, rtcpKind, senderReport } from "./harness-rtcp.test.ts";
import { videoReceiver, videoSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";

const PUBLISHER = 1;
const VIEWER = 2;
const RIDS = ["q", "h", "f"];
const PICTURE_BASE = [100, 5000, 32_760];

/** A publisher of three layers, each with its own numbers and clock, one frame of two packets per layer and step. */
class Publisher {
  readonly world: World;
  readonly active = [true, true, true];
  /** Frames without a picture since a PLI came: the next one is a key frame. */
  readonly keyNext = [true, true, true];
  readonly sequence = [65_530, 100, 30_000];
  readonly tick = [0, 0x7fffff00, 0xfffff000];
  readonly picture = [0, 0, 0];
  pliCount = 0;
  #step = 0;

  constructor(world: World, rids: boolean) {
    this.world = world;
    const ssrcs = rids ? [] : [0, 1, 2].map((i) => ({ ssrc: 2000 + i, rtxSsrc: 3000 + i }));
    world.addPeer(PUBLISHER, [videoReceiver({ ssrcs, rids: rids ? RIDS : [] })], []);
  }

  /** One frame time of 33 ms. */
  step(): void {
    for (const packet of this.world.takeRtcp(PUBLISHER)) {
      if (rtcpKind(packet) !== "206/1") continue;
      const layer = new DataView(packet.buffer).getUint32(8) - 2000;
      this.keyNext[layer] = true;
      this.pliCount++;
    }
    for (let layer = 0; layer < 3; layer++) if (this.active[layer]) this.#frame(layer);
    this.world.endBatch();
    this.#step++;
    this.world.advance(33);
  }

  run(steps: number): void {
    for (let i = 0; i < steps; i++) this.step();
  }

  #frame(layer: number): void {
    const key = this.keyNext[layer]!;
    this.keyNext[layer] = false;
    const picture = this.picture[layer]!++;
    const timestamp = (this.tick[layer]! + this.#step * 2970) >>> 0;
    for (const first of [true, false]) {
      const payload = vp8({
        key,
        first,
        pictureId: (PICTURE_BASE[layer]! + picture) & 0x7fff,
        tl0: 50 * layer + picture,
        keyIdx: layer,
        body: [layer],
      });
      const extensions = { 1: [0x31], 2: [RIDS[layer]!.charCodeAt(0)] };
      const sequence = this.sequence[layer]!;
      this.sequence[layer] = (sequence + 1) & 0xffff;
      this.world.feed(
        PUBLISHER,
        rtp({ sequence, timestamp, ssrc: 2000 + layer, marker: !first, payload, extensions }),
        false,
      );
    }
  }

  /** Reports of all layers, by one clock. */
  report(): void {
    const ms = this.#step * 33;
    for (let layer = 0; layer < 3; layer++) {
      const timestamp = (this.tick[layer]! + this.#step * 2970) >>> 0;
      const fraction = Math.floor(((ms % 1000) / 1000) * 2 ** 32);
      this.world.feed(
        PUBLISHER,
        senderReport(2000 + layer, 3_900_000_000 + Math.floor(ms / 1000), fraction, timestamp),
      );
    }
  }
}

const layerOf = (packet: Rtp) => packet.payload.at(-1)!;

/** What a decoder asks of a stream: no break in the numbers, changes of layer only on key frames. */
function assertDecodable(packets: readonly Rtp[]): void {
  for (let i = 1; i < packets.length; i++) {
    const [before, now] = [packets[i - 1]!, packets[i]!];
    assert.equal(now.sequence, (before.sequence + 1) & 0xffff, `packet ${i}`);
    const a = readVp8(before.payload);
    const b = readVp8(now.payload);
    const sameFrame = now.timestamp === before.timestamp;
    assert.equal((b.pictureId - a.pictureId) & 0x7fff, sameFrame ? 0 : 1, `picture of packet ${i}`);
    assert.equal((b.tl0 - a.tl0) & 255, sameFrame ? 0 : 1, `TL0PICIDX of packet ${i}`);
    if (!sameFrame) assert.ok(((now.timestamp - before.timestamp) | 0) > 0, `time of packet ${i}`);
    if (layerOf(before) !== layerOf(now)) {
      assert.equal(b.rest[0], 0, "a change of layer begins with a key frame");
      assert.equal((b.keyIdx - a.keyIdx) & 31, 1);
    }
  }
}

for (const rids of [true, false]) {
  test(`the highest layer that flows is forwarded, layers known by ${rids ? "rid" : "SSRC"}`, () => {
    const world = new World();
    const publisher = new Publisher(world, rids);
    world.addPeer(VIEWER, [], [videoSender()]);
    publisher.run(60);
    const seen = world.takeRtp(VIEWER);
    assertDecodable(seen);
    assert.equal(layerOf(seen.at(-1)!), 2);
    assert.ok(seen.length > 110, `${seen.length} packets`);
    assert.deepEqual(
      world.events.filter((e) => e.type === "trackStarted").map((e) => e.layer),
      [0, 1, 2],
    );
  });
}

test("what a subscriber wants and what flows decide the layer; numbers never break", () => {
  const world = new World();
  const publisher = new Publisher(world, true);
  world.addPeer(VIEWER, [], [videoSender()]);
  const seen: Rtp[] = [];
  const layerAfter = (steps: number) => {
    publisher.run(steps);
    seen.push(...world.takeRtp(VIEWER));
    return layerOf(seen.at(-1)!);
  };
  assert.equal(layerAfter(40), 2);
  publisher.report();
  world.forwarder.setDownlink(VIEWER, "TR_v", { disabled: false, maxSpatial: 0, fps: 0, priority: 0 });
  assert.equal(layerAfter(40), 0);
  world.forwarder.setDownlink(VIEWER, "TR_v", { disabled: false, maxSpatial: 1, fps: 0, priority: 0 });
  assert.equal(layerAfter(40), 1);
  publisher.active[1] = false;
  assert.equal(layerAfter(90), 0, "the layer stopped: the one below");
  publisher.active[0] = false;
  assert.equal(layerAfter(90), 2, "nothing at or below what is wanted: the one above");
  publisher.active[1] = true;
  assert.equal(layerAfter(40), 1);
  const told = world.events
    .filter((event) => event.type === "layerSwitched")
    .map(({ to, reason }) => `${to} ${reason}`);
  assert.deepEqual(told.slice(-5), ["0 wanted", "1 wanted", "0 publisher", "2 publisher", "1 wanted"]);
  assertDecodable(seen);
  assert.ok(publisher.pliCount < 15, `${publisher.pliCount} PLIs`);
});

test("with sender reports a change of layer keeps the sender's time", () => {
  const world = new World();
  const publisher = new Publisher(world, true);
  world.addPeer(VIEWER, [], [videoSender()]);
  world.forwarder.setDownlink(VIEWER, "TR_v", { disabled: false, maxSpatial: 0, fps: 0, priority: 0 });
  publisher.run(40);
  publisher.report();
  publisher.run(5);
  world.forwarder.setDownlink(VIEWER, "TR_v", { disabled: false, maxSpatial: 2, fps: 0, priority: 0 });
  publisher.run(40);
  const times = [...new Set(world.takeRtp(VIEWER).map((p) => p.timestamp))];
  let changes = 0;
  for (let i = 1; i < times.length; i++) {
    const step = (times[i]! - times[i - 1]!) | 0;
    // The key frame shows the same instant as the last frame of the layer before: the next tick.
    if (step === 1) changes++;
    else assert.ok(Math.abs(step - 2970) <= 2, `frame ${i}: ${step} ticks`);
  }
  assert.equal(changes, 1);
});

test("a packet sent before a change of layer is repeated as it was", () => {
  const world = new World();
  const publisher = new Publisher(world, true);
  world.addPeer(VIEWER, [], [videoSender()]);
  publisher.run(30);
  publisher.report();
  world.forwarder.setDownlink(VIEWER, "TR_v", { disabled: false, maxSpatial: 0, fps: 0, priority: 0 });
  publisher.run(10);
  const seen = world.takeRtp(VIEWER);
  const change = seen.findLastIndex((p) => layerOf(p) === 2);
  assert.ok(change > 0 && change < seen.length - 1);
  for (const original of [seen[change]!, seen[change + 1]!]) {
    world.feed(VIEWER, nack(0x90000001, original.sequence));
    const [repeat] = world.takeRtp(VIEWER);
    assert.deepEqual(repeat!.payload.slice(2), original.payload);
    assert.equal(repeat!.timestamp, original.timestamp);
  }
});

test("many subscribers with different wishes cost one key frame per layer", () => {
  const world = new World();
  const publisher = new Publisher(world, true);
  publisher.run(60);
  publisher.pliCount = 0;
  for (let id = 2; id < 62; id++) {
    world.addPeer(id, [], [videoSender()]);
    world.forwarder.setDownlink(id, "TR_v", { disabled: false, maxSpatial: id % 3, fps: 0, priority: 0 });
  }
  publisher.run(10);
  assert.equal(publisher.pliCount, 3);
  for (let id = 2; id < 62; id++) assert.equal(layerOf(world.takeRtp(id).at(-1)!), id % 3);
});

test("retransmissions are matched by the repaired rid", () => {
  const world = new World();
  const publisher = new Publisher(world, true);
  world.addPeer(VIEWER, [], [videoSender()]);
  publisher.run(40);
  const lost = publisher.sequence[2]!;
  publisher.sequence[2] = lost + 1;
  publisher.run(1);
  world.takeRtp(VIEWER);
  const payload = [lost >> 8, lost & 255, ...vp8({ first: false, body: [77] })];
  const extensions = { 1: [0x31], 3: [0x66] };
  world.feed(PUBLISHER, rtp({ payloadType: 97, sequence: 5, ssrc: 9999, payload, extensions }));
  const [recovered] = world.takeRtp(VIEWER);
  assert.equal(recovered!.payload.at(-1), 77);
});

test("a publisher that begins anew under another SSRC is followed without a break", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver({ ssrcs: [] })], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  const feed = (ssrc: number, sequence: number, pictureId: number, key: boolean) => {
    const payload = vp8({ key, pictureId, tl0: pictureId, keyIdx: 1, body: [0] });
    const timestamp = (sequence * 2970) >>> 0;
    world.feed(PUBLISHER, rtp({ ssrc, sequence, timestamp, marker: true, payload, extensions: { 1: [0x31] } }));
    world.advance(33);
  };
  for (let i = 0; i < 30; i++) feed(7, 1000 + i, i, i === 0);
  for (let i = 0; i < 30; i++) feed(8, 60_000 + i, 9000 + i, i === 3);
  const seen = world.takeRtp(VIEWER);
  assert.equal(seen.length, 57, "from the key frame on");
  for (let i = 1; i < seen.length; i++) {
    assert.equal(seen[i]!.sequence, (seen[i - 1]!.sequence + 1) & 0xffff);
    assert.equal(readVp8(seen[i]!.payload).pictureId, readVp8(seen[i - 1]!.payload).pictureId + 1);
    assert.ok(((seen[i]!.timestamp - seen[i - 1]!.timestamp) | 0) > 0);
  }
});

test("a publisher that jumps in its numbers is followed from a key frame on", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  const feed = (sequence: number, key: boolean) => {
    const payload = vp8({ key, pictureId: sequence & 0x7fff, tl0: sequence, body: [0] });
    world.feed(PUBLISHER, rtp({ ssrc: 1000, sequence, timestamp: sequence * 2970, marker: true, payload }));
    world.advance(33);
  };
  for (let s = 10; s < 20; s++) feed(s, s === 10);
  for (let s = 40_000; s < 40_010; s++) feed(s, s === 40_004);
  const seen = world.takeRtp(VIEWER);
  assert.deepEqual(
    seen.map((p) => p.sequence - seen[0]!.sequence),
    Array.from({ length: 16 }, (_, i) => i),
  );
});
