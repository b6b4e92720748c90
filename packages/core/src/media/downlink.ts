/**
 * One track on its way to one subscriber: which layer is forwarded, with which numbers, and what can be repeated.
 * A stream starts, and changes its layer or its codec, only on a packet where a decoder can start; until then it goes on
 * as before, or waits, and wants a key frame. Packets of the batch are forwarded by `forward`, which allocates nothing.
 */
import { encodeUtf8 } from "@stoa/wire/text";
import type { CodecSpec, DownlinkSettings, SenderSpec } from "../engine/protocol.ts";
import type { BlankFrames } from "./blank-frames.ts";
import type { CodecTable } from "./codec-table.ts";
import { NOT_CARRIED } from "./codec-table.ts";
import { Continuity, NO_REFERENCE, NO_SEQUENCE } from "./continuity.ts";
import type { ContinuityState, SeedResult } from "./continuity.ts";
import type { ExtensionPlan } from "./extension-plan.ts";
import { LayerSelection } from "./layer-selection.ts";
import { LayerWish, NO_LAYER } from "./layer-wish.ts";
import type { Layer } from "./layer.ts";
import { fillChange } from "./outgoing-change.ts";
import { MAX_PADDING } from "./packet-writer.ts";
import type { PacketWriter, PayloadChange } from "./packet-writer.ts";
import { NO_DELAY } from "./playout-delay.ts";
import type { PlayoutDelay } from "./playout-delay.ts";
import { ReceiverView } from "./receiver-view.ts";
import { NOT_SENT, Repeater } from "./repeater.ts";
import { ReportTimes } from "./report-times.ts";
import { EMPTY, HAS_FRAME, HAS_PICTURE_ID, KEY_START } from "./ring.ts";
import type { PacketRing } from "./ring.ts";
import { selectSpatial, selectWithin } from "./select.ts";
import { NO_TABLES } from "./shared-tables.ts";
import { SourceSwitch } from "./source-switch.ts";
import { MAX_SPATIAL } from "./stream-tracker.ts";
import type { Subscriber } from "./subscriber.ts";
import { isReady } from "./transport.ts";
import type { BatchTime } from "./transport.ts";
import type { Uplink } from "./uplink.ts";

/**
 * How old a key frame may be to begin with, in time and in packets behind it. What lies in between is sent in one burst, and
 * a player that gets it shows the first pictures late.
 */
