/**
 * The media worker threads: starts them, knows their candidates, passes commands down and events up, replaces one that dies.
 * Invariants: `start` resolves when every worker listens, or throws one sentence and leaves no thread behind; the rooms hear
 * of a lost worker before its successor takes anything.
 */
import { Worker } from "node:worker_threads";
import type { MediaCommand } from "@stoa/core/engine/commands";
import type { LocalCandidate, MediaEvent } from "@stoa/core/engine/events";
import type { DataFigures, WorkerLoad } from "@stoa/core/engine/figures";
import type { LocalTransport } from "@stoa/core/negotiation/types";
import { operatorError } from "../errors.ts";
import type { Log } from "@stoa/io/log";
import type { MediaListener, MediaPort } from "./media-port.ts";
import { MediaRoutes } from "./routes.ts";
import type { WorkerInit } from "./worker-init.ts";

const READY_WITHIN_MS = 15_000;
const EXIT_WITHIN_MS = 1000;
const FIRST_RESTART_MS = 100;
const LAST_RESTART_MS = 5000;
/** A worker that lived this long is started again at once. */
const STEADY_MS = 60_000;

/** What the workers are started with. */
export interface MediaWorkersOptions {
  /** The thread's entry file. */
  readonly entry: URL;
  readonly inits: readonly WorkerInit[];
  /** Fingerprint of the certificate in `inits`. */
  readonly fingerprint: string;
  readonly log: Log;
  readonly nowMs: () => number;
  /** How busy a worker is; undefined when it is gone. */
  readonly onLoad?: (worker: number, load: WorkerLoad | undefined, data?: DataFigures) => void;
}

interface Slot {
  readonly init: WorkerInit;
  routes: MediaRoutes;
  thread: Worker | undefined;
  /** Defined while the worker is up. */
  candidates: readonly LocalCandidate[] | undefined;
  upAtMs: number;
  /** Its last sign of life. */
  reportedAtMs: number;
  restartMs: number;
  restart: NodeJS.Timeout | undefined;
}

export class MediaWorkers implements MediaPort {
  readonly #options: MediaWorkersOptions;
  readonly #slots: Slot[];
  #listener: MediaListener | undefined;
  #closing = false;

