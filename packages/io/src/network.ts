/**
 * The network of one media worker: UDP sockets and TCP connections as one space of paths, one sink, one stream of batches.
 *
 * Invariants: transient paths are forgotten only while no waiting packet refers to one; packets that the system did not
 * take at a flush are tried again a moment later even if no other flush comes.
 */
import { networkInterfaces } from "node:os";
import type { Random } from "@stoa/core/crypto";
import type { DatagramBatch, PacketSink, Path, PathInfo, Paths } from "@stoa/core/paths";
import { NO_PATH } from "@stoa/core/paths";
import { PacketPool, type Slab } from "@stoa/core/slab";
import type { Accel } from "./accel/probe.ts";
import { AddressTable, writeSockaddr, SOCKADDR_BYTES } from "./accel/address-table.ts";
import type { PacketMemory } from "./accel/slab-native.ts";
import type { ListenAddress, NetworkCounters, UdpBackend, UdpContext } from "./accel/udp.ts";
import { createCounters } from "./accel/udp.ts";
import { ownAddresses } from "./candidates.ts";
import { parseIp } from "./ip-address.ts";
import { TcpTransport } from "./tcp.ts";

/** After this pause a full socket is tried again. */
const RETRY_MS = 2;

/** Paths at one time: peers, and strangers of a moment. */
const DEFAULT_MAX_PATHS = 65_536;

/** Any address of the machine; IPv6 only where there is one. */
const ANY_ADDRESS: readonly ListenAddress[] = [
  { address: "0.0.0.0", optional: false },
  { address: "::", optional: true },
];

export interface NetworkOptions {
  readonly accel: Accel;
  /** From `accel.allocateMemory`; also for the ciphers. */
  readonly memory: PacketMemory;
  /** Share of the memory for received packets and rings, in slots. Default: three quarters of it. */
  readonly poolSlots?: number;
  /** 0: any free port. */
  readonly udpPort: number;
  /** 0: any free port; undefined: no TCP. */
  readonly tcpPort: number | undefined;
  /** Addresses of this machine to listen on; all if not given. */
  readonly addresses?: readonly string[];
  readonly random: Random;
  readonly clock: () => number;
}

/** Sockets, paths and packet slots of a worker. */
export class Network implements PacketSink, Paths {
  readonly slab: Slab;
  /** The slots in which datagrams arrive; `core` takes and gives from it too. */
  readonly pool: PacketPool;
  readonly counters: NetworkCounters = createCounters();
  readonly #table: AddressTable;
  readonly #tcp: TcpTransport;
  readonly #scratch: number;
  /** A double in an object field would be allocated anew with every packet. */
  readonly #bytesOut = new Float64Array(1);
  #udp: UdpBackend | undefined;
  #tcpPort: number | undefined;
  #onBatch: (batch: DatagramBatch) => void = () => {};
  #retry: NodeJS.Timeout | undefined;

  private constructor(options: NetworkOptions) {
    const { memory, random, clock } = options;
    this.slab = memory.slab;
    this.pool = new PacketPool(this.slab, options.poolSlots ?? Math.floor((this.slab.u8.length * 3) / 4 / 2048));
    this.#table = new AddressTable(this.slab, DEFAULT_MAX_PATHS, random);
    this.#tcp = new TcpTransport(this.#context(), clock);
    this.#scratch = this.slab.alloc(SOCKADDR_BYTES);
  }

  /** Opens everything, or nothing and throws a `StoaError` with one sentence. */
  static async open(options: NetworkOptions): Promise<Network> {
    const network = new Network(options);
    const addresses = options.addresses?.map((address) => ({ address, optional: false })) ?? ANY_ADDRESS;
    try {
      const own = options.addresses ? [] : ownAddresses(networkInterfaces());
      const listen = { addresses, own, port: options.udpPort };
      network.#udp = await options.accel.openUdp(network.#context(), options.memory, listen);
      if (options.tcpPort !== undefined) network.#tcpPort = await network.#tcp.listen(addresses, options.tcpPort);
    } catch (error) {
      network.close();
      throw error;
    }
    return network;
  }

  /** Who gets what arrives; before that it is dropped. */
  onBatch(listener: (batch: DatagramBatch) => void): void {
    this.#onBatch = listener;
  }

  get udpPort(): number {
    return this.#udp?.port ?? 0;
  }

  get tcpPort(): number | undefined {
    return this.#tcpPort;
  }

  reserve(): number {
    return this.#udp!.reserve();
  }

  /** Bytes that were committed since the start. */
  get bytesOut(): number {
    return this.#bytesOut[0]!;
  }

  commit(path: Path, length: number): void {
    this.#bytesOut[0]! += length;
    if (this.#table.isTcp(path)) this.#tcp.write(path, this.#udp!.reserve(), length);
    else this.#udp!.commit(path, length);
  }

  send(path: Path, bytes: Uint8Array): void {
    this.slab.u8.set(bytes, this.#udp!.reserve());
    this.commit(path, bytes.length);
  }

  flush(): void {
    this.#tcp.flush();
    const udp = this.#udp;
    if (!udp) return;
    udp.flush();
    if (udp.pending === 0 || this.#retry) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.flush();
    }, RETRY_MS);
  }

  describe(path: Path): PathInfo | undefined {
    return this.#table.describe(path);
  }

  retain(path: Path): void {
    this.#table.retain(path);
  }

  release(path: Path): void {
    if (this.#table.release(path) && this.#table.isTcp(path)) this.#tcp.release(path);
  }

  open(info: PathInfo): Path {
    if (info.protocol === "tcp") return this.#tcp.connect(info);
    const v6 = info.address.length === 16;
    const socket = this.#udp!.addresses.findIndex((address) => (parseIp(address)?.length === 16) === v6);
    if (socket < 0) return NO_PATH;
    writeSockaddr(this.slab, this.#scratch, info.address, info.port);
    const path = this.#table.find(socket, this.#scratch);
    this.#table.retain(path);
    return path;
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#onBatch = () => {};
    this.#tcp.close();
    this.#udp?.close();
  }

  #context(): UdpContext {
    return {
      slab: this.slab,
      pool: this.pool,
      table: this.#table,
      counters: this.counters,
      beforeBatch: () => {
        if (this.#udp?.busy !== true) this.#table.sweep();
      },
      onBatch: (batch) => this.#onBatch(batch),
    };
  }
}
