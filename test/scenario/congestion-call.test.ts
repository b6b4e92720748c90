/** A whole worker, a simulcast publisher and two subscribers, one of them behind a thin link: it degrades alone, and comes back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_SPATIAL } from "@stoa/core/congestion/allocate";
import type { ExtensionIds } from "@stoa/core/engine/specs";
import { Arrivals } from "@stoa/core/media/arrivals";
import { FORMAT_PLI, feedbackMedia } from "@stoa/wire/rtcp/feedback";
import { PAYLOAD_FEEDBACK, rtcpCount, rtcpPacketLength, rtcpType } from "@stoa/wire/rtcp/packet";
import { writeRemb } from "@stoa/wire/rtcp/remb";
import { elementOffset, findExtension } from "@stoa/wire/rtp/extension";
import { newRtpHeader, readRtpHeader, writeRtpHeader } from "@stoa/wire/rtp/header";
import { BrowserEstimate } from "./congestion-browser.ts";
import type { Client } from "./worker-client.ts";
import { VP8, World } from "./worker-world.ts";

const TRACK = "TR_video";
const SSRC = 0x1000;
const OUT_SSRC = 0x2000;
const ABS_SEND_TIME = 2;
const TRANSPORT_CC = 3;
const BY_FEEDBACK = { transportCc: TRANSPORT_CC };
const BY_REMB = { absSendTime: ABS_SEND_TIME };
const LAYERS_BPS = [120_000, 400_000, 1_200_000];
const FRAME_MS = 33;
const PACKET_BYTES = 1100;
const QUEUE_MS = 300;
const MANAGED = { enabled: true, allowPause: false };

/** Sends three layers for ever; a PLI makes the next picture of its layer a key frame. */
function publish(world: World, client: Client): void {
  const ssrcs = LAYERS_BPS.map((_, layer) => SSRC + 2 * layer);
  world.publish(client, TRACK, ...ssrcs);
  const wanted = new Set(ssrcs);
  client.onRtcp = (u8, at, length) => {
    for (let from = at; from < at + length; from += rtcpPacketLength(u8, from, at + length)) {
      if (rtcpType(u8, from) === PAYLOAD_FEEDBACK && rtcpCount(u8, from) === FORMAT_PLI) {
        wanted.add(feedbackMedia(u8, from));
      }
    }
  };
  const header = new Uint8Array(12);
  const view = new DataView(header.buffer);
  const sequences = LAYERS_BPS.map(() => 0);
  let timestamp = 1;
  const frame = (): void => {
    timestamp += FRAME_MS * 90;
    for (const [layer, bps] of LAYERS_BPS.entries()) {
      const keyFrame = wanted.delete(ssrcs[layer]!);
      const bytes = Math.round((bps * FRAME_MS) / 8000);
      for (let left = bytes; left > 0; left -= PACKET_BYTES) {
        const payload = new Uint8Array(Math.max(30, Math.min(left, PACKET_BYTES)));
        payload[0] = left === bytes ? 0x10 : 0;
        payload[1] = keyFrame ? 0 : 1;
        payload[20] = layer;
        const sequence = sequences[layer]!++ & 0xffff;
        writeRtpHeader(view, 0, false, left <= PACKET_BYTES, VP8.payloadType, sequence, timestamp, ssrcs[layer]!);
        client.sendRtp(header, payload);
      }
    }
    world.clock.after(FRAME_MS, frame);
  };
  frame();
}

/** Counts what comes by layer and second, and answers with transport-wide feedback, or with its own estimate. */
class Viewer {
  /** Bytes of media by layer, of padding under `MAX_SPATIAL`; in this second. */
  readonly bytes = Array.from({ length: MAX_SPATIAL + 1 }, () => 0);
  readonly client: Client;
  readonly #world: World;
  readonly #arrivals = new Arrivals(9);
  readonly #browser = new BrowserEstimate();
  readonly #header = newRtpHeader();
  #sendTime = 0;
  #sentMs = 0;

  constructor(world: World, name: string, ssrc: number, congestion = MANAGED, extensions: ExtensionIds = BY_FEEDBACK) {
    this.#world = world;
    this.client = world.join(name, {}, congestion);
    world.subscribe(this.client, TRACK, ssrc, extensions);
    this.client.onRtp = (u8, at, length) => this.#receive(u8, at, length);
    const answer = (): void => {
      if (this.#arrivals.nextTimeoutMs() <= world.clock.nowMs) {
        this.client.sendRtcp((u8, at) => this.#arrivals.write(u8, at, 1000));
      }
      const bps = this.#browser.poll();
      if (bps > 0) this.client.sendRtcp((u8, at) => writeRemb(u8, at, 9, bps, [ssrc]));
      world.clock.after(20, answer);
    };
    answer();
  }

  /** The layer that most bytes of the last second are of; -1 = nothing came. */
  get layer(): number {
    const media = this.bytes.slice(0, MAX_SPATIAL);
    const most = Math.max(...media);
    return most === 0 ? -1 : media.indexOf(most);
  }

  #receive(u8: Uint8Array, at: number, length: number): void {
    const header = this.#header;
    assert.ok(readRtpHeader(u8, at, length, header));
    const { nowMs } = this.#world.clock;
    const number = findExtension(u8, at, header.headerLength, TRANSPORT_CC);
    const time = findExtension(u8, at, header.headerLength, ABS_SEND_TIME);
    assert.ok(number > 0 || time > 0, "every packet is stamped");
    const from = at + elementOffset(number > 0 ? number : time);
    const high = (u8[from]! << 8) | u8[from + 1]!;
    if (number > 0) this.#arrivals.record(high, header.ssrc, nowMs);
    else this.#browser.arrived(this.#unwrap((high << 8) | u8[from + 2]!), length, nowMs);
    const layer = header.payloadLength === 0 ? MAX_SPATIAL : u8[at + header.headerLength + 20]!;
    this.bytes[layer]! += length;
  }

