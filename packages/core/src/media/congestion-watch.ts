/**
 * The bandwidth of all subscribers of a worker: made when video is first sent to one, looked at each tenth of a second, and more often
 * only for those who are being probed.
 */
import { NEVER } from "../clock.ts";
import type { MediaEvent } from "../engine/events.ts";
import type { ForwarderEvent } from "./forwarder-event.ts";
import { CongestionShare } from "./congestion-share.ts";
import type { Downlink } from "./downlink.ts";
import type { PacketWriter } from "./packet-writer.ts";
import type { PeerMedia } from "./peer-media.ts";

/** Between two portions of padding. */
const PAD_MS = 10;

export class CongestionWatch {
  readonly #writer: PacketWriter;
  readonly #onState: (downlink: Downlink, paused: boolean) => void;
  /** Those who are being probed. */
  readonly #probed: PeerMedia[] = [];
  #padMs = NEVER;

  constructor(writer: PacketWriter, events: ForwarderEvent[]) {
    this.#writer = writer;
    this.#onState = (downlink, paused) => {
      const { track, subscriber } = downlink;
      const event: Extract<MediaEvent, { type: "streamState" }> = {
        type: "streamState",
        peer: subscriber.id,
        track,
        paused,
      };
      events.push(event);
    };
  }

  /** A stream is sent to this peer from now on. */
  follow(peer: PeerMedia, downlink: Downlink): void {
    const spec = peer.options.congestion;
    if (!spec.enabled || !downlink.isVideo || peer.congestion) return;
    peer.congestion = new CongestionShare(peer.subscriber, peer.downlinks, spec);
    peer.congestion.controller.limit(peer.limitBps);
  }

  /** A tenth of a second has passed. */
  check(peer: PeerMedia, nowMs: number): void {
    const { congestion } = peer;
    if (!congestion) return;
    congestion.handleTimeout(nowMs, this.#onState);
    if (congestion.controller.takeReportWish()) peer.senderReportMs = nowMs;
    if (!congestion.controller.probing || this.#probed.includes(peer)) return;
    this.#probed.push(peer);
    this.#padMs = Math.min(this.#padMs, nowMs);
  }

  /** When padding is due. */
  nextTimeoutMs(): number {
    return this.#padMs;
  }

  handleTimeout(nowMs: number): void {
    if (nowMs < this.#padMs) return;
    let kept = 0;
    for (const peer of this.#probed) {
      const congestion = peer.congestion!;
      const { controller } = congestion;
      if (nowMs >= controller.nextTimeoutMs()) controller.handleTimeout(nowMs);
      if (controller.takeReportWish()) peer.senderReportMs = nowMs;
      if (!controller.probing) continue;
      congestion.pad(nowMs, this.#writer);
      this.#probed[kept++] = peer;
    }
    this.#probed.length = kept;
    this.#padMs = kept > 0 ? nowMs + PAD_MS : NEVER;
  }
}
