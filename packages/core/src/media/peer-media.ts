/**
 * Media of one RTCPeerConnection: the tracks it publishes, the streams it is sent, and what belongs to the connection as a
 * whole (learning SSRCs, packets that came too early, arrival times, our SSRC for RTCP).
 */
import { newRtpHeader, readRtpHeader } from "@stoa/wire/rtp/header";
import { findExtension } from "@stoa/wire/rtp/extension";
import { NEVER } from "../clock.ts";
import type { DownlinkSettings, PeerId, ReceiverSpec } from "../engine/specs.ts";
import type { PacketPool } from "../slab.ts";
import { Arrivals } from "./arrivals.ts";
import type { CongestionShare } from "./congestion-share.ts";
import type { ContinuityState } from "./continuity.ts";
import type { Downlink } from "./downlink.ts";
import type { PeerOptions } from "./peer-options.ts";
import { HeldPackets } from "./held-packets.ts";
import type { Relay } from "./relay.ts";
import { SsrcBinder } from "./ssrc-binder.ts";
import { BYTES_IN, PACKETS_IN, Subscriber } from "./subscriber.ts";
import type { MediaTransport } from "./transport.ts";
import type { Uplink } from "./uplink.ts";

/** What became of a packet: the slot is kept or free; or the packet belongs to no known track. */
export const FREE = 0;
export const KEPT = 1;
export const HELD = 2;

const MAX_ENDED = 4096;
const NO_RELAYS: readonly Relay[] = [];

const header = newRtpHeader();

export class PeerMedia {
  readonly id: PeerId;
  readonly transport: MediaTransport;
  readonly options: PeerOptions;
  /** Bandwidth that a test scenario allows, bits per second; 0 = no limit. */
  limitBps = 0;
  readonly subscriber: Subscriber;
  /** How the bandwidth of what it is sent is managed; undefined without video, or where it is not. */
  congestion: CongestionShare | undefined;
  readonly held: HeldPackets;
  readonly arrivals: Arrivals;
  /** Sender SSRC of our RTCP. */
  readonly localSsrc: number;
  /** Media may flow and RTCP is sent. */
  connected = false;
  /** By SSRC. */
  readonly downlinks = new Map<number, Downlink>();
  /** Streams that were given up and are brought to rest, by SSRC. */
  readonly closing = new Map<number, Downlink>();
  /**
   * How streams that ended left off, by SSRC: one that comes back under the same SSRC and keys must go on, for SRTP may
   * never protect two packets under one number. Bounded by `remember`.
   */
  readonly ended = new Map<number, ContinuityState>();
  /** Wishes by track SID; they may come before the stream does. */
  readonly settings = new Map<string, DownlinkSettings>();
  /** When the next receiver report and the next sender report are due. */
  receiverReportMs = NEVER;
  senderReportMs = NEVER;
  /** The newest reference time of the receiver that waits for an answer (RFC 3611); `middle` 0 = none. */
  readonly reference = { ssrc: 0, middle: 0, arrivalMs: 0.5 };
  /** When the last sender reports went out. */
  reportedMs = -1e12;
  /** Sender reports left that come at shorter intervals. */
  earlyReports = 0;
  /** Track of the packet that `receive` took last; undefined when it belongs to none. */
  lastUplink: Uplink | undefined;
  /** Where what it publishes goes as it comes; or whose publications go to this peer in that way. */
  relays: readonly Relay[] = NO_RELAYS;
  relayOf: PeerMedia | undefined;
  readonly #binder: SsrcBinder;
  readonly #u8: Uint8Array;
  #uplinks: readonly Uplink[] = [];
  #transportCcId = 0;

  constructor(id: PeerId, transport: MediaTransport, options: PeerOptions, pool: PacketPool, localSsrc: number) {
    this.id = id;
    this.transport = transport;
    this.options = options;
    this.subscriber = new Subscriber(id, transport, options.stripsTrailers);
    this.held = new HeldPackets(pool);
    this.localSsrc = localSsrc;
    this.arrivals = new Arrivals(localSsrc);
    this.#u8 = pool.slab.u8;
    this.#binder = new SsrcBinder(this.#u8);
  }

  get uplinks(): readonly Uplink[] {
    return this.#uplinks;
  }

  /** Takes the tracks this peer publishes now. */
  setUplinks(uplinks: readonly Uplink[], specs: readonly ReceiverSpec[], nowMs: number): void {
    this.#uplinks = uplinks;
    this.#transportCcId = specs.find((spec) => spec.extensions.transportCc)?.extensions.transportCc ?? 0;
    this.#binder.setUplinks(uplinks, nowMs);
  }

  /** The stream of a track to this peer. */
  downlinkOf(track: string): Downlink | undefined {
    for (const downlink of this.downlinks.values()) if (downlink.track === track) return downlink;
    return undefined;
  }

  /** The stream whose retransmissions have this SSRC. */
  downlinkOfRtx(ssrc: number): Downlink | undefined {
    if (ssrc === 0) return undefined;
    for (const downlink of this.downlinks.values()) if ((downlink.spec.rtxSsrc | 0) === ssrc) return downlink;
    return undefined;
  }

  /** Notes how a stream ended. */
  remember(ssrc: number, state: ContinuityState): void {
    this.ended.delete(ssrc);
    const [oldest] = this.ended.keys();
    if (oldest !== undefined && this.ended.size >= MAX_ENDED) this.ended.delete(oldest);
    this.ended.set(ssrc, state);
  }

  /** Rises whenever another SSRC carries a stream. */
  get bindings(): number {
    return this.#binder.changes;
  }

  /** The source of an SSRC, if it is known. */
  sourceOf(ssrc: number) {
    return this.#binder.find(ssrc);
  }

  /** Takes one plain RTP packet in the slot `at`. A packet is counted and its arrival noted only when `fresh`. */
  receive(at: number, length: number, fresh: boolean, nowMs: number): number {
    if (!readRtpHeader(this.#u8, at, length, header)) return FREE;
    if (fresh) this.#note(at, length, nowMs);
    const source = this.#binder.find(header.ssrc) ?? this.#binder.learn(header, at, nowMs);
    if (!source) {
      this.lastUplink = undefined;
      if (!fresh) return FREE;
      this.held.hold(at, length, nowMs);
      return HELD;
    }
    this.lastUplink = source.uplink;
    return source.uplink.receive(source.layer, source.retransmission, header, at, nowMs) ? KEPT : FREE;
  }

  #note(at: number, length: number, nowMs: number): void {
    const { counters } = this.subscriber;
    counters[PACKETS_IN]!++;
    counters[BYTES_IN]! += length;
    if (this.#transportCcId === 0) return;
    const element = findExtension(this.#u8, at, header.headerLength, this.#transportCcId);
    if ((element & 255) < 2) return;
    const from = at + (element >> 8);
    this.arrivals.record((this.#u8[from]! << 8) | this.#u8[from + 1]!, header.ssrc, nowMs);
  }
}
