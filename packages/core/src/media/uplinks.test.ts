/** One track in several codecs: who gets which, what the server makes itself, and changes in mid-stream. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { newRtpHeader, readRtpHeader } from "@stoa/wire/rtp/header";
import type { TrackSpec } from "../engine/specs.ts";
import { PacketPool, SLOT_BYTES, Slab } from "../slab.ts";
import { frame, rtp } from "./harness-packets.test.ts";
import { nack, rtcpKind, senderReport } from "./harness-rtcp.test.ts";
import { H264, OPUS, VP8, audioReceiver, audioSender, videoReceiver, videoSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";
import { Downlink } from "./downlink.ts";
import { PacketWriter } from "./packet-writer.ts";
import { Subscriber } from "./subscriber.ts";
import { Track } from "./track.ts";
import { BatchTime } from "./transport.ts";
import { Uplink } from "./uplink.ts";

const PUBLISHER = 1;
const VIEWER = 2;

const spec: TrackSpec = {
  room: "RM_r",
  participant: "PA_p",
  kind: "video",
  source: "camera",
  codecs: [
    { mime: "video/h264", layerMode: "simulcast" },
    { mime: "video/vp8", layerMode: "simulcast" },
  ],
  encrypted: false,
  trailer: new Uint8Array(0),
  regressedTo: -1,
};

const primary = videoReceiver({ mid: "1", codecs: [H264], ssrcs: [{ ssrc: 700, rtxSsrc: 0 }] });
const backup = videoReceiver({ mid: "2", codecIndex: 1 });
const both = videoSender({
  codecs: [
    { ...VP8, payloadType: 100 },
    { ...H264, payloadType: 102 },
  ],
});

/** One H.264 picture of one packet. */
const picture = (sequence: number, key = false) =>
  rtp({
    payloadType: 108,
    ssrc: 700,
    sequence,
    timestamp: sequence * 3000,
    marker: true,
    payload: [key ? 0x67 : 0x41, sequence & 255],
  });

const plis = (world: World, ssrc: number) =>
  world
    .takeRtcp(PUBLISHER)
    .filter((p) => rtcpKind(p) === "206/1" && new DataView(p.buffer, p.byteOffset).getUint32(8) === ssrc).length;

test("each subscriber gets the first codec of the publisher that it takes", () => {
  const world = new World();
  world.forwarder.setTrack("TR_v", spec);
  world.addPeer(VIEWER, [], [both]);
  world.addPeer(3, [], [videoSender()]);
  // The backup comes first here: the order of codecs counts, not that of m-lines.
  world.addPeer(PUBLISHER, [backup, primary], []);
  world.feed(PUBLISHER, picture(1, true));
  world.feed(PUBLISHER, frame(1, true));
  assert.deepEqual(
    world.takeRtp(VIEWER).map((p) => p.payloadType),
    [102],
  );
  assert.deepEqual(
    world.takeRtp(3).map((p) => p.payloadType),
    [100],
  );
  assert.deepEqual(
    world.events.filter((e) => e.type === "trackStarted").map((e) => e.mime),
    ["video/h264", "video/vp8"],
  );
});

test("a subscriber of no published codec costs no key frame, and is served when a backup comes", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [primary], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  for (let s = 1; s < 40; s++) {
    world.feed(PUBLISHER, picture(s, s === 1));
    world.advance(33);
  }
  assert.equal(plis(world, 700), 0);
  assert.deepEqual(world.takeRtp(VIEWER), []);
  world.forwarder.setReceivers(PUBLISHER, [primary, backup]);
  world.feed(PUBLISHER, frame(1, true));
  assert.equal(world.takeRtp(VIEWER).length, 1);
});

test("regression switches in place: the old codec flows until the new one has a key frame, numbers go on", () => {
  const world = new World();
  world.forwarder.setTrack("TR_v", spec);
  world.addPeer(PUBLISHER, [primary, backup], []);
  world.addPeer(VIEWER, [], [both]);
  world.feed(PUBLISHER, senderReport(700, 3_900_000_000, 0, 3000));
  world.feed(PUBLISHER, senderReport(1000, 3_900_000_000, 0, 500));
  for (let s = 1; s < 4; s++) world.feed(PUBLISHER, picture(s, s === 1));
  world.feed(PUBLISHER, frame(900));
  world.forwarder.setTrack("TR_v", { ...spec, regressedTo: 1 });
  world.feed(PUBLISHER, picture(4));
  assert.equal(plis(world, 1000), 1, "the new codec is asked for a key frame");
  world.feed(PUBLISHER, frame(901));
  world.feed(PUBLISHER, picture(5));
  world.feed(PUBLISHER, frame(902, true, { timestamp: 500 + 5 * 3000 }));
  world.feed(PUBLISHER, picture(6));
  world.feed(PUBLISHER, frame(903, false, { timestamp: 500 + 6 * 3000 }));
  const seen = world.takeRtp(VIEWER);
  assert.deepEqual(
    seen.map((p) => p.payloadType),
    [102, 102, 102, 102, 102, 100, 100],
  );
  assert.deepEqual(
    seen.map((p) => (p.sequence - seen[0]!.sequence) & 0xffff),
    [0, 1, 2, 3, 4, 5, 6],
  );
  assert.deepEqual(
    seen.map((p) => (p.timestamp - seen[0]!.timestamp) | 0),
    [0, 3000, 6000, 9000, 12_000, 15_000, 18_000],
    "by the publisher's clock",
  );
  world.feed(VIEWER, nack(0x90000001, seen[6]!.sequence));
  assert.equal(world.takeRtp(VIEWER).length, 1, "what came after the change can be repeated");
});

