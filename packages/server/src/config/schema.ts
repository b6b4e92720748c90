/**
 * LiveKit's configuration file as one schema (livekit.md 10.1): every key that livekit-server 1.13 knows, with its default.
 * `pending` marks what this server does not act on yet. Names are LiveKit's; durations are milliseconds.
 */
import { z } from "zod";
import { decimal, duration, flag, mapping, pending, port, section, text, textList, whole, word } from "./leaves.ts";
import { streamTrackerManager } from "./schema-bwe.ts";
import { rtc, turn } from "./schema-rtc.ts";
import {
  agents,
  api,
  audio,
  ingress,
  metric,
  nodeSelector,
  nodeStats,
  prometheus,
  psrpc,
  redis,
  signalRelay,
  webhook,
  webtransport,
} from "./schema-services.ts";

const DEFAULT_CODECS = [
  "audio/PCMU",
  "audio/PCMA",
  "audio/opus",
  "audio/red",
  "video/VP8",
  "video/H264",
  "video/VP9",
  "video/AV1",
  "video/H265",
  "video/rtx",
].map((mime) => ({ mime, fmtp_line: "" }));

const room = () =>
  section({
    auto_create: flag().default(true),
    enabled_codecs: z.array(mapping({ mime: text(), fmtp_line: text().default("") })).default(DEFAULT_CODECS),
    max_participants: whole(0).default(0),
    /** Seconds without anybody before a room that was never joined closes. */
    empty_timeout: whole(0).default(300),
    /** Seconds after the last one left. */
    departure_timeout: whole(0).default(20),
    enable_remote_unmute: flag().default(false),
    /** Milliseconds that players may hold video; a preset or a token that says something wins. */
    playout_delay: section({ enabled: flag().default(false), min: whole(0).default(0), max: whole(0).default(0) }),
    sync_streams: flag().default(false),
    create_room_timeout: pending(duration().default(10_000)),
    create_room_attempts: pending(whole(0).default(3)),
    enable_full_room_in_webhooks: flag().default(false),
    update_batch_target_size: pending(whole(0).default(128 * 1024)),
    /** The three moved to `limit`; here they still win. */
    max_metadata_size: whole(0).default(0),
    max_room_name_length: whole(0).default(0),
    max_participant_identity_length: whole(0).default(0),
    /** Presets that a token names (`roomPreset`): RoomConfiguration messages. */
    room_configurations: z.record(z.string(), z.unknown()).default({}),
  });

const limit = () =>
  section({
    num_tracks: whole(-1).default(0),
    bytes_per_sec: decimal().default(0),
    subscription_limit_video: whole(-1).default(0),
    subscription_limit_audio: whole(-1).default(0),
    max_metadata_size: whole(0).default(512 * 1024),
    max_attributes_size: whole(0).default(64 * 1024),
    max_room_name_length: whole(0).default(256),
    max_participant_identity_length: whole(0).default(256),
    max_participant_name_length: whole(0).default(256),
    max_data_blob_key_length: whole(0).default(256),
    max_data_blobs_size: whole(0).default(64_000),
    max_data_track_custom_encoding_length: whole(0).default(32),
    subscribe_pace_shadow_rates: pending(z.array(decimal()).default([])),
    signal_message_size_limit: whole(0).default(2 << 20),
    /** Not LiveKit's: what is taken from one client after a burst of five seconds' worth; 0 = all. */
    signal_messages_per_second: whole(0).default(400),
    agent_signal_message_size_limit: whole(0).default(2 << 20),
    max_api_request_body_size: whole(0).default(10 << 20),
  });

const logLevel = () => word("", "debug", "info", "warn", "error");

const logging = () =>
  section({
    level: logLevel().default(""),
    json: flag().default(false),
    sample: pending(flag().default(false)),
    component_levels: pending(z.record(z.string(), text()).default({})),
    sample_initial: pending(whole(0).default(0)),
    sample_interval: pending(whole(0).default(0)),
    item_sample_seconds: pending(whole(0).default(0)),
    item_sample_initial: pending(whole(0).default(0)),
    item_sample_interval: pending(whole(0).default(0)),
    /** There is no pion inside; accepted without a word because every sample file has it. */
    pion_level: text().default("error"),
  });

/** The whole file. */
export const configSchema = z.strictObject({
  /** 0 = any free one. */
  port: port().default(7880),
  bind_addresses: textList().optional(),
  keys: z.record(z.string(), text()).default({}),
  key_file: text().default(""),
  region: text().default(""),
  development: flag().default(false),
  log_level: logLevel().default(""),
  logging: logging(),
  rtc: rtc(),
  room: room(),
  limit: limit(),
  audio: audio(),
  video: section({
    dynacast_pause_delay: duration().default(5000),
    stream_tracker_manager: pending(streamTrackerManager()),
    codec_regression_threshold: whole(0).default(5),
  }),
  turn: pending(turn()),
  redis: pending(redis()),
  prometheus_port: port().default(0),
  prometheus: prometheus(),
  debug_handler: section({ port: port().default(0) }),
  webtransport: pending(webtransport()),
  ingress: pending(ingress()),
  sip: pending(section({})),
  webhook: webhook(),
  node_selector: pending(nodeSelector()),
  signal_relay: pending(signalRelay()),
  psrpc: pending(psrpc()),
  agents: agents(),
  metric: pending(metric()),
  trace: pending(section({ jaeger_url: text().default("") })),
  node_stats: pending(nodeStats()),
  api: api(),
  enable_data_tracks: flag().default(true),
  enable_participant_data_blob: flag().default(false),
});

/** A complete configuration: the file's keys, every default filled in. */
export type Config = z.output<typeof configSchema>;
