/**
 * UDP sockets by node:dgram: the portable back end, same interface and tests as `udp-linux`.
 *
 * Invariant: a slot whose packet libuv could not send at once is not written again before libuv has let go of it. Slots
 * come in regions; a region is used for one flush and rests until the sockets' own queues are empty.
 */
import { createSocket, type Socket } from "node:dgram";
import type { Path } from "@stoa/core/paths";
import { StoaError } from "@stoa/core/errors";
import { SLOT_BYTES } from "@stoa/core/slab";
import { Inbox } from "../receive-batch.ts";
import { formatIp, parseIp } from "../ip-address.ts";
import { SOCKADDR_BYTES, readSockaddr, writeSockaddr } from "./address-table.ts";
import type { ListenAddress, UdpBackend, UdpContext, UdpListen } from "./udp.ts";
import { BATCH_PACKETS, PORT_ATTEMPTS, portInUse } from "./udp.ts";

/** Packets of one region, and regions: the bound of what may wait in libuv. */
const REGION_PACKETS = 64;
const REGIONS = 8;

const SOCKET_BUFFER_BYTES = 4 << 20;

/** Opens all sockets; rejects with a `StoaError` of one sentence and leaves none open when that fails. */
export async function openNodeUdp(context: UdpContext, listen: UdpListen): Promise<UdpBackend> {
  const { sockets, port } = await openAll(listen);
  for (const socket of sockets) enlarge(socket);
  const sender = new NodeSender(context, sockets);
  const receiver = new NodeReceiver(context);
  sockets.forEach((socket, number) => {
    socket.on("message", (bytes, from) => receiver.handleMessage(number, bytes, from.address, from.port));
    socket.on("error", () => (context.counters.droppedRefused += 1)); // an ICMP error of some peer, say
  });
  let open = true;
  return {
    port,
    addresses: sockets.map((socket) => socket.address().address),
    reserve: () => sender.reserve(),
    commit: (path, length) => sender.commit(path, length),
    flush: () => sender.flush(),
    get pending() {
      return sender.pending;
    },
    get busy() {
      return sender.pending > 0 || receiver.waiting;
    },
    close: () => {
      if (!open) return;
      open = false;
      sender.flush();
      receiver.close();
      for (const socket of sockets) socket.close();
    },
  };
}

/** Gathers the datagrams that arrive in one turn of the event loop. */
class NodeReceiver {
  readonly #context: UdpContext;
  readonly #inbox: Inbox;
  readonly #name: number;
  #scheduled = false;
  #open = true;

  constructor(context: UdpContext) {
    this.#context = context;
    this.#inbox = new Inbox(BATCH_PACKETS, context.pool, context.counters, context.onBatch);
    this.#name = context.slab.alloc(SOCKADDR_BYTES);
  }

  get waiting(): boolean {
    return this.#inbox.waiting;
  }

  handleMessage(socket: number, bytes: Uint8Array, from: string, port: number): void {
    const { table, counters, slab, beforeBatch } = this.#context;
    const address = parseIp(from);
    if (!address || !this.#open) return;
    beforeBatch();
    writeSockaddr(slab, this.#name, address, port);
    const path = table.find(socket, this.#name);
    if (path < 0) {
      counters.droppedNoPath += 1;
      return;
    }
    this.#inbox.push(bytes, path);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#open) this.#inbox.deliver();
    });
  }

  close(): void {
    this.#open = false;
  }
}

interface Region {
  readonly at: number;
  /** A window on each slot, made once. */
  readonly windows: readonly Uint8Array[];
}

interface Destination {
  readonly address: string;
  readonly port: number;
  readonly generation: number;
}

class NodeSender {
  readonly #context: UdpContext;
  readonly #sockets: readonly Socket[];
  readonly #free: Region[];
  #resting: Region[] = [];
  #region: Region;
  readonly #paths = new Int32Array(REGION_PACKETS);
  readonly #lengths = new Int32Array(REGION_PACKETS);
  #count = 0;
  /** Address text of a path, made at its first packet and again when the handle got another address. */
  readonly #destinations = new Map<Path, Destination>();

