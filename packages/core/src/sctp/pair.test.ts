/** Two associations on a virtual clock and a bad network, for the scenario tests beside this file. */
import assert from "node:assert/strict";
import type { Random } from "../crypto.ts";
import { SctpAssociation } from "./association.ts";
import type { SctpEvent } from "./events.ts";
import type { SctpOptions } from "./options.ts";

/** xorshift32: the same seed gives the same run. */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) | 1;
    for (let i = 0; i < 8; i++) this.uint32();
  }

  /** What the next calls of `uint32` give, where not undefined. */
  forced: (number | undefined)[] = [];

  uint32(): number {
    const forced = this.forced.shift();
    if (forced !== undefined) return forced;
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  /** 0 … 1, without 1. */
  fraction(): number {
    return this.uint32() / 2 ** 32;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.uint32() & 0xff);
  }
}

export interface Network {
  readonly seed?: number;
  /** One way. */
  readonly delayMs?: number;
  /** Up to this much more, drawn per packet: reorders. */
  readonly jitterMs?: number;
  /** 0 … 1. */
  readonly loss?: number;
  readonly duplicate?: number;
  /** Bytes per millisecond of each direction. */
  readonly bytesPerMs?: number;
  /** Bytes that may wait for the line; more is dropped. */
  readonly queueBytes?: number;
}

interface Flying {
  readonly atMs: number;
  readonly to: Side;
  readonly bytes: Uint8Array;
}

export class Side {
  readonly association: SctpAssociation;
  /** Everything polled so far, unless `onEvent` takes it. */
  readonly events: SctpEvent[] = [];
  onEvent: ((event: SctpEvent) => void) | undefined;
  /** Stops polling events. */
  paused = false;
  lineFreeMs = 0;
  sentPackets = 0;

  constructor(options: SctpOptions) {
    this.association = new SctpAssociation(options);
  }

  messages(channel?: number): Uint8Array[] {
    return this.events.flatMap((event) =>
      event.type === "message" && (channel === undefined || event.channel === channel) ? [event.data] : [],
    );
  }

  has(type: SctpEvent["type"]): boolean {
    return this.events.some((event) => event.type === type);
  }
}

export class Pair {
  nowMs = 1_000_000;
  readonly client: Side;
  readonly server: Side;
  network: Network;
  /** Drops or changes packets by hand; undefined = lost. */
  filter: ((bytes: Uint8Array, from: Side) => Uint8Array | undefined) | undefined;
  readonly #random: SeededRandom;
  #flying: Flying[] = [];

  /** `firstTsns`: of client and server, to stand before a wrap. */
  constructor(
    network: Network = {},
    options: Partial<SctpOptions> = {},
    serverOptions: Partial<SctpOptions> = {},
    firstTsns?: readonly [number, number],
  ) {
    this.network = network;
    const seed = network.seed ?? 1;
    this.#random = new SeededRandom(seed);
    const clientRandom = new SeededRandom(seed + 1000);
    const serverRandom = new SeededRandom(seed + 2000);
    if (firstTsns) {
      // An association draws its mark (bytes), its tag, its first TSN.
      clientRandom.forced = [...Array.from({ length: 9 }, () => undefined), firstTsns[0]];
      serverRandom.forced = [...Array.from({ length: 9 }, () => undefined), firstTsns[1]];
    }
    const common = { maxMessageSize: 262_144, ...options };
    this.client = new Side({ ...common, role: "client", random: clientRandom });
    this.server = new Side({ ...common, ...serverOptions, role: "server", random: serverRandom });
  }

  /** Both sides connect, as WebRTC does. */
  connect(): this {
    this.client.association.connect(this.nowMs);
    this.server.association.connect(this.nowMs);
    const up = this.runUntil(() => this.client.association.connected && this.server.association.connected, 60_000);
    assert.ok(up, "the association comes up");
    return this;
  }

  /** Opens a channel on the client's side and waits until both sides have it. */
  open(spec: { ordered: boolean; maxRetransmits?: number; maxPacketLifeTimeMs?: number; label?: string }): number {
    const id = this.client.association.openChannel({ label: "data", ...spec });
    const isOpen = (side: Side) => side.events.some((event) => event.type === "channelOpen" && event.channel === id);
    assert.ok(
      this.runUntil(() => isOpen(this.client) && isOpen(this.server), 60_000),
      "the channel opens",
    );
    return id;
  }

