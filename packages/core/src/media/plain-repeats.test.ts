/** Packets repeated under their own number, for want of RTX: SRTP allows that only for the same bytes (RFC 7714 section 11). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { frame, rtp } from "./harness-packets.test.ts";
import { nack } from "./harness-rtcp.test.ts";
import { OPUS, VP8, VP9, audioReceiver, audioSender, videoReceiver, videoSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";

const PUBLISHER = 1;
const VIEWER = 2;
const EXTENSIONS = { absSendTime: 3, transportCc: 4, audioLevel: 6 };
const TRANSPORT_CC = EXTENSIONS.transportCc;

function call(): World {
  const world = new World();
  world.addPeer(PUBLISHER, [audioReceiver(), videoReceiver()], []);
  world.addPeer(
    VIEWER,
    [],
    [
      audioSender({ codecs: [OPUS], extensions: EXTENSIONS }),
      videoSender({ codecs: [VP8], extensions: { transportCc: TRANSPORT_CC } }),
    ],
    { congestion: { enabled: true, allowPause: false }, playoutDelay: undefined },
  );
  return world;
}

function sound(world: World, sequence: number): void {
  const payload = [sequence & 255, 1, 2];
  const extensions = { 5: [0x80 | (sequence & 63)] };
  world.feed(PUBLISHER, rtp({ payloadType: 111, ssrc: 500, sequence, timestamp: sequence * 960, payload, extensions }));
}

const numberOf = (bytes: readonly number[] | undefined) => ((bytes?.[0] ?? 0) << 8) | (bytes?.[1] ?? 0);

test("sound that can be asked for again counts in the transport-wide numbers, like pictures", () => {
  const world = call();
  for (let i = 1; i <= 5; i++) {
    sound(world, i);
    world.feed(PUBLISHER, frame(i, i === 1));
    world.advance(20);
  }
  const numbers = world.takeRtp(VIEWER).map((packet) => numberOf(packet.extensions.get(TRANSPORT_CC)));
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => i),
  );
  assert.equal(numbers.length, 10);
});

test("a repeat is the same packet, byte for byte, whenever it goes out; no number is skipped for it", () => {
  const world = call();
  for (let i = 1; i <= 4; i++) {
    sound(world, i);
    world.advance(20);
  }
  const sent = world.sent.filter(({ peer, bytes }) => peer === VIEWER && bytes[1]! < 192);
  world.takeRtp(VIEWER);
  for (const { bytes } of sent) {
    world.advance(37);
    const view = new DataView(bytes.buffer);
    world.feed(VIEWER, nack(view.getUint32(8), view.getUint16(2)));
    const again = world.sent.find(({ peer, bytes: other }) => peer === VIEWER && other[1]! < 192);
    assert.deepEqual(again?.bytes, bytes);
    world.takeRtp(VIEWER);
  }
  sound(world, 5);
  const [next] = world.takeRtp(VIEWER);
  assert.equal(numberOf(next!.extensions.get(TRANSPORT_CC)), sent.length);
});

test("on RTX it is another packet, with a number of its own", () => {
  const world = call();
  world.feed(PUBLISHER, frame(1, true));
  const [packet] = world.takeRtp(VIEWER);
  world.feed(VIEWER, nack(packet!.ssrc, packet!.sequence));
  const [again] = world.takeRtp(VIEWER);
  assert.equal(numberOf(again!.extensions.get(TRANSPORT_CC)), numberOf(packet!.extensions.get(TRANSPORT_CC)) + 1);
});

test("pictures without RTX are repeated with the same numbers too, as long as nothing of them has changed", () => {
  const world = new World();
  const codec = { ...VP9, rtxPayloadType: 0 };
  world.addPeer(PUBLISHER, [videoReceiver({ codecs: [VP9] })], []);
  world.addPeer(VIEWER, [], [videoSender({ codecs: [codec], rtxSsrc: 0, extensions: EXTENSIONS })]);
  const key = [0x80 | 0x20 | 0x08 | 0x04, 0x80, 1, 0x10, 0, 42];
  world.feed(PUBLISHER, rtp({ payloadType: 98, ssrc: 1000, sequence: 7, timestamp: 1, marker: true, payload: key }));
  const [packet] = world.takeRtp(VIEWER);
  assert.equal(packet!.extensions.size, 2);
  world.advance(50);
  world.feed(VIEWER, nack(packet!.ssrc, packet!.sequence));
  assert.deepEqual(world.takeRtp(VIEWER), [packet]);
});
