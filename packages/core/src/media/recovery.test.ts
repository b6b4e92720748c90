/** Losses on both links: the test plays a publisher and a subscriber on a virtual clock. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readRtp, readVp8, rtp, vp8 } from "./harness-packets.test.ts";
import { nack, nacked, pli, rtcpKind, splitRtcp } from "./harness-rtcp.test.ts";
import { videoReceiver, videoSender } from "./harness-specs.test.ts";
import { World, seeded } from "./harness.test.ts";

const PUBLISHER = 1;
const VIEWER = 2;
const STEP_MS = 5;
const FRAME_MS = 33;
const PACKETS_PER_FRAME = 4;

/** Delivers after a delay, or not at all. */
class Link {
  readonly #queue: { dueMs: number; bytes: Uint8Array }[] = [];
  readonly #random: () => number;
  readonly #loss: number;
  readonly #delayMs: number;
  #lastMs = 0;

  constructor(seed: number, loss: number, delayMs: number) {
    this.#random = seeded(seed);
    this.#loss = loss;
    this.#delayMs = delayMs;
  }

  send(bytes: Uint8Array, nowMs: number): void {
    const lost = this.#random() < this.#loss;
    // Delay varies, but packets seldom overtake each other.
    const overtakes = this.#random() < 0.002;
    const dueMs = nowMs + this.#delayMs * (1 + this.#random() * 0.3);
    this.#lastMs = Math.max(this.#lastMs, dueMs);
    if (!lost) this.#queue.push({ dueMs: overtakes ? dueMs : this.#lastMs, bytes });
  }

  take(nowMs: number): Uint8Array[] {
    const due = this.#queue.filter((item) => item.dueMs <= nowMs).toSorted((a, b) => a.dueMs - b.dueMs);
    const rest = this.#queue.filter((item) => item.dueMs > nowMs);
    this.#queue.splice(0, this.#queue.length, ...rest);
    return due.map((item) => item.bytes);
  }
}

/** Sends frames, answers NACK by RTX and PLI by a key frame. */
class TestPublisher {
  readonly sent: Uint8Array[] = [];
  readonly #uplink: Link;
  #rtxSequence = 40_000;
  #sequence = 65_000;
  #frame = 0;
  #key = true;
  retransmitted = 0;

  constructor(uplink: Link) {
    this.#uplink = uplink;
  }

