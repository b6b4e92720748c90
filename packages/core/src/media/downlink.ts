/**
 * One track on its way to one subscriber: what its client wants of it, what it is granted, and what follows from that for
 * where its packets come from (`Feed`) and how they go out (`OutgoingStream`). Whatever changes one of these retargets.
 */
import type { DownlinkSettings, SenderSpec } from "../engine/specs.ts";
import { NOT_CARRIED } from "./codec-table.ts";
import type { ContinuityState, SeedResult } from "./continuity.ts";
import { Feed } from "./feed.ts";
import { LayerWish, NO_LAYER } from "./layer-wish.ts";
import type { Layer } from "./layer.ts";
import { OutgoingStream } from "./outgoing-stream.ts";
import type { PacketWriter } from "./packet-writer.ts";
import { ReceiverView } from "./receiver-view.ts";
import { selectSpatial, selectWithin } from "./select.ts";
import { MAX_SPATIAL } from "./stream-tracker.ts";
import type { Subscriber } from "./subscriber.ts";
import type { BatchTime } from "./transport.ts";
import type { Uplink } from "./uplink.ts";

/** What the downlinks of a forwarder leave to be done at the end of a batch. */
export interface DownlinkMarks {
  /** Those that began, for the first time or with another source. */
  readonly begun: Downlink[];
  /** Those that another spatial layer flows to than was told of last. */
  readonly switched: Downlink[];
  /** One of them found that it needs a key frame. */
  keyFrameWanted: boolean;
}

export class Downlink {
  readonly subscriber: Subscriber;
  readonly stream: OutgoingStream;
  readonly #feed: Feed;
  readonly isVideo: boolean;
  /** `Feed.stuck` as it was told. */
  #stuck = false;

  readonly track: string;
  readonly #marks: DownlinkMarks;
  readonly #wish = new LayerWish();
  /** Layers to forward at most, of those that flow. */
  targetSpatial = NO_LAYER;
  targetTemporal = NO_LAYER;
  /** Its first packet was told of, and the spatial layer that flowed then or since. */
  announced = false;
  announcedLayer = NO_LAYER;
  /** Packets flowed since it came to rest last (see `BlankSender`). */
  restless = false;
  /** When a key frame was asked for last. */
  requestedMs = -1e12;
  /** What the receiver says. */
  readonly reported = new ReceiverView();

  constructor(subscriber: Subscriber, spec: SenderSpec, random32: number, marks: DownlinkMarks) {
    this.subscriber = subscriber;
    this.track = spec.track;
    this.isVideo = spec.kind === "video";
    this.#marks = marks;
    this.stream = new OutgoingStream(subscriber, spec, random32);
    this.#feed = new Feed(this.stream);
  }

  get spec(): SenderSpec {
    return this.stream.spec;
  }

  get ssrc(): number {
    return this.stream.ssrc;
  }

  get uplink(): Uplink | undefined {
    return this.#feed.uplink;
  }

  get settings(): DownlinkSettings {
    return this.#wish.settings;
  }

  /** The bandwidth allows less than the client wants. */
  get restrained(): boolean {
    return this.#wish.restrained;
  }

  get isScreenShare(): boolean {
    return this.uplink?.isScreenShare ?? false;
  }

  /** The highest spatial layer that the client wants, whether it flows or not, whatever is granted; -1 = none at all. */
  get wantedSpatial(): number {
    return this.stream.continuity.ended || !this.uplink ? NO_LAYER : this.#wish.wantedSpatial(this.isVideo);
  }

  /** The highest temporal layer that the client wants: the lowest one with the frame rate that is enough for it. */
  get wantedTemporal(): number {
    const spatial = this.targetSpatial >= 0 ? this.targetSpatial : this.wantedSpatial;
    if (spatial < 0 || !this.uplink) return NO_LAYER;
    return this.uplink.rates.temporalFor(spatial, this.settings.fps);
  }

  /** Stream of the uplink to forward (in simulcast, that is the spatial layer); -1 = nothing. */
  get target(): number {
    return this.#feed.target;
  }

  /** Stream being forwarded; -1 = waiting for a start. */
  get current(): number {
    return this.#feed.current;
  }

  /** Packets of the track are being forwarded. */
  get flows(): boolean {
    return this.current !== NO_LAYER;
  }

  /** Spatial layer that flows now; -1 while nothing does. */
  get currentSpatial(): number {
    return this.#feed.spatial(this.targetSpatial);
  }

  /** Highest temporal layer that flows now; -1 while nothing does. */
  get currentTemporal(): number {
    return this.#feed.temporal;
  }

  /** The layer whose clock the sent timestamps follow. */
  get source(): Layer | undefined {
    return this.#feed.source;
  }

  /** Forwarding is stopped for want of bandwidth. */
  get paused(): boolean {
    return this.wantedSpatial >= 0 && this.#wish.paused;
  }

