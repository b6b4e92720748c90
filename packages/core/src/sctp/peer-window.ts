/**
 * What the peer can still take (RFC 9260 section 6.2.1), and the probes of a window that is too small (section 6.1 A): peers as
 * pion's never tell by themselves when it opens.
 *
 * Invariant: beyond the window goes one chunk at a time, with nothing else in flight, and into a closed one at most one per timeout.
 */
import type { Rto } from "./rto.ts";

/** The receive window of the other side. */
export class PeerWindow {
  /** As its last SACK says, less what is in flight. */
  bytes = 0;
  /** A closed window is not probed before this. */
  nextProbeMs = 0;
  readonly #rto: Rto;

  constructor(rto: Rto) {
    this.#rto = rto;
  }

  /** The peer says that it has room for `bytes`, of which `flightBytes` are on their way. */
  told(bytes: number, flightBytes: number): void {
    this.bytes = Math.max(0, bytes - flightBytes);
  }

  /** A chunk of so many bytes goes out. */
  sent(bytes: number): void {
    this.bytes = Math.max(0, this.bytes - bytes);
  }

  /** Whether a chunk may go, as one that fits or as a probe; a probe is noted as sent now. */
  takes(bytes: number, flightBytes: number, nowMs: number): boolean {
    if (bytes <= this.bytes) return true;
    if (flightBytes > 0) return false;
    if (this.bytes > 0) return true;
    if (nowMs < this.nextProbeMs) return false;
    this.nextProbeMs = nowMs + this.#rto.valueMs;
    return true;
  }
}
