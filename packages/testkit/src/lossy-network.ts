/**
 * A network in memory on a virtual clock: seeded loss, delay, jitter (hence reordering), duplication, blocked routes, changing
 * addresses. An endpoint is the `Paths` and the `PacketSink` of one host; TCP here means: nothing lost, nothing reordered.
 * Handles behave as `io`'s: the path of an unknown sender is gone after the delivery unless it was retained.
 */
import type { Path, PacketSink, PathInfo, Paths } from "@stoa/core/paths";
import { type Slab, SLOT_BYTES } from "@stoa/core/slab";
import { SeededRandom } from "./node-crypto.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** What happens to datagrams on their way. */
export interface LinkConditions {
  /** 0 … 1. */
  loss: number;
  /** One way. */
  delayMs: number;
  /** Added to the delay, evenly distributed; datagrams overtake each other. */
  jitterMs: number;
  /** 0 … 1. */
  duplication: number;
}

/** A thin link to one host: a queue in order of arrival before a rate. */
interface Bottleneck {
  readonly bps: number;
  /** What would wait longer is dropped. */
  readonly queueMs: number;
  /** When all that waits is through. */
  freeMs: number;
}

/** A datagram on its way; addresses read as "udp 10.0.0.1:5000". */
export interface Flight {
  readonly from: string;
  readonly to: string;
  readonly bytes: Uint8Array;
}

/** What a host does with a datagram: `length` bytes at `at` in its slab, valid during the call. */
export type Receiver = (path: Path, at: number, length: number, nowMs: number) => void;

/** See the file's head. */
export class LossyNetwork {
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly conditions: LinkConditions;
  /** Datagrams for which it gives true are lost: a firewall, a dead link. */
  blocked: (flight: Flight) => boolean = () => false;
  /** Datagrams that entered the network. */
  sent = 0;
  readonly #hosts = new Map<string, Endpoint>();
  readonly #bottlenecks = new Map<string, Bottleneck>();
  /** When the last TCP segment of a route arrives: the next one is not earlier. */
  readonly #tcpArrivalMs = new Map<string, number>();

  constructor(clock: VirtualClock, seed: number, conditions: Partial<LinkConditions> = {}) {
    this.clock = clock;
    this.random = new SeededRandom(seed);
    this.conditions = { loss: 0, delayMs: 5, jitterMs: 0, duplication: 0, ...conditions };
  }

  /** A new host at a dotted IPv4 address; UDP and TCP share its port. */
  attach(address: string, port: number, slab: Slab): Endpoint {
    const endpoint = new Endpoint(this, address, port, slab);
    this.#hosts.set(endpoint.name, endpoint);
    return endpoint;
  }

  /** Datagrams to this host ("10.0.0.1:5000") pass a link of `bps` with a queue of `queueMs`; 0 bit/s lifts the limit. */
  limit(host: string, bps: number, queueMs: number): void {
    if (bps > 0) this.#bottlenecks.set(host, { bps, queueMs, freeMs: 0 });
    else this.#bottlenecks.delete(host);
  }

  /** The host gets another address, as by a new NAT binding; what is on its way to the old one is lost. */
  move(endpoint: Endpoint, address: string, port: number): void {
    this.#hosts.delete(endpoint.name);
    endpoint.address = address;
    endpoint.port = port;
    this.#hosts.set(endpoint.name, endpoint);
  }

