/**
 * ICE-TCP (RFC 6544): passive connections that clients open to us, and active ones for the client side. Each connection
 * is one path of the same handle space as the UDP addresses.
 *
 * Invariants: connections are bounded in number, and one that no peer retained within `UNCLAIMED_MS` is closed, so
 * strangers cannot hold any; a connection that does not drain loses packets rather than memory.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Path, PathInfo } from "@stoa/core/paths";
import { NO_PATH } from "@stoa/core/paths";
import { StoaError } from "@stoa/core/errors";
import type { ListenAddress, UdpContext } from "./accel/udp.ts";
import { BATCH_PACKETS, PORT_ATTEMPTS } from "./accel/udp.ts";
import { formatIp, parseIp } from "./ip-address.ts";
import { Inbox } from "./receive-batch.ts";
import { FrameReader, frame } from "./tcp-framing.ts";

/** Time in which a connection must become some peer's. */
const UNCLAIMED_MS = 12_000;

/** Connections that nobody claimed yet, and all of them. */
const MAX_UNCLAIMED = 1024;
const MAX_CONNECTIONS = 16_384;

/** Unsent bytes of a connection beyond which packets are dropped. */
const MAX_WAITING_BYTES = 1 << 20;

interface Connection {
  readonly socket: Socket;
  readonly reader: FrameReader;
  readonly deadlineMs: number;
  /** Whether writes are held back until the flush. */
  corked: boolean;
}

/** All TCP connections of a worker. */
export class TcpTransport {
  readonly #context: UdpContext;
  readonly #inbox: Inbox;
  readonly #clock: () => number;
  readonly #connections = new Map<Path, Connection>();
  readonly #corked: Connection[] = [];
  #servers: readonly Server[] = [];
  #sweep: NodeJS.Timeout | undefined;
  #open = true;

  constructor(context: UdpContext, clock: () => number) {
    this.#context = context;
    this.#clock = clock;
    this.#inbox = new Inbox(BATCH_PACKETS, context.pool, context.counters, context.onBatch);
  }

