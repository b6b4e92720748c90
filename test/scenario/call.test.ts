/** One publisher, one subscriber and a whole media worker between them, over links that lose, delay and reorder. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DataPacket, UserPacket } from "@livekit/protocol";
import {
  FORMAT_PLI,
  feedbackMedia,
  nackItemCount,
  nackItemMask,
  nackItemSequence,
  writeNack,
} from "@stoa/wire/rtcp/feedback";
import { PAYLOAD_FEEDBACK, rtcpCount, rtcpPacketLength, rtcpType, TRANSPORT_FEEDBACK } from "@stoa/wire/rtcp/packet";
import { newRtpHeader, readRtpHeader, writeRtpHeader } from "@stoa/wire/rtp/header";
import type { Client } from "./worker-client.ts";
import { VP8, World } from "./worker-world.ts";

const SSRC = 0x1000;
const OUT_SSRC = 0x2000;
const PACKETS_PER_FRAME = 3;
const FRAME_TICKS = 3000;

/** Payload of packet `i`: a VP8 descriptor without extensions, then its number. */
function payloadOf(i: number, keyFrame: boolean): Uint8Array {
  const bytes = new Uint8Array(60);
  const start = i % PACKETS_PER_FRAME === 0;
  bytes[0] = start ? 0x10 : 0;
  bytes[1] = keyFrame ? 0x00 : 0x01;
  new DataView(bytes.buffer).setUint32(20, i);
  return bytes;
}

const numberOf = (u8: Uint8Array, at: number): number => new DataView(u8.buffer, u8.byteOffset).getUint32(at + 20);

/** Publishes `count` packets from `firstSeq` on, one every 5 ms, answers NACKs over RTX and PLI with a key frame. */
function publishStream(world: World, client: Client, count: number, firstSeq: number): void {
  const header = new Uint8Array(12);
  const view = new DataView(header.buffer);
  const keyFrames = new Set([0]);
  const payload = (i: number): Uint8Array => payloadOf(i, keyFrames.has(Math.floor(i / PACKETS_PER_FRAME)));
  let nextFrame = 0;
  const send = (i: number): void => {
    const seq = (firstSeq + i) & 0xffff;
    const ts = (Math.floor(i / PACKETS_PER_FRAME) * FRAME_TICKS) | 0;
    writeRtpHeader(view, 0, false, i % PACKETS_PER_FRAME === PACKETS_PER_FRAME - 1, VP8.payloadType, seq, ts, SSRC);
    nextFrame = Math.floor(i / PACKETS_PER_FRAME) + 1;
    client.sendRtp(header, payload(i));
  };
  let rtxSeq = 1;
  const resend = (seq: number): void => {
    const i = (seq - firstSeq) & 0xffff;
    if (i >= count) return;
    const ts = (Math.floor(i / PACKETS_PER_FRAME) * FRAME_TICKS) | 0;
    writeRtpHeader(view, 0, false, false, VP8.rtxPayloadType, rtxSeq++ & 0xffff, ts, SSRC + 1);
    client.sendRtp(header, Uint8Array.of(seq >> 8, seq & 255, ...payload(i)));
  };
  client.onRtcp = (u8, at, length) => {
    for (const [from, size] of packets(u8, at, length)) {
      if (rtcpType(u8, from) === PAYLOAD_FEEDBACK && rtcpCount(u8, from) === FORMAT_PLI) keyFrames.add(nextFrame);
      if (rtcpType(u8, from) !== TRANSPORT_FEEDBACK || rtcpCount(u8, from) !== 1 || feedbackMedia(u8, from) !== SSRC)
        continue;
      for (let item = 0; item < nackItemCount(size); item++) {
        const base = nackItemSequence(u8, from, item);
        const mask = nackItemMask(u8, from, item);
        resend(base);
        for (let bit = 0; bit < 16; bit++) if ((mask >> bit) & 1) resend((base + bit + 1) & 0xffff);
      }
    }
  };
  for (let i = 0; i < count; i++) world.clock.after(5 * i, () => send(i));
}

function* packets(u8: Uint8Array, at: number, length: number): Generator<[number, number]> {
  const end = at + length;
  for (let from = at; from < end;) {
    const size = rtcpPacketLength(u8, from, end);
    if (size <= 0) return;
    yield [from, size];
    from += size;
  }
}

/** What a subscriber put together: the number in each packet by its output sequence number, unwrapped. */
class Receiver {
  readonly got = new Map<number, { number: number; timestamp: number }>();
  highest = -1;
  readonly #client: Client;
  readonly #header = newRtpHeader();

  constructor(world: World, client: Client) {
    this.#client = client;
    client.onRtp = (u8, at, length) => this.#receive(u8, at, length);
    const ask = (): void => {
      this.#askForMissing();
      world.clock.after(30, ask);
    };
    ask();
  }

