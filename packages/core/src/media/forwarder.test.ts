import assert from "node:assert/strict";
import { test } from "node:test";
import { NEVER } from "../clock.ts";
import {
  H264,
  OPUS,
  RED,
  VP8,
  World,
  audioReceiver,
  audioSender,
  nack,
  nacked,
  pli,
  readVp8,
  rtcpKind,
  rtp,
  senderReport,
  videoReceiver,
  videoSender,
  vp8,
} from "./harness.test.ts";

const PUBLISHER = 1;
const VIEWER = 2;

/** One VP8 frame of one packet from the publisher of `videoReceiver`. */
function frame(sequence: number, key = false, changes = {}) {
  return rtp({
    sequence,
    timestamp: sequence * 3000,
    ssrc: 1000,
    marker: true,
    payload: vp8({ key, pictureId: sequence & 0x7fff, tl0: sequence, body: [sequence & 255] }),
    ...changes,
  });
}

test("audio starts with any packet, under the subscriber's SSRC and payload type", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [audioReceiver()], []);
  world.addPeer(VIEWER, [], [audioSender()]);
  world.feed(
    PUBLISHER,
    rtp({ payloadType: 111, sequence: 7, timestamp: 960, ssrc: 500, marker: true, payload: [1, 2] }),
  );
  world.feed(PUBLISHER, rtp({ payloadType: 111, sequence: 8, timestamp: 1920, ssrc: 500, payload: [3] }));
  const [first, second] = world.takeRtp(VIEWER);
  assert.ok(first && second);
  assert.equal(first.ssrc, 0x90000003);
  assert.equal(first.payloadType, 110);
  assert.equal(first.marker, true);
  assert.deepEqual(first.payload, [1, 2]);
  assert.deepEqual(second.payload, [3]);
  assert.equal(second.sequence, first.sequence + 1);
  assert.equal(second.timestamp - first.timestamp, 960);
  assert.deepEqual(world.events, [
    { type: "trackStarted", track: "TR_a", peer: PUBLISHER, mime: "audio/opus", layer: 0 },
    { type: "downlinkStarted", track: "TR_a", peer: VIEWER },
  ]);
  const stats = world.forwarder.stats(VIEWER)!;
  assert.equal(stats.packetsOut, 2);
  assert.equal(stats.bytesOut, 14 + 13);
  assert.equal(world.forwarder.stats(PUBLISHER)!.packetsIn, 2);
});

test("video waits for a key frame, and the publisher is asked for one, once for many", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  for (let id = 2; id < 12; id++) world.addPeer(id, [], [videoSender()]);
  for (let sequence = 1; sequence < 20; sequence++) {
    world.feed(PUBLISHER, frame(sequence));
    world.advance(20);
  }
  assert.deepEqual(world.takeRtp(VIEWER), []);
  assert.equal(world.takeRtcp(PUBLISHER).filter((p) => rtcpKind(p) === "206/1").length, 1, "380 ms: one PLI for ten");
  world.feed(PUBLISHER, frame(20, true));
  world.feed(PUBLISHER, frame(21));
  for (let id = 2; id < 12; id++) {
    assert.deepEqual(
      world.takeRtp(id).map((p) => readVp8(p.payload).pictureId),
      [20, 21],
    );
  }
  // Late joiners, then PLIs of those who cannot decode: still one within the interval.
  world.advance(1000);
  world.takeRtcp(PUBLISHER);
  for (let id = 12; id < 20; id++) world.addPeer(id, [], [videoSender()]);
  for (let id = 2; id < 12; id++) world.feed(id, pli(0x90000001));
  world.feed(PUBLISHER, frame(22));
  world.advance(400);
  const asked = world.takeRtcp(PUBLISHER).filter((p) => rtcpKind(p) === "206/1");
  assert.equal(asked.length, 1);
  assert.deepEqual([...asked[0]!.subarray(8)], [0, 0, 3, 232], "about the publisher's SSRC");
});

test("publication and subscription may come in any order, and packets before both are held", () => {
  const world = new World();
  world.addPeer(VIEWER, [], [videoSender()]);
  world.addPeer(PUBLISHER, [], []);
  world.feed(PUBLISHER, frame(1, true));
  world.feed(PUBLISHER, frame(2));
  world.advance(50);
  assert.equal(world.sent.length, 0);
  world.forwarder.setReceivers(PUBLISHER, [videoReceiver()]);
  world.advance(1);
  assert.deepEqual(
    world.takeRtp(VIEWER).map((p) => readVp8(p.payload).pictureId),
    [1, 2],
  );
});

