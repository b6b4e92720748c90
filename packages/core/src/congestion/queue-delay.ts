/**
 * How long packets wait in queues: the least one-way delay of the last moments above the least of the last half minute. The trend
 * sees a queue that grows; this sees one that stands. Jitter disappears in the minimum, and so does a receiver that was kept from running:
 * the last of the packets that it then finds has hardly waited. A queue of others that stays longer than the memory becomes the new ground.
 */

const WINDOW_MS = 200;
/** What comes within this of the packet that ended a window belongs to it. */
const TOGETHER_MS = 2;
/** Two of these are remembered. */
const GROUND_MS = 15_000;

const GROUND = 0;
const FORMER_GROUND = 1;
const GROUND_SINCE = 2;
const LEAST = 3;
const WINDOW_SINCE = 4;
const QUEUE = 5;

export class QueueDelay {
  readonly #values = new Float64Array(6);

  constructor() {
    this.reset();
  }

  /** Milliseconds; 0 before anything was measured. */
  get queueMs(): number {
    return this.#values[QUEUE]!;
  }

  /** Takes a packet that arrived. The clocks of sender and receiver need not agree. */
  add(sentMs: number, arrivalMs: number): void {
    const values = this.#values;
    const delay = arrivalMs - sentMs;
    if (delay < values[LEAST]!) values[LEAST] = delay;
    if (delay < values[GROUND]!) values[GROUND] = delay;
    if (values[WINDOW_SINCE] === Infinity) values[WINDOW_SINCE] = values[GROUND_SINCE] = arrivalMs;
    const ageMs = arrivalMs - values[WINDOW_SINCE]!;
    if (ageMs >= WINDOW_MS) this.#closeWindow(arrivalMs);
    else if (ageMs <= TOGETHER_MS) values[QUEUE] = Math.min(values[QUEUE]!, this.#aboveGround(delay));
  }

  /** The delay of the last moments is nobody's queue: it is the ground from now on. */
  settle(): void {
    const values = this.#values;
    values[GROUND] = values[FORMER_GROUND] = Math.min(values[GROUND]!, values[FORMER_GROUND]!) + values[QUEUE]!;
    values[QUEUE] = 0;
  }

  reset(): void {
    this.#values.fill(Infinity);
    this.#values[QUEUE] = 0;
  }

  #aboveGround(delay: number): number {
    return Math.max(0, delay - Math.min(this.#values[GROUND]!, this.#values[FORMER_GROUND]!));
  }

  #closeWindow(arrivalMs: number): void {
    const values = this.#values;
    values[QUEUE] = this.#aboveGround(values[LEAST]!);
    values[LEAST] = Infinity;
    values[WINDOW_SINCE] = arrivalMs;
    if (arrivalMs - values[GROUND_SINCE]! < GROUND_MS) return;
    values[FORMER_GROUND] = values[GROUND]!;
    values[GROUND] = Infinity;
    values[GROUND_SINCE] = arrivalMs;
  }
}
