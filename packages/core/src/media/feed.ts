/**
 * Where the packets of one downlink come from: of which uplink and layer they come now, and of which they are to come.
 * A stream starts, and changes its layer or its codec, only on a packet where a decoder can start; until then it goes on
 * as before, or waits. `forward` allocates nothing.
 */
import { NOT_CARRIED } from "./codec-table.ts";
import { LayerSelection } from "./layer-selection.ts";
import { NO_LAYER } from "./layer-wish.ts";
import type { Layer } from "./layer.ts";
import type { OutgoingStream } from "./outgoing-stream.ts";
import type { PacketWriter } from "./packet-writer.ts";
import { EMPTY, KEY_START } from "./ring.ts";
import type { PacketRing } from "./ring.ts";
import { SourceSwitch } from "./source-switch.ts";
import type { BatchTime } from "./transport.ts";
import type { Uplink } from "./uplink.ts";

/**
 * How old a key frame may be to begin with, in time and in packets behind it. What lies in between is sent in one burst, and
 * a player that gets it shows the first pictures late.
 */
const HELD_KEY_MS = 300;
const MAX_HELD = 128;

export class Feed {
  readonly #stream: OutgoingStream;
  /** Stream of the uplink to forward (in simulcast, that is the spatial layer); -1 = nothing. */
  target = NO_LAYER;
  /** Stream being forwarded; -1 = waiting for a start. */
  current = NO_LAYER;
  /** Where packets are to come from. */
  uplink: Uplink | undefined;
  /** Where they come from now: another codec until the wanted one has a key frame. Undefined while nothing flows. */
  serving: Uplink | undefined;
  readonly #source = new SourceSwitch();
  /** Which packets of the stream. */
  readonly #selection = new LayerSelection();
  /** It began, for the first time or with another source, since this was cleared. */
  begun = false;

  constructor(stream: OutgoingStream) {
    this.#stream = stream;
  }

  /** The layer whose clock the sent timestamps follow. */
  get source(): Layer | undefined {
    return this.#source.last;
  }

  /** Spatial layer that flows now; -1 while nothing does. `targetSpatial`: the highest of those that flow and are wanted. */
  spatial(targetSpatial: number): number {
    if (this.current === NO_LAYER || this.serving?.isSimulcast) return this.current;
    return this.#selection.spatial(targetSpatial);
  }

  /** Highest temporal layer that flows now; -1 while nothing does. */
  get temporal(): number {
    return this.#selection.temporal;
  }

  /** The target within the stream cannot be reached without a key frame. */
  get stuck(): boolean {
    return this.#selection.stuck;
  }

  /** What flows is not of the stream that is wanted. */
  get isElsewhere(): boolean {
    return this.target !== this.current || this.serving !== this.uplink;
  }

  /** A start would be of no use yet: the clocks of the senders are not known. */
  waitsForReports(nowMs: number): boolean {
    const layer = this.uplink?.layers[this.target];
    return this.current !== NO_LAYER && layer !== undefined && this.#source.waits(this.uplink!, layer, nowMs);
  }

  /** The uplink to take packets from; what flows goes on if it is of the same track. */
  attach(uplink: Uplink | undefined): void {
    const former = this.uplink;
    if (uplink !== former) {
      this.uplink = uplink;
      if (former) former.attached--;
      if (uplink) uplink.attached++;
      // Streams of one publisher have one wall clock.
      if (former?.publisher !== uplink?.publisher) this.#source.last = undefined;
    }
    const { serving } = this;
    if (serving && (!uplink || !serving.owner || serving.owner !== uplink.owner)) this.pause();
    this.#stream.letGo();
  }

  /** The publisher muted the track: its clock may stand still. */
  muted(): void {
    this.#source.muted = true;
  }

  /** Forwards this stream of the uplink, up to these layers within it. */
  retarget(target: number, maxWithin: number, maxTemporal: number): void {
    this.#selection.retarget(maxWithin, maxTemporal, this.#source.last?.frames);
    this.target = target;
  }

  /** Forwards nothing. */
  stop(): void {
    this.target = NO_LAYER;
    this.pause();
  }

