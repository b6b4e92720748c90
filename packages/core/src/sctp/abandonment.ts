/**
 * Which messages are given up: the peer is to skip their chunks (RFC 3758 section 3.5).
 *
 * Invariant: a message is given up as a whole; of its chunks only those that the peer has already keep their state.
 */
import { ABANDONED, ACKED } from "./chunk-ring.ts";
import type { ChunkRing } from "./chunk-ring.ts";
import { isPartiallyReliable } from "./outbound-message.ts";
import type { OutboundMessage } from "./outbound-message.ts";
import type { SctpStats } from "./stats.ts";

/** Of the messages in one ring. */
export class Abandonment {
  /** The peer knows FORWARD TSN; without it everything is reliable. */
  allowed = true;
  readonly #ring: ChunkRing;
  readonly #stats: SctpStats;

  constructor(ring: ChunkRing, stats: SctpStats) {
    this.#ring = ring;
    this.#stats = stats;
  }

  /** Whether the time of the message is over, and it may be given up for that. */
  hasExpired(message: OutboundMessage, nowMs: number): boolean {
    return nowMs >= message.expiresAtMs && this.allowed;
  }

  /** Whether a message of which a chunk was sent so often, and lost, is not to be sent again. */
  isSpent(message: OutboundMessage, sends: number, nowMs: number): boolean {
    return (this.allowed && sends > message.maxRetransmits) || this.hasExpired(message, nowMs);
  }

  /** Gives up the message at `position`. */
  abandon(position: number): void {
    const ring = this.#ring;
    const message = ring.messageAt(position);
    this.#note(message);
    let first = position;
    while (first > 0 && ring.messageAt(first - 1) === message) first--;
    for (let p = first; p < ring.count && ring.messageAt(p) === message; p++) {
      const slot = ring.slot(p);
      const state = ring.state[slot]!;
      if (state !== ACKED && state !== ABANDONED) ring.become(slot, ABANDONED);
    }
  }

  /** Gives up the message that is being sent: its chunks, if any are left, are the last ones. */
  abandonCurrent(message: OutboundMessage): void {
    const last = this.#ring.count - 1;
    if (last >= 0 && this.#ring.messageAt(last) === message) this.abandon(last);
    else this.#note(message);
  }

  /**
   * How many chunks from the front the peer is to skip. Chunks that it has are passed over when their message is only
   * partially reliable; a reliable one might still be taken back.
   */
  skippable(): number {
    const ring = this.#ring;
    let skip = 0;
    let left = ring.abandonedCount;
    for (let p = 0; left > 0; p++) {
      const slot = ring.slot(p);
      if (ring.state[slot] === ABANDONED) {
        skip = p + 1;
        left--;
      } else if (ring.state[slot] !== ACKED || !isPartiallyReliable(ring.message[slot]!)) break;
    }
    return skip;
  }

  #note(message: OutboundMessage): void {
    if (!message.abandoned) this.#stats.abandonedMessages++;
    message.abandoned = true;
  }
}
