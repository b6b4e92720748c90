/**
 * One published track and everybody who gets it. The publication and the subscriptions may come in any order: a track
 * exists as soon as either names it. Forwarding is by subscriber, not by packet (decision 0001).
 *
 * A track has one uplink per codec (decision 0004). Every subscriber is attached to one of them: to the codec that the
 * publisher fell back to, if it can take that, or to a derived one (`setDerivations`) that prefers it, or else to the
 * first one, in the publisher's order, that it can take, or else to the first derived one. The choice is made anew whenever an uplink comes or goes.
 */
import type { SenderSpec, TrackSpec } from "../engine/specs.ts";
import type { Downlink } from "./downlink.ts";
import type { PacketWriter } from "./packet-writer.ts";
import type { PeerMedia } from "./peer-media.ts";
import { isReady } from "./transport.ts";
import type { BatchTime } from "./transport.ts";
import type { Uplink } from "./uplink.ts";

const NO_TRAILER = new Uint8Array(0);

/**
 * A codec that the server makes out of another one of the track (RED ↔ opus). `uplink` is one that no client feeds:
 * `derive` feeds it, with packets in slots of the pool, through `Uplink.receive`. Whoever makes one keeps it for the life
 * of its source, registers it by `Track.setDerivations`, and closes its uplink.
 */
export interface Derivation {
  /** What the server makes; its `codecIndex` is that of the codec it is made from, its `publisher` too. */
  readonly uplink: Uplink;
  /** Whether this subscriber gets it, if it can take it, even where a published codec would do as well. */
  prefers(spec: SenderSpec): boolean;
  /** Makes packets out of what is pending in `source`. Called before each fan-out while somebody is attached to `uplink`. */
  derive(source: Uplink, nowMs: number): void;
}

export class Track {
  readonly sid: string;
  readonly downlinks: Downlink[] = [];
  /** It is in the list of tracks with pending packets. */
  dirty = false;
  #spec: TrackSpec | undefined;
  #trailer: Uint8Array = NO_TRAILER;
  /** Published ones in the order of codecs, then derived ones. */
  #uplinks: readonly Uplink[] = [];
  #published: readonly Uplink[] = [];
  #derivations: readonly Derivation[] = [];
  #publisher: PeerMedia | undefined;
  #muted = false;

  constructor(sid: string) {
    this.sid = sid;
  }

  /** What the room says of it; undefined before that, and after its end. */
  get spec(): TrackSpec | undefined {
    return this.#spec;
  }

  set spec(spec: TrackSpec | undefined) {
    this.#spec = spec;
    if (spec) this.#trailer = spec.trailer;
    this.#attachAll();
  }

  /** What ends frames that the server makes up; known beyond the end of the track. */
  get trailer(): Uint8Array {
    return this.#trailer;
  }

  /** All its uplinks: published ones in the order of codecs, then derived ones. */
  get uplinks(): readonly Uplink[] {
    return this.#uplinks;
  }