  /** Stops; it goes on with the next packet where a decoder can start. */
  pause(): void {
    this.current = NO_LAYER;
    this.serving = undefined;
    this.#selection.stop();
  }

  /** Forwards what the track received in this batch; `target` is not -1. */
  forward(time: BatchTime, writer: PacketWriter): void {
    const { serving } = this;
    const uplink = this.uplink!;
    if (serving !== undefined && serving !== uplink) this.#forwardPending(serving, NO_LAYER, time, writer);
    const waits = this.#stream.isVideo && this.current === NO_LAYER;
    this.#forwardPending(uplink, waits ? this.#beginHeld(uplink, time, writer) : NO_LAYER, time, writer);
  }

  /** Forwards what came on one uplink, save of the layer `done`. */
  #forwardPending(uplink: Uplink, done: number, time: BatchTime, writer: PacketWriter): void {
    const { isVideo } = this.#stream;
    for (let i = 0; i < uplink.pendingCount; i++) {
      const layerIndex = uplink.pendingLayer[i]!;
      const flows = layerIndex === this.current && uplink === this.serving;
      if (layerIndex === done || (!flows && !this.#mayBegin(uplink, layerIndex))) continue;
      const layer = uplink.layers[layerIndex]!;
      const sequence = uplink.pendingSequence[i]!;
      const { ring } = layer;
      const index = ring.find(sequence);
      if (index < 0) continue;
      const continues =
        flows &&
        this.#source.continues(layer) &&
        (!isVideo || ring.codec[index] === this.#stream.codec || (ring.flags[index]! & EMPTY) !== 0);
      if (continues) {
        this.#forwardPacket(ring, index, sequence, time, writer);
      } else if (this.#begin(uplink, layer, index, time)) {
        this.#forwardFrom(ring, sequence, time, writer);
        done = layerIndex;
      }
    }
  }

  /** Whether to begin with this layer: the one wanted, or a lower one as long as there is none at all. */
  #mayBegin(uplink: Uplink, layerIndex: number): boolean {
    if (uplink !== this.uplink) return false;
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
      if (!layer.ring.holdsFrom(key, MAX_HELD) || !this.#begin(uplink, layer, layer.ring.find(key), time)) continue;
      this.#forwardFrom(layer.ring, key, time, writer);
      return i;
    }
    return NO_LAYER;
  }

  /** Whether the newest key frame of a layer came after all that was sent. */
  #isNew(layer: Layer, time: BatchTime): boolean {
    const { continuity } = this.#stream;
    return !continuity.started || time.ticksAt(layer.keyMs) - continuity.sentTicksMs > 0;
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
    const { frames } = this.#source.last!;
    this.#stream.forward(ring, index, sequence, this.current, this.#selection, frames, time, writer);
  }

  /** Starts on this packet if a decoder can; false if it must wait. */
  #begin(uplink: Uplink, layer: Layer, index: number, time: BatchTime): boolean {
    const { ring } = layer;
    const stream = this.#stream;
    const flags = ring.flags[index]!;
    const codec = ring.codec[index]!;
    const tables = uplink.tables.find(uplink.codecs, stream.spec);
    const { codecs } = tables;
    const startable = (flags & EMPTY) === 0 && (!stream.isVideo || (flags & KEY_START) !== 0);
    if (!this.#mayBegin(uplink, layer.index) || !startable || codecs.payloadType[codec] === NOT_CARRIED) {
      // What was forwarded does not go on: its source began anew or changed its codec.
      if (layer.index === this.current && uplink === this.serving) this.pause();
      return false;
    }
    const source = this.#source;
    const runs = this.current !== NO_LAYER;
    if (runs && source.waits(uplink, layer, time.nowMs)) return false;
    const kind = source.kind(layer, runs);
    const apart = source.apart(layer, kind, codecs.clockRate[codec]!);
    if (!stream.begin(uplink, tables, ring, index, kind, apart, time)) {
      source.refused();
      return false;
    }
    source.switched(layer, runs, time.nowMs);
    this.current = layer.index;
    this.serving = uplink;
    this.#selection.begin();
    this.begun = true;
    return true;
  }
}
