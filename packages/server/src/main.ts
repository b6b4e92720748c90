/**
 * A server with a life: `start` opens the media ports, then HTTP (so that whoever gets an answer can also join); `close`
 * tells every client to leave, waits a moment, and frees all ports in under five seconds.
 */
import type { Server } from "node:http";
import { cpus } from "node:os";
import { createAdaptorServer, getRequestListener } from "@hono/node-server";
import { DisconnectReason } from "@livekit/protocol";
import type { LocalCandidate } from "@stoa/core/engine/events";
import { Room } from "@stoa/core/room/room";
import type { Log } from "@stoa/io/log";
import { loadConfig, type LoadedConfig } from "./config/load.ts";
import { attach } from "./embed/attach.ts";
import type { ServerHooks } from "./embed/hooks.ts";
import { createDebugServer } from "./http/debug.ts";
import { closeAll, listenAll, type Listener } from "./listen.ts";
import { createMetricsServer } from "./metrics/endpoint.ts";
import { assemble, type ServerParts } from "./preset.ts";
import { reload, type Reloaded } from "./reload/reload.ts";
import type { RoomObserver } from "./rooms/effects.ts";
import type { RoomFactory } from "./rooms/machine.ts";
import { createServerLog } from "./server-log.ts";

/** LiveKit takes headers of this size, and a join request stands in the request line. */
const MAX_HEADER_BYTES = 1 << 20;
/** How long clients may take to close their signal connections. */
const LEAVE_WITHIN_MS = 2000;
/** How long receivers of webhooks may take for the last events. */
const TELL_WITHIN_MS = 1500;
const MEDIA_WORKER = new URL("./media/worker.js", import.meta.url);

/** What a server is made from: a configuration, and whatever of the rest is to be other than usual. */
export interface ServerOptions {
  /** LiveKit's configuration, as YAML or as an object. */
  readonly config?: string | Readonly<Record<string, unknown>>;
  /** Or one that `loadConfig` gave. */
  readonly loaded?: LoadedConfig;
  /** Lines on standard error if left out. */
  readonly log?: Log;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /**
   * A server of yours that serves LiveKit's paths too; what else it serves is untouched. Listening and closing it is
   * yours. Create it with `{ maxHeaderSize: 1 << 20 }`: clients put what they want into the request line.
   */
  readonly httpServer?: Server;
  /** What your program decides and hears. */
  readonly hooks?: ServerHooks;
  /** Who wants to hear of everything that rooms do. */
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

/**
 * A server that is not started yet. Throws an operator error (`isOperatorError`) for a wrong configuration.
 *
 *     const server = createServer({ config: { keys: { mykey: "a secret of 32 characters or more" } } });
 *     const { port } = await server.start();
 */
export function createServer(options: ServerOptions): StoaServer {
  return new StoaServer(options);
}

export class StoaServer {
  readonly #options: ServerOptions;
  readonly #loaded: LoadedConfig;
  readonly #log: Log;
  readonly #parts: ServerParts;
  #listeners: Listener[] = [];
  /** Those of figures and of the debug page. */
  readonly #others: Listener[] = [];
  #detach: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
    const { env = {}, observers = [], hooks = {}, parts = {} } = options;
    const loaded = (this.#loaded = options.loaded ?? loadGiven(options));
    const log = (this.#log = options.log ?? createServerLog(loaded.config, (line) => void process.stderr.write(line)));
    this.#parts = assemble({
      loaded,
      log,
      env,
      observers,
      hooks,
      cores: parts.cores ?? cpus().length,
      createRoom: parts.createRoom ?? ((room) => new Room(room)),
      workerEntry: parts.workerEntry ?? MEDIA_WORKER,
    });
  }

