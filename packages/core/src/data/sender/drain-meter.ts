/**
 * How fast a receiver takes what it is sent: bytes that left the channel's buffer, over the time in which there was
 * something in it, in the last two seconds. Invariant: an idle channel says nothing, a stalled one says zero.
 */

const STEP_MS = 100;
const STEPS = 20;
/** With less backlog than this nothing is said. */
const MIN_BUSY_MS = 100;

export class DrainMeter {
  readonly #bytes = new Float64Array(STEPS);
  readonly #busyMs = new Float64Array(STEPS);
  /** 0: when the current step began. 1: when the last note was taken. 2: sum of the bytes. 3: sum of the busy time. */
  readonly #totals = new Float64Array(4);
  #step = 0;
  #buffered = 0;
  #started = false;

  /** The buffer is at `buffered` now, `sent` bytes of which were put in just before. */
  note(sent: number, buffered: number, nowMs: number): void {
    const totals = this.#totals;
    if (!this.#started) {
      this.#started = true;
      totals[0] = nowMs;
    } else {
      this.#turn(nowMs);
      // Something was left before the new bytes came, so the receiver was the limit all the time.
      if (buffered > sent) this.#add(Math.max(0, this.#buffered + sent - buffered), Math.max(0, nowMs - totals[1]!));
    }
    this.#buffered = buffered;
    totals[1] = nowMs;
  }

  /** The channel is another one now: what it holds was not sent by us. */
  restart(buffered: number, nowMs: number): void {
    this.#started = true;
    this.#buffered = buffered;
    this.#bytes.fill(0);
    this.#busyMs.fill(0);
    this.#totals.fill(0);
    this.#totals[0] = nowMs;
    this.#totals[1] = nowMs;
  }

  /** Bits per second; -1 when unknown. */
  get bps(): number {
    const busyMs = this.#totals[3]!;
    return busyMs < MIN_BUSY_MS ? -1 : (Math.max(0, this.#totals[2]!) * 8000) / busyMs;
  }

  #add(bytes: number, busyMs: number): void {
    this.#bytes[this.#step]! += bytes;
    this.#busyMs[this.#step]! += busyMs;
    this.#totals[2]! += bytes;
    this.#totals[3]! += busyMs;
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
      this.#bytes[this.#step] = 0;
      this.#busyMs[this.#step] = 0;
    }
  }
}
