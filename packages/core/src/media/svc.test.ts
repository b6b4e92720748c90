/** SVC by dependency descriptors: each viewer gets its layers of one stream, and can decode all it gets. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AV1 } from "./harness-specs.test.ts";
import { Rig } from "./rig.test.ts";
import { Call } from "./svc-call.test.ts";
import { DESCRIPTOR_ID, SvcEncoder, readSeen } from "./svc-encoder.test.ts";

for (const mime of ["vp9", "av1"] as const) {
  test(`${mime} L3T3_KEY: LOW and HIGH in turn, each at a key frame, no picture missing or undecodable`, () => {
    const call = new Call("L3T3_KEY", { mime });
    assert.equal(call.run(5), "S2T0 S2T2 S2T1 S2T2 S2T0", "the highest from the first picture on");
    assert.equal(call.keyFrames, 1);
    call.want(0);
    const down = call.run(8);
    assert.match(down, /^S0T0 S0T2 S0T1/, "asked for at once, then LOW");
    call.want(2);
    assert.match(call.run(8), /^S2T0 S2T2 S2T1/);
    assert.equal(call.keyFrames, 3);
    assert.equal(new Set(call.seen.map((s) => s.packet.timestamp)).size, 21, "every picture is shown");
    call.check();
  });
}

test("while it waits for a key frame, the stream goes on as before", () => {
  const call = new Call("L3T3_KEY");
  call.run(8);
  call.obeys = false;
  call.want(0);
  assert.equal(call.run(4), "S2T0 S2T2 S2T1 S2T2");
  assert.ok(call.rig.downlink.wantsKeyFrame);
  call.want(2);
  call.run(2);
  assert.equal(call.rig.downlink.wantsKeyFrame, false, "not any more");
  call.want(0);
  call.obeys = true;
  call.run(4);
  call.obeys = false;
  call.want(2);
  assert.equal(call.run(4), "S0T0 S0T2 S0T1 S0T2");
  assert.ok(call.rig.downlink.wantsKeyFrame);
  call.check();
});

test("fewer temporal layers at once and without a key frame, more at a switching point", () => {
  const call = new Call("L3T3_KEY");
  call.run(4);
  call.rig.downlink.allocate(2, 0);
  assert.equal(call.run(8), "S2T0 S2T0");
  call.rig.downlink.allocate(2, 1);
  assert.equal(call.run(8), "S2T0 S2T1 S2T0 S2T1");
  call.rig.downlink.allocate(2, 3);
  assert.equal(call.run(4), "S2T0 S2T2 S2T1 S2T2");
  assert.equal(call.keyFrames, 1);
  call.check();
});

test("L1T3 and L2T1: layers that lean on each other in every picture are left at any picture", () => {
  const thirds = new Call("L1T3");
  thirds.run(4);
  thirds.rig.downlink.allocate(2, 1);
  assert.equal(thirds.run(4), "S0T0 S0T1");
  thirds.check();
  const call = new Call("L2T1");
  call.run(3);
  call.want(0);
  assert.equal(call.run(3), "S0T0 S0T0 S0T0");
  assert.equal(call.keyFrames, 1);
  call.want(1);
  assert.equal(call.run(3), "S1T0 S1T0 S1T0");
  assert.equal(call.keyFrames, 2);
  call.check();
});

test("a viewer of few layers is told which decode targets it gets, and told when that ends", () => {
  const call = new Call("L3T3_KEY");
  call.run(3);
  assert.ok(call.seen.every((s) => s.activeTargets === -1 || s.activeTargets === 0x1ff));
  call.rig.downlink.allocate(2, 0);
  call.run(8);
  assert.equal(call.seen.findLast((s) => s.first)!.activeTargets, 0b001001001);
  const before = call.seen.length;
  call.rig.downlink.allocate(2, 3);
  call.run(4);
  assert.equal(call.seen.slice(before).filter((s) => s.activeTargets === 0x1ff).length, 1);
  call.check();
});

test("a layer that the publisher stops sending is left, and taken again when it comes back", () => {
  const call = new Call("L3T3_KEY");
  call.run(30);
  call.encoder.sent = 2;
  const without = call.run(40);
  assert.match(without, /S1T. S1T. S1T. S1T.$/);
  call.encoder.sent = 3;
  assert.match(call.run(40), /S2T. S2T. S2T. S2T.$/);
});

test("a packet is repeated with the same numbers, marker and mask", () => {
  const call = new Call("L3T3_KEY");
  call.want(0);
  call.run(6);
  const { packet } = call.seen.at(-1)!;
  assert.ok(packet.marker);
  for (const original of call.seen.map((s) => s.packet)) {
    const again = call.rig.nack(original.sequence)!;
    assert.deepEqual(again.payload.slice(2), original.payload);
    assert.deepEqual([again.marker, again.timestamp], [original.marker, original.timestamp]);
    assert.deepEqual(again.extensions.get(DESCRIPTOR_ID), original.extensions.get(DESCRIPTOR_ID));
  }
});

test("what each layer costs is measured by decode targets", () => {
  const call = new Call("L3T3_KEY");
  call.run(65);
  const { rates, trackers } = call.rig.uplink;
  const high = rates.bps(2, 2);
  assert.ok(high > 0 && rates.bps(2, 3) === 0);
  // Between key pictures no layer leans on another, so each costs about the same.
  assert.ok(Math.abs(rates.bps(0, 2) / high - 1) < 0.1, `${rates.bps(0, 2)} and ${high}`);
  assert.ok(rates.bps(2, 0) < high / 2);
  assert.deepEqual(
    [0, 1, 2].map((s) => trackers.flows(s)),
    [true, true, true],
  );
});

test("without descriptors, VP9 goes by its own: more temporal layers where it says so, more spatial ones at a key picture", () => {
  const call = new Call("L2T1", { plain: true });
  assert.equal(call.run(3), "S1T0 S1T0 S1T0");
  assert.equal(call.keyFrames, 1);
  call.want(0);
  assert.equal(call.run(3), "S0T0 S0T0 S0T0", "down at once");
  call.want(1);
  assert.equal(call.run(3), "S1T0 S1T0 S1T0");
  assert.equal(call.keyFrames, 2);
  call.check();
  const thirds = new Call("L1T3", { plain: true });
  thirds.run(4);
  thirds.rig.downlink.allocate(2, 0);
  assert.equal(thirds.run(4), "S0T0");
  thirds.rig.downlink.allocate(2, 1);
  assert.equal(thirds.run(4), "S0T0 S0T1");
  thirds.rig.downlink.allocate(2, 3);
  assert.equal(thirds.run(4), "S0T0 S0T2 S0T1 S0T2");
  thirds.check();
});

test("when descriptors stop coming, VP9's own take over; when they come again, they count from the next key picture on", () => {
  const call = new Call("L2T1");
  call.run(3);
  call.encoder.options.plain = true;
  call.run(3);
  call.want(0);
  assert.equal(call.run(3), "S0T0 S0T0 S0T0");
  call.encoder.options.plain = false;
  call.run(3);
  call.want(1);
  assert.match(call.run(4), /S1T0 S1T0 S1T0$/);
});

test("AV1 without descriptors is forwarded as one layer", () => {
  const call = new Call("L3T3_KEY", { mime: "av1", plain: true });
  call.run(5);
  call.rig.downlink.allocate(0, 0);
  call.run(5);
  assert.equal(call.seen.length, 60);
});

test("frame numbers go on when another stream takes over, and in what is repeated", () => {
  const extensions = { dependencyDescriptor: DESCRIPTOR_ID };
  const ssrcs = [1000, 2000].map((ssrc) => ({ ssrc, rtxSsrc: 0 }));
  const rig = new Rig({ codecs: [AV1], extensions, ssrcs }, { codecs: [AV1], extensions });
  const encoders = [
    new SvcEncoder("L1T3", { mime: "av1", frame: 65_530 }),
    new SvcEncoder("L1T3", { mime: "av1", ssrc: 2000, frame: 300 }),
  ];
  const run = (pictures: number, key = false) => {
    for (let i = 0; i < pictures; i++) {
      for (const [layer, encoder] of encoders.entries()) {
        for (const frame of encoder.next(key && i === 0)) for (const packet of frame.packets) rig.feed(packet, layer);
      }
      rig.advance(33);
    }
  };
  run(5, true);
  rig.downlink.setSettings({ disabled: false, maxSpatial: 0, fps: 0, priority: 0 });
  run(2);
  run(5, true);
  const packets = rig.take();
  const frames = [...new Set(readSeen(packets).map((s) => s.frame))];
  assert.ok(frames.length >= 12);
  assert.deepEqual(
    frames,
    frames.map((_, i) => (frames[0]! + i) & 0xffff),
  );
  assert.ok(new Set(packets.map((p) => p.payload.at(-2))).size > 1, "both streams were forwarded");
  for (const packet of packets) {
    assert.deepEqual(rig.nack(packet.sequence)?.extensions.get(DESCRIPTOR_ID), packet.extensions.get(DESCRIPTOR_ID));
  }
});
