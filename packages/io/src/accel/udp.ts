/**
 * What both socket back ends (`udp-linux`, `udp-node`) give, so that the network does not know which one runs.
 * One conformance suite (`udp.conformance.test.ts`) holds for both.
 */
import { StoaError } from "@stoa/core/errors";
import type { DatagramBatch, Path } from "@stoa/core/paths";
import type { PacketPool, Slab } from "@stoa/core/slab";
import type { AddressTable } from "./address-table.ts";

/** Packets in a batch of datagrams: what `onBatch` gets at most. */
export const BATCH_PACKETS = 64;

/** Everything that happened to packets at the edge; only ever counted up. */
export interface NetworkCounters {
  received: number;
  sent: number;
  /** Longer than a slot. */
  droppedTooLong: number;
  /** No packet memory left. */
  droppedNoMemory: number;
  /** More addresses than the table holds. */
  droppedNoPath: number;
  /** To a path that is gone. */
  droppedPathGone: number;
  /** The system refused the packet (no route, filtered …). */
  droppedRefused: number;
  /** The system's queue, or a TCP connection's, stayed full. */
  droppedFull: number;
}

/** All zero. */
export function createCounters(): NetworkCounters {
  return {
    received: 0,
    sent: 0,
    droppedTooLong: 0,
    droppedNoMemory: 0,
    droppedNoPath: 0,
    droppedPathGone: 0,
    droppedRefused: 0,
    droppedFull: 0,
  };
}

/** How often a port of the system's choice is drawn again because another address has it already. */
export const PORT_ATTEMPTS = 20;

/** What a socket back end works on. */
export interface UdpContext {
  readonly slab: Slab;
  readonly pool: PacketPool;
  readonly table: AddressTable;
  readonly counters: NetworkCounters;
  /** Called before new addresses are looked up: the moment to forget transient paths, unless a back end is busy. */
  readonly beforeBatch: () => void;
  readonly onBatch: (batch: DatagramBatch) => void;
}

/** Addresses to listen on, one socket each, all on one port. */
export interface UdpListen {
  readonly addresses: readonly ListenAddress[];
  /**
   * Addresses of this machine that a wildcard among them covers. A client that sends to one of these takes answers from no
   * other (ICE), and a wildcard's answers leave from whichever address the route prefers: so each gets a socket of its own,
   * where the back end can (`udp-linux`) and the address can be had.
   */
  readonly own?: readonly string[];
  /** 0: any free one, the same for all addresses. */
  readonly port: number;
}

export interface ListenAddress {
  /** "0.0.0.0", "::", or one address of this machine. */
  readonly address: string;
  /** Skip it silently where the system lacks its family. */
  readonly optional: boolean;
}

/** Open sockets. `reserve`, `commit` and `flush` are those of `PacketSink`, for UDP paths only. */
export interface UdpBackend {
  readonly port: number;
  /** Address of each socket, by its number in the address table. */
  readonly addresses: readonly string[];
  reserve(): number;
  commit(path: Path, length: number): void;
  flush(): void;
  /** Packets that wait for a `flush`, also those that the system did not take at the last one. */
  readonly pending: number;
  /** Whether a packet that waits, in or out, refers to a path: none must be forgotten now. */
  readonly busy: boolean;
  close(): void;
}

/** The one sentence for the most common mistake at start. */
export function portInUse(port: number, cause?: unknown): StoaError {
  const message = `UDP port ${port} is in use; choose another with --udp-port or rtc.udp_port in the configuration`;
  return new StoaError("port_in_use", message, { cause });
}
