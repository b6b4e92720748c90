/**
 * One codec of a published track as it comes in: its layers, and what came since the last fan-out.
 * `receive` sees every packet of the track once; subscribers only see what it noted in the rings and in the list of
 * pending packets, which is bounded (`full`: fan out before the next packet).
 */
import { elementLength, elementOffset, findExtension } from "@stoa/wire/rtp/extension";
import type { RtpHeader } from "@stoa/wire/rtp/header";
import type { CodecSpec, LayerMode, PeerId, ReceiverSpec } from "../engine/specs.ts";
import type { PacketPool } from "../slab.ts";
import type { AudioLevel } from "./audio-level.ts";
import { FrameTable, NO_FRAME } from "./frame-table.ts";
import { DROPPED, Layer } from "./layer.ts";
import { LayerRates, MAX_TEMPORAL } from "./layer-rates.ts";
import { noteTrailer } from "./payload-info.ts";
import { EMPTY, FRAME_END, HAS_AUDIO_LEVEL, HAS_FRAME, INDEPENDENT, KEY_START, MARKER } from "./ring.ts";
import type { PacketRing } from "./ring.ts";
import { SharedTables } from "./shared-tables.ts";
import { MAX_SPATIAL, StreamTrackers } from "./stream-tracker.ts";
import type { Track } from "./track.ts";
import type { MediaTuning } from "./tuning.ts";

const MAX_PENDING = 128;
/** Keeps a counter a small integer. */
const OCTETS_MASK = 0x3fffffff;
/** So many packets are read again when a late one brings what was missing. */
const MAX_REREAD = 64;
const NO_CODEC = -1;
const NO_SLOT = -1;

export class Uplink {
  readonly publisher: PeerId;
  readonly track: string;
  /** Which of the track's codecs this is. */
  readonly codecIndex: number;
  /** The track whose subscribers get these packets; undefined when another uplink took its place. */
  owner: Track | undefined;
  /** How many downlinks are attached. */
  attached = 0;
  readonly isVideo: boolean;
  readonly layers: readonly Layer[];
  /** Packets since the last fan-out: layer and extended sequence number. */
  readonly pendingLayer = new Uint8Array(MAX_PENDING);
  readonly pendingSequence = new Int32Array(MAX_PENDING);
  pendingCount = 0;
  /** Which spatial layers flow, and what each layer costs. */
  readonly trackers = new StreamTrackers();
  readonly rates = new LayerRates();
  /** What was negotiated with its subscribers. */
  readonly tables = new SharedTables();
  /** Hears how loud it is; undefined where nobody wants to know. */
  level: AudioLevel | undefined;
  /** A layer came to life or died, or another codec came, since this was cleared. */
  layersChanged = false;
  /** Codec of the last packet, as an index in `codecs`; -1 = none came yet. */
  lastCodec = NO_CODEC;
  #spec: ReceiverSpec;
  #checkedCodec = NO_CODEC;
  readonly #codecOf = new Int8Array(128);
  readonly #rtxOf = new Int8Array(128);
  readonly #u8: Uint8Array;
  #audioLevelId = 0;
  #captureTimeId = 0;
  #descriptorId = 0;

  /** `source`: the uplink from which the server makes this one, with the same timestamps. */
  constructor(publisher: PeerId, spec: ReceiverSpec, pool: PacketPool, source?: Uplink, tuning?: MediaTuning) {
    this.publisher = publisher;
    this.track = spec.track;
    this.codecIndex = spec.codecIndex;
    this.isVideo = spec.kind === "video";
    this.#u8 = pool.slab.u8;
    const layer = (_: unknown, index: number) =>
      new Layer(pool, index, this.isVideo, source?.layers[index]?.clock, tuning);
    this.layers = Array.from({ length: layerCount(spec) }, layer);
    this.#spec = spec;
    this.#adopt(spec);
  }

  get spec(): ReceiverSpec {
    return this.#spec;
  }

  /** The codecs by the index that the rings note. */
  get codecs(): readonly CodecSpec[] {
    return this.#spec.codecs;
  }

  /** Each spatial layer has its own stream. */
  get isSimulcast(): boolean {
    return this.layers.length > 1;
  }

  get layerMode(): LayerMode | undefined {
    return this.owner?.spec?.codecs[this.codecIndex]?.layerMode;
  }

  get isScreenShare(): boolean {
    return this.owner?.spec?.source === "screenShare";
  }

  /** No room for another pending packet. */
  get full(): boolean {
    return this.pendingCount === MAX_PENDING;
  }

  /** Whether this description can be taken by `update`. */
  fits(spec: ReceiverSpec): boolean {
    const same = spec.track === this.track && spec.mid === this.#spec.mid && spec.kind === this.#spec.kind;
    return same && spec.codecIndex === this.codecIndex && layerCount(spec) === this.layers.length;
  }

