/** What the server tells the outside, put together: webhooks, figures, timelines. All of them watch the rooms; none of them acts on one. */
import type { Random } from "@stoa/core/crypto";
import type { DataFigures, WorkerLoad } from "@stoa/core/engine/figures";
import { nowMs } from "@stoa/io/clock";
import type { Log } from "@stoa/io/log";
import type { MiddlewareHandler } from "hono";
import type { KeyProvider } from "./auth/verify.ts";
import type { Config } from "./config/schema.ts";
import { noteRefusal, twirpWatcher, webhookFigures } from "./metrics/edge-figures.ts";
import { readMetricsSettings, type MetricsSettings } from "./metrics/endpoint.ts";
import { createInstruments, type Instruments } from "./metrics/instruments.ts";
import { isFull, NodeUsage } from "./metrics/node-usage.ts";
import { RoomFigures } from "./metrics/room-figures.ts";
import { WorkerFigures } from "./metrics/worker-figures.ts";
import type { RoomObserver } from "./rooms/effects.ts";
import type { SignalDeps } from "./signal/upgrade.ts";
import { TimelineObserver } from "./timeline/observer.ts";
import { Timelines } from "./timeline/timelines.ts";
import { readWebhookSettings } from "./webhook/settings.ts";
import { Webhooks } from "./webhook/webhooks.ts";

/** The parts, and where they are to be plugged in. */
export interface Outside {
  readonly webhooks: Webhooks;
  readonly timelines: Timelines;
  /** Undefined: nobody reads the figures. */
  readonly metrics: { readonly instruments: Instruments; readonly settings: MetricsSettings } | undefined;
  readonly observers: readonly RoomObserver[];
  readonly onLoad: (worker: number, load: WorkerLoad | undefined, data?: DataFigures) => void;
  readonly onAgents: (workers: number, jobs: number) => void;
  /** Whether a limit of the node is reached: nobody more comes in. */
  readonly isFull: () => boolean;
  /** What becomes of requests for signal connections. */
  readonly signal: Pick<SignalDeps, "onRefused" | "onAccepted">;
  readonly watchApi: MiddlewareHandler;
}

/** What all parts stand on. */
export interface Basics {
  readonly config: Config;
  readonly keys: KeyProvider;
  readonly nodeId: string;
  readonly random: Random;
  readonly log: Log;
}

/** Throws an operator error for what the configuration cannot mean. */
export function assembleOutside({ config, keys, nodeId, random, log }: Basics): Outside {
  const settings = readMetricsSettings(config);
  const instruments = createInstruments(nodeId, { process: settings !== undefined });
  const webhooks: Webhooks = new Webhooks({
    settings: readWebhookSettings(config, keys),
    random,
    nowMs,
    log,
    figures: webhookFigures(instruments, () => webhooks.size),
  });
  const timelines = new Timelines();
  const workers = new WorkerFigures(instruments);
  const figures = new RoomFigures(instruments, nowMs);
  const usage = new NodeUsage();
  return {
    webhooks,
    timelines,
    metrics: settings && { instruments, settings },
    observers: [webhooks.observer, figures, new TimelineObserver(timelines, log, nowMs)],
    onLoad: (worker, load, data) => {
      workers.note(worker, load, data);
      usage.note(worker, load, nowMs());
    },
    isFull: () => isFull(config.limit, figures.tracks, usage.bytesPerSec),
    onAgents: (agentWorkers, agentJobs) => {
      instruments.agentWorkers.set(agentWorkers);
      instruments.agentJobs.set(agentJobs);
    },
    signal: {
      onRefused: (status) => noteRefusal(instruments, status),
      onAccepted: (protocol, tookMs) => {
        instruments.joinLatencyMs.observe({ protocol_version: String(protocol) }, tookMs);
      },
    },
    watchApi: twirpWatcher(instruments, nowMs),
  };
}
