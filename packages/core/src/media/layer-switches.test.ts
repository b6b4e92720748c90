/** A change of layer within one stream (SVC) is told with its reason, as one between streams (simulcast) is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Arrivals } from "./arrivals.ts";
import { rtcpKind } from "./harness-rtcp.test.ts";
import { VP9, videoReceiver, videoSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";
import { DESCRIPTOR_ID, SvcEncoder } from "./svc-encoder.test.ts";

const PUBLISHER = 1;
const VIEWER = 2;
const TRANSPORT_CC = 3;
/** Makes the layers cost something: about 600 kbit/s each. */
const BODY = new Uint8Array(1000);
const CONGESTION = { congestion: { enabled: true, allowPause: false }, playoutDelay: undefined };

function setUp(plain: boolean) {
  const world = new World();
  const encoder = new SvcEncoder("L3T3_KEY", { plain });
  const codecs = [VP9];
  const extensions = { dependencyDescriptor: DESCRIPTOR_ID, transportCc: TRANSPORT_CC };
  world.addPeer(PUBLISHER, [videoReceiver({ codecs, extensions: { dependencyDescriptor: DESCRIPTOR_ID } })], []);
  world.addPeer(VIEWER, [], [videoSender({ codecs, extensions })], CONGESTION);
  const arrivals = new Arrivals(1);
  let started = false;
  const run = (pictures: number) => {
    for (let i = 0; i < pictures; i++) {
      const asked = world.takeRtcp(PUBLISHER).some((packet) => rtcpKind(packet) === "206/1");
      for (const { packets } of encoder.next(!started || asked)) {
        for (const packet of packets) world.feed(PUBLISHER, new Uint8Array([...packet, ...BODY]));
      }
      started = true;
      world.advance(33);
      for (const { extensions } of world.takeRtp(VIEWER)) {
        const [high, low] = extensions.get(TRANSPORT_CC)!;
        arrivals.record((high! << 8) | low!, 1, world.nowMs);
      }
      if (arrivals.nextTimeoutMs() > world.nowMs) continue;
      const feedback = new Uint8Array(1200);
      world.feed(VIEWER, feedback.slice(0, arrivals.write(feedback, 0, feedback.length)));
    }
  };
  const want = (maxSpatial: number) =>
    world.forwarder.setDownlink(VIEWER, "TR_v", { disabled: false, maxSpatial, fps: 0, priority: 0 });
  /** What was told since. */
  const told = () =>
    world.events
      .splice(0)
      .filter((event) => event.type === "layerSwitched")
      .map(({ peer, from, to, reason }) => `${peer}: ${from} to ${to}, ${reason}`);
  return { world, encoder, run, want, told };
}

for (const plain of [false, true]) {
  test(`VP9 ${plain ? "by its own descriptor" : "by dependency descriptors"}: what the client wants, what is sent`, () => {
    const { encoder, run, want, told } = setUp(plain);
    run(60);
    told();
    want(0);
    run(30);
    assert.deepEqual(told(), ["2: 2 to 0, wanted"]);
    want(2);
    run(30);
    assert.deepEqual(told(), ["2: 0 to 2, wanted"]);
    encoder.sent = 2;
    run(60);
    assert.deepEqual(told(), ["2: 2 to 1, publisher"]);
    encoder.sent = 3;
    run(60);
    assert.deepEqual(told(), ["2: 1 to 2, wanted"]);
    run(60);
    assert.deepEqual(told(), [], "told once");
  });
}

test("what the link does not carry", () => {
  const { world, run, told } = setUp(false);
  run(60);
  told();
  world.forwarder.limitBandwidth(VIEWER, 300_000);
  run(60);
  assert.deepEqual(told(), ["2: 2 to 0, bandwidth"]);
  world.forwarder.limitBandwidth(VIEWER, 0);
  run(60);
  assert.equal(told().at(-1), "2: 0 to 2, wanted");
});