const HELD_KEY_MS = 300;
const MAX_HELD = 128;

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
  // What each packet reads and writes stands first, side by side: with 1,000 subscribers every cache line more is a wait.
  readonly subscriber: Subscriber;
  readonly continuity: Continuity;
  readonly ssrc: number;
  readonly isVideo: boolean;
  /** Stream of the uplink to forward (in simulcast, that is the spatial layer); -1 = nothing. */
  target = NO_LAYER;
  /** Stream being forwarded; -1 = waiting for a start. */
  current = NO_LAYER;
  /** Layers to forward at most, of those that flow. */
  targetSpatial = NO_LAYER;
  targetTemporal = NO_LAYER;
  /** `LayerSelection.stuck` as it was told. */
  #stuck = false;
  /** Which packets of the stream. */
  readonly #selection = new LayerSelection();
  /** Packets and octets of payload sent, for sender reports; wrap at 32 bits. */
  packets = 0;
  octets = 0;
  /** Something was sent since this was cleared: a sender report is due. */
  sentSinceReport = false;
  /** Where packets are to come from. */
  #uplink: Uplink | undefined;
  /** Where they come from now: another codec until the wanted one has a key frame. Undefined while nothing flows. */
  #serving: Uplink | undefined;
  #codec = -1;
  readonly #source = new SourceSwitch();
  #plan: ExtensionPlan = NO_TABLES.plan;
  #codecs: CodecTable = NO_TABLES.codecs;
  readonly #repeater: Repeater;
  /** Set for video in rooms that limit it, when the extension is negotiated. */
  playoutDelay: PlayoutDelay | undefined;

  readonly track: string;
  /** Set by the first packet ever sent, and by whoever told of it. */
  begun = false;
  announced = false;
  /** Spatial layer that was told of. */
  announcedLayer = NO_LAYER;
  /** Packets flowed since it came to rest last (see `BlankSender`). */
  restless = false;
  /** The subscriber's codec in which the last packet went out. */
  #lastSent: CodecSpec | undefined;
  readonly #marks: DownlinkMarks;
  /** When a key frame was asked for last. */
  requestedMs = -1e12;
  /** Share of packets lost by the last receiver report, in 1/256. */
  fractionLost = 0;
  /** What the receiver's reports say. */
  readonly reported = new ReceiverView();
  /** Packets and key frames that the receiver asked for. */
  nacks = 0;
  keyFrameRequests = 0;
  /** SDES CNAME. */
  readonly cname: Uint8Array;
  readonly reportTimes = new ReportTimes();
  #spec: SenderSpec;
  readonly #wish = new LayerWish();

  constructor(subscriber: Subscriber, spec: SenderSpec, random32: number, marks: DownlinkMarks) {
    this.subscriber = subscriber;
    this.track = spec.track;
    this.isVideo = spec.kind === "video";
    this.#marks = marks;
    this.ssrc = spec.ssrc | 0;
    this.cname = encodeUtf8(spec.cname);
    this.#spec = spec;
    this.continuity = new Continuity(random32 & 0x3fff);
    this.#repeater = new Repeater(this.isVideo, (random32 >>> 16) & 0x3fff);
  }

  get spec(): SenderSpec {
    return this.#spec;
  }

  get uplink(): Uplink | undefined {
    return this.#uplink;
  }

  get settings(): DownlinkSettings {
    return this.#wish.settings;
  }

  /** The bandwidth allows less than the client wants. */
  get restrained(): boolean {
    return this.#wish.restrained;
  }

  get isScreenShare(): boolean {
    return this.#uplink?.isScreenShare ?? false;
  }

  /** The highest spatial layer that the client wants, whether it flows or not, whatever is granted; -1 = none at all. */
  get wantedSpatial(): number {
    return this.continuity.ended || !this.#uplink ? NO_LAYER : this.#wish.wantedSpatial(this.isVideo);
  }

  /** The highest temporal layer that the client wants: the lowest one with the frame rate that is enough for it. */
  get wantedTemporal(): number {
    const spatial = this.targetSpatial >= 0 ? this.targetSpatial : this.wantedSpatial;
    if (spatial < 0 || !this.#uplink) return NO_LAYER;
    return this.#uplink.rates.temporalFor(spatial, this.settings.fps);
  }

  /** Spatial layer that flows now; -1 while nothing does. */
  get currentSpatial(): number {
    if (this.current === NO_LAYER || this.#serving?.isSimulcast) return this.current;
    return this.#selection.spatial(this.targetSpatial);
  }

  /** Highest temporal layer that flows now; -1 while nothing does. */
  get currentTemporal(): number {
    return this.#selection.temporal;
  }

  /** The layer whose clock the sent timestamps follow. */
  get source(): Layer | undefined {
    return this.#source.last;
  }

  /** Its packets say when they were sent, or carry transport-wide numbers. */
  get stamped(): boolean {
    return this.#plan.measures;
  }

  /** Forwarding is stopped for want of bandwidth. */
  get paused(): boolean {
    return this.wantedSpatial >= 0 && this.#wish.paused;
  }

  /** A key frame is needed before anything (or the layer wanted) can be sent. */
  get wantsKeyFrame(): boolean {
    if (!this.isVideo || this.target === NO_LAYER) return false;
    if (this.target !== this.current || this.#serving !== this.#uplink) return true;
    // Within a stream: what flows already is not waited for.
    return this.#selection.stuck || this.currentSpatial < this.targetSpatial;
  }

  /** A key frame would be of no use yet: the clocks of the senders are not known. */
  waitsForReports(nowMs: number): boolean {
    const layer = this.#uplink?.layers[this.target];
    return this.current !== NO_LAYER && layer !== undefined && this.#source.waits(this.#uplink!, layer, nowMs);
  }

  /** Takes a renegotiated description of the same stream. */
  update(spec: SenderSpec): void {
    if (JSON.stringify(spec) === JSON.stringify(this.#spec)) return;
    this.#spec = spec;
    // A packet that was sent under another payload type or with other extensions is not repeated.
    this.#repeater.startOver();
    this.#lastSent = spec.codecs.find((codec) => codec.mime === this.#lastSent?.mime);
    this.#bindCodecs();
  }

  /** Whether the subscriber can take what comes on this uplink: by what came last, or else by its announced codec. */
  carries(uplink: Uplink, mime: string): boolean {
    const { payloadType } = uplink.tables.find(uplink.codecs, this.#spec).codecs;
    if (uplink.lastCodec >= 0) return payloadType[uplink.lastCodec] !== NOT_CARRIED;
    const known = uplink.codecs.some((codec) => codec.mime === mime);
    return uplink.codecs.some((codec, index) => payloadType[index] !== NOT_CARRIED && (!known || codec.mime === mime));
  }

  /** The uplink to take packets from: it appeared, was replaced, was renegotiated, or went away. */
  attach(uplink: Uplink | undefined): void {
    const former = this.#uplink;
    if (uplink !== former) {
      this.#uplink = uplink;
      if (former) former.attached--;
      if (uplink) uplink.attached++;
      // Streams of one publisher have one wall clock.
      if (former?.publisher !== uplink?.publisher) this.#source.last = undefined;
    }
    const serving = this.#serving;
    if (serving && (!uplink || !serving.owner || serving.owner !== uplink.owner)) {
      this.pause();
    }
    this.#repeater.letGo();
    this.#bindCodecs();
    this.retarget();
  }

  setMuted(muted: boolean): void {
    this.#wish.muted = muted;
    if (muted) this.#source.muted = true;
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
    const uplink = this.#uplink;
    const spatial = this.#wish.spatial(this.isVideo);
    if (spatial < 0 || !uplink || this.continuity.ended) {
      this.target = this.targetSpatial = this.targetTemporal = NO_LAYER;
      this.pause();
      return;
    }
    this.targetSpatial = this.isVideo ? selectSpatial(uplink, spatial, this.current) : 0;
    this.targetTemporal = this.#wish.temporal(this.wantedTemporal);
    this.#selection.retarget(selectWithin(uplink, spatial), this.targetTemporal, this.#source.last?.frames);
    this.target = uplink.isSimulcast ? this.targetSpatial : 0;
  }

  /** Stops; it goes on with the next packet where a decoder can start. */
  pause(): void {
    this.current = NO_LAYER;
    this.#serving = undefined;
    this.#selection.stop();
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
    if (this.target === NO_LAYER) return;
    const serving = this.#serving;
    const uplink = this.#uplink!;
    if (serving !== undefined && serving !== uplink) this.#forwardPending(serving, NO_LAYER, time, writer);
    const begun = this.isVideo && this.current === NO_LAYER ? this.#beginHeld(uplink, time, writer) : NO_LAYER;
    this.#forwardPending(uplink, begun, time, writer);
    if (!this.isVideo) return;
    if (this.#selection.stuck && !this.#stuck) this.#marks.keyFrameWanted = true;
    this.#stuck = this.#selection.stuck;
    const spatial = this.currentSpatial;
    if (spatial !== this.announcedLayer && spatial !== NO_LAYER && this.announced) this.#marks.switched.push(this);
  }

  /** Forwards what came on one uplink, save of the layer `done`. */
  #forwardPending(uplink: Uplink, done: number, time: BatchTime, writer: PacketWriter): void {
    for (let i = 0; i < uplink.pendingCount; i++) {
      const layerIndex = uplink.pendingLayer[i]!;
      const flows = layerIndex === this.current && uplink === this.#serving;
      if (layerIndex === done || (!flows && !this.#mayBegin(uplink, layerIndex))) continue;
      const layer = uplink.layers[layerIndex]!;
      const sequence = uplink.pendingSequence[i]!;
      const index = layer.ring.find(sequence);
      if (index < 0) continue;
      const continues =
        flows &&
        this.#source.continues(layer) &&
        (!this.isVideo || layer.ring.codec[index] === this.#codec || (layer.ring.flags[index]! & EMPTY) !== 0);
      if (continues) {
        this.#forwardPacket(layer.ring, index, sequence, time, writer);
      } else if (this.#begin(uplink, layer, index, sequence, time)) {
        this.#forwardFrom(layer.ring, sequence, time, writer);
        done = layerIndex;
      }
    }
  }

  /** Whether to begin with this layer: the one wanted, or a lower one as long as there is none at all. */
  #mayBegin(uplink: Uplink, layerIndex: number): boolean {
    if (uplink !== this.#uplink) return false;
    return layerIndex === this.target || (this.current === NO_LAYER && layerIndex < this.target);
  }

  /**
   * Begins with a key frame that came a moment ago, if all since is held: many that join within a moment cost the publisher
   * one key frame. Returns the layer, or `NO_LAYER`.
   */
  #beginHeld(uplink: Uplink, time: BatchTime, writer: PacketWriter): number {
    for (let i = this.target; i >= 0; i--) {
      const layer = uplink.layers[i]!;
      const key = layer.keySequence;
      if (time.nowMs - layer.keyMs > HELD_KEY_MS || !this.#isNew(layer, time)) continue;
      if (!layer.ring.holdsFrom(key, MAX_HELD) || !this.#begin(uplink, layer, layer.ring.find(key), key, time))
        continue;
      this.#forwardFrom(layer.ring, key, time, writer);
      return i;
    }
    return NO_LAYER;
  }

  /** Whether the newest key frame of a layer came after all that was sent. */
  #isNew(layer: Layer, time: BatchTime): boolean {
    return !this.continuity.started || time.ticksAt(layer.keyMs) - this.continuity.sentTicksMs > 0;
  }

  /**
   * Forwards all that the ring holds from a start on: the start may have been lost and have come after the packets behind
   * it. The rest of this batch is among them.
   */
  #forwardFrom(ring: PacketRing, start: number, time: BatchTime, writer: PacketWriter): void {
    for (let sequence = start; ((ring.newest - sequence) | 0) >= 0; sequence = (sequence + 1) | 0) {
      const index = ring.find(sequence);
      if (index >= 0) this.#forwardPacket(ring, index, sequence, time, writer);
    }
  }

  #forwardPacket(ring: PacketRing, index: number, sequence: number, time: BatchTime, writer: PacketWriter): void {
    const continuity = this.continuity;
    const flags = ring.flags[index]!;
    const codec = ring.codec[index]!;
    const payloadType = this.#codecs.payloadType[codec]!;
    const newest = continuity.isNewest(sequence);
    const unwanted = this.isVideo && !this.#selection.wants(ring, index, newest, this.#source.last!.frames, continuity);
    if (payloadType === NOT_CARRIED || (newest && (unwanted || (flags & EMPTY) !== 0))) {
      if (newest) continuity.drop(sequence);
      return;
    }
    const outgoing = continuity.map(sequence, ring.timestamp[index]!, time.ticksMs);
    if (outgoing === NO_SEQUENCE) return;
    const timestamp = (ring.timestamp[index]! + continuity.timestampOffset) | 0;
    let change: PayloadChange | undefined;
    let decodeTarget = 0;
    if (this.isVideo) {
      const selection = this.#selection;
      const highest = outgoing === continuity.sequence;
      const frames = this.#source.last!.frames;
      const delay = this.playoutDelay === undefined ? NO_DELAY : this.playoutDelay.take(outgoing, time.ticksMs);
      writer.change.playoutDelay = delay;
      change = fillChange(ring, index, unwanted, highest, continuity, selection, frames, writer.change);
      ({ decodeTarget } = selection);
    }
    this.#repeater.note(outgoing, sequence, timestamp, this.current, flags, decodeTarget, change);
    const octets = writer.write(
      this.subscriber,
      this.#plan,
      ring,
      index,
      payloadType,
      outgoing,
      timestamp,
      this.ssrc,
      change,
    );
    this.#count(octets);
  }

  #count(octets: number): void {
    if (octets < 0) return;
    this.packets = (this.packets + 1) | 0;
    this.octets = (this.octets + octets) | 0;
    this.sentSinceReport = true;
  }

  /** Starts on this packet if a decoder can; false if it must wait. */
  #begin(uplink: Uplink, layer: Layer, index: number, sequence: number, time: BatchTime): boolean {
    const ring = layer.ring;
    const flags = ring.flags[index]!;
    const codec = ring.codec[index]!;
    const { codecs } = uplink.tables.find(uplink.codecs, this.#spec);
    const startable = (flags & EMPTY) === 0 && (!this.isVideo || (flags & KEY_START) !== 0);
    if (!this.#mayBegin(uplink, layer.index) || !startable || codecs.payloadType[codec] === NOT_CARRIED) {
      // What was forwarded does not go on: its source began anew or changed its codec.
      if (layer.index === this.current && uplink === this.#serving) this.pause();
      return false;
    }
    const { continuity } = this;
    const source = this.#source;
    const runs = this.current !== NO_LAYER;
    if (runs && source.waits(uplink, layer, time.nowMs)) return false;
    const timestamp = ring.timestamp[index]!;
    const clockRate = codecs.clockRate[codec]!;
    const kind = source.kind(layer, runs);
    const apart = kind === NO_REFERENCE ? 0 : source.apart(layer, clockRate);
    const reference = (timestamp + apart + continuity.timestampOffset) | 0;
    if (!continuity.begin(sequence, timestamp, kind, reference, clockRate, time.ticksMs)) {
      source.refused();
      return false;
    }
    if ((flags & HAS_PICTURE_ID) !== 0) {
      continuity.beginPictures(ring.pictureId[index]!, ring.tl0PicIdx[index]!, ring.keyIdx[index]!);
    }
    if ((flags & HAS_FRAME) !== 0) continuity.beginFrames(ring.frame[index]!);
    source.switched(layer, runs, time.nowMs);
    this.current = layer.index;
    this.#selection.begin();
    this.#serve(uplink);
    this.#codec = codec;
    this.#marks.begun.push(this);
    this.begun = this.restless = true;
    this.#lastSent = codecs.chosen[codec];
    this.#repeater.serve(uplink, this.#codecs.nack);
    return true;
  }

  /** Packets come from this uplink from now on. */
  #serve(uplink: Uplink): void {
    if (uplink === this.#serving) return;
    this.#serving = uplink;
    this.#bindCodecs();
  }

  /** Packets of the track are being forwarded. */
  get flows(): boolean {
    return this.current !== NO_LAYER;
  }

  /**
   * Sends a frame that the server makes up, due at `ticksMs`, as the next one of a stream that does not flow; `stepMs`: how
   * long it lasts. False if there is none of the stream's kind, or the stream has ended.
   */
  sendBlank(frames: BlankFrames, trailer: Uint8Array, stepMs: number, ticksMs: number, writer: PacketWriter): boolean {
    const { continuity, subscriber } = this;
    const codec = this.#lastSent;
    if (!codec || continuity.ended) return false;
    const count = frames.prepare(codec, continuity, trailer);
    if (count === 0) return false;
    continuity.makeUpFrame(stepMs, codec.clockRate, ticksMs);
    for (let part = 0; part < count; part++) {
      const { payloadType } = codec;
      const sequence = continuity.nextMadeUp();
      const { timestamp } = continuity;
      this.#count(
        writer.write(subscriber, this.#plan, frames.ring, part, payloadType, sequence, timestamp, this.ssrc, undefined),
      );
    }
    return true;
  }

  /** The subscriber lost this packet (16 bits): sends it again if that may help. True if it was. */
  resend(lost: number, time: BatchTime, writer: PacketWriter): boolean {
    if (this.target === NO_LAYER) return false;
    // For want of bandwidth it shows a lower layer by now: the former one is not worth any.
    const highest = this.restrained ? this.current : MAX_SPATIAL;
    const octets = this.#repeater.resend(this, lost, highest, time, writer);
    this.#count(octets);
    return octets !== NOT_SENT;
  }

  /** Sends about `bytes` of padding on the stream of retransmissions, to try the link. False if it has none, or has not begun. */
  pad(bytes: number, writer: PacketWriter): boolean {
    const payloadType = this.#codec < 0 ? 0 : (this.#codecs.rtxPayloadType[this.#codec] ?? 0);
    const { subscriber, continuity } = this;
    if (!this.begun || payloadType === 0 || this.#spec.rtxSsrc === 0 || !this.stamped) return false;
    if (!isReady(subscriber.transport) || continuity.ended) return false;
    for (let left = bytes; left > 0; left -= MAX_PADDING) {
      const rtxSsrc = this.#spec.rtxSsrc | 0;
      const size = Math.max(Math.min(left, MAX_PADDING), 1);
      if (
        !writer.writePadding(
          subscriber,
          this.#plan,
          payloadType,
          this.#repeater.rtxSequence,
          continuity.timestamp,
          rtxSsrc,
          size,
        )
      )
        break;
      this.#repeater.rtxSequence = (this.#repeater.rtxSequence + 1) & 0xffff;
    }
    return true;
  }

  /** Stops for good and gives the state to go on from elsewhere; undefined if nothing was ever sent, or taken before. */
  take(time: BatchTime): ContinuityState | undefined {
    const { continuity } = this;
    const taken = continuity.ended || !continuity.started;
    continuity.ended = true;
    this.retarget();
    if (taken) return undefined;
    return {
      ssrc: this.ssrc >>> 0,
      sequence: continuity.sequence & 0xffff,
      timestamp: continuity.timestamp >>> 0,
      atMs: time.unixMs(continuity.sentTicksMs),
      pictureId: continuity.pictureId,
      tl0PicIdx: continuity.tl0PicIdx,
      keyIdx: continuity.keyIdx,
      frame: continuity.frame,
      widePictureId: continuity.widePictureId,
      rtxSequence: this.#repeater.rtxSequence,
      packets: this.packets >>> 0,
      octets: this.octets >>> 0,
    };
  }

  /** Goes on from such a state, if nothing was sent yet. */
  seed(state: ContinuityState | undefined, time: BatchTime): SeedResult {
    const result = this.continuity.seed(state, this.ssrc, state ? time.ticksAt(state.atMs) : 0);
    if (result === "applied" && state) {
      this.#repeater.rtxSequence = state.rtxSequence;
      this.packets = state.packets | 0;
      this.octets = state.octets | 0;
    }
    return result;
  }

  #bindCodecs(): void {
    const uplink = this.#serving ?? this.#uplink;
    // What was sent last can still be brought to rest.
    if (!uplink) return;
    const { codecs, plan } = uplink.tables.find(uplink.codecs, this.#spec);
    this.#codecs = codecs;
    this.#plan = plan;
  }
}