test("packets that nobody describes are held for a moment only, and few of them", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [], []);
  for (let i = 0; i < 500; i++) world.feed(PUBLISHER, frame(i, false, { ssrc: 5000 + i }));
  assert.ok(world.pool.used <= 48, `${world.pool.used} slots`);
  world.advance(4000);
  assert.equal(world.pool.used, 0);
  assert.equal(world.forwarder.nextTimeoutMs(), NEVER);
});

test("header extensions: the publisher's are left out, those of the subscriber written", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver({ extensions: { mid: 1, absCaptureTime: 6, dependencyDescriptor: 7 } })], []);
  world.addPeer(
    VIEWER,
    [],
    [
      videoSender({
        extensions: { mid: 9, absSendTime: 3, transportCc: 4, absCaptureTime: 5, dependencyDescriptor: 12 },
      }),
    ],
  );
  const capture = [1, 2, 3, 4, 5, 6, 7, 8];
  world.feed(PUBLISHER, frame(1, true, { extensions: { 1: [0x31], 6: capture, 7: [9, 8, 7] } }));
  world.feed(PUBLISHER, frame(2, false, { extensions: { 1: [0x31] } }));
  const [first, second] = world.takeRtp(VIEWER);
  assert.deepEqual(
    [...first!.extensions.keys()].toSorted((a, b) => a - b),
    [3, 4, 5, 12],
  );
  assert.deepEqual(first!.extensions.get(5), capture);
  assert.deepEqual(first!.extensions.get(12), [9, 8, 7]);
  assert.deepEqual(first!.extensions.get(4), [0, 0]);
  assert.deepEqual(second!.extensions.get(4), [0, 1], "transport-wide numbers count on");
  assert.deepEqual([...second!.extensions.keys()], [3, 4]);
  assert.deepEqual(readVp8(second!.payload).rest, [1, 2]);
});

test("a dependency descriptor that is too long for the one-byte form goes out in the two-byte form", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver({ extensions: { dependencyDescriptor: 7 } })], []);
  world.addPeer(VIEWER, [], [videoSender({ extensions: { absSendTime: 3, dependencyDescriptor: 12 } })]);
  const long = Array.from({ length: 30 }, (_, i) => i);
  const bytes = [0x90, 0xe0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 232, 0x10, 0, 0, 8, 7, 30, ...long, ...vp8({ key: true })];
  world.feed(PUBLISHER, new Uint8Array(bytes));
  const [packet] = world.takeRtp(VIEWER);
  assert.deepEqual(packet!.extensions.get(12), long);
  assert.equal(packet!.extensions.get(3)!.length, 3);
});

test("audio level is passed on where negotiated", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [audioReceiver()], []);
  world.addPeer(VIEWER, [], [audioSender({ extensions: { audioLevel: 2 } })]);
  world.addPeer(3, [], [audioSender()]);
  world.feed(PUBLISHER, rtp({ payloadType: 111, ssrc: 500, payload: [1], extensions: { 5: [0x9e] } }));
  assert.deepEqual(world.takeRtp(VIEWER)[0]!.extensions.get(2), [0x9e]);
  assert.equal(world.takeRtp(3)[0]!.extensions.size, 0);
});

test("the payload type follows the codec that is really sent; a codec the subscriber lacks is left out", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver({ codecs: [VP8, H264] })], []);
  world.addPeer(
    VIEWER,
    [],
    [
      videoSender({
        codecs: [
          { ...H264, payloadType: 50 },
          { ...VP8, payloadType: 51 },
        ],
      }),
    ],
  );
  world.addPeer(3, [], [videoSender({ codecs: [{ ...VP8, payloadType: 52 }] })]);
  world.feed(PUBLISHER, frame(1, true));
  world.feed(PUBLISHER, frame(2, false, { payloadType: 108, payload: [0x41, 1] }));
  world.feed(PUBLISHER, frame(3, false, { payloadType: 108, payload: [0x67, 1] }));
  const seen = world.takeRtp(VIEWER);
  assert.deepEqual(
    seen.map((p) => p.payloadType),
    [51, 50],
    "after the change of codec from a key frame on",
  );
  assert.equal(seen[1]!.sequence, seen[0]!.sequence + 1);
  assert.deepEqual(
    world.takeRtp(3).map((p) => p.payloadType),
    [52],
  );
});