  /** The uplink that a client feeds with this one of the track's codecs. */
  uplinkOf(codecIndex: number): Uplink | undefined {
    for (let i = 0; i < this.#published.length; i++) {
      if (this.#published[i]!.codecIndex === codecIndex) return this.#published[i];
    }
    return undefined;
  }

  get publisher(): PeerMedia | undefined {
    return this.#publisher;
  }

  get muted(): boolean {
    return this.#muted;
  }

  /** Neither published nor subscribed to. */
  get unused(): boolean {
    return !this.#spec && this.#published.length === 0 && this.downlinks.length === 0;
  }

  /** One codec of the track is published by this peer from now on. Another peer's uplinks of it are no longer heard. */
  publish(publisher: PeerMedia, uplink: Uplink): void {
    const stay = (other: Uplink) => other.publisher === uplink.publisher && other.codecIndex !== uplink.codecIndex;
    for (const other of this.#published) if (!stay(other)) other.owner = undefined;
    uplink.owner = this;
    this.#publisher = publisher;
    const published = [...this.#published.filter(stay), uplink];
    this.#published = published.toSorted((a, b) => a.codecIndex - b.codecIndex);
    this.#attachAll();
  }

  /** This codec is published no longer. */
  withdraw(uplink: Uplink): void {
    uplink.owner = undefined;
    this.#published = this.#published.filter((other) => other !== uplink);
    if (this.#published.length === 0) this.#publisher = undefined;
    this.#attachAll();
  }

  /**
   * Replaces the list of codecs that are made out of published ones, in the order of preference. Somebody is attached to
   * a derived uplink when that prefers its subscriber, or no published one carries a codec that its subscriber takes.
   */
  setDerivations(derivations: readonly Derivation[]): void {
    for (const { uplink } of this.#derivations) uplink.owner = undefined;
    this.#derivations = derivations;
    for (const { uplink } of derivations) uplink.owner = this;
    this.#attachAll();
  }

  subscribe(downlink: Downlink): void {
    this.downlinks.push(downlink);
    downlink.setMuted(this.#muted);
    this.#attach(downlink);
  }

  unsubscribe(downlink: Downlink): void {
    const index = this.downlinks.indexOf(downlink);
    if (index >= 0) this.downlinks.splice(index, 1);
    downlink.attach(undefined);
  }

  setMuted(muted: boolean): void {
    this.#muted = muted;
    for (const downlink of this.downlinks) downlink.setMuted(muted);
  }

  /** Takes notice of layers that came or went. True if some did. */
  followLayers(): boolean {
    let changed = false;
    for (const uplink of this.#uplinks) {
      changed ||= uplink.layersChanged;
      uplink.layersChanged = false;
    }
    if (changed) for (const downlink of this.downlinks) this.#attach(downlink);
    return changed;
  }

  /** Takes notice of new frame rates. */
  followRates(): void {
    for (const downlink of this.downlinks) if (downlink.settings.fps > 0) downlink.retarget();
  }

  /** Makes what is made out of pending packets. */
  derive(nowMs: number): void {
    for (let i = 0; i < this.#derivations.length; i++) {
      const derivation = this.#derivations[i]!;
      if (derivation.uplink.attached === 0) continue;
      const source = this.uplinkOf(derivation.uplink.codecIndex);
      if (source && source.pendingCount > 0) derivation.derive(source, nowMs);
    }
  }

  /** Forwards what is pending, subscriber by subscriber. */
  fanOut(time: BatchTime, writer: PacketWriter): void {
    for (let i = 0; i < this.downlinks.length; i++) forwardTo(this.downlinks[i]!, time, writer);
  }

  /** Everybody has got what was pending. */
  clearPending(): void {
    for (let i = 0; i < this.#uplinks.length; i++) this.#uplinks[i]!.pendingCount = 0;
  }

  /** Asks for the key frames that subscribers wait for: many wishes become one per layer. */
  requestKeyFrames(nowMs: number): void {
    for (const downlink of this.downlinks) {
      if (!downlink.wantsKeyFrame || !isReady(downlink.subscriber.transport)) continue;
      if (nowMs - downlink.requestedMs < downlink.subscriber.requestIntervalMs) continue;
      if (downlink.waitsForReports(nowMs)) continue;
      const layer = downlink.uplink?.layers[downlink.target];
      // Whoever has sent nothing yet will begin with a key frame.
      if (!layer || layer.packets === 0) continue;
      downlink.requestedMs = nowMs;
      layer.keyFrames.request();
    }
  }

  #attachAll(): void {
    this.#uplinks = [...this.#published, ...this.#derivations.map((derivation) => derivation.uplink)];
    for (const downlink of this.downlinks) this.#attach(downlink);
  }

  #attach(downlink: Downlink): void {
    downlink.attach(this.#choose(downlink));
  }

  #choose(downlink: Downlink): Uplink | undefined {
    const regressed = this.uplinkOf(this.#spec?.regressedTo ?? -1);
    if (regressed && this.#carries(downlink, regressed)) return regressed;
    for (const derivation of this.#derivations) {
      const { uplink } = derivation;
      if (derivation.prefers(downlink.spec) && this.#carries(downlink, uplink)) return uplink;
    }
    return this.#uplinks.find((uplink) => this.#carries(downlink, uplink));
  }

  #carries(downlink: Downlink, uplink: Uplink): boolean {
    return downlink.carries(uplink, this.#spec?.codecs[uplink.codecIndex]?.mime ?? "");
  }
}

/** Forwards to one subscriber, unless it cannot be reached; then it starts anew later. */
export function forwardTo(downlink: Downlink, time: BatchTime, writer: PacketWriter): void {
  if (isReady(downlink.subscriber.transport)) downlink.forward(time, writer);
  else downlink.pause();
}
