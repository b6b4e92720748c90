/** Losses, retransmissions and reports between the forwarder and its clients. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { frame, readVp8, rtp, vp8 } from "./harness-packets.test.ts";
import { nack, nacked, rtcpKind, senderReport } from "./harness-rtcp.test.ts";
import { audioReceiver, audioSender, videoReceiver, videoSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";

const PUBLISHER = 1;
const VIEWER = 2;

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
  // Half a second lies between: the timestamps went on.
  for (let s = 28; s < 528; s++) {
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
  const { rttMs } = world.forwarder.meter(VIEWER)!.take(world.nowMs);
  assert.ok(rttMs >= 30 && rttMs < 1100, `${rttMs} ms`);
});