  constructor(options: MediaWorkersOptions) {
    this.#options = options;
    this.#slots = options.inits.map((init) => ({
      init,
      routes: new MediaRoutes(),
      thread: undefined,
      candidates: undefined,
      upAtMs: 0,
      reportedAtMs: options.nowMs(),
      restartMs: FIRST_RESTART_MS,
      restart: undefined,
    }));
  }

  /** Starts all workers; throws an operator error when one cannot start. */
  async start(): Promise<void> {
    const results = await Promise.allSettled(this.#slots.map((slot) => this.#spawn(slot)));
    const failed = results.find((result) => result.status === "rejected");
    if (!failed) return;
    await this.close();
    throw failed.reason;
  }

  /** Stops all workers. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const slot of this.#slots) clearTimeout(slot.restart);
    await Promise.all(this.#slots.map((slot) => stopThread(slot.thread)));
  }

  listen(listener: MediaListener): void {
    this.#listener = listener;
  }

  choose(): number | undefined {
    let best: Slot | undefined;
    for (const slot of this.#slots) {
      if (slot.candidates && (!best || slot.routes.load < best.routes.load)) best = slot;
    }
    return best?.init.index;
  }

  address(worker: number): LocalTransport {
    const slot = this.#slots[worker];
    return {
      fingerprint: this.#options.fingerprint,
      get candidates() {
        return slot?.candidates ?? [];
      },
    };
  }

  post(worker: number, room: string, command: MediaCommand): void {
    const slot = this.#slots[worker];
    if (!slot?.candidates) return; // lost: its rooms were told
    slot.routes.note(room, command);
    slot.thread?.postMessage(command);
  }

  release(worker: number, room: string): void {
    this.#slots[worker]?.routes.forget(room);
  }

  /** When the worker that has been silent the longest was last heard: each reports every second as long as it turns. */
  get reportedAtMs(): number {
    return Math.min(...this.#slots.map((slot) => slot.reportedAtMs));
  }

  /** Candidates of all workers that are up, for the banner and for tests. */
  get candidates(): LocalCandidate[] {
    return this.#slots.flatMap((slot) => slot.candidates ?? []);
  }

  #spawn(slot: Slot): Promise<void> {
    const { log, entry } = this.#options;
    const { index } = slot.init;
    const thread = new Worker(entry, { workerData: slot.init, name: `media-${index}` });
    slot.thread = thread;
    return new Promise<void>((resolve, reject) => {
      const fail = (reason: Error) => {
        clearTimeout(timer);
        reject(reason);
        thread.terminate().catch(() => {});
      };
      const timer = setTimeout(() => {
        fail(operatorError("media_start", `media worker ${index} was not ready within ${READY_WITHIN_MS / 1000} s.`));
      }, READY_WITHIN_MS);
      thread.on("message", (event: MediaEvent) => {
        if (event.type === "ready") {
          clearTimeout(timer);
          slot.candidates = event.candidates;
          slot.upAtMs = performance.now();
          slot.reportedAtMs = this.#options.nowMs();
          log.info("media worker is up", { worker: index, candidates: event.candidates.map(describe) });
          resolve();
        } else if (event.type === "fatal") {
          fail(operatorError("media_start", event.message));
        } else this.#deliver(slot, event);
      });
      thread.on("error", (error) => {
        log.error("media worker failed", { worker: index, error });
        fail(operatorError("media_start", `media worker ${index} failed: ${error.message}`, error));
      });
      thread.on("exit", () => {
        fail(operatorError("media_start", `media worker ${index} ended while starting.`));
        this.#lost(slot, thread);
      });
    });
  }

  #deliver(slot: Slot, event: MediaEvent): void {
    if (event.type === "log") {
      this.#options.log[event.level](event.message, { worker: slot.init.index, ...event.fields });
      return;
    }
    if (event.type === "load") {
      slot.reportedAtMs = this.#options.nowMs();
      this.#options.onLoad?.(slot.init.index, event.load, event.data);
      return;
    }
    const room = slot.routes.roomOf(event);
    if (room !== undefined) this.#listener?.onMedia(room, event);
  }

  #lost(slot: Slot, thread: Worker): void {
    if (slot.thread !== thread) return;
    const wasUp = slot.candidates !== undefined;
    slot.thread = undefined;
    slot.candidates = undefined;
    slot.routes = new MediaRoutes();
    if (this.#closing || !wasUp) return;
    this.#options.log.error("media worker is gone; its rooms start anew", { worker: slot.init.index });
    this.#options.onLoad?.(slot.init.index, undefined);
    this.#listener?.onWorkerLost(slot.init.index);
    if (performance.now() - slot.upAtMs > STEADY_MS) slot.restartMs = FIRST_RESTART_MS;
    this.#scheduleRestart(slot);
  }

  #scheduleRestart(slot: Slot): void {
    const delayMs = slot.restartMs;
    slot.restartMs = Math.min(LAST_RESTART_MS, delayMs * 2);
    slot.restart = setTimeout(() => {
      this.#spawn(slot).catch((error: unknown) => {
        this.#options.log.error("media worker does not start again", { worker: slot.init.index, error });
        if (!this.#closing) this.#scheduleRestart(slot);
      });
    }, delayMs);
  }
}

async function stopThread(thread: Worker | undefined): Promise<void> {
  if (!thread) return;
  const exited = new Promise<void>((resolve) => {
    thread.once("exit", () => resolve());
  });
  const shutdown: MediaCommand = { type: "shutdown" };
  thread.postMessage(shutdown);
  const timer = setTimeout(() => {
    thread.terminate().catch(() => {});
  }, EXIT_WITHIN_MS);
  await exited;
  clearTimeout(timer);
}

function describe({ protocol, address, port }: LocalCandidate): string {
  return address.includes(":") ? `${protocol} [${address}]:${port}` : `${protocol} ${address}:${port}`;
}