  constructor(context: UdpContext, sockets: readonly Socket[]) {
    this.#context = context;
    this.#sockets = sockets;
    const regions = Array.from({ length: REGIONS }, () => this.#allocate());
    this.#region = regions.pop()!;
    this.#free = regions;
  }

  get pending(): number {
    return this.#count;
  }

  reserve(): number {
    return this.#region.at + this.#count * SLOT_BYTES;
  }

  commit(path: Path, length: number): void {
    const { table, counters } = this.#context;
    if (!table.isUdp(path)) counters.droppedPathGone += 1;
    else if (length > SLOT_BYTES) counters.droppedTooLong += 1;
    else {
      this.#paths[this.#count] = path;
      this.#lengths[this.#count] = length;
      this.#count += 1;
      if (this.#count === REGION_PACKETS) this.flush();
    }
  }

  flush(): void {
    const { counters } = this.#context;
    if (this.#count === 0) return;
    if (!this.#idle() && this.#free.length === 0) {
      counters.droppedFull += this.#count;
      this.#count = 0;
      return;
    }
    for (let i = 0; i < this.#count; i++) this.#send(this.#paths[i]!, this.#region.windows[i]!, this.#lengths[i]!);
    this.#count = 0;
    if (this.#idle()) return; // libuv sent everything at once: the region is free again
    this.#resting.push(this.#region);
    this.#region = this.#free.pop()!;
  }

  /** Whether libuv holds no packet of ours; then all regions are free. */
  #idle(): boolean {
    if (this.#sockets.some((socket) => socket.getSendQueueCount() > 0)) return false;
    if (this.#resting.length > 0) {
      this.#free.push(...this.#resting);
      this.#resting = [];
    }
    return true;
  }

  #send(path: Path, window: Uint8Array, length: number): void {
    const { table, counters } = this.#context;
    if (!table.isUdp(path)) {
      counters.droppedPathGone += 1;
      return;
    }
    const { address, port } = this.#destination(path);
    try {
      this.#sockets[table.socketOf(path)]!.send(window, 0, length, port, address);
      counters.sent += 1;
    } catch {
      counters.droppedRefused += 1;
    }
  }

  #destination(path: Path): Destination {
    const { slab, table } = this.#context;
    const generation = table.generation(path);
    const known = this.#destinations.get(path);
    if (known?.generation === generation) return known;
    const { address, port } = readSockaddr(slab, table.addressAt(path));
    const made = { address: formatIp(address), port, generation };
    this.#destinations.set(path, made);
    return made;
  }

  #allocate(): Region {
    const { slab } = this.#context;
    const at = slab.alloc(REGION_PACKETS * SLOT_BYTES);
    const windows = Array.from({ length: REGION_PACKETS }, (_, i) =>
      slab.u8.subarray(at + i * SLOT_BYTES, at + (i + 1) * SLOT_BYTES),
    );
    return { at, windows };
  }
}

async function openAll(listen: UdpListen): Promise<{ sockets: readonly Socket[]; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const sockets: Socket[] = [];
    let port = listen.port;
    try {
      for (const address of listen.addresses) {
        const socket = await openOne(address, port);
        if (!socket) continue;
        sockets.push(socket);
        port = socket.address().port;
      }
      if (sockets.length === 0) throw new StoaError("no_address", "there is no address to listen on for udp");
      return { sockets, port };
    } catch (error) {
      for (const socket of sockets) socket.close();
      const again = listen.port === 0 && (error as StoaError).code === "port_in_use" && attempt < PORT_ATTEMPTS;
      if (!again) throw error;
    }
  }
}

/** Undefined when an optional address cannot be had on this system. */
async function openOne(listen: ListenAddress, port: number): Promise<Socket | undefined> {
  const address = parseIp(listen.address);
  if (!address) throw new StoaError("bad_address", `"${listen.address}" is no IP address to listen on`);
  const v6 = address.length === 16;
  // Addresses only, never names: the look-up answers at once.
  const socket = createSocket({
    type: v6 ? "udp6" : "udp4",
    ipv6Only: v6,
    lookup: (host, _options, callback) => callback(null, host, v6 ? 6 : 4),
  });
  const failed = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    socket.once("error", resolve);
    socket.bind({ port, address: listen.address, exclusive: true }, () => resolve(undefined));
  });
  socket.removeAllListeners("error");
  if (!failed) return socket;
  closeQuietly(socket);
  if (failed.code === "EADDRINUSE") throw portInUse(port, failed);
  if (listen.optional && (failed.code === "EADDRNOTAVAIL" || failed.code === "EAFNOSUPPORT")) return undefined;
  if (failed.code === "EADDRNOTAVAIL") {
    throw new StoaError("bad_address", `${listen.address} is not an address of this machine; udp cannot listen on it`);
  }
  throw new StoaError("udp_failed", `udp port ${port} on ${listen.address}: ${failed.code ?? failed.message}`);
}

function closeQuietly(socket: Socket): void {
  try {
    socket.close();
  } catch {
    // it never came up
  }
}

function enlarge(socket: Socket): void {
  try {
    socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
    socket.setSendBufferSize(SOCKET_BUFFER_BYTES);
  } catch {
    // the system's default will do
  }
}
