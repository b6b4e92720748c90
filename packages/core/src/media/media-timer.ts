/**
 * Everything of the forwarder that is driven by time, on one tick while packets flow, and on none when nothing does:
 * every tick:   losses asked for again, PLIs held back by the throttle, transport feedback, reports, who speaks,
 *               made-up frames
 * every fourth: layers that died, key frames that subscribers wait for, bandwidth, slots that nobody will ask for any more
 */
import { NEVER } from "../clock.ts";
import type { PeerId } from "../engine/specs.ts";
import type { BlankSender } from "./blank-sender.ts";
import type { CongestionWatch } from "./congestion-watch.ts";
import type { Downlink } from "./downlink.ts";
import type { PeerMedia } from "./peer-media.ts";
import type { RtcpWriter } from "./rtcp-writer.ts";
import type { SpeakerWatch } from "./speakers.ts";
import type { Track } from "./track.ts";

const TICK_MS = 25;
const SLOW_MS = 100;
/** Longer than all that is done after the last packet. */
const IDLE_MS = 3000;
/** A packet older than this is not asked for. */
const RING_MS = 2000;
const FIRST_RECEIVER_REPORT_MS = 300;
const RECEIVER_REPORT_MS = 1000;
/** LiveKit: 3 s. The first ones come sooner, because players need two of them to play in step. */
const SENDER_REPORT_MS = 3000;
const EARLY_SENDER_REPORT_MS = 1000;
const EARLY_REPORTS = 3;
/** When there is nothing to report yet. */
const RETRY_REPORT_MS = 200;

/** Parts with a rhythm of their own that ride on the tick. */
export interface TimedParts {
  readonly speakers: SpeakerWatch;
  readonly congestion: CongestionWatch;
  readonly blanks: BlankSender;
}

export class MediaTimer {
  readonly #peers: ReadonlyMap<PeerId, PeerMedia>;
  readonly #tracks: ReadonlyMap<string, Track>;
  readonly #rtcp: RtcpWriter;
  readonly #speakers: SpeakerWatch;
  readonly #congestion: CongestionWatch;
  readonly #blanks: BlankSender;
  #tickMs = NEVER;
  #slowMs = -1e12;
  #activeMs = -1e12;
  #keyFramesWanted = false;

  constructor(
    peers: ReadonlyMap<PeerId, PeerMedia>,
    tracks: ReadonlyMap<string, Track>,
    rtcp: RtcpWriter,
    { speakers, congestion, blanks }: TimedParts,
  ) {
    this.#peers = peers;
    this.#tracks = tracks;
    this.#rtcp = rtcp;
    this.#speakers = speakers;
    this.#congestion = congestion;
    this.#blanks = blanks;
  }

  nextTimeoutMs(): number {
    return this.#tickMs;
  }

  /** There is something to do at once. */
  wake(): void {
    this.#tickMs = 0;
  }

  /** Somebody may wait for a key frame: asked for at the end of the batch. */
  wantKeyFrames(): void {
    this.#keyFramesWanted = true;
    if (this.#tickMs === NEVER) this.#tickMs = 0;
  }

  /** `active`: packets came in. */
  endBatch(nowMs: number, active: boolean): void {
    if (active) {
      this.#activeMs = nowMs;
      if (this.#tickMs === NEVER) this.#tickMs = nowMs + TICK_MS;
    }
    if (!this.#keyFramesWanted) return;
    this.#keyFramesWanted = false;
    for (const track of this.#tracks.values()) {
      track.requestKeyFrames(nowMs);
      this.#sendKeyFrameRequests(track, nowMs);
    }
  }

  handleTimeout(nowMs: number): void {
    if (nowMs < this.#tickMs) return;
    this.endBatch(nowMs, false);
    const slow = nowMs - this.#slowMs >= SLOW_MS;
    if (slow) this.#slowMs = nowMs;
    for (const track of this.#tracks.values()) {
      if (slow) this.#checkTrack(track, nowMs);
      this.requestLosses(track, nowMs);
      this.#sendKeyFrameRequests(track, nowMs);
    }
    for (const peer of this.#peers.values()) {
      if (slow) peer.held.expire(nowMs);
      if (!peer.connected) continue;
      if (peer.arrivals.nextTimeoutMs() <= nowMs) this.#rtcp.transportFeedback(peer);
      this.#report(peer, nowMs);
      if (slow) this.#congestion.check(peer, nowMs);
    }
    this.#speakers.handleTimeout(nowMs);
    this.#blanks.handleTimeout();
    const busy = nowMs - this.#activeMs < IDLE_MS || this.#speakers.active || this.#blanks.active;
    this.#tickMs = busy ? nowMs + TICK_MS : NEVER;
  }

  /** Sends the NACKs of one track that are due. */
  requestLosses(track: Track, nowMs: number): void {
    const { uplinks, publisher } = track;
    if (!publisher) return;
    for (let u = 0; u < uplinks.length; u++) {
      const { layers } = uplinks[u]!;
      for (let i = 0; i < layers.length; i++) {
        if (layers[i]!.losses.count > 0) this.#rtcp.nack(publisher, layers[i]!, nowMs);
      }
    }
  }

  /** The subscriber said that it cannot decode what it gets. */
  decoderStuck(track: Track, downlink: Downlink, nowMs: number): void {
    const layer = downlink.current >= 0 ? downlink.source : downlink.uplink?.layers[downlink.target];
    if (!layer || !downlink.isVideo) return;
    layer.keyFrames.request();
    this.#sendKeyFrameRequests(track, nowMs);
  }

  /** A stream began, or passed to another source: its clock may be another one. */
  downlinkBegun(peer: PeerMedia, nowMs: number): void {
    peer.earlyReports = EARLY_REPORTS;
    peer.senderReportMs = Math.max(nowMs, peer.reportedMs + RETRY_REPORT_MS);
  }

  #sendKeyFrameRequests(track: Track, nowMs: number): void {
    const { uplinks, publisher } = track;
    if (!publisher?.connected) return;
    for (let u = 0; u < uplinks.length; u++) {
      const { layers } = uplinks[u]!;
      for (let i = 0; i < layers.length; i++) {
        const layer = layers[i]!;
        if (layer.ssrc !== 0 && layer.keyFrames.take(nowMs)) this.#rtcp.pli(publisher, layer);
      }
    }
  }

  #checkTrack(track: Track, nowMs: number): void {
    for (const uplink of track.uplinks) if (uplink.check(nowMs, RING_MS)) track.followRates();
    track.followLayers();
    track.requestKeyFrames(nowMs);
  }

  #report(peer: PeerMedia, nowMs: number): void {
    if (peer.uplinks.length > 0) {
      if (peer.receiverReportMs === NEVER) peer.receiverReportMs = nowMs + FIRST_RECEIVER_REPORT_MS;
      else if (peer.receiverReportMs <= nowMs) {
        this.#rtcp.receiverReport(peer, nowMs);
        peer.receiverReportMs = nowMs + RECEIVER_REPORT_MS;
      }
    }
    if (peer.senderReportMs > nowMs) return;
    if (!this.#rtcp.senderReports(peer, nowMs)) {
      peer.senderReportMs = nowMs + RETRY_REPORT_MS;
      return;
    }
    peer.reportedMs = nowMs;
    peer.senderReportMs = nowMs + (peer.earlyReports > 0 ? EARLY_SENDER_REPORT_MS : SENDER_REPORT_MS);
    if (peer.earlyReports > 0) peer.earlyReports--;
  }
}
