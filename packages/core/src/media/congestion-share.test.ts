/** What a subscriber sees of congestion control on the wire; how good it is stands in test/scenario/congestion.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CongestionSpec } from "../engine/specs.ts";
import { Arrivals } from "./arrivals.ts";
import { readRtp, rtp, vp8 } from "./harness-packets.test.ts";
import { nack, rtcpKind } from "./harness-rtcp.test.ts";
import { videoReceiver, videoSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";

const PUBLISHER = 1;
const VIEWER = 2;
const TRANSPORT_CC = 3;
const MEDIA = 0x90000001;
const RTX = 0x90000002;
const LAYERS = [1000, 2000];
const FRAME_MS = 33;
/** About 240 and 960 kbit/s. */
const PACKETS = [1, 4];

/** A publisher of two layers and one subscriber who answers with feedback. */
class Call {
  readonly world = new World();
  /** All that the subscriber got, as bytes. */
  readonly got: Uint8Array[] = [];
  readonly #arrivals = new Arrivals(1);
  readonly #sequences = [0, 0];
  #frames = 0;

  constructor(congestion: Partial<CongestionSpec> = {}) {
    const ssrcs = LAYERS.map((ssrc) => ({ ssrc, rtxSsrc: ssrc + 1 }));
    const options = { congestion: { enabled: true, allowPause: false, ...congestion }, playoutDelay: undefined };
    this.world.addPeer(PUBLISHER, [videoReceiver({ ssrcs })], []);
    this.world.addPeer(VIEWER, [], [videoSender({ extensions: { transportCc: TRANSPORT_CC } })], options);
  }

  run(seconds: number): void {
    for (let frames = Math.floor((seconds * 1000) / FRAME_MS); frames > 0; frames--) {
      this.#frame();
      this.world.advance(FRAME_MS);
      this.#collect();
      if (this.#arrivals.nextTimeoutMs() > this.world.nowMs) continue;
      const u8 = new Uint8Array(1200);
      this.world.feed(VIEWER, u8.slice(0, this.#arrivals.write(u8, 0, u8.length)));
    }
  }

  lose(...sequences: number[]): void {
    this.world.feed(VIEWER, nack(MEDIA, ...sequences));
    this.#collect();
  }

  #frame(): void {
    const asked = this.world.takeRtcp(PUBLISHER).filter((bytes) => rtcpKind(bytes) === "206/1");
    const key = new Set(asked.map((bytes) => new DataView(bytes.buffer).getUint32(8)));
    this.#frames++;
    for (const [layer, ssrc] of LAYERS.entries()) {
      for (let i = 0; i < PACKETS[layer]!; i++) {
        const first = i === 0;
        const payload = vp8({
          key: this.#frames === 1 || key.has(ssrc),
          first,
          pictureId: this.#frames,
          tl0: this.#frames,
          body: Array.from({ length: 950 }, () => layer),
        });
        const marker = i === PACKETS[layer]! - 1;
        const sequence = this.#sequences[layer]!++ & 0xffff;
        this.world.feed(PUBLISHER, rtp({ ssrc, sequence, timestamp: this.#frames * 2970, marker, payload }), false);
      }
    }
    this.world.endBatch();
  }

  #collect(): void {
    for (const { peer, bytes } of this.world.sent) {
      if (peer !== VIEWER || (bytes[1]! >= 192 && bytes[1]! <= 223)) continue;
      this.got.push(bytes);
      const [high, low] = readRtp(bytes).extensions.get(TRANSPORT_CC)!;
      this.#arrivals.record((high! << 8) | low!, 1, this.world.nowMs);
    }
    this.world.sent = this.world.sent.filter(({ peer }) => peer !== VIEWER);
  }
}

const isPadding = (bytes: Uint8Array): boolean => (bytes[0]! & 0x20) !== 0;

test("padding goes out on the RTX stream, numbered with everything else", () => {
  const call = new Call();
  call.run(3);
  const last = call.got.map(readRtp).findLast(({ ssrc }) => ssrc === MEDIA)!;
  call.lose(last.sequence);
  call.run(1);

  const padding = call.got.filter(isPadding);
  assert.ok(padding.length > 5, `${padding.length} packets of padding`);
  for (const bytes of padding) {
    const { ssrc, payloadType, marker } = readRtp(bytes);
    assert.deepEqual([ssrc, payloadType, marker], [RTX, 101, false]);
    const size = bytes.at(-1)!;
    assert.equal(bytes.length - size, 20, "nothing but the header, one extension and padding");
  }
  const packets = call.got.map(readRtp);
  const numbers = packets
    .map(({ extensions }) => extensions.get(TRANSPORT_CC)!)
    .map(([high, low]) => (high! << 8) | low!);
  numbers.forEach((number, i) => assert.equal(number, (numbers[0]! + i) & 0xffff));
  const rtx = packets.filter(({ ssrc }) => ssrc === RTX).map(({ sequence }) => sequence);
  rtx.forEach((sequence, i) => assert.equal(sequence, (rtx[0]! + i) & 0xffff));
  assert.ok(call.world.forwarder.meter(VIEWER)!.take(call.world.nowMs).estimateBps > 1_000_000);
});

test("what was lost of a layer that was given up for want of bandwidth is not sent again", () => {
  const call = new Call();
  call.run(3);
  const high = call.got.map(readRtp).findLast(({ ssrc, payload }) => ssrc === MEDIA && payload.at(-1) === 1)!;
  call.world.forwarder.limitBandwidth(VIEWER, 400_000);
  call.run(1);
  const low = call.got.map(readRtp).findLast(({ ssrc }) => ssrc === MEDIA)!;
  assert.equal(low.payload.at(-1), 0, "the lower layer is shown");
  const before = call.got.length;
  call.lose(high.sequence);
  assert.equal(call.got.length, before);
  call.lose(low.sequence);
  assert.equal(call.got.length, before + 1);
});

test("switched off, everything is sent whatever the link carries; so is what every link is taken to carry", () => {
  for (const spec of [{ enabled: false }, { leastBudgetBps: 2_000_000 }]) {
    const call = new Call(spec);
    call.world.forwarder.limitBandwidth(VIEWER, 400_000);
    call.run(5);
    const last = call.got.map(readRtp).findLast(({ ssrc }) => ssrc === MEDIA)!;
    assert.equal(last.payload.at(-1), 1, `${Object.keys(spec).join()}: the higher layer is shown`);
    if (!("enabled" in spec)) continue;
    assert.ok(!call.got.some(isPadding));
  }
});

test("probes look for as much room as is set", () => {
  const padded = (spec: Partial<CongestionSpec>) => {
    const call = new Call(spec);
    call.run(3);
    return call.got.filter(isPadding).reduce((sum, bytes) => sum + bytes.length, 0);
  };
  const usual = padded({});
  assert.equal(padded({ stepRoom: 1.2, leastRoomBps: 200_000 }), usual);
  assert.ok(padded({ stepRoom: 2, leastRoomBps: 2_000_000 }) > 1.5 * usual);
});