  /** Starts everything or nothing; throws an operator error. */
  async start(): Promise<ServerAddress> {
    const { media } = this.#parts;
    const log = this.#log;
    for (const warning of this.#loaded.warnings) log.warn(warning);
    await media.start();
    try {
      await this.#listen();
    } catch (error) {
      await this.close();
      throw error;
    }
    const address = this.address;
    const shown = address.candidates.map(({ protocol, address: ip, port }) => `${protocol} ${ip} ${port}`);
    log.info("listening", { port: address.port, bind: address.hosts, media: shown });
    return address;
  }

  /** Where it listens. */
  get address(): ServerAddress {
    const { candidates } = this.#parts.media;
    const own = this.#options.httpServer?.address();
    if (own && typeof own === "object") return { hosts: [own.address], port: own.port, candidates };
    const hosts = this.#listeners.map((listener) => listener.address);
    return { hosts, port: this.#listeners[0]?.port ?? 0, candidates };
  }

  /**
   * Takes another configuration over without dropping anybody; what needs a new start is said in the log. Throws an
   * operator error, and changes nothing, when something is wrong with it.
   */
  reload(next: LoadedConfig): Reloaded {
    return reload(this.#parts, this.#loaded, next, this.#log);
  }

  /** Ends the server; may be called at any time, and again. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const { registry, signal, media, agents, outside } = this.#parts;
    const closed = closeAll([...this.#listeners, ...this.#others]);
    agents.close();
    registry.closeAll(DisconnectReason.SERVER_SHUTDOWN);
    await signal.drained(LEAVE_WITHIN_MS);
    signal.close();
    this.#detach?.();
    for (const { server } of [...this.#listeners, ...this.#others]) server.closeAllConnections();
    await Promise.all([closed, media.close(), outside.webhooks.close(TELL_WITHIN_MS)]);
    this.#log.info("server ended");
  }

  async #listen(): Promise<void> {
    const { config } = this.#loaded;
    const addresses = config.bind_addresses?.length ? config.bind_addresses : [undefined];
    const { httpServer } = this.#options;
    if (httpServer) this.#attach(httpServer);
    else {
      const wish = { port: config.port, what: "HTTP", key: "port" };
      const { listeners, skipped } = await listenAll(() => this.#createHttpServer(), addresses, wish);
      this.#listeners = listeners;
      for (const address of skipped) this.#log.warn(`not listening on ${address}: this system has no such address`);
    }
    await this.#listenForMetrics(addresses);
    await this.#listenForDebug(addresses);
  }

  #attach(server: Server): void {
    const { app, signal } = this.#parts;
    const request = getRequestListener(app.fetch, { overrideGlobalObjects: false });
    this.#detach = attach(server, { request, upgrade: signal.listener(server) });
  }

  async #listenForMetrics(addresses: readonly (string | undefined)[]): Promise<void> {
    const { metrics } = this.#parts.outside;
    if (!metrics) return;
    const { instruments, settings } = metrics;
    const log = this.#log;
    const create = () => createMetricsServer(instruments.registry, settings, log);
    const wish = { port: settings.port, what: "metrics", key: "prometheus.port" };
    this.#others.push(...(await listenAll(create, addresses, wish)).listeners);
    const open = settings.password === undefined;
    log.info("metrics are served", { port: settings.port, ...(open && { note: "to everybody who reaches the port" }) });
  }

  async #listenForDebug(addresses: readonly (string | undefined)[]): Promise<void> {
    const { port } = this.#loaded.config.debug_handler;
    if (port === 0) return;
    const create = () => createDebugServer(this.#parts.registry);
    const wish = { port, what: "the debug page", key: "debug_handler.port" };
    this.#others.push(...(await listenAll(create, addresses, wish)).listeners);
    this.#log.info("the debug page is served", { port, note: "to everybody who reaches the port" });
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

/** JSON is YAML. */
function loadGiven({ config = {}, env = {} }: ServerOptions): LoadedConfig {
  const body = typeof config === "string" ? config : JSON.stringify(config);
  return loadConfig({ flags: { "config-body": body }, env });
}
