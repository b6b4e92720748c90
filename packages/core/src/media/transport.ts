/** What `media` needs of one RTCPeerConnection, and the time of one batch. `peer/Peer` fulfils `MediaTransport`. */
import { absSendTime } from "@stoa/wire/rtp/abs-send-time";
import { NO_PATH } from "../paths.ts";
import type { Path } from "../paths.ts";

/** The protected way to one client. Offsets are in the slab. */
export interface MediaTransport {
  /** Where packets go; `NO_PATH` until validated. */
  readonly path: Path;
  /** ICE and DTLS are up. */
  readonly connected: boolean;
  /**
   * Protects the packet whose header of `headerLength` bytes stands at `at` and whose payload stands at `from`, which
   * may be directly behind the header or anywhere outside. The result is written at `at`; its length is returned,
   * or something ≤ 0 when there are no keys.
   */
  protectRtp(at: number, headerLength: number, from: number, payloadLength: number): number;
  /** Protects a compound RTCP packet in place; its length, or something ≤ 0 when there are no keys. */
  protectRtcp(at: number, length: number): number;
}

/** Whether packets can go out now. */
export function isReady(transport: MediaTransport): boolean {
  return transport.connected && transport.path !== NO_PATH;
}

/**
 * The time of the batch in the forms the packet path wants, worked out once: whole milliseconds since a base are small
 * integers, a double that is passed on would be a heap allocation.
 */
export class BatchTime {
  /** Unix milliseconds with a fraction. */
  nowMs = 0.5;
  /** Whole milliseconds since the first time seen; a small integer (wraps after 24 days). */
  ticksMs = 0;
  /** Value of the abs-send-time extension. */
  absSendTime = 0;
  #baseMs = -0.5;

  set(nowMs: number): void {
    if (this.#baseMs < 0) this.#baseMs = Math.floor(nowMs);
    this.nowMs = nowMs;
    this.ticksMs = (nowMs - this.#baseMs) | 0;
    this.absSendTime = absSendTime(nowMs);
  }

  /** Unix milliseconds of a value of `ticksMs` that lies in the past. */
  unixMs(ticksMs: number): number {
    return Math.floor(this.nowMs) - ((this.ticksMs - ticksMs) | 0);
  }

  /** The value of `ticksMs` at a Unix time. */
  ticksAt(unixMs: number): number {
    // A stream may be carried over before the first packet.
    if (this.#baseMs < 0) this.set(unixMs);
    return (this.ticksMs + Math.round(unixMs - Math.floor(this.nowMs))) | 0;
  }
}