test("RED goes to those who take it, its primary encoding to the others", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [audioReceiver({ codecs: [RED, OPUS] })], []);
  world.addPeer(VIEWER, [], [audioSender({ codecs: [{ ...RED, payloadType: 64 }, OPUS] })]);
  world.addPeer(3, [], [audioSender({ codecs: [OPUS] })]);
  const red = [0xef, 0, 0x10, 2, 111, 7, 7, 1, 2, 3];
  world.feed(PUBLISHER, rtp({ payloadType: 63, sequence: 1, ssrc: 500, payload: red }));
  world.feed(PUBLISHER, rtp({ payloadType: 111, sequence: 2, ssrc: 500, payload: [4] }));
  const shape = (peer: number) => world.takeRtp(peer).map((p) => [p.payloadType, ...p.payload]);
  assert.deepEqual(shape(VIEWER), [
    [64, ...red],
    [111, 4],
  ]);
  assert.deepEqual(shape(3), [
    [111, 1, 2, 3],
    [111, 4],
  ]);
});

test("packets of padding only vanish without a gap; a late one fills its gap empty", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  world.feed(PUBLISHER, frame(1, true));
  world.feed(PUBLISHER, rtp({ sequence: 2, ssrc: 1000, padding: 200 }));
  world.feed(PUBLISHER, rtp({ sequence: 3, ssrc: 1000, padding: 200 }));
  world.feed(PUBLISHER, frame(4));
  world.feed(PUBLISHER, frame(6));
  world.feed(PUBLISHER, rtp({ sequence: 5, ssrc: 1000, padding: 200 }));
  world.feed(PUBLISHER, frame(7));
  const seen = world.takeRtp(VIEWER);
  const base = seen[0]!.sequence;
  assert.deepEqual(
    seen.map((p) => [p.sequence - base, p.payload.length > 0]),
    [
      [0, true],
      [1, true],
      [3, true],
      [2, false],
      [4, true],
    ],
  );
});

test("a lost packet is asked for at once; its retransmission is unpacked and fills the gap", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  world.feed(PUBLISHER, frame(1, true));
  world.feed(PUBLISHER, frame(4));
  const asked = world.takeRtcp(PUBLISHER).filter((p) => rtcpKind(p) === "205/1");
  assert.deepEqual(asked.map(nacked), [[2, 3]]);
  world.advance(30);
  const rtx = (original: number, sequence: number) =>
    rtp({
      payloadType: 97,
      sequence,
      timestamp: original * 3000,
      ssrc: 1001,
      marker: true,
      payload: [0, original, ...vp8({ pictureId: original, tl0: original, body: [original] })],
    });
  world.feed(PUBLISHER, rtx(2, 900));
  world.feed(PUBLISHER, rtx(2, 901));
  world.feed(PUBLISHER, rtx(1, 902));
  const seen = world.takeRtp(VIEWER);
  const base = seen[0]!.sequence;
  assert.deepEqual(
    seen.map((p) => [p.sequence - base, readVp8(p.payload).pictureId, p.payloadType]),
    [
      [0, 1, 100],
      [3, 4, 100],
      [1, 2, 100],
    ],
    "once, and nothing that was not missed",
  );
  world.advance(200);
  const again = world.takeRtcp(PUBLISHER).filter((p) => rtcpKind(p) === "205/1");
  assert.ok(again.length >= 1 && again.every((p) => nacked(p).join() === "3"), "only what is still missing");
  world.advance(5000);
  const total = world.takeRtcp(PUBLISHER).filter((p) => rtcpKind(p) === "205/1").length + again.length + 1;
  assert.ok(total <= 10, `given up after ${total} requests`);
});

test("when the first packet of a key frame comes late, what had come behind it follows", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  world.feed(PUBLISHER, frame(1));
  const part = (sequence: number, first: boolean) =>
    rtp({
      sequence,
      timestamp: 9000,
      ssrc: 1000,
      marker: sequence === 5,
      payload: vp8({ key: true, first, pictureId: 2, body: [sequence] }),
    });
  world.feed(PUBLISHER, part(3, false));
  world.feed(PUBLISHER, part(4, false));
  world.feed(PUBLISHER, part(2, true), false);
  world.feed(PUBLISHER, part(5, false), false);
  world.endBatch();
  world.feed(PUBLISHER, frame(6));
  const seen = world.takeRtp(VIEWER);
  assert.deepEqual(
    seen.map((p) => [p.sequence - seen[0]!.sequence, p.payload.at(-1)]),
    [
      [0, 2],
      [1, 3],
      [2, 4],
      [3, 5],
      [4, 6],
    ],
  );
});