  /** Listens on all addresses with one port (0: any); returns the port. */
  async listen(addresses: readonly ListenAddress[], port: number): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      const servers: Server[] = [];
      try {
        const chosen = await this.#listenAll(servers, addresses, port);
        this.#servers = servers;
        return chosen;
      } catch (error) {
        for (const server of servers) server.close();
        // A port of the system's choice for one address may be taken for another.
        if (port !== 0 || (error as StoaError).code !== "port_in_use" || attempt === PORT_ATTEMPTS) throw error;
      }
    }
  }

  async #listenAll(servers: Server[], addresses: readonly ListenAddress[], port: number): Promise<number> {
    let chosen = port;
    for (const { address, optional } of addresses) {
      const server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(socket));
      const failed = await startServer(server, address, chosen);
      if (failed && optional && (failed.code === "EADDRNOTAVAIL" || failed.code === "EAFNOSUPPORT")) continue;
      if (failed) throw listenError(failed, address, chosen);
      servers.push(server);
      const bound = server.address();
      if (bound !== null && typeof bound === "object") chosen = bound.port;
    }
    return chosen;
  }

  /** Connections at the moment. */
  get size(): number {
    return this.#connections.size;
  }

  /** Opens an active connection; packets wait in it until it is up. Retained once. */
  connect(info: PathInfo): Path {
    if (!this.#open || this.#connections.size >= MAX_CONNECTIONS) return NO_PATH;
    const path = this.#context.table.addTcp(info);
    if (path === NO_PATH) return NO_PATH;
    this.#context.table.retain(path);
    const socket = connect({ host: formatIp(info.address), port: info.port, noDelay: true, keepAlive: true });
    this.#adopt(path, socket);
    return path;
  }

  /** Queues a packet that lies in the slab. */
  write(path: Path, at: number, length: number): void {
    const { counters, slab } = this.#context;
    const connection = this.#connections.get(path);
    if (!connection || !connection.socket.writable) {
      counters.droppedPathGone += 1;
      return;
    }
    if (connection.socket.writableLength > MAX_WAITING_BYTES) {
      counters.droppedFull += 1;
      return;
    }
    if (!connection.corked) {
      connection.corked = true;
      connection.socket.cork();
      this.#corked.push(connection);
    }
    connection.socket.write(frame(slab.u8, at, length));
    counters.sent += 1;
  }

  flush(): void {
    for (let connection = this.#corked.pop(); connection; connection = this.#corked.pop()) {
      connection.corked = false;
      connection.socket.uncork();
    }
  }

  /** Nobody holds this path any more: what was written goes out, then the connection ends. */
  release(path: Path): void {
    const connection = this.#connections.get(path);
    if (!connection) return;
    this.flush();
    connection.socket.end();
    this.#forget(path);
    // A peer that does not close its side is not waited for.
    setTimeout(() => connection.socket.destroy(), 2_000).unref();
  }

  close(): void {
    this.#open = false;
    clearInterval(this.#sweep);
    for (const server of this.#servers) server.close();
    for (const [path, connection] of this.#connections) {
      connection.socket.destroy();
      this.#forget(path);
    }
  }

  #accept(socket: Socket): void {
    const address = parseIp(socket.remoteAddress ?? "");
    const full = this.#connections.size >= MAX_CONNECTIONS || this.#unclaimed() >= MAX_UNCLAIMED;
    if (!address || full || !this.#open) {
      socket.destroy();
      return;
    }
    this.#context.beforeBatch();
    const path = this.#context.table.addTcp({ protocol: "tcp", address, port: socket.remotePort ?? 0 });
    if (path === NO_PATH) {
      this.#context.counters.droppedNoPath += 1;
      socket.destroy();
      return;
    }
    this.#adopt(path, socket);
    this.#sweep ??= setInterval(() => this.#closeUnclaimed(), 2_500).unref();
  }

  #adopt(path: Path, socket: Socket): void {
    const deadlineMs = this.#clock() + UNCLAIMED_MS;
    const connection: Connection = { socket, reader: new FrameReader(), deadlineMs, corked: false };
    this.#connections.set(path, connection);
    socket.on("data", (chunk: Buffer) => {
      if (this.#connections.get(path) !== connection) return;
      const ok = connection.reader.read(chunk, (packet) => this.#inbox.push(packet, path));
      this.#inbox.deliver();
      if (!ok) {
        this.#context.counters.droppedTooLong += 1;
        socket.destroy();
      }
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      if (this.#connections.get(path) === connection) this.#forget(path);
    });
  }

  #forget(path: Path): void {
    this.#connections.delete(path);
    this.#context.table.drop(path);
  }

  #unclaimed(): number {
    // Claimed connections are few against the bound, so an exact count is only made when it might matter.
    if (this.#connections.size < MAX_UNCLAIMED) return this.#connections.size;
    let count = 0;
    for (const path of this.#connections.keys()) if (this.#context.table.retainCount(path) === 0) count += 1;
    return count;
  }

  #closeUnclaimed(): void {
    const nowMs = this.#clock();
    for (const [path, connection] of this.#connections) {
      if (connection.deadlineMs > nowMs || this.#context.table.retainCount(path) > 0) continue;
      connection.socket.destroy();
      this.#forget(path);
    }
    if (this.#connections.size > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }
}

function startServer(server: Server, address: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    server.once("error", resolve);
    server.listen({ host: address, port, ipv6Only: true, exclusive: true }, () => {
      server.off("error", resolve);
      server.on("error", () => {}); // accept failed (descriptors used up); the next one may succeed
      resolve(undefined);
    });
  });
}

function listenError(failed: NodeJS.ErrnoException, address: string, port: number): StoaError {
  if (failed.code === "EADDRINUSE") {
    const message = `TCP port ${port} is in use; choose another with --rtc.tcp_port or rtc.tcp_port in the configuration`;
    return new StoaError("port_in_use", message, { cause: failed });
  }
  return new StoaError("tcp_failed", `TCP port ${port} on ${address}: ${failed.code ?? failed.message}`, {
    cause: failed,
  });
}
