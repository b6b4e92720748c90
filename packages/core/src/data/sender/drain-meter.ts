/**
 * How fast a receiver takes what it is sent: bytes that left the channel's buffer, over the time in which there was
 * something in it, in the last two seconds. Invariant: an idle channel says nothing, a stalled one says zero in the end.
 */

const STEP_MS = 100;
const STEPS = 20;
/** With less backlog than this nothing is said. */
const MIN_BUSY_MS = 100;

export class DrainMeter {
  readonly #bytes = new Float64Array(STEPS);
  readonly #idleBytes = new Float64Array(STEPS);
  readonly #busyMs = new Float64Array(STEPS);
  /** 0: when the current step began. 1: when the last note was taken. Sums: 2 of `bytes`, 3 of `busyMs`, 4 of `idleBytes`. 5: see `stalledMs`. */
  readonly #totals = new Float64Array(6);
  #step = 0;
  #buffered = 0;
  #started = false;

  /** The buffer is at `buffered` now, `sent` bytes of which were put in just before. */
  note(sent: number, buffered: number, nowMs: number): void {
    const totals = this.#totals;
    if (!this.#started) {
      this.#started = true;
      totals[0] = nowMs;
      totals[5] = nowMs;
    } else {
      this.#turn(nowMs);
      const drained = Math.max(0, this.#buffered + sent - buffered);
      // Something was left before the new bytes came, so the receiver was the limit all the time.
      if (buffered > sent) this.#addBusy(drained, Math.max(0, nowMs - totals[1]!));
      else this.#addIdle(drained);
      if (drained > 0 || buffered <= sent) totals[5] = nowMs;
    }
    this.#buffered = buffered;
    totals[1] = nowMs;
  }

  /** The channel is another one now: what it holds was not sent by us. */
  restart(buffered: number, nowMs: number): void {
    this.#started = true;
    this.#buffered = buffered;
    this.#bytes.fill(0);
    this.#idleBytes.fill(0);
    this.#busyMs.fill(0);
    this.#totals.fill(0);
    this.#totals[0] = nowMs;
    this.#totals[1] = nowMs;
    this.#totals[5] = nowMs;
  }

  /** How long there has been something in the buffer and none of it has left. */
  stalledMs(nowMs: number): number {
    return nowMs - this.#totals[5]!;
  }

  /** Bits per second while there was something in the buffer; -1 when unknown. */
  get bps(): number {
    return this.#rate(this.#totals[2]!);
  }

  /** An upper bound, which bytes that left in no time count for too: a short stall after brisk traffic is no slow receiver. */
  get atMostBps(): number {
    return this.#rate(this.#totals[2]! + this.#totals[4]!);
  }

  #rate(bytes: number): number {
    const busyMs = this.#totals[3]!;
    return busyMs < MIN_BUSY_MS ? -1 : (Math.max(0, bytes) * 8000) / busyMs;
  }

  #addBusy(bytes: number, busyMs: number): void {
    this.#bytes[this.#step]! += bytes;
    this.#busyMs[this.#step]! += busyMs;
    this.#totals[2]! += bytes;
    this.#totals[3]! += busyMs;
  }

  #addIdle(bytes: number): void {
    this.#idleBytes[this.#step]! += bytes;
    this.#totals[4]! += bytes;
  }

  /** Begins new steps until the current one holds `nowMs`; the oldest leave the sums. */
  #turn(nowMs: number): void {
    const totals = this.#totals;
    const elapsed = Math.floor((nowMs - totals[0]!) / STEP_MS);
    if (elapsed <= 0) return;
    totals[0]! += elapsed * STEP_MS;
    for (let i = Math.min(elapsed, STEPS); i > 0; i--) {
      this.#step = (this.#step + 1) % STEPS;
      totals[2]! -= this.#bytes[this.#step]!;
      totals[3]! -= this.#busyMs[this.#step]!;
      totals[4]! -= this.#idleBytes[this.#step]!;
      this.#bytes[this.#step] = 0;
      this.#idleBytes[this.#step] = 0;
      this.#busyMs[this.#step] = 0;
    }
  }
}