  /** Takes a renegotiated description of the same m-line. */
  update(spec: ReceiverSpec): void {
    // Ring entries name codecs by index: other codecs make them unreadable.
    if (JSON.stringify(spec.codecs) !== JSON.stringify(this.#spec.codecs)) {
      for (const layer of this.layers) layer.ring.clear();
      this.pendingCount = 0;
      this.lastCodec = NO_CODEC;
    }
    this.#adopt(spec);
  }

  #adopt(spec: ReceiverSpec): void {
    this.#spec = spec;
    this.#codecOf.fill(NO_CODEC);
    this.#rtxOf.fill(NO_CODEC);
    for (const [index, codec] of spec.codecs.slice(0, 127).entries()) {
      this.#codecOf[codec.payloadType & 127] = index;
      if (codec.rtxPayloadType !== 0) this.#rtxOf[codec.rtxPayloadType & 127] = index;
    }
    this.#audioLevelId = spec.extensions.audioLevel ?? 0;
    this.#captureTimeId = spec.extensions.absCaptureTime ?? 0;
    this.#descriptorId = spec.extensions.dependencyDescriptor ?? 0;
  }

  /** Whether packets of this payload type belong to the m-line. */
  knows(payloadType: number): boolean {
    return this.#codecOf[payloadType] !== NO_CODEC || this.#rtxOf[payloadType] !== NO_CODEC;
  }

  /** Whether this payload type is that of retransmissions. */
  isRtx(payloadType: number): boolean {
    return this.#rtxOf[payloadType] !== NO_CODEC;
  }