test("a subscriber's NACK is answered by RTX, three times at most and not too often", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender({ extensions: { transportCc: 4 } })]);
  for (let s = 1; s <= 5; s++) world.feed(PUBLISHER, frame(s, s === 1));
  const sent = world.takeRtp(VIEWER);
  const lost = sent[2]!;
  world.feed(VIEWER, nack(0x90000001, lost.sequence, lost.sequence));
  const [repeat, ...more] = world.takeRtp(VIEWER);
  assert.deepEqual(more, []);
  assert.equal(repeat!.ssrc, 0x90000002);
  assert.equal(repeat!.payloadType, 101);
  assert.equal(repeat!.timestamp, lost.timestamp);
  assert.equal(repeat!.marker, lost.marker);
  assert.deepEqual(repeat!.payload, [lost.sequence >> 8, lost.sequence & 255, ...lost.payload]);
  assert.deepEqual(repeat!.extensions.get(4), [0, 5], "counts among all packets");
  let answers = 1;
  let rtxSequence = repeat!.sequence;
  for (let i = 0; i < 40; i++) {
    world.advance(20);
    world.feed(VIEWER, nack(0x90000001, lost.sequence));
    for (const packet of world.takeRtp(VIEWER)) {
      assert.equal(packet.sequence, ++rtxSequence);
      answers++;
    }
  }
  assert.equal(answers, 3);
  world.feed(VIEWER, nack(0x90000001, (lost.sequence + 1000) & 0xffff));
  world.feed(VIEWER, nack(0x12345678, lost.sequence));
  assert.deepEqual(world.takeRtp(VIEWER), []);
});

test("without RTX the same bytes go out again", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [audioReceiver()], []);
  world.addPeer(VIEWER, [], [audioSender({ extensions: { absSendTime: 3, transportCc: 4, audioLevel: 6 } })]);
  const packet = rtp({ payloadType: 111, sequence: 9, ssrc: 500, payload: [1, 2, 3], extensions: { 5: [7] } });
  world.feed(PUBLISHER, packet);
  const original = world.sent.at(-1)!.bytes;
  const [seen] = world.takeRtp(VIEWER);
  world.advance(33);
  world.feed(VIEWER, nack(0x90000003, seen!.sequence));
  assert.deepEqual(world.sent.at(-1)!.bytes, original, "an SRTP nonce protects one packet only");
});

test("muting stops, unmuting starts with a key frame and without a gap", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  world.feed(PUBLISHER, frame(1, true));
  world.forwarder.muteTrack("TR_v", true);
  for (let s = 2; s < 10; s++) world.feed(PUBLISHER, frame(s, s === 5));
  world.forwarder.muteTrack("TR_v", false);
  world.takeRtcp(PUBLISHER);
  world.feed(PUBLISHER, frame(10));
  assert.equal(world.takeRtcp(PUBLISHER).filter((p) => rtcpKind(p) === "206/1").length, 1);
  world.feed(PUBLISHER, frame(11, true));
  const seen = world.takeRtp(VIEWER);
  assert.deepEqual(
    seen.map((p) => p.sequence - seen[0]!.sequence),
    [0, 1],
  );
  assert.ok(seen[1]!.timestamp > seen[0]!.timestamp);
  const [first, second] = seen.map((p) => readVp8(p.payload));
  assert.equal(second!.pictureId, first!.pictureId + 1);
});

test("a subscriber can switch a track off and on", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [audioReceiver()], []);
  world.addPeer(VIEWER, [], []);
  world.forwarder.setDownlink(VIEWER, "TR_a", { disabled: true, maxQuality: 2, fps: 0 });
  world.forwarder.setSenders(VIEWER, [audioSender()]);
  const send = (sequence: number) =>
    world.feed(
      PUBLISHER,
      rtp({ payloadType: 111, sequence, timestamp: sequence * 960, ssrc: 500, payload: [sequence] }),
    );
  send(1);
  assert.deepEqual(world.takeRtp(VIEWER), [], "a wish that came before the stream");
  world.forwarder.setDownlink(VIEWER, "TR_a", { disabled: false, maxQuality: 2, fps: 0 });
  send(2);
  assert.deepEqual(world.takeRtp(VIEWER)[0]!.payload, [2]);
});

