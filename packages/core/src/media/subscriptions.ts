/**
 * What peers are sent: streams that begin, that are renegotiated, and that end. One that ends comes to rest before it says
 * goodbye, and leaves behind how far it came: a stream that comes back under the same SSRC and keys goes on from there.
 */
import type { Random } from "../crypto.ts";
import type { DownlinkSettings, SenderSpec } from "../engine/specs.ts";
import type { BlankSender } from "./blank-sender.ts";
import type { CongestionWatch } from "./congestion-watch.ts";
import { Downlink } from "./downlink.ts";
import type { DownlinkMarks } from "./downlink.ts";
import type { MediaTimer } from "./media-timer.ts";
import type { PeerMedia } from "./peer-media.ts";
import { PlayoutDelay } from "./playout-delay.ts";
import type { RtcpWriter } from "./rtcp-writer.ts";
import type { TrackTable } from "./track-table.ts";
import type { Track } from "./track.ts";
import type { BatchTime } from "./transport.ts";

/** More tracks than anybody subscribes to. */
const MAX_SETTINGS = 4096;

export interface SubscriptionParts {
  readonly tracks: TrackTable;
  readonly time: BatchTime;
  readonly random: Random;
  readonly marks: DownlinkMarks;
  readonly blanks: BlankSender;
  readonly congestion: CongestionWatch;
  readonly timer: MediaTimer;
  readonly rtcp: RtcpWriter;
}

export class Subscriptions {
  readonly #parts: SubscriptionParts;

  constructor(parts: SubscriptionParts) {
    this.#parts = parts;
  }

  /** Replaces the list of what the peer is sent. */
  replace(peer: PeerMedia, specs: readonly SenderSpec[]): void {
    const { blanks, timer } = this.#parts;
    const wanted = new Map(specs.map((spec) => [spec.ssrc | 0, spec]));
    for (const [ssrc, downlink] of peer.downlinks) {
      const spec = wanted.get(ssrc);
      if (spec && spec.track === downlink.track && spec.kind === downlink.spec.kind) {
        downlink.update(spec);
        wanted.delete(ssrc);
        continue;
      }
      if (!specs.some((other) => other.track === downlink.track)) peer.settings.delete(downlink.track);
      this.#end(peer, downlink, spec !== undefined);
    }
    for (const spec of wanted.values()) this.#begin(peer, spec);
    timer.wantKeyFrames();
    if (blanks.active) timer.wake();
  }

  /** What a subscriber wants of a track; may come before the stream is set up. */
  set(peer: PeerMedia, sid: string, settings: DownlinkSettings): void {
    if (peer.settings.has(sid) || peer.settings.size < MAX_SETTINGS) peer.settings.set(sid, settings);
    const downlink = peer.downlinkOf(sid);
    downlink?.setSettings(settings);
    if (downlink) this.#bringToRest(downlink, this.#parts.tracks.open(sid));
    this.#parts.timer.wantKeyFrames();
  }

  /** A track may have stopped: its streams come to rest. */
  rest(track: Track): void {
    for (const downlink of track.downlinks) this.#bringToRest(downlink, track);
  }

  /** If the stream has stopped, frames follow that bring its decoder to rest. */
  #bringToRest(downlink: Downlink, track: Track): void {
    const { blanks, timer } = this.#parts;
    blanks.stopped(downlink, track.trailer, !downlink.uplink);
    if (blanks.active) timer.wake();
  }

  #begin(peer: PeerMedia, spec: SenderSpec): void {
    const { tracks, time, random, marks, blanks, congestion } = this.#parts;
    const former = peer.closing.get(spec.ssrc | 0);
    peer.closing.delete(spec.ssrc | 0);
    if (former) blanks.settle(former);
    const downlink = new Downlink(peer.subscriber, spec, random.uint32(), marks);
    downlink.seed(peer.ended.get(downlink.ssrc), time);
    const settings = peer.settings.get(spec.track);
    if (settings) downlink.setSettings(settings);
    const { playoutDelay } = peer.options;
    if (playoutDelay && downlink.isVideo && spec.extensions.playoutDelay !== undefined) {
      downlink.stream.playoutDelay = new PlayoutDelay(playoutDelay);
    }
    peer.downlinks.set(downlink.ssrc, downlink);
    tracks.subscribe(downlink);
    congestion.follow(peer, downlink);
  }

  /** `replaced`: another track takes its SSRC over at once. */
  #end(peer: PeerMedia, downlink: Downlink, replaced: boolean): void {
    const { tracks, blanks } = this.#parts;
    const track = tracks.open(downlink.track);
    tracks.unsubscribe(track, downlink);
    peer.downlinks.delete(downlink.ssrc);
    peer.subscriber.touched.length = 0;
    if (!replaced) peer.closing.set(downlink.ssrc, downlink);
    blanks.close(downlink, track.trailer, () => this.#retire(peer, downlink));
    if (replaced) blanks.settle(downlink);
  }

  /** A stream that was given up has come to rest. */
  #retire(peer: PeerMedia, downlink: Downlink): void {
    const { time, rtcp } = this.#parts;
    const { ssrc } = downlink;
    const state = downlink.take(time);
    if (state) peer.remember(ssrc, state);
    // Unless another stream took its SSRC over.
    if (peer.closing.delete(ssrc) && downlink.stream.begun) rtcp.bye(peer.transport, ssrc);
  }
}
