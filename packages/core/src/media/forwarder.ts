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
import type {
  CongestionSpec,
  DownlinkSettings,
  MediaEvent,
  PeerId,
  PlayoutDelaySpec,
  ReceiverSpec,
  SenderSpec,
  TrackSpec,
} from "../engine/protocol.ts";
import type { PacketSink } from "../paths.ts";
import type { PacketPool, Slab } from "../slab.ts";
import { DEFAULT_AUDIO_LEVEL } from "./audio-level.ts";
import type { AudioLevelOptions } from "./audio-level.ts";
import { BlankSender } from "./blank-sender.ts";
import { CongestionWatch } from "./congestion-watch.ts";
import type { ContinuityState, SeedResult } from "./continuity.ts";
import { DerivedUplinks } from "./derived-uplinks.ts";
import { Downlink } from "./downlink.ts";
import type { DownlinkMarks } from "./downlink.ts";
import { NO_LAYER } from "./layer-wish.ts";
import { MediaTimer } from "./media-timer.ts";
import { PacketWriter } from "./packet-writer.ts";
import { FREE, KEPT, PeerMedia } from "./peer-media.ts";
import { PlayoutDelay } from "./playout-delay.ts";
import { RtcpReader } from "./rtcp-reader.ts";
import { RtcpWriter } from "./rtcp-writer.ts";
import { SpeakerWatch } from "./speakers.ts";
import { StreamMeter } from "./stream-stats.ts";
import { FanOut, Track } from "./track.ts";
import { BatchTime } from "./transport.ts";
import type { MediaTransport } from "./transport.ts";
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
}

/** What is fixed for the life of a connection. */
export interface PeerOptions {
  readonly congestion: CongestionSpec;
  readonly playoutDelay: PlayoutDelaySpec | undefined;
  /** Room and participant that it belongs to. */
  readonly owner?: { readonly room: string; readonly participant: string };
}

/** Nothing is managed. */
export const UNMANAGED: PeerOptions = { congestion: { enabled: false, allowPause: false }, playoutDelay: undefined };

/** More tracks than anybody subscribes to. */
const MAX_SETTINGS = 4096;

export type ForwarderEvent = Extract<
  MediaEvent,
  { type: "trackStarted" | "downlinkStarted" | "layerSwitched" | "speakers" | "streamState" }
>;

export class Forwarder {
  readonly #deps: ForwarderDeps;
  readonly #peers = new Map<PeerId, PeerMedia>();
  readonly #tracks = new Map<string, Track>();
  readonly #time = new BatchTime();
  readonly #writer: PacketWriter;
  readonly #rtcpWriter: RtcpWriter;
  readonly #rtcpReader: RtcpReader;
  readonly #speakers: SpeakerWatch;
  readonly #congestion: CongestionWatch;
  readonly #blanks: BlankSender;
  readonly #timer: MediaTimer;
  readonly #derived: DerivedUplinks;
  readonly #fanOut = new FanOut();
  readonly #dirty: Track[] = [];
  #dirtyCount = 0;
  /** A packet came since the last batch ended. */
  #active = false;
  readonly #marks: DownlinkMarks = { begun: [], switched: [], keyFrameWanted: false };
  readonly #events: ForwarderEvent[] = [];

