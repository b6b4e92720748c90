/** The server put together from its configuration: the only place where parts meet. Nothing listens yet. */
import { fileURLToPath } from "node:url";
import { noteJob } from "@stoa/core/room/admin/dispatch";
import { removeParticipant } from "@stoa/core/room/admin/remove-participant";
import type { ServerFacts } from "@stoa/core/room/options";
import { newSid } from "@stoa/core/room/sid";
import { serverInfo } from "@stoa/core/room/state";
import { fingerprintOf, generateCertificate } from "@stoa/io/accel/certificate";
import { parseAccelMode } from "@stoa/io/accel/probe";
import { nowMs } from "@stoa/io/clock";
import type { Log } from "@stoa/io/log";
import { createRandom } from "@stoa/io/random";
import { AgentServer } from "./agents/agent-server.ts";
import { listensOnLoopbackOnly } from "./config/address.ts";
import { dataBlobPolicy, dataTrackPolicy, limitsOf } from "./config/limits.ts";
import type { LoadedConfig } from "./config/load.ts";
import { mediaPolicy, mediaTuning } from "./config/media-policy.ts";
import { planWorkers } from "./config/ports.ts";
import { transportPolicy } from "./config/transport-policy.ts";
import type { Config } from "./config/schema.ts";
import { iceServersFor } from "./config/turn-servers.ts";
import type { KeyPair } from "./auth/create.ts";
import { HookObserver } from "./embed/hook-observer.ts";
import type { ServerHooks } from "./embed/hooks.ts";
import { createJoinGate } from "./embed/join-gate.ts";
import { operatorError } from "./errors.ts";
import { createApp, type HttpApp } from "./http/app.ts";
import { debugRooms } from "./http/debug.ts";
import { MediaWorkers } from "./media/media-workers.ts";
import type { WorkerInit } from "./media/worker-init.ts";
import { assembleOutside, type Basics, type Outside } from "./outside.ts";
import type { RoomFactory } from "./rooms/machine.ts";
import type { RoomObserver } from "./rooms/effects.ts";
import { RoomRegistry } from "./rooms/registry.ts";
import { readPresets } from "./rooms/room-config.ts";
import { createApi } from "./twirp/api.ts";
import { SignalServer } from "./signal/upgrade.ts";
import { mountTimelines } from "./timeline/api.ts";
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
  /** Of a program that embeds the server. */
  readonly hooks: ServerHooks;
}

/** The parts that `main` starts and stops. */
export interface ServerParts {
  /** Secret by API key, as they are now. */
  readonly keys: Map<string, string>;
  readonly app: HttpApp;
  readonly signal: SignalServer;
  readonly registry: RoomRegistry;
  readonly media: MediaWorkers;
  readonly agents: AgentServer;
  readonly outside: Outside;
}

/** Assets that are served, beside `dist` in the package. */
const DEMO_ROOT = fileURLToPath(new URL("../assets/demo", import.meta.url));

/** Wires a server. Throws an operator error for what the configuration cannot mean. */
export function assemble(options: PresetOptions): ServerParts {
  const { loaded, log } = options;
  const { config } = loaded;
  const keys = new Map(loaded.keys); // a reload changes it
  const random = createRandom();
  const signer = liveSigner(keys);
  const nodeId = newSid(random, "ND_");
  const outside = assembleOutside({ config, keys, nodeId, random, log });
  const media = assembleMedia(options, outside);
  const presets = readPresets(config);
  if ("mistake" in presets) {
    throw operatorError("bad_config", `"room.room_configurations.${presets.mistake}" is not a room configuration.`);
  }
  const facts = serverFacts(config, nodeId);
  const agents = assembleAgents({ config, keys, nodeId, random, log }, outside);
  const hooks = options.hooks.on ? [new HookObserver(options.hooks.on, log)] : [];
  const gate = createJoinGate(options.hooks, () => facts.limits, log);
  const observers = [...outside.observers, agents.observer, ...hooks, ...options.observers];
  const registry = new RoomRegistry({
    config,
    presets,
    facts,
    createRoom: options.createRoom,
    media,
    signer,
    isFull: outside.isFull,
    observers,
    random,
    log,
    nowMs,
  });
  agents.serve({
    noteJob: (room, dispatch, job) => void registry.find(room)?.act(noteJob(dispatch, job)),
    removeAgent: (room, identity) => void registry.find(room)?.act(removeParticipant(identity)),
  });
  const maxMessageBytes = config.limit.signal_message_size_limit;
  const routes = new Map([["/agent", agents.upgrade]]);
  const common = { keys, door: registry, gate, log, nowMs };
  const messagesPerSecond = () => config.limit.signal_messages_per_second;
  const signal = new SignalServer({ ...common, ...outside.signal, routes, maxMessageBytes, messagesPerSecond });
  const app = createApp({
    ...common,
    health: {
      get updatedAtMs() {
        return media.reportedAtMs;
      },
    },
    maxBodyBytes: () => config.limit.max_api_request_body_size,
    watchApi: outside.watchApi,
    twirp: { api: createApi({ registry, config }), log, nowMs },
    debugRooms: config.development ? () => debugRooms(registry) : undefined,
    demo: { root: DEMO_ROOT, signer: config.development ? signer : undefined },
  });
  mountTimelines(app, outside.timelines, nowMs);
  return { keys, app, signal, registry, media, agents, outside };
}

