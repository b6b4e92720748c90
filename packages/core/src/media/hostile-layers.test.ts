/** A publisher that lies about its layers: its own stream suffers, memory stays bounded, its neighbour's picture is whole. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { L2T1, L3T3_KEY, descriptor } from "@stoa/testkit/dependency-descriptor";
import fc from "fast-check";
import { NEVER } from "../clock.ts";
import { frame, rtp } from "./harness-packets.test.ts";
import { pli } from "./harness-rtcp.test.ts";
import { AV1, VP8, VP9, videoReceiver, videoSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";

const LIAR = 1;
const HONEST = 2;
const VIEWERS = [3, 4, 5];
const DESCRIPTOR_ID = 9;

class Scene {
  readonly world = new World();
  #sequence = 0;
  #honest = 0;

  constructor() {
    const { world } = this;
    const extensions = { dependencyDescriptor: DESCRIPTOR_ID };
    const codecs = [VP8, VP9, AV1];
    world.addPeer(LIAR, [videoReceiver({ codecs, extensions })], []);
    world.addPeer(HONEST, [videoReceiver({ track: "TR_h" })], []);
    for (const id of VIEWERS) {
      const lied = videoSender({ codecs, extensions });
      const honest = videoSender({ mid: "5", track: "TR_h", ssrc: 0x70000000 + id, rtxSsrc: 0x71000000 + id });
      world.addPeer(id, [], [lied, honest]);
      world.forwarder.setDownlink(id, "TR_v", {
        disabled: false,
        maxSpatial: id - 3,
        fps: id === 4 ? 5 : 0,
        priority: 0,
      });
    }
  }

  lie(payloadType: number, payload: readonly number[], dd: readonly number[], step: number, marker: boolean): void {
    this.#sequence = (this.#sequence + step) & 0xffff;
    const timestamp = (this.#sequence * 1000) >>> 0;
    const extensions: Record<number, readonly number[]> = dd.length > 0 ? { [DESCRIPTOR_ID]: dd } : {};
    const packet = { payloadType, ssrc: 1000, sequence: this.#sequence, timestamp, marker, payload: [...payload] };
    this.world.feed(LIAR, rtp({ ...packet, extensions }));
    this.world.feed(HONEST, frame(++this.#honest & 0xffff, this.#honest === 1));
    if (this.#honest % 50 === 0) this.world.feed(VIEWERS[0]!, pli(0x90000001));
    this.world.advance(9);
    // The honest stream's tail is checked at the end; what was sent of the other is of no interest.
    this.world.sent = this.world.sent.filter((sent) => sent.bytes[8]! < 0x80);
  }

  end(): void {
    const { world } = this;
    assert.ok(world.pool.used <= 512 + 512 + 48, `${world.pool.used} slots`);
    for (const id of VIEWERS) {
      const seen = world.takeRtp(id);
      assert.equal(seen.length, this.#honest, "the neighbour's stream is whole");
      for (let i = 1; i < seen.length; i++) assert.equal(seen[i]!.sequence, (seen[i - 1]!.sequence + 1) & 0xffff);
    }
    world.advance(10_000);
    assert.equal(world.pool.used, 0);
    assert.equal(world.forwarder.nextTimeoutMs(), NEVER);
  }
}

const bytes = fc.array(fc.nat(255), { maxLength: 24 });
const written = fc
  .record({
    structure: fc.constantFrom(L2T1, L3T3_KEY),
    attach: fc.boolean(),
    first: fc.boolean(),
    last: fc.boolean(),
    template: fc.nat(63),
    frame: fc.nat(0xffff),
    active: fc.option(fc.nat(0x1ff), { nil: undefined }),
    differences: fc.option(fc.array(fc.integer({ min: 1, max: 4096 }), { maxLength: 10 }), { nil: undefined }),
    chains: fc.option(fc.array(fc.nat(255), { maxLength: 5 }), { nil: undefined }),
    noise: fc.option(fc.tuple(fc.nat(200), fc.nat(255)), { nil: undefined }),
  })
  .map(({ structure, attach, noise, ...input }) => {
    const out = descriptor({ ...input, ...(attach ? { structure } : {}) }, structure);
    if (noise) out[noise[0] % out.length] = noise[1];
    return out;
  });
const anyDescriptor = fc.oneof(written, bytes, fc.constant([]));
const payload = fc.oneof(
  bytes,
  // VP9 with all layers there are, VP8 with all numbers, AV1 with and without key frames.
  fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)).map(([a, b, c, d]) => [0xa0 | a, b, c, d, 1, 2, 3]),
  fc
    .tuple(fc.nat(127), fc.nat(255), fc.nat(255), fc.nat(255))
    .map(([a, b, c, d]) => [0x90, 0xf0, 0x80 | a, b, c, d, 0]),
  fc.constantFrom([0x18, 1, 2], [0x10, 1, 2]),
);
const lie = fc.record({
  type: fc.constantFrom(96, 98, 35),
  payload,
  dd: anyDescriptor,
  step: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(1, 1, 1, 2, 0xffff) },
    { weight: 1, arbitrary: fc.nat(0xffff) },
  ),
  marker: fc.boolean(),
});

test("whatever descriptors, layers and codecs are claimed", () => {
  fc.assert(
    fc.property(fc.array(lie, { minLength: 1, maxLength: 400, size: "max" }), (lies) => {
      const scene = new Scene();
      for (const { type, payload: body, dd, step, marker } of lies) scene.lie(type, body, dd, step, marker);
      scene.end();
    }),
    { numRuns: 40 },
  );
});

test("a codec that changes with every packet, a structure in every one", () => {
  const scene = new Scene();
  for (let i = 0; i < 2000; i++) {
    const dd = descriptor({ template: 0, frame: i, structure: i & 1 ? L2T1 : L3T3_KEY }, i & 1 ? L2T1 : L3T3_KEY);
    scene.lie([98, 35][i & 1]!, i & 1 ? [0x18, 1] : [0x8c, 1, 2], dd, i % 7 === 0 ? 0xfffd : 2, true);
  }
  scene.end();
});
