/** The single figures of the server, with their names, labels and buckets; what each tells stands in docs/3-reference/metrics.md. */
import type { Counter, Gauge, Histogram } from "prom-client";

const PERCENT = [0, 0.1, 0.3, 0.5, 0.7, 1, 5, 10, 40, 100];
const STREAM = ["direction", "source", "type", "country"] as const;

/** Makes a figure in the registry of the server. */
export type MakeCounter = <L extends string>(name: string, help: string, labels?: readonly L[]) => Counter<L>;
export type MakeGauge = <L extends string>(name: string, help: string, labels?: readonly L[]) => Gauge<L>;
export type MakeHistogram = <L extends string>(
  name: string,
  help: string,
  buckets: readonly number[],
  labels?: readonly L[],
) => Histogram<L>;

/** Rooms, participants, tracks, connections. */
export function roomInstruments(counter: MakeCounter, gauge: MakeGauge, histogram: MakeHistogram) {
  const hour = 3600;
  return {
    rooms: gauge("livekit_room_total", "Rooms that are open"),
    roomSeconds: histogram("livekit_room_duration_seconds", "How long rooms were open", [
      5,
      10,
      60,
      300,
      600,
      1800,
      hour,
      2 * hour,
      5 * hour,
      10 * hour,
    ]),
    participants: gauge("livekit_participant_total", "Participants that are in a room"),
    joins: counter("livekit_participant_join_total", "Steps of joins", ["state", "warp"]),
    tracksPublished: gauge("livekit_track_published_total", "Tracks that are published", ["kind"]),
    tracksSubscribed: gauge("livekit_track_subscribed_total", "Tracks that are sent to somebody, once for each", [
      "kind",
    ]),
    publications: counter("livekit_track_publish_counter", "Publications of tracks", ["kind", "state"]),
    subscriptions: counter("livekit_track_subscribe_counter", "Subscriptions to tracks", ["state", "error"]),
    joinLatencyMs: histogram(
      "livekit_session_join_latency_ms",
      "From the request of a signal connection to its first answer",
      exponential(10, 10_000, 15),
      ["protocol_version"],
    ),
    pubSubMs: histogram(
      "livekit_pubsubtime_ms",
      "How long publications and subscriptions took",
      [100, 200, 500, 700, 1000, 5000, 10_000],
      [...STREAM, "sdk", "kind", "count"],
    ),
    sessionStartMs: histogram(
      "livekit_session_start_time_ms",
      "From the join to the connection of media",
      exponential(100, 10_000, 15),
      ["protocol_version", "warp"],
    ),
    sessionMs: histogram(
      "livekit_session_duration_ms",
      "How long participants had media",
      exponential(100, 4 * hour * 1000, 15),
      ["protocol_version"],
    ),
    peerStates: counter("livekit_peer_connection_state", "State changes of peer connections", ["transport", "state"]),
    qualityRating: histogram("livekit_quality_rating", "Connection quality: 0 poor, 1 good, 2 excellent", [0, 1, 2]),
    qualityScore: histogram(
      "livekit_quality_score",
      "Connection quality as a mean opinion score",
      [1, 2, 2.5, 3, 3.25, 3.5, 3.75, 4, 4.25, 4.5],
    ),
  };
}

/** Packets, streams, media workers. */
export function mediaInstruments(counter: MakeCounter, gauge: MakeGauge, histogram: MakeHistogram) {
  return {
    packets: counter("livekit_packet_total", "Packets on the media ports", ["direction", "transmission", "country"]),
    packetBytes: counter("livekit_packet_bytes", "Their bytes", ["direction", "transmission", "country"]),
    nacks: counter("livekit_nack_total", "Packets asked for again", ["direction", "country"]),
    plis: counter("livekit_pli_total", "Key frames asked for", ["direction", "country"]),
    firs: counter("livekit_fir_total", "Key frames asked for by FIR", ["direction", "country"]),
    lossTotal: counter("livekit_packet_loss_total", "Lost packets", STREAM),
    lossPercent: histogram("livekit_packet_loss_percent", "Share of lost packets of a stream", PERCENT, STREAM),
    outOfOrderTotal: counter("livekit_packet_out_of_order_total", "Packets that came after a later one", STREAM),
    outOfOrderPercent: histogram(
      "livekit_packet_out_of_order_percent",
      "Share of packets of a stream that came after a later one",
      PERCENT,
      STREAM,
    ),
    jitterUs: histogram(
      "livekit_jitter_us",
      "Jitter of a stream",
      [1000, 10_000, 30_000, 50_000, 70_000, 100_000, 300_000, 600_000, 1_000_000],
      STREAM,
    ),
    rttMs: histogram(
      "livekit_rtt_ms",
      "Round trip to a participant",
      [50, 100, 150, 200, 250, 500, 750, 1000, 5000, 10_000],
      STREAM,
    ),
    forwardLatency: gauge("livekit_forward_latency", "Mean time of packets from socket to socket, lately"),
    forwardJitter: gauge("livekit_forward_jitter", "Standard deviation of that time"),
    turnConnections: gauge("livekit_connection_total", "Connections of the TURN server", ["kind"]),
    systemPackets: gauge("livekit_node_packet_total", "Packets sent, and packets dropped, on the media ports", [
      "type",
    ]),
    workerUtilization: gauge("stoa_worker_utilization", "Share of the time that a media worker works, 0 to 1", [
      "worker",
    ]),
    workerLagMs: gauge("stoa_worker_lag_ms", "The longest that something waited for a media worker in a second", [
      "worker",
    ]),
    workerPackets: counter("stoa_worker_packets_total", "Packets of a media worker", ["worker", "direction"]),
    workerDropped: counter("stoa_worker_dropped_total", "Packets that a media worker dropped", ["worker", "direction"]),
    dataIn: counter("stoa_data_in_total", "Messages of clients on data channels, by what became of them", [
      "channel",
      "outcome",
    ]),
    dataOut: counter("stoa_data_out_total", "Messages to clients on data channels, by what became of them", [
      "channel",
      "outcome",
    ]),
  };
}

/** API, webhooks, agents. */
export function edgeInstruments(counter: MakeCounter, gauge: MakeGauge, histogram: MakeHistogram) {
  return {
    operations: counter("livekit_node_service_operation", "Operations", ["type", "status", "error_type"]),
    twirpRequests: counter("livekit_node_twirp_request_status", "API requests", [
      "service",
      "method",
      "status",
      "code",
    ]),
    twirpMs: histogram(
      "livekit_node_twirp_request_latency_ms",
      "How long API requests took",
      [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000],
      ["service", "method", "status"],
    ),
    webhooks: counter("livekit_webhook_dispatch_total", "Webhook events by what became of them", ["status", "reason"]),
    webhookQueue: histogram(
      "livekit_webhook_queue_length",
      "Events of a room that wait for a receiver, when one is added",
      [1, 2, 3, 4, 5, 10, 20, 40, 80],
    ),
    signalTroubles: counter("stoa_signal_troubles_total", "Signal connections that were slowed down or cut off", [
      "type",
    ]),
    webhooksWaiting: gauge("stoa_webhook_waiting", "Webhook events that are neither delivered nor given up"),
    agentWorkers: gauge("stoa_agent_workers", "Agent workers that are connected"),
    agentJobs: gauge("stoa_agent_jobs", "Jobs that agent workers have"),
  };
}

/** `count` bounds from `first` to `last`, each the same multiple of the one before. */
function exponential(first: number, last: number, count: number): number[] {
  const factor = (last / first) ** (1 / (count - 1));
  return Array.from({ length: count }, (_, i) => first * factor ** i);
}
