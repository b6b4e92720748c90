/**
 * All published tracks and their subscribers on one worker: bytes and time in, packets and events out.
 *
 *   1. `handleRtp` / `handleRtcp` for every packet of a batch: what came is noted once, nothing is forwarded yet.
 *   2. `endBatch`: each subscriber gets all of its new packets, losses are asked for.
 *   3. `handleTimeout` at `nextTimeoutMs`: repeated requests, feedback, reports. `NEVER` when no packet flows.
 *   4. `pollEvent` until undefined, after any of these.
 *
 * Invariant: a slot that `handleRtp` kept is given back to the pool exactly once.
 */
import { earlier } from "../clock.ts";
import type { Random } from "../crypto.ts";
import type { DownlinkSettings, PeerId, ReceiverSpec, SenderSpec, TrackSpec } from "../engine/specs.ts";
import type { PacketSink } from "../paths.ts";
import type { PacketPool, Slab } from "../slab.ts";
import { Announcer } from "./announcer.ts";
import { DEFAULT_AUDIO_LEVEL } from "./audio-level.ts";
import type { AudioLevelOptions } from "./audio-level.ts";
import { BlankSender } from "./blank-sender.ts";
import { CongestionWatch } from "./congestion-watch.ts";
import type { ContinuityState, SeedResult } from "./continuity.ts";
import type { Downlink } from "./downlink.ts";
import { FanOut } from "./fan-out.ts";
import type { ForwarderEvent } from "./forwarder-event.ts";
import { MediaTimer } from "./media-timer.ts";
import { PacketWriter } from "./packet-writer.ts";
import { FREE, KEPT, PeerMedia } from "./peer-media.ts";
import { type PeerOptions, UNMANAGED } from "./peer-options.ts";
import { endRelay, startRelay } from "./relay.ts";
import { RtcpReader } from "./rtcp-reader.ts";
import { RtcpWriter } from "./rtcp-writer.ts";
import { SpeakerWatch } from "./speakers.ts";
import { StreamMeter } from "./stream-stats.ts";
import { Subscriptions } from "./subscriptions.ts";
import { TrackTable } from "./track-table.ts";
import { BatchTime } from "./transport.ts";
import type { MediaTransport } from "./transport.ts";
import type { MediaTuning } from "./tuning.ts";
import { Uplink } from "./uplink.ts";

export interface ForwarderDeps {
  readonly slab: Slab;
  readonly pool: PacketPool;
  readonly sink: PacketSink;
  readonly random: Random;
  /** When a microphone counts as speaking; LiveKit's values if it is left out. */
  readonly audioLevel?: AudioLevelOptions;
  /** Subscribers that take RED get it, of publishers that send plain opus (`audio.active_red_encoding`). */
  readonly activeRed?: boolean;
  readonly tuning?: MediaTuning;
}

export class Forwarder {
  readonly #deps: ForwarderDeps;
  readonly #peers = new Map<PeerId, PeerMedia>();
  readonly #tracks: TrackTable;
  readonly #time = new BatchTime();
  readonly #rtcpReader: RtcpReader;
  readonly #speakers: SpeakerWatch;
  readonly #congestion: CongestionWatch;
  readonly #blanks: BlankSender;
  readonly #timer: MediaTimer;
  readonly #fanOut: FanOut;
  readonly #subscriptions: Subscriptions;
  /** A packet came since the last batch ended. */
  #active = false;
  readonly #events: ForwarderEvent[] = [];

