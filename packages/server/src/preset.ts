/** The server put together from its configuration: the only place where parts meet. Nothing listens yet. */
import { fileURLToPath } from "node:url";
import type { MediaPolicy } from "@stoa/core/room/options";
import { newSid } from "@stoa/core/room/sid";
import { fingerprintOf, generateCertificate } from "@stoa/io/accel/certificate";
import { parseAccelMode } from "@stoa/io/accel/probe";
import { nowMs } from "@stoa/io/clock";
import type { Log } from "@stoa/io/log";
import { createRandom } from "@stoa/io/random";
import { listensOnLoopbackOnly } from "./config/address.ts";
import type { LoadedConfig } from "./config/load.ts";
import { planWorkers } from "./config/ports.ts";
import { transportPolicy } from "./config/transport-policy.ts";
import type { Config } from "./config/schema.ts";
import { iceServersFor } from "./config/turn-servers.ts";
import type { KeyPair } from "./auth/create.ts";
import { operatorError } from "./errors.ts";
import { createApp, type HttpApp } from "./http/app.ts";
import { MediaWorkers } from "./media/media-workers.ts";
import type { WorkerInit } from "./media/worker-init.ts";
import type { RoomFactory } from "./rooms/machine.ts";
import type { RoomObserver } from "./rooms/effects.ts";
import { RoomRegistry } from "./rooms/registry.ts";
import { readPresets } from "./rooms/room-config.ts";
import { createApi } from "./twirp/api.ts";
import { SignalServer } from "./signal/upgrade.ts";
import { LIVEKIT_VERSION } from "./version.ts";

/** What may be put in the place of a standard part. */
export interface PresetOptions {
  readonly loaded: LoadedConfig;
  readonly log: Log;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Cores of this machine. */
  readonly cores: number;
  readonly createRoom: RoomFactory;
  /** Entry file of a media worker. */
  readonly workerEntry: URL;
  readonly observers: readonly RoomObserver[];
}

/** The parts that `main` starts and stops. */
export interface ServerParts {
  readonly app: HttpApp;
  readonly signal: SignalServer;
  readonly registry: RoomRegistry;
  readonly media: MediaWorkers;
  /** Set every two seconds: the health check looks at it. */
  readonly health: { updatedAtMs: number };
}

/** Assets that are served, beside `dist` in the package. */
const DEMO_ROOT = fileURLToPath(new URL("../assets/demo", import.meta.url));

/** Wires a server. Throws an operator error for what the configuration cannot mean. */
export function assemble(options: PresetOptions): ServerParts {
  const { loaded, log } = options;
  const { config, keys } = loaded;
  const random = createRandom();
  const signer = firstKey(loaded);
  const media = assembleMedia(options);
  const presets = readPresets(config);
  if ("mistake" in presets) {
    throw operatorError("bad_config", `"room.room_configurations.${presets.mistake}" is not a room configuration.`);
  }
  const facts = {
    version: LIVEKIT_VERSION,
    nodeId: newSid(random, "ND_"),
    region: config.region,
    enabledCodecs: config.room.enabled_codecs.map(({ mime, fmtp_line: fmtp }) => (fmtp ? { mime, fmtp } : { mime })),
    transport: transportPolicy(config.rtc),
    iceServers: (participant: string) => iceServersFor(config, participant, nowMs()),
    limits: {
      nameBytes: config.limit.max_participant_name_length,
      metadataBytes: config.limit.max_metadata_size,
      attributesBytes: config.limit.max_attributes_size,
    },
    media: mediaPolicy(config),
  };
  const { createRoom, observers } = options;
  const registry = new RoomRegistry({
    config,
    presets,
    facts,
    createRoom,
    media,
    signer,
    observers,
    random,
    log,
    nowMs,
  });
  const maxMessageBytes = config.limit.signal_message_size_limit;
  const signal = new SignalServer({ keys, door: registry, maxMessageBytes, log, nowMs });
  const health = { updatedAtMs: nowMs() };
  const app = createApp({
    keys,
    door: registry,
    health,
    maxBodyBytes: config.limit.max_api_request_body_size,
    twirp: { api: createApi({ registry, config }), log, nowMs },
    demo: { root: DEMO_ROOT, signer: config.development ? signer : undefined },
    log,
    nowMs,
  });
  return { app, signal, registry, media, health };
}

/** The key that signs what the server itself hands out: the first of the configuration. */
export function firstKey({ keys }: LoadedConfig): KeyPair {
  const [key, secret] = keys.entries().next().value!;
  return { key, secret };
}

function mediaPolicy({ rtc, video }: Config): MediaPolicy {
  const { enabled, allow_pause: allowPause } = rtc.congestion_control;
  return {
    congestion: { enabled, allowPause },
    dynacastPauseDelayMs: video.dynacast_pause_delay,
    codecRegressionThreshold: video.codec_regression_threshold,
  };
}

function assembleMedia({ loaded: { config }, log, env, cores, workerEntry }: PresetOptions): MediaWorkers {
  const certificate = generateCertificate(nowMs());
  const accel = parseAccelMode(env["STOA_ACCEL"]);
  const announce = announceRules(config);
  const { active_level, min_percentile, update_interval, smooth_intervals } = config.audio;
  const audioLevel = {
    activeLevel: active_level,
    minPercentile: min_percentile,
    updateIntervalMs: update_interval,
    smoothIntervals: smooth_intervals,
  };
  const inits = planWorkers(config, cores).map((ports, index): WorkerInit => ({
    index,
    certificate,
    accel,
    announce,
    audioLevel,
    activeRed: config.audio.active_red_encoding,
    ...ports,
  }));
  return new MediaWorkers({ entry: workerEntry, inits, fingerprint: fingerprintOf(certificate.certDer), log });
}

function announceRules({ rtc, ...config }: Config): WorkerInit["announce"] {
  return {
    nodeIps: rtc.node_ip === "" ? [] : rtc.node_ip.split(",").map((part) => part.trim()),
    interfaces: rtc.interfaces,
    ips: rtc.ips,
    loopback: rtc.enable_loopback_candidate || listensOnLoopbackOnly(config.bind_addresses),
  };
}