  /** A key frame is needed before anything (or the layer wanted) can be sent. */
  get wantsKeyFrame(): boolean {
    if (!this.isVideo || this.target === NO_LAYER) return false;
    // Within a stream: what flows already is not waited for.
    return this.#feed.isElsewhere || this.#feed.stuck || this.currentSpatial < this.targetSpatial;
  }

  /** A key frame would be of no use yet: the clocks of the senders are not known. */
  waitsForReports(nowMs: number): boolean {
    return this.#feed.waitsForReports(nowMs);
  }

  /** Takes a renegotiated description of the same stream. */
  update(spec: SenderSpec): void {
    if (JSON.stringify(spec) === JSON.stringify(this.spec)) return;
    this.stream.update(spec);
    this.#bind();
  }

  /** Whether the subscriber can take what comes on this uplink: by what came last, or else by its announced codec. */
  carries(uplink: Uplink, mime: string): boolean {
    const { payloadType } = uplink.tables.find(uplink.codecs, this.spec).codecs;
    if (uplink.lastCodec >= 0) return payloadType[uplink.lastCodec] !== NOT_CARRIED;
    const known = uplink.codecs.some((codec) => codec.mime === mime);
    return uplink.codecs.some((codec, index) => payloadType[index] !== NOT_CARRIED && (!known || codec.mime === mime));
  }

  /** The uplink to take packets from: it appeared, was replaced, was renegotiated, or went away. */
  attach(uplink: Uplink | undefined): void {
    this.#feed.attach(uplink);
    this.#bind();
    this.retarget();
  }

  setMuted(muted: boolean): void {
    this.#wish.muted = muted;
    if (muted) this.#feed.muted();
    this.retarget();
  }

  setSettings(settings: DownlinkSettings): void {
    this.#wish.settings = settings;
    this.retarget();
  }

  /**
   * What the bandwidth allows, beside what the client wants; all, unless an allocator says otherwise. `spatial` -1 pauses the
   * stream. Key frames that this makes necessary are asked for within 100 ms.
   */
  allocate(spatial: number, temporal: number): void {
    if (this.#wish.allocate(spatial, temporal)) this.retarget();
  }

  /** Works out the target anew: after a change of settings or allocation, or when a layer came or went. */
  retarget(): void {
    const { uplink } = this;
    const spatial = this.#wish.spatial(this.isVideo);
    if (spatial < 0 || !uplink || this.stream.continuity.ended) {
      this.targetSpatial = this.targetTemporal = NO_LAYER;
      this.#feed.stop();
      return;
    }
    this.targetSpatial = this.isVideo ? selectSpatial(uplink, spatial, this.current) : 0;
    this.targetTemporal = this.#wish.temporal(this.wantedTemporal);
    const target = uplink.isSimulcast ? this.targetSpatial : 0;
    this.#feed.retarget(target, selectWithin(uplink, spatial), this.targetTemporal);
  }

  /** Stops; it goes on with the next packet where a decoder can start. */
  pause(): void {
    this.#feed.pause();
  }

  /**
   * Stops at once: the link is choked by what it gets. It goes on with the next key frame, which is asked for after `waitMs`,
   * when the queue that would swallow it is gone.
   */
  cut(waitMs: number, nowMs: number): void {
    this.pause();
    this.requestedMs = nowMs + waitMs - this.subscriber.requestIntervalMs;
  }

  /** Forwards what the track received in this batch. */
  forward(time: BatchTime, writer: PacketWriter): void {
    const feed = this.#feed;
    if (feed.target === NO_LAYER) return;
    feed.forward(time, writer);
    if (feed.begun) {
      feed.begun = false;
      this.restless = true;
      this.#marks.begun.push(this);
    }
    if (!this.isVideo) return;
    const { stuck } = feed;
    if (stuck && !this.#stuck) this.#marks.keyFrameWanted = true;
    this.#stuck = stuck;
    const spatial = this.currentSpatial;
    if (spatial !== this.announcedLayer && spatial !== NO_LAYER && this.announced) this.#marks.switched.push(this);
  }

  /** The subscriber lost this packet (16 bits): sends it again if that may help. True if it was. */
  resend(lost: number, time: BatchTime, writer: PacketWriter): boolean {
    if (this.target === NO_LAYER) return false;
    // For want of bandwidth it shows a lower layer by now: the former one is not worth any.
    const highest = this.restrained ? this.current : MAX_SPATIAL;
    return this.stream.resend(lost, highest, time, writer);
  }

  /** Stops for good and gives the state to go on from elsewhere; undefined if nothing was ever sent, or taken before. */
  take(time: BatchTime): ContinuityState | undefined {
    const state = this.stream.take(time);
    this.retarget();
    return state;
  }

  /** Goes on from such a state, if nothing was sent yet. */
  seed(state: ContinuityState | undefined, time: BatchTime): SeedResult {
    return this.stream.seed(state, time);
  }

  #bind(): void {
    const uplink = this.#feed.serving ?? this.uplink;
    // What was sent last can still be brought to rest.
    if (uplink) this.stream.bind(uplink.tables.find(uplink.codecs, this.spec));
  }
}