  constructor(deps: ForwarderDeps) {
    const { slab, sink, random } = deps;
    this.#deps = deps;
    const time = this.#time;
    const events = this.#events;
    const writer = new PacketWriter(slab, sink, time);
    const rtcp = new RtcpWriter(slab, sink);
    const tracks = new TrackTable(deps.pool, deps.activeRed ?? false);
    const speakers = new SpeakerWatch(deps.audioLevel ?? DEFAULT_AUDIO_LEVEL, tracks.all, events);
    const congestion = new CongestionWatch(writer, events);
    const blanks = new BlankSender(slab, time, writer);
    const timer = new MediaTimer(this.#peers, tracks.all, rtcp, { speakers, congestion, blanks });
    this.#fanOut = new FanOut(time, writer, timer, new Announcer(this.#peers, timer, events));
    const { marks } = this.#fanOut;
    this.#subscriptions = new Subscriptions({ tracks, time, random, marks, blanks, congestion, timer, rtcp });
    this.#rtcpReader = new RtcpReader(slab.u8, time, writer, (downlink) => {
      const track = tracks.find(downlink.track);
      if (track) timer.decoderStuck(track, downlink, time.nowMs);
    });
    this.#tracks = tracks;
    this.#speakers = speakers;
    this.#congestion = congestion;
    this.#blanks = blanks;
    this.#timer = timer;
  }

  /** Adds a connection; nothing is sent before `peerConnected`. */
  addPeer(id: PeerId, transport: MediaTransport, options: PeerOptions = UNMANAGED): void {
    const { pool, random } = this.#deps;
    this.#peers.set(id, new PeerMedia(id, transport, options, pool, random.uint32() | 0));
  }

  /** Removes a connection with what it published and was sent. */
  removePeer(id: PeerId): void {
    const peer = this.#peers.get(id);
    if (!peer) return;
    this.setReceivers(id, []);
    this.setSenders(id, []);
    this.#blanks.drop(peer.subscriber);
    for (const { target } of peer.relays) target.relayOf = undefined;
    endRelay(peer);
    peer.held.clear();
    this.#peers.delete(id);
    this.#fanOut.forget();
  }

  /** Replaces the list of what the peer publishes. */
  setReceivers(id: PeerId, specs: readonly ReceiverSpec[]): void {
    const peer = this.#peers.get(id);
    if (!peer) return;
    const kept = new Set<Uplink>();
    const uplinks = specs.map((spec) => {
      const known = peer.uplinks.find((uplink) => uplink.fits(spec));
      known?.update(spec);
      const uplink = known ?? new Uplink(id, spec, this.#deps.pool, undefined, this.#deps.tuning);
      if (!known && !uplink.isVideo) uplink.level = this.#speakers.newLevel();
      kept.add(uplink);
      return uplink;
    });
    const former = peer.uplinks;
    peer.setUplinks(uplinks, specs, this.#time.nowMs);
    for (const uplink of uplinks) this.#tracks.publish(peer, uplink);
    for (const uplink of former) if (!kept.has(uplink)) this.#unpublish(uplink);
    peer.held.replay((at, length, arrivalMs) => this.#receive(peer, at, length, false, arrivalMs) === KEPT);
    if (this.#fanOut.pending) this.#timer.wake();
    this.#timer.wantKeyFrames();
  }

  /** Replaces the list of what the peer is sent. */
  setSenders(id: PeerId, specs: readonly SenderSpec[]): void {
    const peer = this.#peers.get(id);
    if (peer) this.#subscriptions.replace(peer, specs);
  }

  /** All that `publisher` publishes goes to the peer, a way to another worker, as it comes; 0 = nothing any more. */
  setRelay(id: PeerId, publisher: PeerId): void {
    const target = this.#peers.get(id);
    const source = this.#peers.get(publisher);
    if (!target || target === source || target.relayOf === source) return;
    endRelay(target);
    if (source) startRelay(source, target, this.#deps.slab, this.#deps.sink);
  }

  /** Facts about a track that the SDP does not say. */
  setTrack(sid: string, spec: TrackSpec): void {
    this.#tracks.describe(sid, spec);
    this.#timer.wantKeyFrames();
  }

  /** The track ended. */
  removeTrack(sid: string): void {
    const track = this.#tracks.find(sid);
    if (!track) return;
    this.#speakers.silence(track);
    this.#tracks.end(track);
  }

  /** Holds a subscriber's bandwidth to `bps`; 0 lets go. */
  limitBandwidth(id: PeerId, bps: number): void {
    const peer = this.#peers.get(id);
    if (!peer) return;
    peer.limitBps = bps;
    peer.congestion?.controller.limit(bps);
  }

  /** Stops or resumes forwarding to everybody. */
  muteTrack(sid: string, muted: boolean): void {
    if (muted || this.#tracks.find(sid)) {
      const track = this.#tracks.open(sid);
      track.setMuted(muted);
      if (muted) this.#speakers.silence(track);
      this.#subscriptions.rest(track);
    }
    this.#timer.wantKeyFrames();
  }

  /** What a subscriber wants of a track; may come before the stream is set up. */
  setDownlink(id: PeerId, track: string, settings: DownlinkSettings): void {
    const peer = this.#peers.get(id);
    if (peer) this.#subscriptions.set(peer, track, settings);
  }

  /** ICE and DTLS are up: RTCP starts, key frames are asked for. */
  peerConnected(id: PeerId, nowMs: number): void {
    this.#time.set(nowMs);
    const peer = this.#peers.get(id);
    if (!peer) return;
    peer.connected = true;
    this.#timer.wantKeyFrames();
    this.#timer.endBatch(nowMs, false);
  }

  /**
   * Takes one plain RTP packet of a peer, in the slot `at`. True: the slot is kept and given back to the pool later.
   */
  handleRtp(id: PeerId, at: number, length: number, nowMs: number): boolean {
    const peer = this.#peers.get(id);
    return peer !== undefined && this.#receive(peer, at, length, true, nowMs) !== FREE;
  }

  /** Takes one plain compound RTCP packet of a peer. */
  handleRtcp(id: PeerId, at: number, length: number, nowMs: number): void {
    const peer = this.#peers.get(id);
    if (!peer) return;
    this.#time.set(nowMs);
    this.#rtcpReader.handle(peer, at, length);
    for (const relay of peer.relays) relay.forwardReport(at, length);
  }

  /** Forwards everything that came since the last call. */
  endBatch(nowMs: number): void {
    this.#time.set(nowMs);
    if (this.#fanOut.pending) this.#fanOut.run(nowMs);
    this.#timer.endBatch(nowMs, this.#active);
    this.#active = false;
  }

  nextTimeoutMs(): number {
    return earlier(this.#timer.nextTimeoutMs(), this.#congestion.nextTimeoutMs());
  }

  handleTimeout(nowMs: number): void {
    this.#time.set(nowMs);
    if (this.#fanOut.pending) this.endBatch(nowMs);
    this.#timer.handleTimeout(nowMs);
    this.#congestion.handleTimeout(nowMs);
  }

  pollEvent(): ForwarderEvent | undefined {
    return this.#events.shift();
  }

  /** Measures the streams of a peer, from now on. */
  meter(id: PeerId): StreamMeter | undefined {
    const peer = this.#peers.get(id);
    return peer && new StreamMeter(peer);
  }

  /** Ends the stream of a track to a peer and gives its state, to go on from elsewhere; at most once. */
  takeContinuity(id: PeerId, track: string): ContinuityState | undefined {
    return this.#downlink(id, track)?.take(this.#time);
  }

  /** Lets the stream of a track to a peer go on from such a state, if it has not begun. */
  seedContinuity(id: PeerId, track: string, state: ContinuityState | undefined): SeedResult {
    return this.#downlink(id, track)?.seed(state, this.#time) ?? "empty";
  }

  #receive(peer: PeerMedia, at: number, length: number, fresh: boolean, nowMs: number): number {
    const result = peer.receive(at, length, fresh, nowMs);
    this.#active = true;
    const uplink = peer.lastUplink;
    if (peer.relays.length > 0 && uplink) this.#relay(peer, at, length);
    if (!uplink || uplink.pendingCount === 0) return result;
    const track = uplink.owner;
    if (!track) {
      // Another peer publishes the track now: nobody reads these packets.
      uplink.pendingCount = 0;
      return result;
    }
    this.#fanOut.note(track);
    if (uplink.full) {
      this.#time.set(nowMs);
      this.#fanOut.run(nowMs);
    }
    return result;
  }

  #relay(peer: PeerMedia, at: number, length: number): void {
    for (let i = 0; i < peer.relays.length; i++) {
      const relay = peer.relays[i]!;
      if (relay.changed) {
        this.#events.push({ type: "relayedStreams", peer: relay.target.id, streams: relay.takeStreams() });
      }
      relay.forward(at, length);
    }
  }

  #unpublish(uplink: Uplink): void {
    const track = uplink.owner;
    if (track) {
      this.#speakers.silence(track);
      this.#tracks.withdraw(track, uplink);
      this.#subscriptions.rest(track);
    }
    uplink.close();
  }

  #downlink(id: PeerId, track: string): Downlink | undefined {
    return this.#peers.get(id)?.downlinkOf(track);
  }
}
