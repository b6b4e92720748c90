/**
 * What a media worker counts and measures, of streams, peers, data and itself; the main thread gets it at intervals. Plain
 * data for structured clone.
 */
import type { PeerId } from "./specs.ts";

/** One stream over one interval of `stats`, in either direction; the base of connection quality (livekit.md 3.17). */
export interface StreamStats {
  readonly track: string;
  /** Packets that were due, lost ones included. */
  readonly packets: number;
  readonly lost: number;
  /** Of those lost, how many came when they were asked for. Absent: none. */
  readonly repaired?: number;
  readonly bytes: number;
  readonly nacks: number;
  readonly keyFrameRequests: number;
  /** Those of them that came as FIR. */
  readonly firs: number;
  /** Downstream: packets sent again, and their bytes on the wire. */
  readonly resent: number;
  readonly resentBytes: number;
  /** Upstream: packets that came after a later one. */
  readonly outOfOrder: number;
  /** Milliseconds. */
  readonly jitterMs: number;
  /** Milliseconds since the receiver's last report came (downstream), or since the last packet (upstream). */
  readonly silentMs: number;
  /** Video: layers between the one wanted and the one that flows; 0 when they agree. */
  readonly layerDistance: number;
  /** Downstream: forwarding is stopped for want of bandwidth. */
  readonly paused: boolean;
}

export interface PeerStats {
  readonly peer: PeerId;
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Milliseconds, 0 when unknown. */
  readonly rttMs: number;
  /** What the link to the client is believed to carry, bits per second; 0 when unknown. */
  readonly estimateBps: number;
  /** What it publishes, what it is sent. */
  readonly receivers: readonly StreamStats[];
  readonly senders: readonly StreamStats[];
}

/** Microseconds; LiveKit's buckets. */
export const FORWARD_LATENCY_BOUNDS_US = [50, 100, 250, 500, 1000, 2000, 3000, 5000, 10_000, 20_000] as const;

/** How busy a worker is. Counters run since its start. */
export interface WorkerLoad {
  /** Share of the time since the last report in which the thread worked, 0 … 1. */
  readonly utilization: number;
  /** The longest that something waited for the thread since the last report, milliseconds. */
  readonly lagMs: number;
  /** Everything on the media ports: RTP, RTCP, DTLS, STUN. */
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly droppedIn: number;
  readonly droppedOut: number;
  /**
   * Packets that went out in the turn of what came in, by the time between: one count per bound of
   * `FORWARD_LATENCY_BOUNDS_US`, and one for those beyond.
   */
  readonly forwardLatency: readonly number[];
  /** Sum of those times, and of their squares. */
  readonly forwardLatencyUs: number;
  readonly forwardLatencyUs2: number;
}

/** What was counted of data since the last report. */
export interface DataFigures {
  /** Streams that began, as `DataStreamCounts` lays them out. */
  readonly streams?: readonly number[];
  /** What became of messages, as `MessageCounts` lays them out. */
  readonly messages?: readonly number[];
}
