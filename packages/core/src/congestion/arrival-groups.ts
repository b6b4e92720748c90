/**
 * Packets that were sent together are compared as one (draft-ietf-rmcat-gcc section 5.2): a group spans 5 ms of sending, and takes in
 * what arrives as one burst behind it. For two finished groups in a row: how much later the second was sent, and arrived.
 */

const GROUP_MS = 5;
/** Packets that queued up somewhere and come together within this are one burst … */
const BURST_GAP_MS = 5;
/** … up to this long. */
const MAX_BURST_MS = 100;

// Places in the array: doubles that change with every packet stay off the heap.
const FIRST_SENT = 0;
const LAST_SENT = 1;
const FIRST_ARRIVAL = 2;
const LAST_ARRIVAL = 3;
const FORMER_SENT = 4;
const FORMER_ARRIVAL = 5;
const SENT_DELTA = 6;
const ARRIVAL_DELTA = 7;

export class ArrivalGroups {
  readonly #times = new Float64Array(8);
  /** Groups begun: 0 = none, 1 = the first is open, 2 = there is a former one. */
  #groups = 0;

  /** Between the last two finished groups, milliseconds. */
  get sentDeltaMs(): number {
    return this.#times[SENT_DELTA]!;
  }

  get arrivalDeltaMs(): number {
    return this.#times[ARRIVAL_DELTA]!;
  }

  /** Takes a packet that arrived. True: two groups are finished, the deltas are theirs. */
  add(sentMs: number, arrivalMs: number): boolean {
    const times = this.#times;
    if (this.#groups === 0) {
      this.#begin(sentMs, arrivalMs);
      this.#groups = 1;
      return false;
    }
    // Reordered: its group is over.
    if (sentMs < times[FIRST_SENT]!) return false;
    if (sentMs - times[FIRST_SENT]! <= GROUP_MS || this.#isBurst(sentMs, arrivalMs)) {
      times[LAST_SENT] = Math.max(times[LAST_SENT]!, sentMs);
      times[LAST_ARRIVAL] = Math.max(times[LAST_ARRIVAL]!, arrivalMs);
      return false;
    }
    const finished = this.#groups === 2;
    if (finished) {
      times[SENT_DELTA] = times[LAST_SENT]! - times[FORMER_SENT]!;
      times[ARRIVAL_DELTA] = times[LAST_ARRIVAL]! - times[FORMER_ARRIVAL]!;
    }
    times[FORMER_SENT] = times[LAST_SENT]!;
    times[FORMER_ARRIVAL] = times[LAST_ARRIVAL]!;
    this.#groups = 2;
    this.#begin(sentMs, arrivalMs);
    return finished;
  }

  /** Forgets all groups: the clocks jumped, or nothing was sent for long. */
  reset(): void {
    this.#groups = 0;
  }

  #begin(sentMs: number, arrivalMs: number): void {
    this.#times[FIRST_SENT] = this.#times[LAST_SENT] = sentMs;
    this.#times[FIRST_ARRIVAL] = this.#times[LAST_ARRIVAL] = arrivalMs;
  }

  #isBurst(sentMs: number, arrivalMs: number): boolean {
    const times = this.#times;
    const sentDelta = sentMs - times[LAST_SENT]!;
    const arrivalDelta = arrivalMs - times[LAST_ARRIVAL]!;
    if (sentDelta === 0) return true;
    return arrivalDelta < sentDelta && arrivalDelta <= BURST_GAP_MS && arrivalMs - times[FIRST_ARRIVAL]! < MAX_BURST_MS;
  }
}
