/** Two ends of UDP on loopback: a back end with all that it received, and a plain socket of Node. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { TestContext } from "node:test";
import type { DatagramBatch, Path } from "@stoa/core/paths";
import { PacketPool } from "@stoa/core/slab";
import { parseIp } from "../ip-address.ts";
import { createRandom } from "../random.ts";
import { AddressTable, SOCKADDR_BYTES, writeSockaddr } from "./address-table.ts";
import type { PacketMemory } from "./slab-native.ts";
import type { UdpBackend, UdpContext, UdpListen } from "./udp.ts";
import { createCounters } from "./udp.ts";

/** How to make one kind of back end. */
export interface UdpKind {
  readonly name: string;
  readonly allocate: (bytes: number) => PacketMemory;
  readonly open: (context: UdpContext, memory: PacketMemory, listen: UdpListen) => Promise<UdpBackend>;
}

interface Received {
  readonly path: Path;
  readonly bytes: Buffer;
}

export const V4 = { address: "127.0.0.1", optional: false };
export const V6 = { address: "::1", optional: false };

/** A back end with its table and everything that it received. */
export async function setUp(
  t: TestContext,
  kind: UdpKind,
  options: { poolSlots?: number; paths?: number; listen?: UdpListen } = {},
) {
  const memory = kind.allocate(16 << 20);
  const { slab } = memory;
  const pool = new PacketPool(slab, options.poolSlots ?? 2048);
  const table = new AddressTable(slab, options.paths ?? 64, createRandom());
  const counters = createCounters();
  const received: Received[] = [];
  let onBatch = (batch: DatagramBatch): void => {
    for (let i = 0; i < batch.count; i++) {
      const [at, length, path] = [batch.at[i]!, batch.length[i]!, batch.path[i]!];
      received.push({ path, bytes: Buffer.from(slab.u8.slice(at, at + length)) });
    }
  };
  const context: UdpContext = {
    slab,
    pool,
    table,
    counters,
    beforeBatch: () => {
      if (!udp.busy) table.sweep();
    },
    onBatch: (batch) => onBatch(batch),
  };
  const udp: UdpBackend = await kind.open(context, memory, options.listen ?? { addresses: [V4], port: 0 });
  t.after(() => udp.close());
  return {
    udp,
    table,
    pool,
    counters,
    received,
    slab,
    setOnBatch: (listener: (batch: DatagramBatch) => void) => (onBatch = listener),
    until: (count: number) =>
      waitFor(
        () => received.length >= count,
        () => `${received.length} of ${count} datagrams`,
      ),
    /** A retained path to a loopback port. */
    pathTo: (port: number, address = "127.0.0.1", socket = 0): Path => {
      const at = slab.alloc(SOCKADDR_BYTES);
      writeSockaddr(slab, at, parseIp(address)!, port);
      const path = table.find(socket, at);
      table.retain(path);
      return path;
    },
    send: (path: Path, bytes: Uint8Array): void => {
      slab.u8.set(bytes, udp.reserve());
      udp.commit(path, bytes.length);
    },
  };
}

type Edge = Awaited<ReturnType<typeof setUp>>;

export async function waitFor(done: () => boolean, what: () => string): Promise<void> {
  for (let waited = 0; !done(); waited += 5) {
    assert.ok(waited < 5000, `gave up waiting: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A plain socket of node as the far end. */
export async function farEnd(t: TestContext, type: "udp4" | "udp6" = "udp4") {
  const socket = createSocket(type);
  socket.bind(0, type === "udp4" ? "127.0.0.1" : "::1");
  await once(socket, "listening");
  t.after(() => socket.close());
  const received: Buffer[] = [];
  socket.on("message", (bytes) => received.push(bytes));
  return {
    socket,
    received,
    port: socket.address().port,
    until: (count: number) =>
      waitFor(
        () => received.length >= count,
        () => `${received.length} of ${count} datagrams`,
      ),
    send: (edge: Edge, bytes: Uint8Array): Promise<void> =>
      new Promise((resolve) => {
        socket.send(bytes, edge.udp.port, type === "udp4" ? "127.0.0.1" : "::1", () => resolve());
      }),
  };
}

/** A packet that knows its number. */
export function numbered(number: number, length = 100): Buffer {
  const bytes = Buffer.alloc(length, number & 0xff);
  bytes.writeUInt32BE(number, 0);
  return bytes;
}