test("sender reports carry the publisher's clock in the stream's own timestamps, and the CNAME", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [audioReceiver()], []);
  world.addPeer(VIEWER, [], [audioSender()]);
  const send = (sequence: number) =>
    world.feed(PUBLISHER, rtp({ payloadType: 111, sequence, timestamp: sequence * 960, ssrc: 500, payload: [1, 2] }));
  send(1);
  world.advance(100);
  assert.deepEqual(world.takeRtcp(VIEWER), [], "nothing to say before the publisher's first");
  world.feed(PUBLISHER, senderReport(500, 3_900_000_000, 0x40000000, 5000));
  send(2);
  world.advance(500);
  const [first] = world.takeRtp(VIEWER);
  const reports = world.takeRtcp(VIEWER);
  assert.deepEqual(reports.map(rtcpKind).slice(0, 2), ["200/0", "202/1"]);
  const view = new DataView(reports[0]!.buffer);
  assert.equal(view.getUint32(4), 0x90000003);
  const ntpMs = view.getUint32(8) * 1000 + (view.getUint32(12) / 2 ** 32) * 1000;
  const elapsedMs = ntpMs - (3_900_000_000_000 + 250);
  assert.ok(elapsedMs >= 0 && elapsedMs <= 500);
  const shift = (first!.timestamp - 960) | 0;
  const expected = 5000 + shift + Math.round(elapsedMs * 48);
  assert.ok(Math.abs((view.getUint32(16) - expected) | 0) <= 1);
  assert.equal(view.getUint32(20), 2, "packets");
  assert.equal(view.getUint32(24), 4, "octets of payload");
  assert.equal(String.fromCharCode(...reports[1]!.subarray(10, 10 + reports[1]![9]!)), "PA_pub|TR_a");
  let count = 0;
  for (let s = 3; s < 503; s++) {
    send(s);
    world.advance(20);
    count += world.takeRtcp(VIEWER).filter((p) => rtcpKind(p) === "200/0").length;
  }
  assert.ok(count >= 3 && count <= 7, `${count} in ten seconds`);
});

test("a receiver report tells loss; the round trip comes from it", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [audioReceiver()], []);
  world.addPeer(VIEWER, [], [audioSender()]);
  world.feed(PUBLISHER, senderReport(500, 3_900_000_000, 0, 5000));
  let reports: Uint8Array[] = [];
  for (let s = 1; s <= 100; s++) {
    const packet = rtp({ payloadType: 111, sequence: s, timestamp: s * 960, ssrc: 500, payload: [1] });
    if (s % 4 !== 0) world.feed(PUBLISHER, packet);
    world.advance(20);
    reports = [...reports, ...world.takeRtcp(PUBLISHER).filter((p) => rtcpKind(p) === "201/1")];
  }
  assert.ok(reports.length >= 1);
  const report = reports.at(-1)!;
  const view = new DataView(report.buffer);
  assert.equal(view.getUint32(8), 500);
  assert.ok(Math.abs(report[12]! / 256 - 0.25) < 0.03, "a quarter lost");
  assert.equal(view.getUint32(24), ((3_900_000_000 & 0xffff) << 16) >>> 0, "last sender report");
  // The viewer answers its sender report 40 ms after it came, with a delay of 10 ms.
  const own = world
    .takeRtcp(VIEWER)
    .filter((p) => rtcpKind(p) === "200/0")
    .at(-1)!;
  const ownView = new DataView(own.buffer);
  const middle = ((ownView.getUint32(8) & 0xffff) * 65_536 + (ownView.getUint32(12) >>> 16)) >>> 0;
  const answer = new DataView(new ArrayBuffer(32));
  answer.setUint32(0, 0x81c90007);
  answer.setUint32(8, 0x90000003);
  answer.setUint32(24, middle);
  answer.setUint32(28, Math.round(0.01 * 65_536));
  const sentAgoMs = 0;
  world.advance(40 - sentAgoMs);
  world.feed(VIEWER, new Uint8Array(answer.buffer));
  const { rttMs } = world.forwarder.stats(VIEWER)!;
  assert.ok(rttMs >= 30 && rttMs < 1100, `${rttMs} ms`);
});