test("when the backup goes, its subscribers return to the primary codec", () => {
  const world = new World();
  world.forwarder.setTrack("TR_v", { ...spec, regressedTo: 1 });
  world.addPeer(PUBLISHER, [primary, backup], []);
  world.addPeer(VIEWER, [], [both]);
  world.feed(PUBLISHER, picture(1, true));
  world.feed(PUBLISHER, frame(1, true));
  world.forwarder.setReceivers(PUBLISHER, [primary]);
  world.feed(PUBLISHER, picture(2));
  world.feed(PUBLISHER, picture(3, true));
  const seen = world.takeRtp(VIEWER);
  assert.deepEqual(
    seen.map((p) => p.payloadType),
    [100, 102],
  );
  assert.equal(seen[1]!.sequence, (seen[0]!.sequence + 1) & 0xffff);
  world.forwarder.removePeer(PUBLISHER);
  assert.equal(world.pool.used, 0);
});

test("a regression that is taken back before it happened changes nothing", () => {
  const world = new World();
  world.forwarder.setTrack("TR_v", spec);
  world.addPeer(PUBLISHER, [primary, backup], []);
  world.addPeer(VIEWER, [], [both]);
  world.feed(PUBLISHER, picture(1, true));
  world.forwarder.setTrack("TR_v", { ...spec, regressedTo: 1 });
  world.feed(PUBLISHER, picture(2));
  world.forwarder.setTrack("TR_v", spec);
  world.feed(PUBLISHER, frame(1, true));
  world.feed(PUBLISHER, picture(3));
  assert.deepEqual(
    world.takeRtp(VIEWER).map((p) => p.payload[1]),
    [1, 2, 3],
  );
});

test("what a subscriber cannot take is made for it out of what is published, once for all of them", () => {
  const slab = new Slab(new ArrayBuffer(8 << 20));
  const pool = new PacketPool(slab, 1024);
  const time = new BatchTime();
  time.set(1_700_000_000_000.5);
  const out: number[][] = [];
  const at = slab.alloc(SLOT_BYTES);
  const sink = { reserve: () => at, commit: () => undefined, send: () => undefined, flush: () => undefined };
  const transport = {
    path: 1,
    connected: true,
    protectRtp: (_at: number, headerLength: number, from: number, length: number) => {
      out.push([...slab.u8.subarray(from, from + length)]);
      return headerLength + length;
    },
    protectRtcp: () => 0,
  };
  const pcmu = { ...OPUS, payloadType: 0, mime: "audio/pcmu" };
  const source = new Uplink(1, audioReceiver(), pool);
  const made = new Uplink(1, audioReceiver({ codecs: [pcmu] }), pool, source);
  const track = new Track("TR_a");
  const header = newRtpHeader();
  const feed = (uplink: Uplink, bytes: Uint8Array) => {
    const slot = pool.take();
    slab.u8.set(bytes, slot);
    readRtpHeader(slab.u8, slot, bytes.length, header);
    if (!uplink.receive(uplink.layers[0]!, false, header, slot, time.nowMs)) pool.give(slot);
  };
  let derived = 0;
  track.setDerivations([
    {
      uplink: made,
      prefers: () => false,
      derive: (from, nowMs) => {
        derived += from.pendingCount;
        feed(made, rtp({ payloadType: 0, sequence: derived, timestamp: Math.floor(nowMs) | 0, payload: [99] }));
      },
    },
  ]);
  track.publish({ connected: true } as never, source);
  const marks = { begun: [], switched: [], keyFrameWanted: false };
  const subscribe = (codec: typeof OPUS) => {
    const subscriber = new Subscriber(2, transport);
    track.subscribe(new Downlink(subscriber, audioSender({ codecs: [codec] }), 1, marks));
  };
  const writer = new PacketWriter(slab, sink, time);
  const round = (sequence: number) => {
    feed(source, rtp({ payloadType: 111, sequence, payload: [sequence] }));
    track.followLayers();
    track.derive(time.nowMs);
    track.fanOut(time, writer);
    track.clearPending();
    return out.splice(0);
  };
  subscribe(OPUS);
  assert.deepEqual(round(1), [[1]]);
  assert.equal(derived, 0, "nobody needs it");
  subscribe(pcmu);
  subscribe(pcmu);
  assert.deepEqual(round(2), [[2], [99], [99]]);
  assert.equal(derived, 1);
});
