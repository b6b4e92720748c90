/** What is said of the streams of a peer after each interval. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NEVER } from "../clock.ts";
import type { MediaEvent } from "../engine/events.ts";
import type { StreamStats } from "../engine/figures.ts";
import { frame, rtp, vp8 } from "./harness-packets.test.ts";
import { nack, pli, senderReport } from "./harness-rtcp.test.ts";
import { audioReceiver, audioSender, videoReceiver, videoSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";
import { StatsSchedule } from "./stream-stats-schedule.ts";

const PUBLISHER = 1;
const VIEWER = 2;
const VIDEO_SSRC = 0x90000001;

/** A receiver report of one stream. */
function report(ssrc: number, highest: number, lost: number, jitter = 0): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(32));
  bytes.setUint32(0, 0x81c90007);
  bytes.setUint32(8, ssrc);
  bytes.setUint32(12, lost & 0xffffff);
  bytes.setUint32(16, highest);
  bytes.setUint32(20, jitter);
  return new Uint8Array(bytes.buffer);
}

/** The publisher sends one of its packets again. */
function rtxOf(sequence: number): Uint8Array {
  const again = [sequence >> 8, sequence & 255, ...vp8({ pictureId: sequence, tl0: sequence })];
  return rtp({ payloadType: 97, ssrc: 1001, sequence, timestamp: sequence * 3000, marker: true, payload: again });
}

function call() {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  const up = world.forwarder.meter(PUBLISHER)!;
  const down = world.forwarder.meter(VIEWER)!;
  let sequence = 0;
  /** Frames every 40 ms; those of `lost` do not arrive. */
  const send = (count: number, lost: (n: number) => boolean = () => false) => {
    for (let i = 0; i < count; i++) {
      sequence++;
      if (!lost(i)) world.feed(PUBLISHER, frame(sequence, sequence === 1));
      world.advance(40);
      if (i % 25 !== 24) continue;
      up.sample(world.nowMs);
      down.sample(world.nowMs);
    }
  };
  const only = (streams: readonly StreamStats[]): StreamStats => {
    assert.equal(streams.length, 1);
    return streams[0]!;
  };
  return {
    world,
    send,
    upstream: () => only(up.take(world.nowMs).receivers),
    downstream: () => only(down.take(world.nowMs).senders),
    meters: { up, down },
  };
}

test("upstream: what came, what was lost, what was asked for, per interval", () => {
  const { send, upstream } = call();
  send(125, (n) => n % 10 === 5);
  const first = upstream();
  assert.deepEqual([first.track, first.packets], ["TR_v", 125]);
  assert.ok(first.lost >= 12 && first.lost <= 13, `${first.lost} lost`);
  assert.ok(first.nacks >= 12 && first.keyFrameRequests >= 0 && first.bytes > 100);
  send(100);
  const second = upstream();
  assert.deepEqual([second.packets, second.lost], [100, 0], "the loss is over");
  assert.ok(second.silentMs <= 40);
});

test("upstream: nothing is said before the first packet; then silence grows until a report or a packet comes", () => {
  const { world, send, upstream, meters } = call();
  assert.deepEqual(meters.up.take(world.nowMs).receivers, []);
  send(25);
  upstream();
  world.advance(5000);
  const silent = upstream();
  assert.deepEqual([silent.packets, silent.lost, silent.bytes], [0, 0, 0]);
  assert.ok(silent.silentMs >= 5000);
  world.feed(PUBLISHER, senderReport(1000, 3_900_000_000, 0, 90_000));
  assert.equal(upstream().silentMs, 0, "the publisher lives");
});

test("upstream: a stream that starts anew is not taken for lost", () => {
  const { world, send, upstream } = call();
  send(50);
  upstream();
  for (let sequence = 40_000; sequence < 40_050; sequence++) {
    world.feed(PUBLISHER, frame(sequence, sequence === 40_000));
    world.advance(40);
  }
  const after = upstream();
  assert.ok(after.packets <= 50 && after.packets > 30 && after.lost === 0, JSON.stringify(after));
});