test("several tracks go out subscriber by subscriber", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver(), audioReceiver()], []);
  for (const id of [2, 3, 4]) world.addPeer(id, [], [videoSender(), audioSender()]);
  world.feed(PUBLISHER, frame(1, true), false);
  world.feed(PUBLISHER, rtp({ payloadType: 111, sequence: 1, ssrc: 500, payload: [1] }), false);
  world.feed(PUBLISHER, frame(2), false);
  assert.equal(world.sent.length, 0, "nothing before the end of the batch");
  world.endBatch();
  assert.deepEqual(
    world.sent.filter((p) => p.bytes[1]! < 192 || p.bytes[1]! > 223).map((p) => p.peer),
    [2, 2, 2, 3, 3, 3, 4, 4, 4],
  );
});

test("a peer that cannot be reached gets nothing, and starts anew when it can", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  world.feed(PUBLISHER, frame(1, true));
  world.transports.get(VIEWER)!.path = -1;
  world.feed(PUBLISHER, frame(2));
  world.transports.get(VIEWER)!.path = VIEWER;
  world.feed(PUBLISHER, frame(3));
  world.feed(PUBLISHER, frame(4, true));
  const seen = world.takeRtp(VIEWER);
  assert.deepEqual(
    seen.map((p) => p.sequence - seen[0]!.sequence),
    [0, 1],
  );
});

test("when nothing flows any more, there is no timer and no slot is held", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  for (let s = 1; s < 100; s++) world.feed(PUBLISHER, frame(s, s === 1));
  assert.equal(world.pool.used, 99);
  world.advance(10_000);
  assert.equal(world.forwarder.nextTimeoutMs(), NEVER);
  assert.equal(world.pool.used, 0);
});

test("whoever leaves gives everything back and is told of no more", () => {
  const world = new World();
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  world.feed(PUBLISHER, frame(1, true));
  world.forwarder.setSenders(VIEWER, []);
  assert.deepEqual(world.takeRtcp(VIEWER).map(rtcpKind), ["201/0", "203/1"]);
  world.feed(PUBLISHER, frame(2));
  assert.equal(world.takeRtp(VIEWER).length, 1);
  world.forwarder.removePeer(VIEWER);
  world.forwarder.removePeer(PUBLISHER);
  assert.equal(world.pool.used, 0);
  world.feed(PUBLISHER, frame(3));
  assert.equal(world.pool.used, 0);
  assert.equal(world.forwarder.stats(VIEWER), undefined);
});

test("a stream goes on where another one of the same SSRC was taken from", () => {
  const old = new World(1);
  const next = new World(2);
  for (const world of [old, next]) {
    world.addPeer(PUBLISHER, [videoReceiver()], []);
    world.addPeer(VIEWER, [], [videoSender()]);
  }
  for (let s = 1; s < 10; s++) old.feed(PUBLISHER, frame(s, s === 1));
  const state = old.forwarder.takeContinuity(VIEWER, "TR_v");
  assert.ok(state);
  const last = old.takeRtp(VIEWER).at(-1)!;
  old.feed(PUBLISHER, frame(10));
  assert.deepEqual(old.takeRtp(VIEWER), [], "nothing is sent after the state was taken");
  assert.equal(old.forwarder.takeContinuity(VIEWER, "TR_v"), undefined, "taken once");
  next.nowMs += 80;
  assert.equal(next.forwarder.seedContinuity(VIEWER, "TR_v", { ...state, ssrc: 5 }), "otherSsrc");
  assert.equal(next.forwarder.seedContinuity(VIEWER, "TR_v", structuredClone(state)), "applied");
  assert.equal(next.forwarder.seedContinuity(VIEWER, "TR_v", state), "alreadyStarted");
  next.feed(PUBLISHER, frame(30_000, true, { timestamp: 77 }));
  next.feed(PUBLISHER, frame(30_001, false, { timestamp: 3077 }));
  const [first, second] = next.takeRtp(VIEWER);
  assert.equal(first!.sequence, (last.sequence + 1) & 0xffff);
  assert.equal((first!.timestamp - last.timestamp) | 0, 80 * 90, "by the wall clock");
  assert.equal(readVp8(first!.payload).pictureId, readVp8(last.payload).pictureId + 1);
  assert.equal(readVp8(second!.payload).pictureId, readVp8(last.payload).pictureId + 2);
  assert.equal(readVp8(first!.payload).tl0, (readVp8(last.payload).tl0 + 1) & 255);
  assert.equal(next.forwarder.seedContinuity(VIEWER, "TR_v", state), "alreadyStarted");
});
