/** For tests of one stream: an uplink, its track and one subscriber whose target the test sets as an allocator would. */
import { newRtpHeader, readRtpHeader } from "@stoa/wire/rtp/header";
import type { ReceiverSpec, SenderSpec, TrackSpec } from "../engine/specs.ts";
import { PacketPool, SLOT_BYTES, Slab } from "../slab.ts";
import { Downlink } from "./downlink.ts";
import { readRtp, type Rtp } from "./harness-packets.test.ts";
import { videoReceiver, videoSender } from "./harness-specs.test.ts";
import { PacketWriter } from "./packet-writer.ts";
import { Subscriber } from "./subscriber.ts";
import { Track } from "./track.ts";
import { BatchTime } from "./transport.ts";
import { Uplink } from "./uplink.ts";

const header = newRtpHeader();

export class Rig {
  readonly slab = new Slab(new ArrayBuffer(8 << 20));
  readonly pool = new PacketPool(this.slab, 2048);
  readonly time = new BatchTime();
  readonly track = new Track("TR_v");
  readonly uplink: Uplink;
  readonly downlink: Downlink;
  readonly #writer: PacketWriter;
  nowMs = 1_700_000_000_000.25;
  #out: Rtp[] = [];

  constructor(receiver: Partial<ReceiverSpec> = {}, sender: Partial<SenderSpec> = {}, spec?: TrackSpec) {
    const at = this.slab.alloc(SLOT_BYTES);
    const sink = {
      reserve: () => at,
      commit: (_path: number, length: number) => {
        this.#out.push(readRtp(this.slab.u8.slice(at, at + length)));
      },
      send: () => undefined,
      flush: () => undefined,
    };
    const protectRtp = (to: number, headerLength: number, from: number, length: number) => {
      this.slab.u8.copyWithin(to + headerLength, from, from + length);
      return headerLength + length;
    };
    const transport = { path: 1, connected: true, protectRtp, protectRtcp: () => 0 };
    this.#writer = new PacketWriter(this.slab, sink, this.time);
    this.time.set(this.nowMs);
    this.uplink = new Uplink(1, videoReceiver(receiver), this.pool);
    this.downlink = new Downlink(new Subscriber(2, transport), videoSender(sender), 7, {
      begun: [],
      switched: [],
      keyFrameWanted: false,
    });
    this.track.spec = spec;
    this.track.publish({ connected: true } as never, this.uplink);
    this.track.subscribe(this.downlink);
  }

  /** A packet of one of the uplink's streams arrives. */
  feed(bytes: Uint8Array, layer = 0): void {
    if (this.uplink.full) this.flush();
    const slot = this.pool.take();
    this.slab.u8.set(bytes, slot);
    const read = readRtpHeader(this.slab.u8, slot, bytes.length, header);
    const kept = read && this.uplink.receive(this.uplink.layers[layer]!, false, header, slot, this.nowMs);
    if (!kept) this.pool.give(slot);
  }

  /** The batch ends. */
  flush(): void {
    this.track.followLayers();
    this.track.fanOut(this.time, this.#writer);
    this.track.clearPending();
  }

  /** Time passes; the slow timer runs once. */
  advance(ms: number): void {
    this.flush();
    this.nowMs += ms;
    this.time.set(this.nowMs);
    if (this.uplink.check(this.nowMs, 2000)) this.track.followRates();
    this.track.followLayers();
  }

  /** The subscriber asks for a packet. */
  nack(sequence: number): Rtp | undefined {
    this.downlink.resend(sequence & 0xffff, this.time, this.#writer);
    return this.take()[0];
  }

  /** Takes what was sent. */
  take(): Rtp[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }
}