test("downstream: what the receiver reports, once two reports frame an interval", () => {
  const { world, send, downstream } = call();
  send(50);
  world.feed(VIEWER, report(VIDEO_SSRC, 1000, 7, 900));
  const first = downstream();
  assert.deepEqual([first.packets, first.lost], [0, 0]);
  assert.ok(first.bytes > 0);
  send(100);
  world.feed(VIEWER, report(VIDEO_SSRC, 1100, 17, 900));
  world.feed(VIEWER, nack(VIDEO_SSRC, 1, 2, 3));
  world.feed(VIEWER, pli(VIDEO_SSRC));
  const second = downstream();
  assert.deepEqual([second.packets, second.lost, second.nacks, second.keyFrameRequests], [100, 10, 3, 1]);
  assert.ok(second.jitterMs <= 10 && second.jitterMs >= 0);
  send(100);
  world.feed(VIEWER, report(VIDEO_SSRC, 1200, 17));
  assert.equal(downstream().lost, 0, "the loss is over");
});

test("downstream: what the publisher's network lost is not the subscriber's loss", () => {
  const { world, send, downstream } = call();
  send(50);
  world.feed(VIEWER, report(VIDEO_SSRC, 1000, 0));
  downstream();
  send(100, (n) => n % 10 === 5);
  world.feed(VIEWER, report(VIDEO_SSRC, 1100, 10));
  assert.equal(downstream().lost, 0);
});

test("upstream: of what was lost, what came by RTX is repaired", () => {
  const { world, send, upstream } = call();
  send(20, (n) => n === 5 || n === 10);
  world.feed(PUBLISHER, rtxOf(6));
  send(20);
  const first = upstream();
  assert.deepEqual([first.packets, first.lost, first.repaired], [40, 2, 1]);
  world.feed(PUBLISHER, rtxOf(7));
  send(20);
  const second = upstream();
  assert.deepEqual([second.lost, second.repaired], [0, 0], "what nobody missed repairs nothing");
});

test("downstream: what was sent again is repaired, unless that is reported lost too", () => {
  const { world, send, downstream } = call();
  send(50);
  world.feed(VIEWER, report(VIDEO_SSRC, 1000, 0));
  downstream();
  send(50);
  const numbers = world
    .takeRtp(VIEWER)
    .slice(-10)
    .map((packet) => packet.sequence);
  for (const times of [1, 2]) {
    world.feed(VIEWER, nack(VIDEO_SSRC, ...numbers.slice(0, 6 / times)));
    world.advance(600);
  }
  world.feed(VIEWER, report(VIDEO_SSRC, 1050, 10));
  world.feed(VIEWER, report(VIDEO_SSRC + 1, 9, 0));
  const first = downstream();
  assert.deepEqual([first.lost, first.repaired], [10, 6], "each once, however often it was asked for");
  world.feed(VIEWER, nack(VIDEO_SSRC, ...numbers.slice(6)));
  send(50);
  world.feed(VIEWER, report(VIDEO_SSRC + 1, 13, 3));
  world.feed(VIEWER, report(VIDEO_SSRC, 1100, 14));
  const second = downstream();
  assert.deepEqual([second.lost, second.repaired], [4, 1]);
});

test("downstream: silence counts while something is sent, and never when nothing is", () => {
  const { world, send, downstream } = call();
  send(250);
  const unanswered = downstream();
  assert.ok(unanswered.silentMs >= 8000 && unanswered.silentMs <= 10_000, `${unanswered.silentMs} ms`);
  world.feed(VIEWER, report(VIDEO_SSRC, 1000, 0));
  assert.ok(downstream().silentMs < 100);
  world.forwarder.muteTrack("TR_v", true);
  send(50);
  assert.equal(downstream().silentMs, 0);
});

test("a hostile report costs nobody but its sender: figures stay in their bounds", () => {
  const { world, send, downstream } = call();
  send(25);
  world.feed(VIEWER, report(VIDEO_SSRC, 5, -100));
  downstream();
  send(25);
  world.feed(VIEWER, report(VIDEO_SSRC, 0xffffffff, 0x7fffff, 0xffffffff));
  const stats = downstream();
  assert.ok(stats.lost >= 0 && stats.lost <= stats.packets && stats.jitterMs <= 10_000);
});

