/** What packets bring that main wants to know: layers that begin, streams that begin or go on in another layer. */
import type { PeerId } from "../engine/specs.ts";
import type { Downlink } from "./downlink.ts";
import type { ForwarderEvent } from "./forwarder-event.ts";
import { NO_LAYER } from "./layer-wish.ts";
import type { MediaTimer } from "./media-timer.ts";
import type { PeerMedia } from "./peer-media.ts";
import type { Track } from "./track.ts";

export class Announcer {
  readonly #peers: ReadonlyMap<PeerId, PeerMedia>;
  readonly #timer: MediaTimer;
  readonly #events: ForwarderEvent[];

  /** `events`: where it is told. */
  constructor(peers: ReadonlyMap<PeerId, PeerMedia>, timer: MediaTimer, events: ForwarderEvent[]) {
    this.#peers = peers;
    this.#timer = timer;
    this.#events = events;
  }

  /** Tells of layers of which the first packet came. */
  tellLayers(track: Track): void {
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

  /** Tells of streams that began, for the first time or with another source. */
  tellDownlinks(begun: readonly Downlink[], nowMs: number): void {
    for (const downlink of begun) {
      const { id } = downlink.subscriber;
      if (!downlink.announced) {
        this.#events.push({ type: "downlinkStarted", track: downlink.track, peer: id });
        downlink.announced = true;
        downlink.announcedLayer = downlink.currentSpatial;
      }
      const peer = this.#peers.get(id);
      if (peer) this.#timer.downlinkBegun(peer, nowMs);
    }
  }

  /** Tells of streams of which another spatial layer flows, and why. */
  tellSwitches(switched: readonly Downlink[]): void {
    for (const downlink of switched) {
      const { subscriber, track, currentSpatial: to, announcedLayer: from, wantedSpatial, restrained } = downlink;
      downlink.announcedLayer = to;
      // The first packet of a stream need not say which layer it is of.
      if (from === NO_LAYER || from === to) continue;
      const reason = to === wantedSpatial ? "wanted" : to < wantedSpatial && restrained ? "bandwidth" : "publisher";
      this.#events.push({ type: "layerSwitched", peer: subscriber.id, track, from, to, reason });
    }
  }
}
