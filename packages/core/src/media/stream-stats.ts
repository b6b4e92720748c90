/**
 * What the streams of one peer did over an interval (`StreamStats`): differences of counters that the packet path keeps
 * anyway. Loss is what the network lost, and beside it stands how much of that was repaired; downstream, what was missing before
 * it was sent does not count. Invariant: a stream that has sent nothing yet is not spoken of, one that counted anew starts from nothing.
 */
import type { PeerStats, StreamStats } from "../engine/figures.ts";
import type { Downlink } from "./downlink.ts";
import type { Layer } from "./layer.ts";
import type { PeerMedia } from "./peer-media.ts";
import { MAX_SPATIAL } from "./stream-tracker.ts";
import { BYTES_IN, BYTES_OUT, PACKETS_IN, PACKETS_OUT } from "./subscriber.ts";
import type { Uplink } from "./uplink.ts";

const OCTETS_MASK = 0x3fffffff;

/** Figures that are being put together. */
type Figures = { -readonly [K in keyof StreamStats]-?: StreamStats[K] };

/** The streams of one peer. */
export class StreamMeter {
  readonly #peer: PeerMedia;
  #layers = new Map<Layer, LayerMark>();
  #uplinks = new Map<Uplink, Distance>();
  #downlinks = new Map<Downlink, DownlinkMark>();

  constructor(peer: PeerMedia) {
    this.#peer = peer;
  }

  /** Looks at what is not counted by itself; several times per interval. */
  sample(nowMs: number): void {
    for (const uplink of this.#peer.uplinks) {
      const distance = this.#uplinks.get(uplink) ?? new Distance();
      this.#uplinks.set(uplink, distance);
      distance.add(upstreamDistance(uplink, distance));
    }
    for (const downlink of this.#peer.downlinks.values()) {
      const mark = this.#downlinks.get(downlink) ?? new DownlinkMark(downlink);
      this.#downlinks.set(downlink, mark);
      mark.sample(downlink, nowMs);
    }
  }

  /** The figures since the last call. */
  take(nowMs: number): PeerStats {
    const { id, subscriber } = this.#peer;
    const { counters, rttMs } = subscriber;
    return {
      peer: id,
      packetsIn: counters[PACKETS_IN]!,
      packetsOut: counters[PACKETS_OUT]!,
      bytesIn: counters[BYTES_IN]!,
      bytesOut: counters[BYTES_OUT]!,
      rttMs,
      estimateBps: this.#peer.congestion?.controller.estimateBps ?? 0,
      receivers: this.#takeReceivers(nowMs),
      senders: this.#takeSenders(nowMs),
    };
  }

  /** One entry for a track, whatever the number of its codecs and layers. */
  #takeReceivers(nowMs: number): StreamStats[] {
    const tracks = new Map<string, Figures>();
    const layers = new Map<Layer, LayerMark>();
    const uplinks = new Map<Uplink, Distance>();
    for (const uplink of this.#peer.uplinks) {
      const distance = this.#uplinks.get(uplink);
      if (distance) uplinks.set(uplink, distance);
      const away = distance?.take() ?? 0;
      if (uplink.layers.every((layer) => layer.packets === 0)) continue;
      const stats = tracks.get(uplink.track) ?? emptyStats(uplink.track);
      tracks.set(uplink.track, stats);
      stats.layerDistance = Math.max(stats.layerDistance, away);
      for (const layer of uplink.layers) {
        const mark = this.#layers.get(layer) ?? new LayerMark();
        layers.set(layer, mark);
        if (layer.packets !== 0) mark.take(layer, stats, nowMs);
      }
    }
    this.#layers = layers;
    this.#uplinks = uplinks;
    return [...tracks.values()];
  }

  #takeSenders(nowMs: number): StreamStats[] {
    const list: StreamStats[] = [];
    const downlinks = new Map<Downlink, DownlinkMark>();
    for (const downlink of this.#peer.downlinks.values()) {
      const mark = this.#downlinks.get(downlink);
      if (!mark) continue;
      downlinks.set(downlink, mark);
      if (downlink.stream.begun) list.push(mark.take(downlink, nowMs));
    }
    this.#downlinks = downlinks;
    return list;
  }
}