  constructor(deps: ForwarderDeps) {
    this.#deps = deps;
    this.#writer = new PacketWriter(deps.slab, deps.sink, this.#time);
    this.#rtcpWriter = new RtcpWriter(deps.slab, deps.sink);
    this.#derived = new DerivedUplinks(deps.pool, deps.activeRed ?? false);
    this.#speakers = new SpeakerWatch(deps.audioLevel ?? DEFAULT_AUDIO_LEVEL, this.#tracks, this.#events);
    this.#congestion = new CongestionWatch(this.#writer, this.#events);
    this.#blanks = new BlankSender(deps.slab, this.#time, this.#writer);
    this.#timer = new MediaTimer(this.#peers, this.#tracks, this.#rtcpWriter, {
      speakers: this.#speakers,
      congestion: this.#congestion,
      blanks: this.#blanks,
    });
    this.#rtcpReader = new RtcpReader(deps.slab.u8, this.#time, this.#writer, (downlink) =>
      this.#decoderStuck(downlink),
    );
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
      const uplink = known ?? new Uplink(id, spec, this.#deps.pool);
      if (!known && !uplink.isVideo) uplink.level = this.#speakers.newLevel();
      kept.add(uplink);
      return uplink;
    });
    const former = peer.uplinks;
    peer.setUplinks(uplinks, specs, this.#time.nowMs);
    for (const uplink of uplinks) {
      const track = this.#track(uplink.track);
      track.publish(peer, uplink);
      this.#derived.follow(track);
    }
    for (const uplink of former) if (!kept.has(uplink)) this.#unpublish(uplink);
    peer.held.replay((at, length, arrivalMs) => this.#receive(peer, at, length, false, arrivalMs) === KEPT);
    if (this.#dirtyCount > 0) this.#timer.wake();
    this.#timer.wantKeyFrames();
  }

  /** Replaces the list of what the peer is sent. */
  setSenders(id: PeerId, specs: readonly SenderSpec[]): void {
    const peer = this.#peers.get(id);
    if (!peer) return;
    const wanted = new Map(specs.map((spec) => [spec.ssrc | 0, spec]));
    for (const [ssrc, downlink] of peer.downlinks) {
      const spec = wanted.get(ssrc);
      if (spec && spec.track === downlink.track && spec.kind === downlink.spec.kind) {
        downlink.update(spec);
        wanted.delete(ssrc);
        continue;
      }
      const track = this.#track(downlink.track);
      track.unsubscribe(downlink);
      this.#derived.follow(track);
      this.#forget(track);
      peer.downlinks.delete(ssrc);
      peer.subscriber.touched.length = 0;
      if (!specs.some((other) => other.track === downlink.track)) peer.settings.delete(downlink.track);
      if (!spec) peer.closing.set(ssrc, downlink);
      this.#blanks.close(downlink, track.trailer, () => this.#retire(peer, downlink));
      if (spec) this.#blanks.settle(downlink);
    }
    for (const spec of wanted.values()) this.#subscribe(peer, spec);
    this.#timer.wantKeyFrames();
    if (this.#blanks.active) this.#timer.wake();
  }

  /** Facts about a track that the SDP does not say. */
  setTrack(sid: string, spec: TrackSpec): void {
    const track = this.#track(sid);
    track.spec = spec;
    this.#derived.follow(track);
    this.#timer.wantKeyFrames();
  }

  /** The track ended. */
  removeTrack(sid: string): void {
    const track = this.#tracks.get(sid);
    if (!track) return;
    this.#speakers.silence(track);
    track.spec = undefined;
    this.#forget(track);
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
    if (muted || this.#tracks.has(sid)) {
      const track = this.#track(sid);
      track.setMuted(muted);
      if (muted) this.#speakers.silence(track);
      for (const downlink of track.downlinks) this.#bringToRest(downlink, track);
    }
    this.#timer.wantKeyFrames();
  }

  /** What a subscriber wants of a track; may come before the stream is set up. */
  setDownlink(id: PeerId, track: string, settings: DownlinkSettings): void {
    const peer = this.#peers.get(id);
    if (!peer) return;
    if (peer.settings.has(track) || peer.settings.size < MAX_SETTINGS) peer.settings.set(track, settings);
    const downlink = this.#downlink(id, track);
    downlink?.setSettings(settings);
    if (downlink) this.#bringToRest(downlink, this.#track(track));
    this.#timer.wantKeyFrames();
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
  }

  /** Forwards everything that came since the last call. */
  endBatch(nowMs: number): void {
    this.#time.set(nowMs);
    if (this.#dirtyCount > 0) this.#flush(nowMs);
    this.#timer.endBatch(nowMs, this.#active);
    this.#active = false;
  }

  nextTimeoutMs(): number {
    return earlier(this.#timer.nextTimeoutMs(), this.#congestion.nextTimeoutMs());
  }

  handleTimeout(nowMs: number): void {
    this.#time.set(nowMs);
    if (this.#dirtyCount > 0) this.endBatch(nowMs);
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
    if (!uplink || uplink.pendingCount === 0) return result;
    const track = uplink.owner;
    if (!track) {
      // Another peer publishes the track now: nobody reads these packets.
      uplink.pendingCount = 0;
      return result;
    }
    if (!track.dirty) {
      track.dirty = true;
      this.#dirty[this.#dirtyCount++] = track;
    }
    if (uplink.full) {
      this.#time.set(nowMs);
      this.#flush(nowMs);
    }
    return result;
  }

  /** Fans out what is pending; several tracks subscriber by subscriber, so that each gets all of its packets in one go. */
  #flush(nowMs: number): void {
    const count = this.#dirtyCount;
    this.#dirtyCount = 0;
    for (let i = 0; i < count; i++) this.#followLayers(this.#dirty[i]!);
    for (let i = 0; i < count; i++) this.#dirty[i]!.derive(nowMs);
    if (count === 1) {
      this.#dirty[0]!.fanOut(this.#time, this.#writer);
    } else {
      for (let i = 0; i < count; i++) this.#fanOut.add(this.#dirty[i]!);
      this.#fanOut.run(this.#time, this.#writer);
    }
    for (let i = 0; i < count; i++) {
      const track = this.#dirty[i]!;
      track.dirty = false;
      track.clearPending();
      this.#timer.requestLosses(track, nowMs);
    }
    if (this.#marks.begun.length > 0) this.#announceDownlinks(nowMs);
    if (this.#marks.switched.length > 0) this.#announceSwitches();
    if (!this.#marks.keyFrameWanted) return;
    this.#marks.keyFrameWanted = false;
    this.#timer.wantKeyFrames();
  }

  #followLayers(track: Track): void {
    if (!track.followLayers()) return;
    this.#timer.wantKeyFrames();
    for (const uplink of track.uplinks) {
      if (track.uplinkOf(uplink.codecIndex) !== uplink) continue;
      for (const layer of uplink.layers) {
        if (layer.announced || !layer.alive) continue;
        layer.announced = true;
        const mime = uplink.codecs[layer.lastCodec]?.mime ?? "";
        this.#events.push({ type: "trackStarted", track: track.sid, peer: uplink.publisher, mime, layer: layer.index });
      }
    }
  }

  #announceDownlinks(nowMs: number): void {
    for (const downlink of this.#marks.begun) {
      const { id } = downlink.subscriber;
      if (!downlink.announced) {
        this.#events.push({ type: "downlinkStarted", track: downlink.track, peer: id });
        downlink.announced = true;
        downlink.announcedLayer = downlink.currentSpatial;
      }
      const peer = this.#peers.get(id);
      if (peer) this.#timer.downlinkBegun(peer, nowMs);
    }
    this.#marks.begun.length = 0;
  }

  #announceSwitches(): void {
    for (const downlink of this.#marks.switched) {
      const { subscriber, track, currentSpatial: to, announcedLayer: from, wantedSpatial, restrained } = downlink;
      downlink.announcedLayer = to;
      // The first packet of a stream need not say which layer it is of.
      if (from === NO_LAYER) continue;
      const reason = to === wantedSpatial ? "wanted" : to < wantedSpatial && restrained ? "bandwidth" : "publisher";
      this.#events.push({ type: "layerSwitched", peer: subscriber.id, track, from, to, reason });
    }
    this.#marks.switched.length = 0;
  }

  #decoderStuck(downlink: Downlink): void {
    const track = this.#tracks.get(downlink.track);
    if (track) this.#timer.decoderStuck(track, downlink, this.#time.nowMs);
  }

  /** If the stream has stopped, frames follow that bring its decoder to rest. */
  #bringToRest(downlink: Downlink, track: Track): void {
    this.#blanks.stopped(downlink, track.trailer, !downlink.uplink);
    if (this.#blanks.active) this.#timer.wake();
  }

  /** A stream that was given up has come to rest. */
  #retire(peer: PeerMedia, downlink: Downlink): void {
    const { ssrc } = downlink;
    const state = downlink.take(this.#time);
    if (state) peer.remember(ssrc, state);
    // Unless another stream took its SSRC over.
    if (peer.closing.delete(ssrc) && downlink.begun) this.#rtcpWriter.bye(peer.transport, ssrc);
  }

  #subscribe(peer: PeerMedia, spec: SenderSpec): void {
    const former = peer.closing.get(spec.ssrc | 0);
    peer.closing.delete(spec.ssrc | 0);
    if (former) this.#blanks.settle(former);
    const downlink = new Downlink(peer.subscriber, spec, this.#deps.random.uint32(), this.#marks);
    downlink.seed(peer.ended.get(downlink.ssrc), this.#time);
    const settings = peer.settings.get(spec.track);
    if (settings) downlink.setSettings(settings);
    const { playoutDelay } = peer.options;
    if (playoutDelay && downlink.isVideo && spec.extensions.playoutDelay !== undefined) {
      downlink.playoutDelay = new PlayoutDelay(playoutDelay);
    }
    peer.downlinks.set(downlink.ssrc, downlink);
    const track = this.#track(spec.track);
    track.subscribe(downlink);
    this.#derived.follow(track);
    this.#congestion.follow(peer, downlink);
  }

  #unpublish(uplink: Uplink): void {
    const track = uplink.owner;
    if (track) {
      this.#speakers.silence(track);
      track.withdraw(uplink);
      this.#derived.follow(track);
      for (const downlink of track.downlinks) this.#bringToRest(downlink, track);
      this.#forget(track);
    }
    uplink.close();
  }

  #track(sid: string): Track {
    let track = this.#tracks.get(sid);
    if (!track) {
      track = new Track(sid);
      this.#tracks.set(sid, track);
    }
    return track;
  }

  #forget(track: Track): void {
    if (track.unused) this.#tracks.delete(track.sid);
  }

  #downlink(id: PeerId, track: string): Downlink | undefined {
    const peer = this.#peers.get(id);
    if (!peer) return undefined;
    for (const downlink of peer.downlinks.values()) if (downlink.track === track) return downlink;
    return undefined;
  }
}
