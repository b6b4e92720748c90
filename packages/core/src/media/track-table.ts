/**
 * The tracks of one worker by SID, and what the server makes out of them. A track exists from when its publication, its
 * subscriptions or the room name it until none of them does. Invariant: after whatever changes one, what is derived follows.
 */
import type { TrackSpec } from "../engine/specs.ts";
import type { PacketPool } from "../slab.ts";
import { DerivedUplinks } from "./derived-uplinks.ts";
import type { Downlink } from "./downlink.ts";
import type { PeerMedia } from "./peer-media.ts";
import { Track } from "./track.ts";
import type { Uplink } from "./uplink.ts";

export class TrackTable {
  readonly #tracks = new Map<string, Track>();
  readonly #derived: DerivedUplinks;

  /** `activeRed`: as in `DerivedUplinks`. */
  constructor(pool: PacketPool, activeRed: boolean) {
    this.#derived = new DerivedUplinks(pool, activeRed);
  }

  get all(): ReadonlyMap<string, Track> {
    return this.#tracks;
  }

  find(sid: string): Track | undefined {
    return this.#tracks.get(sid);
  }

  /** The track with this SID, new if there is none. */
  open(sid: string): Track {
    let track = this.#tracks.get(sid);
    if (!track) {
      track = new Track(sid);
      this.#tracks.set(sid, track);
    }
    return track;
  }

  /** What the room says of it. */
  describe(sid: string, spec: TrackSpec): void {
    const track = this.open(sid);
    track.spec = spec;
    this.#follow(track);
  }

  /** The room says that it ended. What it was (encrypted or not) decides on what is derived until its packets end too. */
  end(track: Track): void {
    track.spec = undefined;
    this.#release(track);
  }

  /** This peer publishes one codec of a track. */
  publish(publisher: PeerMedia, uplink: Uplink): void {
    const track = this.open(uplink.track);
    track.publish(publisher, uplink);
    this.#follow(track);
  }

  withdraw(track: Track, uplink: Uplink): void {
    track.withdraw(uplink);
    this.#follow(track);
  }

  subscribe(downlink: Downlink): void {
    const track = this.open(downlink.track);
    track.subscribe(downlink);
    this.#follow(track);
  }

  unsubscribe(track: Track, downlink: Downlink): void {
    track.unsubscribe(downlink);
    this.#follow(track);
  }

  #follow(track: Track): void {
    this.#derived.follow(track);
    this.#release(track);
  }

  #release(track: Track): void {
    if (track.unused) this.#tracks.delete(track.sid);
  }
}
