/**
 * One published track and everybody who gets it. The publication and the subscriptions may come in any order: a track
 * exists as soon as either names it. Forwarding is by subscriber, not by packet (decision 0001).
 */
import type { TrackSpec } from "../engine/protocol.ts";
import type { Downlink } from "./downlink.ts";
import type { PacketWriter } from "./packet-writer.ts";
import type { PeerMedia } from "./peer-media.ts";
import type { Subscriber } from "./subscriber.ts";
import { isReady } from "./transport.ts";
import type { BatchTime } from "./transport.ts";
import type { Uplink } from "./uplink.ts";

/** A key frame is asked for again after two round trips, within these bounds. */
const MIN_REQUEST_MS = 200;
const MAX_REQUEST_MS = 1000;

export class Track {
  readonly sid: string;
  readonly downlinks: Downlink[] = [];
  /** What the room says of it; undefined before that, and after its end. */
  spec: TrackSpec | undefined;
  /** It is in the list of tracks with pending packets. */
  dirty = false;
  #uplink: Uplink | undefined;
  #publisher: PeerMedia | undefined;
  #muted = false;

  constructor(sid: string) {
    this.sid = sid;
  }

  get uplink(): Uplink | undefined {
    return this.#uplink;
  }

  get publisher(): PeerMedia | undefined {
    return this.#publisher;
  }

  get muted(): boolean {
    return this.#muted;
  }

  /** Neither published nor subscribed to. */
  get unused(): boolean {
    return !this.spec && !this.#uplink && this.downlinks.length === 0;
  }

  /** The track is published by this peer from now on, or by nobody. */
  publish(publisher: PeerMedia | undefined, uplink: Uplink | undefined): void {
    if (this.#uplink && this.#uplink !== uplink) this.#uplink.owner = undefined;
    if (uplink) uplink.owner = this;
    this.#publisher = publisher;
    this.#uplink = uplink;
    for (const downlink of this.downlinks) downlink.attach(uplink);
  }

  subscribe(downlink: Downlink): void {
    this.downlinks.push(downlink);
    downlink.setMuted(this.#muted);
    downlink.attach(this.#uplink);
  }

  unsubscribe(downlink: Downlink): void {
    const index = this.downlinks.indexOf(downlink);
    if (index >= 0) this.downlinks.splice(index, 1);
  }

  setMuted(muted: boolean): void {
    this.#muted = muted;
    for (const downlink of this.downlinks) downlink.setMuted(muted);
  }

  /** Takes notice of layers that came or went. */
  followLayers(): void {
    const uplink = this.#uplink;
    if (!uplink?.layersChanged) return;
    uplink.layersChanged = false;
    for (const downlink of this.downlinks) downlink.retarget();
  }

  /** Forwards what is pending, subscriber by subscriber. */
  fanOut(time: BatchTime, writer: PacketWriter): void {
    const uplink = this.#uplink;
    if (!uplink) return;
    for (let i = 0; i < this.downlinks.length; i++) forwardTo(this.downlinks[i]!, uplink, time, writer);
    uplink.pendingCount = 0;
  }

  /** Asks for the key frames that subscribers wait for: many wishes become one per layer. */
  requestKeyFrames(nowMs: number): void {
    const uplink = this.#uplink;
    if (!uplink?.isVideo) return;
    for (const downlink of this.downlinks) {
      if (!downlink.wantsKeyFrame || !isReady(downlink.subscriber.transport)) continue;
      const waitMs = Math.min(Math.max(2 * downlink.subscriber.usualRttMs, MIN_REQUEST_MS), MAX_REQUEST_MS);
      if (nowMs - downlink.requestedMs < waitMs) continue;
      const layer = uplink.layers[downlink.target];
      // Whoever has sent nothing yet will begin with a key frame.
      if (!layer || layer.packets === 0) continue;
      downlink.requestedMs = nowMs;
      layer.keyFrames.request();
    }
  }
}

/** Forwards to one subscriber, unless it cannot be reached; then it starts anew later. */
export function forwardTo(downlink: Downlink, uplink: Uplink, time: BatchTime, writer: PacketWriter): void {
  if (isReady(downlink.subscriber.transport)) downlink.forward(uplink, time, writer);
  else downlink.pause();
}

/** Collects, over several tracks, which subscribers have something to get, so that each gets all of it in one go. */
export class FanOut {
  readonly #subscribers: Subscriber[] = [];
  #count = 0;

  add(track: Track): void {
    for (let i = 0; i < track.downlinks.length; i++) {
      const downlink = track.downlinks[i]!;
      const { subscriber } = downlink;
      if (subscriber.touchedCount === 0) this.#subscribers[this.#count++] = subscriber;
      subscriber.touched[subscriber.touchedCount++] = downlink;
    }
  }

  run(time: BatchTime, writer: PacketWriter): void {
    for (let i = 0; i < this.#count; i++) {
      const subscriber = this.#subscribers[i]!;
      for (let k = 0; k < subscriber.touchedCount; k++) {
        const downlink = subscriber.touched[k]!;
        const { uplink } = downlink;
        if (uplink) forwardTo(downlink, uplink, time, writer);
      }
      subscriber.touchedCount = 0;
    }
    this.#count = 0;
  }

  /** Lets go of everybody; called between batches when somebody left. */
  forget(): void {
    this.#subscribers.length = 0;
  }
}