  #receive(u8: Uint8Array, at: number, length: number): void {
    const h = this.#header;
    assert.ok(readRtpHeader(u8, at, length, h));
    const repaired = h.ssrc === OUT_SSRC + 1;
    assert.ok(repaired || h.ssrc === OUT_SSRC, `unknown SSRC ${h.ssrc}`);
    const payload = at + h.headerLength;
    const seq = repaired ? (u8[payload]! << 8) | u8[payload + 1]! : h.sequence;
    const extended = this.highest < 0 ? seq : this.highest + (((seq - this.highest) << 16) >> 16);
    this.highest = Math.max(this.highest, extended);
    const number = numberOf(u8, payload + (repaired ? 2 : 0));
    const known = this.got.get(extended);
    assert.ok(!known || known.number === number, "a sequence number was given out twice");
    this.got.set(extended, { number, timestamp: h.timestamp });
  }

  #askForMissing(): void {
    const missing: number[] = [];
    const first = Math.min(...this.got.keys());
    for (let seq = Math.max(first, this.highest - 300); seq < this.highest; seq++)
      if (!this.got.has(seq)) missing.push(seq & 0xffff);
    if (missing.length === 0) return;
    const list = Int32Array.from(missing.slice(0, 100));
    this.#client.sendRtcp((u8, at) => writeNack(u8, at, 1, OUT_SSRC, list, list.length));
  }
}

for (const [name, seed, firstSeq] of [
  ["from a low sequence number", 7, 100],
  ["across a wrap of the sequence number", 8, 65_000],
] as const) {
  test(`every video packet arrives once, in order, through 5 % loss and reordering on both links, ${name}`, () => {
    const world = new World(seed, { loss: 0.05, delayMs: 15, jitterMs: 12 });
    const publisher = world.join("ada");
    const subscriber = world.join("bob");
    world.publish(publisher, "TR_video", SSRC);
    world.subscribe(subscriber, "TR_video", OUT_SSRC);
    const receiver = new Receiver(world, subscriber);
    const count = 1500;
    // More than is looked at: that the very last packet is lost nobody can know.
    publishStream(world, publisher, count + 60, firstSeq);
    world.run(5 * count + 3000);

    const received = [...receiver.got].sort(([a], [b]) => a - b).filter(([, packet]) => packet.number < count);
    // What came before the forwarder had the start of a key frame is not sent; from there on nothing is missing.
    const start = received[0]![1].number;
    assert.equal(received.length, count - start);
    received.forEach(([seq, packet], i) => {
      assert.equal(packet.number, start + i);
      assert.equal(seq, received[0]![0] + i);
      const frames = Math.floor(packet.number / PACKETS_PER_FRAME) - Math.floor(start / PACKETS_PER_FRAME);
      assert.equal((packet.timestamp - received[0]![1].timestamp) | 0, frames * FRAME_TICKS);
    });
  });
}

test("reliable messages arrive once and in order through 10 % loss, lossy ones are lost; nobody else gets them", () => {
  const world = new World(3, { loss: 0.1, delayMs: 20, jitterMs: 10 });
  const [a, b, c] = ["ada", "bob", "cleo"].map((name) => world.join(name)) as [Client, Client, Client];
  for (const client of [a, b, c]) {
    client.openChannel("_reliable");
    client.openChannel("_lossy", 0);
  }
  const message = (i: number): Uint8Array => {
    const payload = new Uint8Array(200 + (i % 7) * 3000);
    new DataView(payload.buffer).setUint32(0, i);
    return new DataPacket({
      destinationIdentities: ["bob"],
      value: { case: "user", value: new UserPacket({ payload }) },
    }).toBinary();
  };
  for (let i = 0; i < 200; i++) {
    world.clock.after(10 * i, () => {
      a.sendData("_reliable", message(i));
      a.sendData("_lossy", message(i * 7));
    });
  }
  const reliableArrived = (): boolean => b.messages.filter((m) => m.label === "_reliable").length >= 200;
  assert.ok(world.run(120_000, reliableArrived), "not all reliable messages arrived in two minutes");

  const numbers = (client: Client, label: string): number[] =>
    client.messages
      .filter((m) => m.label === label)
      .map(({ bytes }) => {
        const packet = DataPacket.fromBinary(bytes);
        assert.equal(packet.participantIdentity, "ada");
        const { payload } = packet.value.value as UserPacket;
        return new DataView(payload.buffer, payload.byteOffset).getUint32(0);
      });
  assert.deepEqual(
    numbers(b, "_reliable"),
    Array.from({ length: 200 }, (_, i) => i),
  );
  const lossy = numbers(b, "_lossy");
  assert.equal(new Set(lossy).size, lossy.length, "a lossy message came twice");
  assert.ok(
    lossy.length > 120 && lossy.length < 195,
    `${lossy.length} of 200 lossy messages arrived at 10 % loss on two links`,
  );
  assert.deepEqual(c.messages, []);
});

test("a subscriber that leaves gives its packets back; the worker ends up empty", () => {
  const world = new World(5, {});
  const publisher = world.join("ada");
  const subscriber = world.join("bob");
  world.publish(publisher, "TR_video", SSRC);
  world.subscribe(subscriber, "TR_video", OUT_SSRC);
  publishStream(world, publisher, 300, 10);
  world.run(1000);
  assert.ok(world.pool.used > 0);
  for (const client of [publisher, subscriber])
    world.engine.handleCommand({ type: "closePeer", peer: client.id }, world.clock.nowMs);
  world.run(10_000);
  assert.equal(world.pool.used, 0);
  const closed = world.events.filter((e) => e.type === "peerState" && e.state === "closed");
  assert.equal(closed.length, 2);
});
