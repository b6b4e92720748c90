/**
 * Spreads a window over its round trip: sent at once it would only overflow the first short queue on its way, often that of the
 * receiver's own socket, which holds about 90 packets where nobody asked for more.
 */
import { NEVER } from "../clock.ts";

/** Sent after a pause at once: timers are no finer than this, and a round trip may be as short. */
const BURST_MS = 1;
const MIN_RTT_MS = 0.1;
const MIN_BURST_PACKETS = 16;
const MAX_BURST_PACKETS = 64;

/** One path. Sizes in bytes of packets. */
export class Pacer {
  /** When there is credit again for a sender that was told to wait. */
  deadlineMs = NEVER;
  readonly #mtu: number;
  #credit: number;
  #creditAtMs = 0;

  constructor(mtu: number) {
    this.#mtu = mtu;
    this.#credit = MAX_BURST_PACKETS * mtu;
  }

  /** Whether another packet may go out now, at a pace of `bytes` in a round trip. */
  mayGo(bytes: number, rttMs: number, nowMs: number): boolean {
    const perMs = bytes / Math.max(rttMs, MIN_RTT_MS);
    const elapsedMs = nowMs - this.#creditAtMs;
    if (elapsedMs > 0) {
      this.#creditAtMs = nowMs;
      const most = Math.min(Math.max(perMs * BURST_MS, MIN_BURST_PACKETS * this.#mtu), MAX_BURST_PACKETS * this.#mtu);
      this.#credit = Math.min(this.#credit + elapsedMs * perMs, most);
    }
    if (this.#credit > 0) return true;
    if (this.deadlineMs === NEVER) this.deadlineMs = nowMs + Math.max(BURST_MS, -this.#credit / perMs);
    return false;
  }

  /** A packet of so many bytes went out. */
  went(bytes: number): void {
    this.#credit -= bytes;
  }

  handleTimeout(nowMs: number): void {
    if (nowMs >= this.deadlineMs) this.deadlineMs = NEVER;
  }
}