  /**
   * Takes one packet of `layer` in the slot `at`; `retransmission`: it came on the RTX stream (RFC 4588).
   * True if the ring keeps the slot.
   */
  receive(layer: Layer, retransmission: boolean, header: RtpHeader, at: number, nowMs: number): boolean {
    const codec = (retransmission ? this.#rtxOf : this.#codecOf)[header.payloadType]!;
    if (codec === NO_CODEC) return false;
    let payloadAt = at + header.headerLength;
    let payloadLength = header.payloadLength;
    let sequence = header.sequence;
    if (retransmission) {
      if (payloadLength < 2) return false;
      sequence = (this.#u8[payloadAt]! << 8) | this.#u8[payloadAt + 1]!;
      payloadAt += 2;
      payloadLength -= 2;
    }
    const spec = this.#spec.codecs[codec]!;
    layer.clockRate = spec.clockRate;
    layer.lastCodec = codec;
    if (layer.accept(header, sequence, retransmission, spec.nack, nowMs) === DROPPED) return false;
    // Only the first is news at once: whoever changes it with every packet is looked at now and then.
    if (this.lastCodec === NO_CODEC) this.layersChanged = true;
    this.lastCodec = codec;
    layer.octets = (layer.octets + header.payloadLength) & OCTETS_MASK;
    const ring: PacketRing = layer.ring;
    const empty = payloadLength === 0;
    let flags = empty ? EMPTY : 0;
    if (header.marker) flags |= MARKER;
    const index = ring.claim(layer.sequence, empty ? NO_SLOT : at, flags, nowMs);
    ring.payloadAt[index] = payloadAt;
    ring.payloadLength[index] = payloadLength;
    ring.timestamp[index] = header.timestamp;
    ring.codec[index] = codec;
    ring.spatial[index] = ring.temporal[index] = 0;
    this.#noteExtensions(layer, index, header, at, empty);
    if (!empty) layer.payload.inspect(spec.mime, this.#u8, ring, index);
    if (ring.dependencyDescriptor[index] !== 0) this.#noteFrame(layer, spec.mime, index);
    if (ring.flags[index]! & KEY_START) layer.noteKeyFrame(header.timestamp, nowMs);
    ring.trailer[index] = 0;
    if (this.owner?.spec?.packetTrailers === true) noteTrailer(spec.mime, this.#u8, ring, index);
    this.#measure(layer, index, header.headerLength + header.payloadLength, nowMs);
    this.pendingLayer[this.pendingCount] = layer.index;
    this.pendingSequence[this.pendingCount++] = layer.sequence;
    return !empty;
  }

  /** Reads the dependency descriptor of a packet. */
  #noteFrame(layer: Layer, mime: string, index: number): void {
    const { ring } = layer;
    if (mime !== "video/av1" && mime !== "video/vp9") {
      // Frames of other codecs say all in their payload, and it is those numbers that are kept continuous.
      ring.dependencyDescriptor[index] = 0;
      return;
    }
    const frames = (layer.frames ??= new FrameTable());
    const element = ring.dependencyDescriptor[index]!;
    const from = ring.slot[index]! + elementOffset(element);
    if (!frames.note(this.#u8, from, elementLength(element), ring, index)) return;
    // The structure may have come after packets that need it.
    const behind = Math.min((ring.newest - layer.sequence) | 0, MAX_REREAD);
    for (let i = 1; i <= behind; i++) {
      const later = ring.find((layer.sequence + i) | 0);
      const held = later < 0 ? 0 : ring.dependencyDescriptor[later]!;
      if (held === 0 || (ring.flags[later]! & HAS_FRAME) !== 0) continue;
      frames.note(this.#u8, ring.slot[later]! + elementOffset(held), elementLength(held), ring, later);
    }
  }

  /** Notes what layer a packet is of and what it costs. */
  #measure(layer: Layer, index: number, bytes: number, nowMs: number): void {
    const { ring } = layer;
    const flags = ring.flags[index]!;
    const { isSimulcast } = this;
    const spatial = isSimulcast ? layer.index : Math.min(ring.spatial[index]!, MAX_SPATIAL - 1);
    if ((flags & EMPTY) === 0) {
      const temporal = Math.min(ring.temporal[index]!, MAX_TEMPORAL - 1);
      if ((flags & FRAME_END) !== 0) this.rates.addFrame(spatial, temporal);
      if ((flags & HAS_FRAME) !== 0) this.#measureTargets(layer, index, bytes);
      else this.rates.add(spatial, temporal, !isSimulcast, bytes);
    }
    if (this.trackers.note(spatial, (flags & (KEY_START | INDEPENDENT)) !== 0, nowMs)) this.#followTrackers();
  }

  /** A packet goes to the subscribers of those decode targets to which its frame belongs. */
  #measureTargets(layer: Layer, index: number, bytes: number): void {
    const frames = layer.frames!;
    const at = frames.find(layer.ring.frame[index]!);
    const { structure } = frames;
    if (at === NO_FRAME || !structure || frames.epochOf(at) !== frames.epoch) return;
    for (let target = 0; target < structure.targetCount; target++) {
      if (frames.indication(at, target) === 0) continue;
      const spatial = this.isSimulcast ? layer.index : Math.min(structure.targetSpatial[target]!, MAX_SPATIAL - 1);
      this.rates.addTo(spatial, Math.min(structure.targetTemporal[target]!, MAX_TEMPORAL - 1), bytes);
    }
  }

  #followTrackers(): void {
    const { isSimulcast, trackers } = this;
    for (const layer of this.layers) layer.alive = isSimulcast ? trackers.flows(layer.index) : trackers.alive !== 0;
    this.layersChanged = true;
  }

  /** The publisher said that this stream ends. */
  goodbye(layer: Layer): void {
    if (this.isSimulcast) this.trackers.stop(layer.index);
  }

  /** Notices layers that stopped, gives back slots of packets older than `ringMs`. True if `rates` are new. */
  check(nowMs: number, ringMs: number): boolean {
    const { isScreenShare } = this;
    if (this.trackers.check(isScreenShare, nowMs)) this.#followTrackers();
    if (this.lastCodec !== this.#checkedCodec) this.layersChanged = true;
    this.#checkedCodec = this.lastCodec;
    for (const layer of this.layers) layer.ring.expire(nowMs - ringMs);
    return this.rates.update(isScreenShare, nowMs);
  }

  /** Gives back all slots. */
  close(): void {
    for (const layer of this.layers) layer.close();
    this.pendingCount = 0;
  }

  #noteExtensions(layer: Layer, index: number, header: RtpHeader, at: number, empty: boolean): void {
    const ring = layer.ring;
    ring.captureTime[index] = 0;
    ring.dependencyDescriptor[index] = 0;
    if (empty || (this.#u8[at]! & 0x10) === 0) return;
    const length = header.headerLength;
    if (this.#captureTimeId !== 0) {
      ring.captureTime[index] = findExtension(this.#u8, at, length, this.#captureTimeId);
    }
    if (this.#descriptorId !== 0) {
      ring.dependencyDescriptor[index] = findExtension(this.#u8, at, length, this.#descriptorId);
    }
    if (this.#audioLevelId !== 0) {
      const element = findExtension(this.#u8, at, length, this.#audioLevelId);
      if ((element & 255) === 0) return;
      const said = this.#u8[at + (element >> 8)]!;
      ring.audioLevel[index] = said;
      ring.flags[index] = ring.flags[index]! | HAS_AUDIO_LEVEL;
      this.level?.observe(said & 127, header.timestamp, layer.clockRate);
    }
  }
}

function layerCount(spec: ReceiverSpec): number {
  return Math.min(Math.max(spec.rids.length, spec.ssrcs.length, 1), MAX_SPATIAL);
}
