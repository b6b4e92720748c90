/**
 * The playout-delay extension of one outgoing video stream (livekit.md 3.13): how long the player may hold a picture. The
 * least delay follows the jitter that the player reports, so that pictures wait for late packets; it changes slowly, for sound
 * waits along. The extension goes on packets until the player is known to have one of them.
 */
import type { PlayoutDelaySpec } from "../engine/specs.ts";

/** The extension is not sent. */
export const NO_DELAY = -1;
/** Two numbers of 12 bits. */
export const PLAYOUT_DELAY_BYTES = 3;
const UNIT_MS = 10;
const LARGEST_MS = UNIT_MS * 0xfff;
/** Chromium's own limit, for rooms that only set the least delay. */
const DEFAULT_MAX_MS = 10_000;
const DELAY_PER_JITTER = 10;
/** Retransmissions in per cent of the packets; each one beyond is worth two milliseconds. */
const MANY_NACKS = 60;
const MS_PER_NACK = 2;
const MAX_CHANGE_MS_PER_S = 80;

const CHANGED = 0;
const SENDING = 1;
const ARRIVED = 2;

export class PlayoutDelay {
  readonly #minMs: number;
  readonly #maxMs: number;
  #currentMs: number;
  #state: typeof CHANGED | typeof SENDING | typeof ARRIVED = CHANGED;
  /** First packet that carried the current value, and when it went out. */
  #sequence = 0;
  #ticksMs = 0;
  #packets = 0;
  #nacks = 0;

  constructor({ minMs, maxMs }: PlayoutDelaySpec) {
    this.#maxMs = Math.min(maxMs === 0 ? DEFAULT_MAX_MS : maxMs, LARGEST_MS);
    this.#minMs = Math.min(minMs, this.#maxMs);
    this.#currentMs = this.#minMs;
  }

  /** The value for the packet with this number, 24 bits, or `NO_DELAY`. */
  take(sequence: number, ticksMs: number): number {
    if (this.#state === ARRIVED) return NO_DELAY;
    if (this.#state === CHANGED) {
      this.#state = SENDING;
      this.#sequence = sequence;
      this.#ticksMs = ticksMs;
    }
    return (Math.floor(this.#currentMs / UNIT_MS) << 12) | Math.floor(this.#maxMs / UNIT_MS);
  }

  /**
   * The player reports: the highest number that it has (16 bits), its jitter, and how many packets and retransmissions it got
   * in all. `steady`: the jitter says something, which it does not of pictures that come in bursts (screen share).
   */
  reported(highest: number, jitterMs: number, steady: boolean, packets: number, nacks: number, ticksMs: number): void {
    if (this.#state === SENDING && ((highest - this.#sequence) & 0xffff) < 0x8000) this.#state = ARRIVED;
    const sent = (packets - this.#packets) | 0;
    const nackPercent = sent > 0 ? ((nacks - this.#nacks) * 100) / sent : 0;
    this.#packets = packets;
    this.#nacks = nacks;
    if (!steady || this.#state !== ARRIVED) return;
    const wanted = jitterMs * DELAY_PER_JITTER + Math.max(nackPercent - MANY_NACKS, 0) * MS_PER_NACK;
    const elapsedMs = Math.min((ticksMs - this.#ticksMs) | 0, 1000);
    const change = (MAX_CHANGE_MS_PER_S * Math.max(elapsedMs, 0)) / 1000;
    const slow = Math.min(Math.max(wanted, this.#currentMs - change), this.#currentMs + change);
    const next = Math.min(Math.max(Math.round(slow), this.#minMs), this.#maxMs);
    if (next === this.#currentMs) return;
    this.#currentMs = next;
    this.#state = CHANGED;
  }
}