  /** Milliseconds of an absolute send time, which wraps every 64 s. */
  #unwrap(sendTime: number): number {
    this.#sentMs += (((sendTime - this.#sendTime) << 8) >> 8) / (2 ** 18 / 1000);
    this.#sendTime = sendTime;
    return this.#sentMs;
  }
}

/** Lets whole seconds pass; gives the layers that each viewer saw in each of them. */
function watch(world: World, seconds: number, ...viewers: readonly Viewer[]): number[][] {
  const seen: number[][] = viewers.map(() => []);
  for (let second = 0; second < seconds; second++) {
    for (const viewer of viewers) viewer.bytes.fill(0);
    world.run(1000);
    for (const [i, viewer] of viewers.entries()) seen[i]!.push(viewer.layer);
  }
  return seen;
}

const all = (layers: readonly number[], wanted: number): boolean => layers.every((layer) => layer === wanted);

for (const [name, extensions, backS] of [
  ["transport-wide feedback", BY_FEEDBACK, 12],
  ["REMB", BY_REMB, 30],
] as const) {
  test(`behind 300 kbit/s one gets the lowest layer, and the highest again when the link is wide; the other never notices: ${name}`, () => {
    const world = new World(3, { delayMs: 10 });
    publish(world, world.join("ada"));
    const thin = new Viewer(world, "bob", OUT_SSRC, MANAGED, extensions);
    const wide = new Viewer(world, "eve", OUT_SSRC + 0x100, MANAGED, extensions);
    const [first] = watch(world, 5, thin, wide);
    assert.ok(all(first!.slice(2), 2), `at first ${String(first)}`);

    world.network.limit(thin.client.host, 300_000, QUEUE_MS);
    const [capped, meanwhile] = watch(world, 20, thin, wide);
    assert.ok(all(capped!.slice(8), 0), `behind the thin link ${String(capped)}`);

    world.network.limit(thin.client.host, 0, 0);
    const [lifted, after] = watch(world, backS + 8, thin, wide);
    const back = lifted!.indexOf(2);
    assert.ok(
      back >= 0 && back <= backS && all(lifted!.slice(back), 2),
      `after the link is wide again ${String(lifted)}`,
    );
    assert.ok(all([...meanwhile!, ...after!], 2), `the other ${String(meanwhile)} ${String(after)}`);
  });
}

test("where tracks may pause, one that does not fit does, is told, and goes on when it fits", () => {
  const world = new World(4, { delayMs: 10 });
  publish(world, world.join("ada"));
  const viewer = new Viewer(world, "bob", OUT_SSRC, { enabled: true, allowPause: true });
  watch(world, 3, viewer);
  world.network.limit(viewer.client.host, 70_000, QUEUE_MS);
  const [capped] = watch(world, 20, viewer);
  assert.ok(capped!.slice(10).includes(-1), `paused ${String(capped)}`);
  world.network.limit(viewer.client.host, 0, 0);
  const [lifted] = watch(world, 30, viewer);
  assert.equal(lifted!.at(-1), 2, `after the link is wide again ${String(lifted)}`);
  const states = world.events.filter((event) => event.type === "streamState");
  assert.ok(states.length >= 2);
  assert.deepEqual(
    states.map((event) => [event.peer, event.track, event.paused]),
    states.map((_, i) => [viewer.client.id, TRACK, i % 2 === 0]),
  );
});

test("a limit that a client asks for in a test holds, and lets go", () => {
  const world = new World(5, { delayMs: 10 });
  publish(world, world.join("ada"));
  const viewer = new Viewer(world, "bob", OUT_SSRC);
  watch(world, 3, viewer);
  const limit = (bps: number) =>
    world.engine.handleCommand({ type: "limitBandwidth", peer: viewer.client.id, bps }, world.clock.nowMs);
  limit(500_000);
  const [limited] = watch(world, 6, viewer);
  assert.ok(all(limited!.slice(2), 1), `limited ${String(limited)}`);
  limit(0);
  const [free] = watch(world, 10, viewer);
  assert.ok(all(free!.slice(6), 2), `free ${String(free)}`);
});