/** The key that signs what the server itself hands out: the first of the configuration. */
export function firstKey({ keys }: Pick<LoadedConfig, "keys">): KeyPair {
  const [key, secret] = keys.entries().next().value!;
  return { key, secret };
}

/** What rooms tell their clients about this server. */
function serverFacts(config: Config, nodeId: string): ServerFacts {
  return {
    version: LIVEKIT_VERSION,
    nodeId,
    region: config.region,
    enabledCodecs: config.room.enabled_codecs.map(({ mime, fmtp_line: fmtp }) => (fmtp ? { mime, fmtp } : { mime })),
    transport: transportPolicy(config.rtc),
    iceServers: (participant: string) => iceServersFor(config, participant, nowMs()),
    get limits() {
      return limitsOf(config);
    },
    get dataBlobs() {
      return dataBlobPolicy(config);
    },
    get dataTracks() {
      return dataTrackPolicy(config);
    },
    media: mediaPolicy(config),
  };
}

function assembleAgents({ config, keys, nodeId, random, log }: Basics, { onAgents }: Outside): AgentServer {
  const { target_load, enable_user_data_recording, enable_user_data_redaction } = config.agents;
  return new AgentServer({
    keys,
    info: serverInfo({ version: LIVEKIT_VERSION, nodeId, region: config.region }),
    settings: {
      targetLoad: target_load,
      enableRecording: enable_user_data_recording,
      enableRedaction: enable_user_data_redaction,
      maxMessageBytes: config.limit.agent_signal_message_size_limit,
    },
    random,
    log,
    nowMs,
    onLoad: onAgents,
  });
}

/** The first key of those that there are now. */
function liveSigner(keys: ReadonlyMap<string, string>): KeyPair {
  return {
    get key() {
      return firstKey({ keys }).key;
    },
    get secret() {
      return firstKey({ keys }).secret;
    },
  };
}

function assembleMedia(options: PresetOptions, { onLoad }: Outside): MediaWorkers {
  const { log, env, cores, workerEntry } = options;
  const { config } = options.loaded;
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
  const tuning = mediaTuning(config);
  const inits = planWorkers(config, cores).map((ports, index): WorkerInit => ({
    index,
    certificate,
    accel,
    announce,
    audioLevel,
    activeRed: config.audio.active_red_encoding,
    tuning,
    tapData: options.hooks.on?.data !== undefined,
    dataLanes: {
      slowThresholdBps: config.rtc.datachannel_slow_threshold,
      lossyTargetMs: config.rtc.datachannel_lossy_target_latency,
      dataTrackTargetMs: config.rtc.datachannel_data_track_target_latency,
      maxBufferedBytes: config.rtc.data_channel_max_buffered_amount,
    },
    ...ports,
  }));
  return new MediaWorkers({
    entry: workerEntry,
    inits,
    fingerprint: fingerprintOf(certificate.certDer),
    log,
    nowMs,
    onLoad,
  });
}

/**
 * Where HTTP is for this machine only, media still announces the addresses of its networks: a browser sends from those, and not
 * every system lets it reach loopback from there.
 */
function announceRules({ rtc, ...config }: Config): WorkerInit["announce"] {
  return {
    nodeIps: rtc.node_ip === "" ? [] : rtc.node_ip.split(",").map((part) => part.trim()),
    interfaces: rtc.interfaces,
    ips: rtc.ips,
    loopback: rtc.enable_loopback_candidate || listensOnLoopbackOnly(config.bind_addresses),
  };
}
