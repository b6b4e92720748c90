/** Sections of LiveKit's configuration around the rooms: bus, webhooks, agents, selection of nodes, figures. */
import { z } from "zod";
import { decimal, duration, flag, mapping, pending, port, section, text, textList, whole, word } from "./leaves.ts";

/** `redis`. */
export const redis = () =>
  section({
    address: text().default(""),
    username: text().default(""),
    password: text().default(""),
    db: whole(0).default(0),
    use_tls: flag().default(false),
    tls: mapping({
      enabled: flag().optional(),
      insecure: flag().optional(),
      server_name: text().optional(),
      ca_cert_file: text().optional(),
      client_cert_file: text().optional(),
      client_key_file: text().optional(),
    }).optional(),
    sentinel_master_name: text().default(""),
    sentinel_username: text().default(""),
    sentinel_password: text().default(""),
    sentinel_addresses: textList().default([]),
    cluster_addresses: textList().default([]),
    dial_timeout: whole(0).default(0),
    read_timeout: whole(0).default(0),
    write_timeout: whole(0).default(0),
    max_redirects: whole(0).optional(),
    pool_timeout: duration().default(0),
    pool_size: whole(0).default(0),
  });

/** `audio`: sensitivity of the speaker detection. */
export const audio = () =>
  section({
    active_level: whole(0, 127).default(35),
    min_percentile: whole(0, 100).default(40),
    update_interval: whole(0).default(400),
    smooth_intervals: whole(0).default(2),
    active_red_encoding: flag().default(false),
    enable_loss_proxying: pending(flag().default(false)),
  });

/** `webhook`. */
export const webhook = () =>
  section({
    urls: textList().default([]),
    api_key: text().default(""),
    /**
     * Not LiveKit's: whether receivers on this machine, in its network, or link-local may be called. Absent: with
     * `development` this machine and its network, otherwise nothing but public addresses.
     */
    allow_private_targets: flag().optional(),
    url_notifier: section({ num_workers: whole(0).default(10), queue_size: pending(whole(0).default(100)) }),
    /** LiveKit gives an event up after 30 s; here it has an hour, so that a receiver may be restarted. */
    resource_url_notifier: section({ max_age: duration().default(3_600_000), max_depth: whole(0).default(200) }),
    filter_params: section({ include_events: textList().default([]), exclude_events: textList().default([]) }),
  });

/** `node_selector`. */
export const nodeSelector = () =>
  section({
    kind: word("any", "cpuload", "sysload", "regionaware", "random").default("any"),
    sort_by: word("random", "sysload", "cpuload", "rooms", "clients", "tracks", "bytespersec").default("random"),
    algorithm: word("lowest", "twochoice").default("lowest"),
    cpu_load_limit: decimal().default(0.9),
    sysload_limit: decimal().default(0.9),
    regions: z.array(mapping({ name: text(), lat: decimal().default(0), lon: decimal().default(0) })).default([]),
  });

/** `signal_relay`. */
export const signalRelay = () =>
  section({
    retry_timeout: duration().default(7500),
    min_retry_interval: duration().default(500),
    max_retry_interval: duration().default(4000),
    stream_buffer_size: whole(0).default(1000),
    connect_attempts: whole(0).default(3),
  });

/** `psrpc`. */
export const psrpc = () =>
  section({
    max_attempts: whole(0).default(3),
    timeout: duration().default(3000),
    backoff: duration().default(2000),
    buffer_size: whole(0).default(1000),
    compression: section({
      quality: whole(0).default(0),
      threshold: whole(0).default(1024),
      max_decompressed_size: whole(0).default(0),
    }),
  });

/** `agents`. */
export const agents = () =>
  section({
    enable_user_data_recording: flag().default(false),
    enable_user_data_redaction: flag().default(false),
    target_load: decimal().default(0.7),
    endpoints: pending(
      section({
        disabled: flag().default(false),
        max_streams: whole(0).default(0),
        max_tunnels: whole(0).default(0),
        tunnel_drain_timeout: duration().default(0),
      }),
    ),
  });

/** `metric`. */
export const metric = () =>
  section({
    timestamper_config: section({
      one_way_delay_estimator_min_interval: duration().default(5000),
      one_way_delay_estimator_max_batch: whole(0).default(100),
    }),
    collector: section({
      sampling_interval_ms: whole(0).default(3000),
      batch_interval_ms: whole(0).default(10_000),
    }),
    reporter: section({ reporting_interval_ms: whole(0).default(10_000) }),
  });

/** `node_stats`. */
export const nodeStats = () =>
  section({
    stats_update_interval: duration().default(2000),
    stats_rate_measurement_intervals: z.array(duration()).default([10_000]),
    stats_max_delay: duration().default(30_000),
  });

/** `api`. */
export const api = () =>
  section({
    execution_timeout: pending(duration().default(2000)),
    check_interval: pending(duration().default(100)),
    max_check_interval: pending(duration().default(300_000)),
    enable_psrpc_for_get_list_participants: flag().default(false),
  });

/** `prometheus`. */
export const prometheus = () =>
  section({ port: port().default(0), username: text().default(""), password: text().default("") });

/** `ingress`. */
export const ingress = () =>
  section({
    rtmp_base_url: text().default(""),
    whip_base_url: text().default(""),
    enable_udp_url_pull: flag().default(false),
  });

/** `webtransport`. */
export const webtransport = () =>
  section({ port: port().default(0), tls_cert_file: text().default(""), tls_key_file: text().default("") });
