/**
 * The rate itself: additive increase, multiplicative decrease around what the link was last seen to carry
 * (draft-ietf-rmcat-gcc section 5.5), in two states:
 *   raise   grow by 8 % a second, by 1 % near the known capacity, and not at all when less is sent than allowed: nothing is tested then
 *   drain   after overuse: below the capacity, the more so the longer the queue, until the queue is gone; then back to just below it
 * 0 bit/s = unknown: nothing has said yet how much the link carries.
 */

/** No estimate is lower: a stream of audio and a slide show. */
export const MIN_RATE_BPS = 30_000;
/** No estimate is higher. */
export const MAX_RATE_BPS = 1_000_000_000;

const GROWTH_PER_S = 0.08;
const GROWTH_NEAR_PER_S = 0.01;
/** "Near": up to this much above the capacity. Who gets beyond without overuse has disproved it. */
const NEAR = 1.1;
/** A measured capacity that is not far from the known one only shifts it: a measurement of half a second is rough. */
const SIMILAR = 0.25;
const CAPACITY_WEIGHT = 0.3;
/** Of the capacity, when the queue is gone. */
const RESUME = 0.95;
/** Of what arrives, at overuse with an empty queue … */
const DRAIN = 0.9;
/** … less 1 for a queue this long … */
const DRAIN_SLOPE_MS = 1500;
/** … but not below this. */
const MIN_DRAIN = 0.45;
const EMPTY_QUEUE_MS = 25;
/** While the queue is this long, what arrives is what the link carries, whatever is sent. */
export const LONG_QUEUE_MS = 60;
/** A queue that has not shrunk by then, though we sent much less, is not ours. */
const MAX_DRAIN_MS = 3000;
const SHRUNK = 0.8;
/** "Much less": this share of the capacity. */
const MUCH_LESS = 0.75;
/** Sent less than this share of the rate: the rate is not tested. */
const TESTED = 0.9;
/** How far the rate may be above what arrives by growth alone. */
const MAX_LEAD = 1.5;
const MIN_LEAD_BPS = 10_000;
const MAX_STEP_MS = 1000;
/** How long a cut takes to show in what arrives, beside the round trip. */
const REACTION_MS = 350;
/** Unless it turns out that much more is to be cut. */
const FAR_BELOW = 0.7;
/** Only the first moments of a drain tell the capacity: later the queue may be somebody else's, and what arrives what we send. */
const LEARN_MS = 1200;

export class RateControl {
  #rateBps = 0;
  #capacityBps = 0;
  #draining = false;
  #drainSinceMs = 0;
  #drainQueueMs = 0;
  #cutMs = -1e12;
  #updatedMs = -1;

  get rateBps(): number {
    return this.#rateBps;
  }

  /** What the link was last seen to carry when it was full; 0 = never seen. */
  get capacityBps(): number {
    return this.#capacityBps;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Another box knows better (loss, feedback that stopped). */
  set(rateBps: number): void {
    this.#rateBps = rateBps === 0 ? 0 : Math.min(Math.max(rateBps, MIN_RATE_BPS), MAX_RATE_BPS);
  }

  /** The link is full: `ackedBps` is what it carries. True if the rate was cut. */
  overuse(ackedBps: number, queueMs: number, rttMs: number, nowMs: number): boolean {
    this.#updatedMs = nowMs;
    const seen = ackedBps > 0 ? ackedBps : this.#rateBps;
    if (seen === 0) return false;
    if (!this.#draining) {
      this.#draining = true;
      this.#drainSinceMs = nowMs;
      this.#drainQueueMs = queueMs;
      const known = this.#capacityBps;
      const similar = Math.abs(seen - known) < known * SIMILAR;
      this.#capacityBps = similar ? known + (seen - known) * CAPACITY_WEIGHT : seen;
    } else if (queueMs > LONG_QUEUE_MS && nowMs - this.#drainSinceMs < LEARN_MS) {
      this.#capacityBps = Math.min(this.#capacityBps, seen);
    }
    const target = Math.min(seen, this.#capacityBps) * Math.max(DRAIN - queueMs / DRAIN_SLOPE_MS, MIN_DRAIN);
    const early = nowMs - this.#cutMs < rttMs + REACTION_MS;
    if (early && target > this.#rateBps * FAR_BELOW) return false;
    this.#cutMs = nowMs;
    this.set(this.#rateBps === 0 ? target : Math.min(this.#rateBps, target));
    return true;
  }

  /** No overuse. True if the queue that stands is found to be somebody else's. */
  calm(ackedBps: number, queueMs: number, sentBps: number, nowMs: number): boolean {
    const stepMs = this.#updatedMs < 0 ? 0 : Math.min(Math.max(nowMs - this.#updatedMs, 0), MAX_STEP_MS);
    this.#updatedMs = nowMs;
    if (this.#draining) return this.#drain(queueMs, sentBps, nowMs);
    if (this.#rateBps !== 0 && sentBps >= this.#rateBps * TESTED) this.#grow(ackedBps, stepMs);
    return false;
  }

  /** Loss showed how much the link carries. */
  overflowed(capacityBps: number): void {
    this.#capacityBps = capacityBps;
  }

  /** A probe found that the link carries this much; `full` if it carries no more. */
  probed(bps: number, full: boolean): void {
    const known = full ? bps * RESUME : bps;
    if (full) this.#capacityBps = bps;
    else if (bps > this.#capacityBps * NEAR) this.#capacityBps = 0;
    if (this.#draining && full) return;
    this.#draining = false;
    if (known > this.#rateBps) this.set(known);
  }

  /** As before the first packet. */
  reset(): void {
    this.#rateBps = 0;
    this.#capacityBps = 0;
    this.#draining = false;
    this.#updatedMs = -1;
  }

  #drain(queueMs: number, sentBps: number, nowMs: number): boolean {
    if (queueMs <= EMPTY_QUEUE_MS) {
      this.#draining = false;
      this.set(Math.max(this.#rateBps, this.#capacityBps * RESUME));
      return false;
    }
    if (nowMs - this.#drainSinceMs < MAX_DRAIN_MS) return false;
    if (queueMs < this.#drainQueueMs * SHRUNK || sentBps > this.#capacityBps * MUCH_LESS) {
      this.#drainSinceMs = nowMs;
      this.#drainQueueMs = queueMs;
      return false;
    }
    this.#draining = false;
    return true;
  }

  #grow(ackedBps: number, stepMs: number): void {
    const capacity = this.#capacityBps;
    const near = capacity > 0 && this.#rateBps > capacity * RESUME * 0.999;
    const next = this.#rateBps * (1 + ((near ? GROWTH_NEAR_PER_S : GROWTH_PER_S) * stepMs) / 1000);
    if (near && next > capacity * NEAR) this.#capacityBps = 0;
    const most = ackedBps > 0 ? Math.max(ackedBps * MAX_LEAD, ackedBps + MIN_LEAD_BPS) : next;
    if (this.#rateBps < most) this.set(Math.min(next, most));
  }
}
