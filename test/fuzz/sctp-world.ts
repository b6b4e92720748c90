/**
 * Associations on a virtual clock whose packets the fuzzer carries by hand: nothing arrives, expires or is polled unless a
 * step says so. What must hold for any association at any moment is checked here after every move.
 */
import assert from "node:assert/strict";
import { SctpAssociation } from "@stoa/core/sctp/association";
import type { SctpEvent } from "@stoa/core/sctp/events";
import { SeededRandom } from "@stoa/testkit/node-crypto";
import { readI32, readU32 } from "@stoa/wire/sctp/bytes";
import { DATA, INIT, INIT_ACK, RE_CONFIG } from "@stoa/wire/sctp/chunk-types";
import {
  PACKET_HEADER_BYTES,
  chunkEnd,
  finishPacket,
  nextChunk,
  parsePacket,
  startPacket,
} from "@stoa/wire/sctp/packet";

/** Largest SCTP packet of the hosts here. */
const MTU = 1144;
const PORT = 5000;
const WINDOW_BYTES = 65_536;
/** What the last message that still fitted costs beyond its bytes. */
const OVERDRAFT_BYTES = 64;
const MAX_MESSAGE_BYTES = 32_768;
const MOST_RECEIVED_BYTES = 2 * WINDOW_BYTES + OVERDRAFT_BYTES;
const SEND_BUFFER_BYTES = 131_072;
const MAX_CHANNELS = 1024;
/** Channels have an OPEN or an ACK in the send buffer, which does not refuse them; each counts for 256 bytes more than it has. */
const MAX_CONTROL_BYTES = MAX_CHANNELS * (128 + 256);
/** Packets that one move may give rise to; the burst limit and the windows keep it far below. */
const MAX_PACKETS_AT_ONCE = 500;
const MAX_TIMERS_AT_ONCE = 500;
const MAX_ON_WIRE = 1000;
const MAX_KEPT = 32;

/** One association and its end of the wire. */
export class Host {
  readonly association: SctpAssociation;
  /** Packets on their way to the other side. */
  readonly wire: Uint8Array[] = [];
  /** The last packets that were sent, to be sent again or changed. */
  readonly kept: Uint8Array[] = [];
  readonly events: SctpEvent[] = [];
  readonly messages = new Map<number, Uint8Array[]>();
  /** Does not poll events. */
  paused = false;
  /** What its INIT or INIT ACK asked the other side to put into packets. */
  ownTag = 0;
  /** What its packets carry. */
  peerTag = 0;
  nextTsn = 0;
  requestSeq = 0;
  #announced = 0;
  /** Less those that closed before they had opened. */
  #openChannels = 0;

  constructor(role: "client" | "server", seed: number) {
    this.association = new SctpAssociation({
      random: new SeededRandom(seed),
      role,
      maxMessageSize: MAX_MESSAGE_BYTES,
      mtu: MTU,
      limits: {
        receiveWindowBytes: WINDOW_BYTES,
        maxReceiveMessageBytes: MAX_MESSAGE_BYTES,
        sendBufferBytes: SEND_BUFFER_BYTES,
      },
    });
  }

  get closed(): boolean {
    return this.events.some((event) => event.type === "closed");
  }

  has(type: SctpEvent["type"]): boolean {
    return this.events.some((event) => event.type === type);
  }

  /** Messages of `channel` so far. */
  got(channel: number): readonly Uint8Array[] {
    return this.messages.get(channel) ?? [];
  }

  /** Polls what there is, as an owner does after every input. */
  poll(nowMs: number): void {
    while (!this.paused) {
      const event = this.association.pollEvent();
      if (!event) break;
      this.#take(event);
    }
    let packets = 0;
    for (let packet = this.association.pollPacket(nowMs); packet; packet = this.association.pollPacket(nowMs)) {
      assert.ok(++packets <= MAX_PACKETS_AT_ONCE, "packets without end");
      this.#keep(packet.slice());
    }
    this.check();
  }

