/** The `rtc` and `turn` sections of LiveKit's configuration: ports, addresses, ICE servers, and the knobs of its media engine. */
import { z } from "zod";
import {
  decimal,
  duration,
  flag,
  mapping,
  pending,
  port,
  portRange,
  section,
  text,
  textList,
  whole,
  word,
} from "./leaves.ts";
import { congestionControl } from "./schema-bwe.ts";

/** One TURN server that clients are told about. */
const turnServer = mapping({
  host: text(),
  port: port(1),
  protocol: word("tls", "tcp", "udp").default("udp"),
  username: text().default(""),
  credential: text().default(""),
  credentials_file: text().default(""),
  /** Shared secret: credentials are made per participant with HMAC-SHA1. */
  secret: text().default(""),
  secret_file: text().default(""),
  /** Seconds; 0 = four hours. */
  ttl: whole(-1_000_000).default(0),
});

const filter = () => section({ includes: textList().default([]), excludes: textList().default([]) });
const rtxBudget = () => mapping({ max_ratio: decimal().optional(), burst_bytes: whole(0).optional() }).optional();

/** What this server acts on. */
const supported = () => ({
  udp_port: portRange().optional(),
  tcp_port: port().default(7881),
  port_range_start: port().default(0),
  port_range_end: port().default(0),
  node_ip: text().default(""),
  stun_servers: textList().default([]),
  turn_servers: z.array(turnServer).default([]),
  interfaces: filter(),
  ips: filter(),
  enable_loopback_candidate: flag().default(false),
  /** The server is always ICE-lite: either value changes nothing. */
  use_ice_lite: flag().default(true),
});

/** The knobs of LiveKit's ICE, SCTP and packet handling. */
const transportKnobs = () => ({
  /** Packets that are kept to be sent again, to the next power of two; the first one counts where the others are 0. */
  packet_buffer_size: whole(0).default(500),
  packet_buffer_size_video: whole(0).default(500),
  packet_buffer_size_audio: whole(0).default(200),
  /** Between two requests for a key frame of the lowest layer, the middle one, the highest one. */
  pli_throttle: section({
    low_quality: duration().default(500),
    mid_quality: duration().default(1000),
    high_quality: duration().default(1000),
  }),
  congestion_control: congestionControl(),
  use_external_ip: pending(flag().default(false)),
  external_ip_only: pending(flag().default(false)),
  advertise_internal_ip: pending(flag().default(false)),
  skip_external_ip_validation: pending(flag().default(false)),
  require_ipv4: pending(flag().default(false)),
  use_stun_port_as_ice: pending(flag().default(false)),
  use_mdns: pending(flag().default(false)),
  batch_io: pending(section({ batch_size: whole(0).default(0), max_flush_interval: duration().default(0) })),
  sctp_min_cwnd: pending(whole(0).default(0)),
  sctp_fast_rtx_wnd: pending(whole(0).default(0)),
  sctp_cwnd_ca_step: pending(whole(0).default(0)),
  host_acceptance_min_wait: pending(duration().default(0)),
  srflx_acceptance_min_wait: pending(duration().default(0)),
  prflx_acceptance_min_wait: pending(duration().default(0)),
  relay_acceptance_min_wait: pending(duration().default(0)),
  force_tcp: pending(flag().default(false)),
});

/** Fallbacks, reconnects and limits of LiveKit's sessions. */
const sessionKnobs = () => ({
  enable_warp: pending(flag().default(false)),
  strict_acks: pending(flag().default(false)),
  rtx_budget: pending(section({ audio: rtxBudget(), video: rtxBudget() })),
  flexfec: pending(section({ upstream_enabled: flag().default(false) })),
  /** Clients whose UDP fails are sent to TCP, or to TURN over TLS. */
  allow_tcp_fallback: flag().default(true),
  /** Milliseconds: only those whose signalling answers sooner; 0 = all. */
  tcp_fallback_rtt_threshold: whole(0).default(0),
  /** UDP that loses a quarter of all packets for twenty seconds counts as failed; needs a threshold above. */
  allow_udp_unstable_fallback: flag().default(false),
  reconnect_on_publication_error: pending(flag().optional()),
  reconnect_on_subscription_error: pending(flag().optional()),
  /** A receiver that has missed reliable data, or has closed a data channel, starts anew. */
  reconnect_on_data_channel_error: flag().default(false),
  /** Bytes that may wait for one receiver in one channel, without the threshold below; 0 = 16 MiB of reliable data, 1 MiB of other. */
  data_channel_max_buffered_amount: whole(0).default(0),
  /** Bits per second: a reliable receiver below it loses messages, one above it slows its publishers; 0 = off. */
  datachannel_slow_threshold: whole(0).default(0),
  /** Messages that wait longer for a slow receiver are dropped; 0 = off. */
  datachannel_lossy_target_latency: duration().default(0),
  datachannel_data_track_target_latency: duration().default(100),
  forward_stats: pending(
    section({
      summary_interval: duration().default(0),
      report_interval: duration().default(0),
      report_window: duration().default(0),
    }),
  ),
  enable_rtp_stream_restart_detection: pending(flag().default(false)),
});

/** `rtc`. */
export const rtc = () => section({ ...supported(), ...transportKnobs(), ...sessionKnobs() });

/** `turn`: the TURN server inside. */
export const turn = () =>
  section({
    enabled: flag().default(false),
    domain: text().default(""),
    cert_file: text().default(""),
    key_file: text().default(""),
    tls_port: port().default(0),
    udp_port: port().default(0),
    relay_range_start: port().default(0),
    relay_range_end: port().default(0),
    external_tls: flag().default(false),
    bind_addresses: textList().default(["0.0.0.0"]),
    proxy_protocol: flag().default(false),
    proxy_protocol_trusted_cidrs: textList().default(["127.0.0.0/8", "::1/128"]),
    per_user_relay_allocation_limit: whole(-1).default(12),
    ttl_seconds: whole(-1_000_000).default(300),
    allow_restricted_peer_cidrs: textList().default([]),
    deny_peer_cidrs: textList().default([]),
  });