  /** Sends `bytes` from `from` to an address, as anybody could: spoofed senders are allowed. */
  inject(protocol: "udp" | "tcp", from: string, to: string, bytes: Uint8Array): void {
    const flight = { from: `${protocol} ${from}`, to: `${protocol} ${to}`, bytes: bytes.slice() };
    this.sent++;
    if (this.blocked(flight)) return;
    const { loss, delayMs, jitterMs, duplication } = this.conditions;
    if (protocol === "tcp") {
      const route = `${flight.from} ${flight.to}`;
      const arrivalMs = Math.max(this.clock.nowMs + delayMs, this.#tcpArrivalMs.get(route) ?? 0);
      this.#tcpArrivalMs.set(route, arrivalMs);
      this.clock.after(arrivalMs - this.clock.nowMs, () => this.#deliver(from, to, flight));
      return;
    }
    const queuedMs = this.#queuedMs(to, bytes.length);
    if (queuedMs < 0) return;
    const copies = this.random.unit() < duplication ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (this.random.unit() < loss) continue;
      this.clock.after(queuedMs + delayMs + this.random.unit() * jitterMs, () => this.#deliver(from, to, flight));
    }
  }

  /** How long a datagram waits for a thin link; -1 = it is dropped. */
  #queuedMs(to: string, bytes: number): number {
    const link = this.#bottlenecks.get(to);
    if (!link) return 0;
    const { nowMs } = this.clock;
    if (link.freeMs - nowMs > link.queueMs) return -1;
    link.freeMs = Math.max(link.freeMs, nowMs) + (bytes * 8000) / link.bps;
    return link.freeMs - nowMs;
  }

  #deliver(from: string, to: string, flight: Flight): void {
    const protocol = flight.to.startsWith("udp") ? "udp" : "tcp";
    this.#hosts.get(to)?.deliver(protocol, from, flight.bytes);
  }
}

/** One host of the network. */
export class Endpoint implements Paths, PacketSink {
  readonly network: LossyNetwork;
  readonly slab: Slab;
  address: string;
  port: number;
  /** Set by the owner of the host. */
  receiver: Receiver = () => undefined;
  readonly #infos = new Map<Path, PathInfo>();
  readonly #handles = new Map<string, Path>();
  readonly #retained = new Map<Path, number>();
  #nextPath = 0;
  readonly #sendSlot: number;
  readonly #receiveSlot: number;

  constructor(network: LossyNetwork, address: string, port: number, slab: Slab) {
    this.network = network;
    this.address = address;
    this.port = port;
    this.slab = slab;
    this.#sendSlot = slab.alloc(SLOT_BYTES);
    this.#receiveSlot = slab.alloc(SLOT_BYTES);
  }

  /** "10.0.0.1:5000". */
  get name(): string {
    return `${this.address}:${this.port}`;
  }

  /** Paths that somebody holds: a leak check. */
  get retainedPaths(): number {
    return this.#retained.size;
  }

  describe(path: Path): PathInfo | undefined {
    return this.#infos.get(path);
  }

  retain(path: Path): void {
    if (!this.#infos.has(path)) throw new Error(`path ${path} is retained after it has gone`);
    this.#retained.set(path, (this.#retained.get(path) ?? 0) + 1);
  }

  release(path: Path): void {
    const count = this.#retained.get(path);
    if (count === undefined) throw new Error(`path ${path} is released more often than retained`);
    if (count > 1) this.#retained.set(path, count - 1);
    else {
      this.#retained.delete(path);
      this.#forget(path);
    }
  }

  open(info: PathInfo): Path {
    const path = this.#handle(info.protocol, `${info.address.join(".")}:${info.port}`);
    this.retain(path);
    return path;
  }

  reserve(): number {
    return this.#sendSlot;
  }

  commit(path: Path, length: number): void {
    this.send(path, this.slab.u8.subarray(this.#sendSlot, this.#sendSlot + length));
  }

  send(path: Path, bytes: Uint8Array): void {
    const info = this.#infos.get(path);
    if (info) this.network.inject(info.protocol, this.name, `${info.address.join(".")}:${info.port}`, bytes);
  }

  flush(): void {}

  /** A datagram has arrived. */
  deliver(protocol: "udp" | "tcp", from: string, bytes: Uint8Array): void {
    const path = this.#handle(protocol, from);
    this.slab.u8.set(bytes, this.#receiveSlot);
    this.receiver(path, this.#receiveSlot, bytes.length, this.network.clock.nowMs);
    if (!this.#retained.has(path)) this.#forget(path);
  }

  #handle(protocol: "udp" | "tcp", name: string): Path {
    const key = `${protocol} ${name}`;
    const known = this.#handles.get(key);
    if (known !== undefined) return known;
    const [host = "", port = ""] = name.split(":");
    const path = this.#nextPath++;
    this.#infos.set(path, { protocol, address: Uint8Array.from(host.split("."), Number), port: Number(port) });
    this.#handles.set(key, path);
    return path;
  }

  #forget(path: Path): void {
    const info = this.#infos.get(path);
    if (!info) return;
    this.#infos.delete(path);
    this.#handles.delete(`${info.protocol} ${info.address.join(".")}:${info.port}`);
  }
}
