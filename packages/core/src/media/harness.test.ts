/**
 * A forwarder between fake connections, for the tests of this folder. A fake connection does not encrypt, so that what was
 * sent can be read.
 */
import type { Random } from "../crypto.ts";
import type { ReceiverSpec, SenderSpec } from "../engine/specs.ts";
import type { PacketSink } from "../paths.ts";
import { PacketPool, SLOT_BYTES, Slab } from "../slab.ts";
import type { ForwarderEvent } from "./forwarder-event.ts";
import { Forwarder } from "./forwarder.ts";
import type { ForwarderDeps } from "./forwarder.ts";
import { readRtp, type Rtp } from "./harness-packets.test.ts";
import { splitRtcp } from "./harness-rtcp.test.ts";
import { UNMANAGED, type PeerOptions } from "./peer-options.ts";
import type { MediaTransport } from "./transport.ts";

/** Numbers that look random and are the same in every run. */
export function seeded(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4_294_967_296;
  };
}

export interface Sent {
  readonly peer: number;
  readonly bytes: Uint8Array;
}

/** A forwarder and its surroundings. The path of peer n is n. */
export class World {
  readonly slab = new Slab(new ArrayBuffer(24 << 20));
  readonly pool = new PacketPool(this.slab, 8192);
  readonly forwarder: Forwarder;
  nowMs = 1_700_000_000_000.25;
  /** Everything sent since it was last emptied. */
  sent: Sent[] = [];
  readonly events: ForwarderEvent[] = [];
  readonly #slot = this.slab.alloc(SLOT_BYTES);
  readonly transports = new Map<number, { path: number; connected: boolean }>();

  constructor(seed = 1, deps: Partial<ForwarderDeps> = {}) {
    const random01 = seeded(seed);
    const random: Random = {
      bytes: (length) => new Uint8Array(length),
      uint32: () => Math.floor(random01() * 4_294_967_296),
    };
    const sink: PacketSink = {
      reserve: () => this.#slot,
      commit: (path, length) => {
        this.sent.push({ peer: path, bytes: this.slab.u8.slice(this.#slot, this.#slot + length) });
      },
      send: () => undefined,
      flush: () => undefined,
    };
    this.forwarder = new Forwarder({ slab: this.slab, pool: this.pool, sink, random, ...deps });
  }

  addPeer(
    id: number,
    receivers: readonly ReceiverSpec[],
    senders: readonly SenderSpec[],
    options: PeerOptions = UNMANAGED,
  ): void {
    const { u8 } = this.slab;
    const state = { path: id, connected: true };
    const transport: MediaTransport = {
      get path() {
        return state.path;
      },
      get connected() {
        return state.connected;
      },
      protectRtp(at, headerLength, from, payloadLength) {
        u8.copyWithin(at + headerLength, from, from + payloadLength);
        return headerLength + payloadLength;
      },
      protectRtcp: (_at, length) => length,
    };
    this.transports.set(id, state);
    this.forwarder.addPeer(id, transport, options);
    this.forwarder.setReceivers(id, receivers);
    this.forwarder.setSenders(id, senders);
    this.forwarder.peerConnected(id, this.nowMs);
  }

  /** One packet arrives from a peer; `end` closes the batch. */
  feed(peer: number, bytes: Uint8Array, end = true): void {
    const slot = this.pool.take();
    this.slab.u8.set(bytes, slot);
    const isRtcp = bytes[1]! >= 192 && bytes[1]! <= 223;
    let kept = false;
    if (isRtcp) this.forwarder.handleRtcp(peer, slot, bytes.length, this.nowMs);
    else kept = this.forwarder.handleRtp(peer, slot, bytes.length, this.nowMs);
    if (!kept) this.pool.give(slot);
    if (end) this.endBatch();
  }

  endBatch(): void {
    this.forwarder.endBatch(this.nowMs);
    this.#drain();
  }

  /** Lets time pass; the forwarder is woken whenever it wants to. */
  advance(ms: number): void {
    const until = this.nowMs + ms;
    for (;;) {
      const due = this.forwarder.nextTimeoutMs();
      if (due > until) break;
      this.nowMs = Math.max(this.nowMs, due);
      this.forwarder.handleTimeout(this.nowMs);
      this.#drain();
    }
    this.nowMs = until;
  }

  /** Takes what was sent to a peer as RTP. */
  takeRtp(peer: number): Rtp[] {
    return this.#take(peer, false).map(readRtp);
  }

  /** Takes the RTCP packets sent to a peer, compounds taken apart. */
  takeRtcp(peer: number): Uint8Array[] {
    return this.#take(peer, true).flatMap(splitRtcp);
  }

  #take(peer: number, rtcp: boolean): Uint8Array[] {
    const wanted = (sent: Sent) => sent.peer === peer && (sent.bytes[1]! >= 192 && sent.bytes[1]! <= 223) === rtcp;
    const taken = this.sent.filter(wanted).map((sent) => sent.bytes);
    this.sent = this.sent.filter((sent) => !wanted(sent));
    return taken;
  }

  #drain(): void {
    for (let event = this.forwarder.pollEvent(); event; event = this.forwarder.pollEvent()) this.events.push(event);
  }
}