  /** What holds at every moment. */
  check(): void {
    const { receiveHeldBytes, sendHeldBytes } = this.association;
    assert.ok(receiveHeldBytes >= 0 && receiveHeldBytes <= MOST_RECEIVED_BYTES, `${receiveHeldBytes} bytes received`);
    const most = SEND_BUFFER_BYTES + MAX_CONTROL_BYTES;
    assert.ok(sendHeldBytes >= 0 && sendHeldBytes <= most, `${sendHeldBytes} bytes to send`);
    assert.ok(this.association.nextTimeoutMs() >= 0, "a timer is not a number");
    assert.ok(this.#openChannels <= MAX_CHANNELS, `${this.#openChannels} open channels`);
  }

  /** Forgets what is on its way. */
  cutWire(): void {
    this.wire.length = 0;
  }

  #take(event: SctpEvent): void {
    if (event.type !== "message") {
      assert.ok(++this.#announced < 20_000, "events without end");
      if (event.type === "channelOpen") this.#openChannels++;
      if (event.type === "channelClosed") this.#openChannels--;
      this.events.push(event);
      return;
    }
    assert.ok(event.data.length <= MAX_MESSAGE_BYTES, "a message is longer than allowed");
    let messages = this.messages.get(event.channel);
    if (!messages) this.messages.set(event.channel, (messages = []));
    messages.push(event.data);
  }

  #keep(packet: Uint8Array): void {
    assert.ok(packet.length <= MTU, `a packet of ${packet.length} bytes`);
    const header = parsePacket(packet, true);
    assert.ok(header, "a packet that cannot be read");
    let at = PACKET_HEADER_BYTES;
    while (at < packet.length) {
      const end = chunkEnd(packet, at);
      assert.ok(end > 0, "a chunk that cannot be read");
      this.#learn(packet, at, header.tag);
      at = nextChunk(at, end);
    }
    if (this.wire.length < MAX_ON_WIRE) this.wire.push(packet);
    this.kept.push(packet);
    if (this.kept.length > MAX_KEPT) this.kept.shift();
  }

  #learn(packet: Uint8Array, at: number, tag: number): void {
    const kind = packet[at];
    if (kind === INIT || kind === INIT_ACK) {
      this.ownTag = readU32(packet, at + 4);
      this.nextTsn = readI32(packet, at + 16);
      this.requestSeq = this.nextTsn;
    } else this.peerTag = tag;
    if (kind === DATA) this.nextTsn = (readI32(packet, at + 4) + 1) | 0;
    if (kind === RE_CONFIG && packet[at + 5] === 13) this.requestSeq = (readI32(packet, at + 8) + 1) | 0;
  }
}

/** Two hosts and the time. */
export class World {
  nowMs = 1_000_000;
  readonly left: Host;
  readonly right: Host;

  constructor(left: Host, right: Host) {
    this.left = left;
    this.right = right;
  }

  other(host: Host): Host {
    return host === this.left ? this.right : this.left;
  }

  /** Packet `index` on the wire from `from` arrives. */
  deliver(from: Host, index = 0): void {
    const [packet] = from.wire.splice(index, 1);
    if (packet) this.inject(this.other(from), packet);
  }

  /** Any bytes arrive at `to`. */
  inject(to: Host, packet: Uint8Array): void {
    // The association may not keep what it is lent.
    const lent = packet.slice();
    to.association.handlePacket(lent, this.nowMs);
    lent.fill(0xee);
    to.poll(this.nowMs);
  }

  /** Lets time pass; timers run, nothing arrives. */
  pass(ms: number): void {
    const endMs = this.nowMs + ms;
    let timers = 0;
    for (;;) {
      const nextMs = Math.min(this.left.association.nextTimeoutMs(), this.right.association.nextTimeoutMs());
      if (nextMs > endMs) break;
      if (nextMs > this.nowMs) timers = 0;
      assert.ok(++timers <= MAX_TIMERS_AT_ONCE, "a timer fires without time passing");
      this.nowMs = Math.max(this.nowMs, nextMs);
      for (const host of [this.left, this.right]) {
        if (host.association.nextTimeoutMs() > this.nowMs) continue;
        host.association.handleTimeout(this.nowMs);
        host.poll(this.nowMs);
      }
    }
    this.nowMs = endMs;
  }

  /** A perfect network of one millisecond until `done`; false when `maxMs` have passed. */
  settle(maxMs: number, done: () => boolean): boolean {
    const endMs = this.nowMs + maxMs;
    for (const host of [this.left, this.right]) host.poll(this.nowMs);
    while (!done()) {
      if (this.nowMs >= endMs) return false;
      const carried = [this.left, this.right].map((host) => host.wire.splice(0));
      for (const packet of carried[0]!) this.inject(this.right, packet);
      for (const packet of carried[1]!) this.inject(this.left, packet);
      const quiet = this.left.wire.length === 0 && this.right.wire.length === 0;
      const nextMs = Math.min(this.left.association.nextTimeoutMs(), this.right.association.nextTimeoutMs());
      this.pass(quiet ? Math.max(1, Math.min(nextMs, endMs) - this.nowMs) : 1);
    }
    return true;
  }
}

/** A packet of `chunks` under `tag`, with its checksum. */
export function packetOf(tag: number, ...chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(PACKET_HEADER_BYTES + chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = startPacket(bytes, PORT, PORT, tag);
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return resealed(bytes);
}

/** The packet with the checksum that its bytes need now. */
export function resealed(packet: Uint8Array): Uint8Array {
  if (packet.length >= PACKET_HEADER_BYTES) finishPacket(packet, packet.length);
  return packet;
}