  run(forMs: number): void {
    const endMs = this.nowMs + forMs;
    this.runUntil(() => false, forMs);
    this.nowMs = endMs;
  }

  /** Runs until `done`; false when `maxMs` passed or nothing can happen any more. */
  runUntil(done: () => boolean, maxMs: number): boolean {
    const endMs = this.nowMs + maxMs;
    for (;;) {
      this.#drain(this.client);
      this.#drain(this.server);
      if (done()) return true;
      const next = this.#nextMs();
      if (next > endMs || next === Number.POSITIVE_INFINITY) return false;
      this.nowMs = Math.max(this.nowMs, next);
      this.#step();
    }
  }

  /** Puts a packet on the network by hand. */
  inject(to: Side, bytes: Uint8Array): void {
    to.association.handlePacket(bytes, this.nowMs);
  }

  #nextMs(): number {
    const timers = Math.min(this.client.association.nextTimeoutMs(), this.server.association.nextTimeoutMs());
    return Math.min(timers, this.#flying[0]?.atMs ?? Number.POSITIVE_INFINITY);
  }

  #step(): void {
    while (this.#flying.length > 0 && this.#flying[0]!.atMs <= this.nowMs) {
      const { to, bytes } = this.#pop();
      to.association.handlePacket(bytes, this.nowMs);
      // Whoever keeps a reference to a packet shows it here.
      bytes.fill(0xee);
      this.#drain(to);
    }
    for (const { association } of [this.client, this.server]) {
      if (association.nextTimeoutMs() <= this.nowMs) association.handleTimeout(this.nowMs);
    }
  }

  #drain(side: Side): void {
    const { association } = side;
    while (!side.paused) {
      const event = association.pollEvent();
      if (!event) break;
      if (side.onEvent) side.onEvent(event);
      else side.events.push(event);
    }
    for (let packet = association.pollPacket(this.nowMs); packet; packet = association.pollPacket(this.nowMs)) {
      side.sentPackets++;
      const bytes = this.filter ? this.filter(packet.slice(), side) : packet.slice();
      if (bytes) this.#transmit(bytes, side);
    }
  }

  #transmit(bytes: Uint8Array, from: Side): void {
    const { loss = 0, duplicate = 0, delayMs = 0, jitterMs = 0, bytesPerMs, queueBytes = 1 << 30 } = this.network;
    if (this.#random.fraction() < loss) return;
    let atMs = this.nowMs;
    if (bytesPerMs !== undefined) {
      if ((from.lineFreeMs - this.nowMs) * bytesPerMs > queueBytes) return;
      from.lineFreeMs = Math.max(from.lineFreeMs, this.nowMs) + bytes.length / bytesPerMs;
      atMs = from.lineFreeMs;
    }
    const to = from === this.client ? this.server : this.client;
    const copies = this.#random.fraction() < duplicate ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      this.#push({ atMs: atMs + delayMs + jitterMs * this.#random.fraction(), to, bytes: Buffer.from(bytes) });
    }
  }

  /** Packets are Node's buffers, whose `slice` is a view. A binary heap by time; packets of one moment keep their order only by chance, so ties get a hair of delay. */
  #push(item: Flying): void {
    this.#pushed += 1e-7;
    const heap = this.#flying;
    let at = heap.length;
    heap.push({ ...item, atMs: item.atMs + this.#pushed });
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.atMs <= heap[at]!.atMs) break;
      [heap[parent], heap[at]] = [heap[at]!, heap[parent]!];
      at = parent;
    }
  }
  #pushed = 0;

  #pop(): Flying {
    const heap = this.#flying;
    const top = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return top;
    heap[0] = last;
    for (let at = 0; ;) {
      let least = 2 * at + 1;
      if (least >= heap.length) return top;
      if (least + 1 < heap.length && heap[least + 1]!.atMs < heap[least]!.atMs) least++;
      if (heap[at]!.atMs <= heap[least]!.atMs) return top;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
  }
}