  frame(nowMs: number): void {
    for (let part = 0; part < PACKETS_PER_FRAME; part++) {
      const first = part === 0;
      const number = this.sent.length;
      const body = [number >> 8, number & 255];
      const payload = vp8({ key: this.#key, first, pictureId: this.#frame & 0x7fff, tl0: this.#frame, body });
      const marker = part === PACKETS_PER_FRAME - 1;
      const sequence = this.#sequence++ & 0xffff;
      const bytes = rtp({ sequence, timestamp: (this.#frame * 2970) >>> 0, ssrc: 1000, marker, payload });
      this.sent.push(bytes);
      this.#uplink.send(bytes, nowMs);
    }
    this.#frame++;
    this.#key = false;
  }

  handleRtcp(bytes: Uint8Array, nowMs: number): void {
    for (const packet of splitRtcp(bytes)) {
      if (rtcpKind(packet) === "206/1") this.#key = true;
      if (rtcpKind(packet) !== "205/1") continue;
      for (const sequence of nacked(packet)) this.#repeat(sequence, nowMs);
    }
  }

  #repeat(sequence: number, nowMs: number): void {
    const found = this.sent.map(readRtp).find((p) => p.sequence === sequence);
    assert.ok(found, "only packets that exist are asked for");
    const payload = [sequence >> 8, sequence & 255, ...found.payload];
    this.retransmitted++;
    this.#uplink.send(
      rtp({ ...found, extensions: {}, payloadType: 97, ssrc: 1001, sequence: this.#rtxSequence++ & 0xffff, payload }),
      nowMs,
    );
  }
}

/** Collects packets by number, asks for those missing. */
class TestViewer {
  /** Payload by extended sequence number. */
  readonly got = new Map<number, string>();
  readonly #missing = new Map<number, { nextMs: number; tries: number }>();
  readonly #back: Link;
  #highest = -1;
  first = -1;
  duplicates = 0;

  constructor(back: Link) {
    this.#back = back;
  }

  handleRtp(bytes: Uint8Array, nowMs: number): void {
    const packet = readRtp(bytes);
    let { sequence, payload } = packet;
    if (packet.ssrc === 0x90000002) {
      sequence = (payload[0]! << 8) | payload[1]!;
      payload = payload.slice(2);
    } else {
      assert.equal(packet.ssrc, 0x90000001);
    }
    if (this.#highest < 0) this.#highest = this.first = sequence;
    const extended = this.#highest + (((sequence - this.#highest) << 16) >> 16);
    for (let s = this.#highest + 1; s < extended; s++) this.#missing.set(s, { nextMs: nowMs + 10, tries: 0 });
    this.#highest = Math.max(this.#highest, extended);
    this.#missing.delete(extended);
    const text = payload.join();
    if (this.got.has(extended)) {
      this.duplicates++;
      assert.equal(this.got.get(extended), text, "a repetition is the same packet");
    }
    this.got.set(extended, text);
  }

  step(nowMs: number): void {
    for (const [sequence, loss] of this.#missing) {
      if (loss.nextMs > nowMs || loss.tries >= 20) continue;
      loss.tries++;
      loss.nextMs = nowMs + 110;
      this.#back.send(nack(0x90000001, sequence & 0xffff), nowMs);
    }
  }

  /** The payloads from the first to the last packet; undefined where one is missing. */
  list(): (string | undefined)[] {
    return Array.from({ length: this.#highest - this.first + 1 }, (_, i) => this.got.get(this.first + i));
  }

  askKeyFrame(nowMs: number): void {
    this.#back.send(pli(0x90000001), nowMs);
  }
}

function run(seed: number, loss: number, seconds: number) {
  const world = new World(seed);
  const delayMs = 25;
  const links = [11, 23, 37, 53].map((k) => new Link(seed * k, loss, delayMs));
  const [up, toPublisher, down, fromViewer] = links as [Link, Link, Link, Link];
  world.addPeer(PUBLISHER, [videoReceiver()], []);
  world.addPeer(VIEWER, [], [videoSender()]);
  const publisher = new TestPublisher(up);
  const viewer = new TestViewer(fromViewer);
  const startMs = world.nowMs;
  let frames = 0;
  for (let ms = 0; ms < seconds * 1000 + 3000; ms += STEP_MS) {
    if (ms < seconds * 1000 && ms >= frames * FRAME_MS) {
      publisher.frame(world.nowMs);
      frames++;
    }
    if (viewer.first < 0 && ms % 500 === 0) viewer.askKeyFrame(world.nowMs);
    for (const bytes of up.take(world.nowMs)) world.feed(PUBLISHER, bytes, false);
    for (const bytes of fromViewer.take(world.nowMs)) world.feed(VIEWER, bytes, false);
    world.endBatch();
    for (const bytes of toPublisher.take(world.nowMs)) publisher.handleRtcp(bytes, world.nowMs);
    for (const bytes of down.take(world.nowMs)) viewer.handleRtp(bytes, world.nowMs);
    viewer.step(world.nowMs);
    world.advance(STEP_MS);
    for (const { peer, bytes } of world.sent.splice(0)) {
      const isRtcp = bytes[1]! >= 192 && bytes[1]! <= 223;
      if (peer === PUBLISHER) toPublisher.send(bytes, world.nowMs);
      else if (!isRtcp) down.send(bytes, world.nowMs);
    }
  }
  assert.equal(world.nowMs, startMs + seconds * 1000 + 3000);
  return { world, publisher, viewer };
}

for (const [loss, allowed] of [
  [0, 0],
  [0.05, 0.0005],
  [0.1, 0.002],
  [0.2, 0.01],
] as const) {
  test(`${loss * 100} % loss in every direction: at most ${allowed * 100} % of the packets stay lost`, () => {
    for (const seed of [1, 2, 3]) {
      const { world, publisher, viewer } = run(seed, loss, 10);
      const list = viewer.list();
      const missing = list.filter((payload) => payload === undefined).length;
      assert.ok(list.length > 800, `${list.length} packets`);
      assert.ok(missing <= list.length * allowed, `seed ${seed}: ${missing} of ${list.length} missing`);
      // What came is what was published, in its order, from a key frame on.
      const published = publisher.sent.map((bytes) => readRtp(bytes).payload.join());
      const begin = published.indexOf(list[0]!);
      assert.ok(begin >= 0);
      const frame = begin - (begin % PACKETS_PER_FRAME);
      assert.equal(readVp8(readRtp(publisher.sent[frame]!).payload).rest[0], 0, "a key frame");
      for (const [i, payload] of list.entries()) if (payload) assert.equal(payload, published[begin + i]);
      const needless = 10 + publisher.sent.length * loss * 3;
      assert.ok(publisher.retransmitted <= needless, `${publisher.retransmitted} repeated by the publisher`);
      assert.ok(viewer.duplicates <= needless, `${viewer.duplicates} repeated by the forwarder`);
      world.advance(5000);
      assert.equal(world.pool.used, 0);
    }
  });
}
