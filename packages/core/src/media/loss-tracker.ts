/**
 * Which packets of one incoming stream are missing, and when to ask for them (again) by NACK (RFC 4585).
 * A gap is asked for at once, then again after about a round trip with rising distance, a bounded number of times.
 * The list is sorted by sequence number and bounded; when it overflows, the oldest losses are given up.
 */
import { NEVER } from "../clock.ts";

const CAPACITY = 256;
const MAX_TRIES = 10;
/** Nobody can play a packet that comes later. */
const MAX_AGE_MS = 1500;
const MIN_RETRY_MS = 20;
const MAX_RETRY_MS = 400;
/** Before anything was measured: a usual round trip over the Internet. */
const INITIAL_RTT_MS = 70;
/** A round trip is measured by packets asked for only once. */
const RTT_WEIGHT = 0.2;

/** How many losses `due` reports at once at most. */
export const MAX_LOSSES = CAPACITY;

export class LossTracker {
  readonly #sequence = new Int32Array(CAPACITY);
  readonly #tries = new Uint8Array(CAPACITY);
  readonly #askedMs = new Float64Array(CAPACITY);
  readonly #nextMs = new Float64Array(CAPACITY);
  readonly #sinceMs = new Float64Array(CAPACITY);
  #count = 0;
  #rttMs = INITIAL_RTT_MS;
  /** How often packets were asked for so far. */
  asked = 0;
  /** Packets that came by RTX after they were missed. */
  repaired = 0;

  /** Packets that are missing and still asked for. */
  get count(): number {
    return this.#count;
  }

  /** Round trip from asking to the retransmission's arrival. */
  get rttMs(): number {
    return this.#rttMs;
  }

  /** Packets `from` (included) up to `to` (not included) were jumped over. */
  addGap(from: number, to: number, nowMs: number): void {
    const missing = (to - from) | 0;
    let sequence = missing > CAPACITY ? (to - CAPACITY) | 0 : from;
    for (; sequence !== to; sequence = (sequence + 1) | 0) {
      if (this.#count === CAPACITY) this.#removeAt(0);
      const index = this.#count++;
      this.#sequence[index] = sequence;
      this.#tries[index] = 0;
      this.#askedMs[index] = 0;
      this.#nextMs[index] = nowMs;
      this.#sinceMs[index] = nowMs;
    }
  }

  /** A late packet came; `retransmitted` if by RTX. False when nobody had missed it. */
  arrived(sequence: number, retransmitted: boolean, nowMs: number): boolean {
    for (let index = 0; index < this.#count; index++) {
      if (this.#sequence[index] !== sequence) continue;
      if (retransmitted) this.repaired++;
      if (retransmitted && this.#tries[index] === 1) {
        this.#rttMs += (Math.min(nowMs - this.#askedMs[index]!, 1000) - this.#rttMs) * RTT_WEIGHT;
      }
      this.#removeAt(index);
      return true;
    }
    return false;
  }

  /** Puts the packets to ask for now into `out` (rising) and returns how many; those given up are forgotten. */
  due(nowMs: number, out: Int32Array): number {
    let found = 0;
    let kept = 0;
    for (let index = 0; index < this.#count; index++) {
      if (this.#nextMs[index]! <= nowMs) {
        const tries = this.#tries[index]!;
        if (tries >= MAX_TRIES || nowMs - this.#sinceMs[index]! > MAX_AGE_MS) continue;
        out[found++] = this.#sequence[index]!;
        this.#tries[index] = tries + 1;
        this.#askedMs[index] = nowMs;
        const retryMs = Math.max(this.#rttMs * (1 + 0.25 * tries) + 5, MIN_RETRY_MS);
        this.#nextMs[index] = nowMs + Math.min(retryMs, MAX_RETRY_MS);
      }
      if (kept !== index) this.#move(index, kept);
      kept++;
    }
    this.#count = kept;
    this.asked += found;
    return found;
  }

  /** When `due` has something to say or to forget. */
  nextTimeoutMs(): number {
    let earliest = NEVER;
    for (let index = 0; index < this.#count; index++) earliest = Math.min(earliest, this.#nextMs[index]!);
    return earliest;
  }

  /** Forgets all losses (restart of the source, codec without NACK). */
  clear(): void {
    this.#count = 0;
  }

  #removeAt(index: number): void {
    this.#sequence.copyWithin(index, index + 1, this.#count);
    this.#tries.copyWithin(index, index + 1, this.#count);
    this.#askedMs.copyWithin(index, index + 1, this.#count);
    this.#nextMs.copyWithin(index, index + 1, this.#count);
    this.#sinceMs.copyWithin(index, index + 1, this.#count);
    this.#count--;
  }

  #move(from: number, to: number): void {
    this.#sequence[to] = this.#sequence[from]!;
    this.#tries[to] = this.#tries[from]!;
    this.#askedMs[to] = this.#askedMs[from]!;
    this.#nextMs[to] = this.#nextMs[from]!;
    this.#sinceMs[to] = this.#sinceMs[from]!;
  }
}