/** Of a stream of which nothing is known yet, not even when it was heard. */
export function emptyStats(track: string): Figures {
  return {
    track,
    packets: 0,
    lost: 0,
    repaired: 0,
    bytes: 0,
    nacks: 0,
    keyFrameRequests: 0,
    firs: 0,
    resent: 0,
    resentBytes: 0,
    outOfOrder: 0,
    jitterMs: 0,
    silentMs: Number.MAX_SAFE_INTEGER,
    layerDistance: 0,
    paused: false,
  };
}

/** Where one incoming stream stood at the end of the last interval. */
class LayerMark {
  #epoch = -1;
  #expected = 0;
  #received = 0;
  #octets = 0;
  #asked = 0;
  #repaired = 0;
  #keyFrames = 0;
  #outOfOrder = 0;

  take(layer: Layer, into: Figures, nowMs: number): void {
    const { reception, losses, keyFrames } = layer;
    if (layer.epoch !== this.#epoch) this.#expected = this.#received = 0;
    this.#epoch = layer.epoch;
    const { expected, received } = reception;
    const due = Math.max(expected - this.#expected, 0);
    into.packets += due;
    const lost = Math.min(Math.max(due - (received - this.#received), 0), due);
    into.lost += lost;
    into.repaired += Math.min(losses.repaired - this.#repaired, lost);
    into.bytes += (layer.octets - this.#octets) & OCTETS_MASK;
    into.nacks += losses.asked - this.#asked;
    into.keyFrameRequests += keyFrames.taken - this.#keyFrames;
    into.outOfOrder += layer.outOfOrder - this.#outOfOrder;
    into.jitterMs = Math.max(into.jitterMs, jitterMs(layer));
    into.silentMs = Math.min(into.silentMs, nowMs - Math.max(layer.lastPacketMs, reception.reportMs));
    this.#expected = expected;
    this.#received = received;
    this.#octets = layer.octets;
    this.#asked = losses.asked;
    this.#repaired = losses.repaired;
    this.#keyFrames = keyFrames.taken;
    this.#outOfOrder = layer.outOfOrder;
  }
}

/** The same for one outgoing stream. */
class DownlinkMark {
  #reports = 0;
  #highest = 0;
  #lost = 0;
  #rtxLost = 0;
  #repaired = 0;
  #packets: number;
  #sequence: number;
  #octets: number;
  #nacks = 0;
  #keyFrames = 0;
  #firs = 0;
  #resent = 0;
  #resentOctets = 0;
  readonly #distance = new Distance();
  /** Packets at the last sample, and since when they have been flowing. */
  #sampled: number;
  #flowsSinceMs = 0;

  constructor(downlink: Downlink) {
    this.#packets = this.#sampled = downlink.stream.packets;
    this.#sequence = downlink.stream.continuity.sequence;
    this.#octets = downlink.stream.octets;
  }

  sample(downlink: Downlink, nowMs: number): void {
    if (downlink.stream.packets === this.#sampled) this.#flowsSinceMs = 0;
    else if (this.#flowsSinceMs === 0) this.#flowsSinceMs = nowMs;
    this.#sampled = downlink.stream.packets;
    this.#distance.add(downstreamDistance(downlink));
  }

  take(downlink: Downlink, nowMs: number): StreamStats {
    const stats = emptyStats(downlink.track);
    this.#takeReport(downlink, stats);
    stats.bytes = (downlink.stream.octets - this.#octets) >>> 0;
    stats.nacks = downlink.reported.nacks - this.#nacks;
    stats.keyFrameRequests = downlink.reported.keyFrameRequests - this.#keyFrames;
    stats.firs = downlink.reported.firs - this.#firs;
    stats.resent = downlink.stream.resent - this.#resent;
    stats.resentBytes = (downlink.stream.resentOctets - this.#resentOctets) >>> 0;
    const answeredMs = Math.max(downlink.reported.atMs, this.#flowsSinceMs);
    stats.silentMs = this.#flowsSinceMs === 0 ? 0 : nowMs - answeredMs;
    stats.layerDistance = this.#distance.take();
    stats.paused = downlink.paused;
    this.#octets = downlink.stream.octets;
    this.#nacks = downlink.reported.nacks;
    this.#keyFrames = downlink.reported.keyFrameRequests;
    this.#firs = downlink.reported.firs;
    this.#resent = downlink.stream.resent;
    this.#resentOctets = downlink.stream.resentOctets;
    return stats;
  }

  /** Without a new report nothing is known of this interval; it counts when the next one comes. */
  #takeReport(downlink: Downlink, into: Figures): void {
    const { reported, source } = downlink;
    if (reported.reports === this.#reports) return;
    const sent = (downlink.stream.packets - this.#packets) | 0;
    const numbers = (downlink.stream.continuity.sequence - this.#sequence) & 0xffff;
    if (this.#reports !== 0) {
      const due = Math.max((reported.highest - this.#highest) | 0, 0);
      // Numbers that were never sent: the publisher's packet had not come.
      const holes = Math.max(numbers - sent, 0);
      into.packets = due;
      into.lost = Math.min(Math.max(reported.lost - this.#lost - holes, 0), due);
      // What was sent again has arrived, unless it got lost too.
      const repaired = downlink.stream.repaired - this.#repaired - Math.max(reported.rtxLost - this.#rtxLost, 0);
      into.repaired = Math.min(Math.max(repaired, 0), into.lost);
    }
    if (source) {
      const ownMs = (reported.jitter * 1000) / source.clockRate;
      into.jitterMs = Math.min(Math.max(ownMs - jitterMs(source), 0), MAX_JITTER_MS);
    }
    this.#reports = reported.reports;
    this.#highest = reported.highest;
    this.#lost = reported.lost;
    this.#rtxLost = reported.rtxLost;
    this.#repaired = downlink.stream.repaired;
    this.#packets = downlink.stream.packets;
    this.#sequence = downlink.stream.continuity.sequence;
  }
}

/** A client may claim any. */
const MAX_JITTER_MS = 10_000;

function jitterMs(layer: Layer): number {
  return (layer.reception.jitter * 1000) / layer.clockRate;
}

/** Mean of samples, and the highest layer ever seen. */
class Distance {
  top = 0;
  #sum = 0;
  #count = 0;

  add(layers: number): void {
    this.#sum += layers;
    this.#count++;
  }

  take(): number {
    const mean = this.#count === 0 ? 0 : this.#sum / this.#count;
    this.#sum = this.#count = 0;
    return mean;
  }
}

/** Layers between the one that the publisher is asked for and the best one that it sends. */
function upstreamDistance(uplink: Uplink, distance: Distance): number {
  if (!uplink.isVideo || !uplink.owner) return 0;
  const flows = topFlowing(uplink);
  distance.top = Math.max(distance.top, flows);
  let wanted = -1;
  for (const downlink of uplink.owner.downlinks) {
    if (downlink.uplink === uplink) wanted = Math.max(wanted, downlink.wantedSpatial);
  }
  const exists = uplink.isSimulcast ? uplink.layers.length - 1 : distance.top;
  return flows < 0 ? 0 : Math.max(Math.min(wanted, exists) - flows, 0);
}

/** Layers between the best one that the subscriber could get and the one that it gets. */
function downstreamDistance(downlink: Downlink): number {
  const { uplink, currentSpatial } = downlink;
  if (!downlink.isVideo || !uplink || currentSpatial < 0) return 0;
  return Math.max(Math.min(downlink.wantedSpatial, topFlowing(uplink)) - currentSpatial, 0);
}

/** -1 = nothing. */
function topFlowing({ trackers }: Uplink): number {
  for (let spatial = MAX_SPATIAL - 1; spatial >= 0; spatial--) if (trackers.flows(spatial)) return spatial;
  return -1;
}
