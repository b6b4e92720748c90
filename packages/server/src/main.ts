/**
 * A server with a life: `start` opens the media ports, then HTTP (so that whoever gets an answer can also join); `close`
 * tells every client to leave, waits a moment, and frees all ports in under five seconds.
 */
import type { Server } from "node:http";
import { cpus } from "node:os";
import { createAdaptorServer } from "@hono/node-server";
import { DisconnectReason } from "@livekit/protocol";
import type { LocalCandidate } from "@stoa/core/engine/protocol";
import { Room } from "@stoa/core/room/room";
import { nowMs } from "@stoa/io/clock";
import type { Log } from "@stoa/io/log";
import type { LoadedConfig } from "./config/load.ts";
import { closeAll, listenAll, type Listener } from "./listen.ts";
import { createMetricsServer } from "./metrics/endpoint.ts";
import { assemble, type ServerParts } from "./preset.ts";
import { reload, type Reloaded } from "./reload/reload.ts";
import type { RoomObserver } from "./rooms/effects.ts";
import type { RoomFactory } from "./rooms/machine.ts";

/** LiveKit takes headers of this size, and a join request stands in the request line. */
const MAX_HEADER_BYTES = 1 << 20;
const HEARTBEAT_MS = 2000;
/** How long clients may take to close their signal connections. */
const LEAVE_WITHIN_MS = 2000;
/** How long receivers of webhooks may take for the last events. */
const TELL_WITHIN_MS = 1500;
const MEDIA_WORKER = new URL("./media/worker.js", import.meta.url);

/** What a server is made from. */
export interface ServerOptions {
  readonly loaded: LoadedConfig;
  readonly log: Log;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Who wants to hear of rooms and participants. */
  readonly observers?: readonly RoomObserver[];
  /** Other rooms and other media workers, for tests. */
  readonly parts?: { readonly createRoom?: RoomFactory; readonly workerEntry?: URL; readonly cores?: number };
}

/** Where a started server is. */
export interface ServerAddress {
  /** Addresses that HTTP listens on; "" = all. */
  readonly hosts: readonly string[];
  readonly port: number;
  /** Host candidates of the media workers. */
  readonly candidates: readonly LocalCandidate[];
}

/** A server that is not started yet. */
export function createServer(options: ServerOptions): StoaServer {
  return new StoaServer(options);
}

export class StoaServer {
  readonly #options: ServerOptions;
  readonly #parts: ServerParts;
  #listeners: Listener[] = [];
  #metrics: Listener[] = [];
  #heartbeat: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
    const { loaded, log, env = {}, observers = [], parts = {} } = options;
    this.#parts = assemble({
      loaded,
      log,
      env,
      observers,
      cores: parts.cores ?? cpus().length,
      createRoom: parts.createRoom ?? ((room) => new Room(room)),
      workerEntry: parts.workerEntry ?? MEDIA_WORKER,
    });
  }

  /** Starts everything or nothing; throws an operator error. */
  async start(): Promise<ServerAddress> {
    const { media, health } = this.#parts;
    const { log, loaded } = this.#options;
    const { config } = loaded;
    for (const warning of loaded.warnings) log.warn(warning);
    await media.start();
    try {
      const addresses = config.bind_addresses?.length ? config.bind_addresses : [undefined];
      const wish = { port: config.port, what: "HTTP", key: "port" };
      const { listeners, skipped } = await listenAll(() => this.#createHttpServer(), addresses, wish);
      this.#listeners = listeners;
      for (const address of skipped) log.warn(`not listening on ${address}: this system has no such address`);
      await this.#listenForMetrics(addresses);
    } catch (error) {
      await this.close();
      throw error;
    }
    health.updatedAtMs = nowMs();
    this.#heartbeat = setInterval(() => (health.updatedAtMs = nowMs()), HEARTBEAT_MS);
    this.#heartbeat.unref();
    const address = this.address;
    const shown = address.candidates.map(({ protocol, address: ip, port }) => `${protocol} ${ip} ${port}`);
    log.info("listening", { port: address.port, bind: address.hosts, media: shown });
    return address;
  }

  /** Where it listens. */
  get address(): ServerAddress {
    return {
      hosts: this.#listeners.map((listener) => listener.address),
      port: this.#listeners[0]?.port ?? 0,
      candidates: this.#parts.media.candidates,
    };
  }

  /**
   * Takes another configuration over without dropping anybody; what needs a new start is said in the log. Throws an
   * operator error, and changes nothing, when something is wrong with it.
   */
  reload(next: LoadedConfig): Reloaded {
    return reload(this.#parts, this.#options.loaded, next, this.#options.log);
  }

  /** Ends the server; may be called at any time, and again. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const { registry, signal, media, agents, outside } = this.#parts;
    clearInterval(this.#heartbeat);
    const closed = closeAll([...this.#listeners, ...this.#metrics]);
    agents.close();
    registry.closeAll(DisconnectReason.SERVER_SHUTDOWN);
    await signal.drained(LEAVE_WITHIN_MS);
    signal.close();
    for (const { server } of [...this.#listeners, ...this.#metrics]) server.closeAllConnections();
    await Promise.all([closed, media.close(), outside.webhooks.close(TELL_WITHIN_MS)]);
    this.#options.log.info("server ended");
  }

  async #listenForMetrics(addresses: readonly (string | undefined)[]): Promise<void> {
    const { metrics } = this.#parts.outside;
    if (!metrics) return;
    const { instruments, settings } = metrics;
    const { log } = this.#options;
    const create = () => createMetricsServer(instruments.registry, settings, log);
    const wish = { port: settings.port, what: "metrics", key: "prometheus.port" };
    this.#metrics = (await listenAll(create, addresses, wish)).listeners;
    const open = settings.password === undefined;
    log.info("metrics are served", { port: settings.port, ...(open && { note: "to everybody who reaches the port" }) });
  }

  #createHttpServer(): Server {
    const { app, signal } = this.#parts;
    const server = createAdaptorServer({
      fetch: app.fetch,
      overrideGlobalObjects: false,
      serverOptions: { maxHeaderSize: MAX_HEADER_BYTES },
    }) as Server;
    signal.serve(server);
    return server;
  }
}