test("layers: the mean distance to the best that flows, and to the best that is wanted", () => {
  const world = new World();
  const ssrcs = [1000, 2000, 3000].map((ssrc) => ({ ssrc, rtxSsrc: 0 }));
  world.addPeer(PUBLISHER, [videoReceiver({ ssrcs })], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  const down = world.forwarder.meter(VIEWER)!;
  const up = world.forwarder.meter(PUBLISHER)!;
  let sequence = 0;
  const send = (count: number, layers: number, keyLayers: number) => {
    for (let i = 0; i < count; i++) {
      sequence++;
      for (const [index, { ssrc }] of ssrcs.slice(0, layers).entries()) {
        world.feed(PUBLISHER, frame(sequence, i === 0 && index < keyLayers, { ssrc }));
      }
      world.advance(40);
      if (i % 25 !== 24) continue;
      down.sample(world.nowMs);
      up.sample(world.nowMs);
    }
  };
  const distances = () => [
    up.take(world.nowMs).receivers[0]!.layerDistance,
    down.take(world.nowMs).senders[0]!.layerDistance,
  ];
  send(50, 1, 1);
  assert.deepEqual(distances(), [2, 0], "the publisher does not send what is wanted");
  send(75, 3, 1);
  distances();
  send(50, 3, 1);
  assert.deepEqual(distances(), [0, 2], "the subscriber still waits for a key frame of the best layer");
  send(25, 3, 3);
  distances();
  send(50, 3, 3);
  assert.deepEqual(distances(), [0, 0]);
});

test("audio has no layers", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [audioReceiver()], []);
  world.addPeer(VIEWER, [], [audioSender()]);
  const meter = world.forwarder.meter(VIEWER)!;
  world.feed(PUBLISHER, rtp({ payloadType: 111, sequence: 1, ssrc: 500, payload: [1, 2] }));
  meter.sample(world.nowMs);
  const [stats] = meter.take(world.nowMs).senders;
  assert.deepEqual([stats?.track, stats?.layerDistance, stats?.paused], ["TR_a", 0, false]);
});

test("the schedule: every five seconds for each peer, also for silent ones, and few wake-ups", () => {
  const world = new World();
  const schedule = new StatsSchedule();
  assert.equal(schedule.nextTimeoutMs(), NEVER);
  for (let id = 1; id <= 50; id++) {
    world.addPeer(id, [], []);
    schedule.add(id, world.forwarder.meter(id)!, world.nowMs + id);
  }
  const events: MediaEvent[] = [];
  const endMs = world.nowMs + 10_500;
  let wakeUps = 0;
  for (let next = schedule.nextTimeoutMs(); next <= endMs; next = schedule.nextTimeoutMs()) {
    schedule.handleTimeout(next, events);
    wakeUps++;
  }
  const of = (id: number) => events.filter((event) => event.type === "stats" && event.peer === id).length;
  assert.deepEqual([of(1), of(50), events.length], [2, 2, 100]);
  assert.ok(wakeUps <= 25, `${wakeUps} wake-ups`);
  schedule.remove(1);
  schedule.handleTimeout(endMs + 6000, events);
  assert.equal(of(1), 2);
});

test("downstream: packets that were sent again, and their bytes", () => {
  const { world, send, downstream } = call();
  send(50);
  downstream();
  const { sequence } = world.takeRtp(VIEWER).at(-1)!;
  world.sent = [];
  world.feed(VIEWER, nack(VIDEO_SSRC, sequence));
  world.feed(VIEWER, nack(VIDEO_SSRC, sequence + 1000));
  const again = world.sent.filter(({ peer }) => peer === VIEWER);
  assert.equal(again.length, 1);
  send(25);
  const { resent, resentBytes } = downstream();
  assert.deepEqual([resent, resentBytes], [1, again[0]!.bytes.length]);
});

test("upstream: a packet that was overtaken is out of order and not lost; downstream: FIR is told from PLI", () => {
  const { world, send, upstream, downstream, meters } = call();
  send(50);
  upstream();
  downstream();
  for (const sequence of [51, 53, 52, 54]) world.feed(PUBLISHER, frame(sequence));
  const { packets, lost, outOfOrder } = upstream();
  assert.deepEqual([packets, lost, outOfOrder], [4, 0, 1]);
  world.feed(VIEWER, pli(VIDEO_SSRC));
  world.feed(VIEWER, fir(VIDEO_SSRC));
  meters.down.sample(world.nowMs);
  const { keyFrameRequests, firs } = downstream();
  assert.deepEqual([keyFrameRequests, firs], [2, 1]);
});

/** One full intra request (RFC 5104 section 4.3.1). */
function fir(ssrc: number): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(20));
  bytes.setUint32(0, 0x84ce0004);
  bytes.setUint32(12, ssrc);
  bytes.setUint32(16, 0x01000000);
  return new Uint8Array(bytes.buffer);
}
