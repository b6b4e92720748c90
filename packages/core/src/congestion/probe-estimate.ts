/**
 * What one probe cluster found: how fast its packets were sent and how fast they came out at the other end. The bytes of the first packet to
 * arrive do not count, nor those of the last one sent: n packets are n − 1 gaps.
 * A receiver that was kept from running looks like a thin link at first sight. But a queue lets packets out one by one, and those that come last
 * have waited longest; behind a stall they come all at once, and the last has hardly waited.
 */

const MIN_PACKETS = 5;
const MIN_SPAN_MS = 20;
/** Packets whose delay is remembered. */
const KEPT = 64;
/** Of the bytes of the cluster. */
const MIN_ARRIVED = 0.4;
/** Came out slower than this share of how it was sent: the link was full. */
const FULL = 0.9;
/** Where the last packets are looked for, as a share of the time of sending. */
const LAST_PART = 0.75;
/** Packets that came together within this … */
const TOGETHER_MS = 1;
/** … though sent farther apart have waited for the receiver. */
const STALL_MS = 10;

// Places in the array.
const FIRST_SENT = 0;
const LAST_SENT = 1;
const FIRST_ARRIVAL = 2;
const LAST_ARRIVAL = 3;
const LEAST_DELAY = 4;
const BURST_SENT = 5;
const BURST_ARRIVAL = 6;
const LONGEST_BURST = 7;

export class ProbeEstimate {
  /** The cluster's number; 0 = none. */
  cluster = 0;
  readonly #times = new Float64Array(8);
  /** Of the packets so far, by time of sending; the oldest are forgotten. */
  readonly #sentMs = new Float64Array(KEPT);
  readonly #delayMs = new Float64Array(KEPT);
  #packets = 0;
  #bytes = 0;
  #firstBytes = 0;
  #lastBytes = 0;
  #bps = 0;
  #full = false;

  /** The rate found by `conclude`. */
  get bps(): number {
    return this.#bps;
  }

  /** Whether that is all that the link carries. */
  get full(): boolean {
    return this.#full;
  }

  begin(cluster: number): void {
    this.cluster = cluster;
    this.#packets = 0;
    this.#bytes = 0;
  }

  /** A packet of the cluster arrived. */
  add(sentMs: number, arrivalMs: number, bytes: number): void {
    const times = this.#times;
    this.#noteDelay(sentMs, arrivalMs);
    if (this.#packets === 0 || sentMs < times[FIRST_SENT]!) times[FIRST_SENT] = sentMs;
    if (this.#packets === 0 || arrivalMs < times[FIRST_ARRIVAL]!) {
      times[FIRST_ARRIVAL] = arrivalMs;
      this.#firstBytes = bytes;
    }
    if (this.#packets === 0 || sentMs >= times[LAST_SENT]!) {
      times[LAST_SENT] = sentMs;
      this.#lastBytes = bytes;
    }
    if (this.#packets === 0 || arrivalMs > times[LAST_ARRIVAL]!) times[LAST_ARRIVAL] = arrivalMs;
    this.#packets++;
    this.#bytes += bytes;
  }

  /** Ends the cluster, of which `sentBytes` were sent. False if it found nothing. */
  conclude(sentBytes: number): boolean {
    this.cluster = 0;
    if (this.#packets < MIN_PACKETS || this.#bytes < sentBytes * MIN_ARRIVED) return false;
    const sentMs = this.#times[LAST_SENT]! - this.#times[FIRST_SENT]!;
    const arrivalMs = this.#times[LAST_ARRIVAL]! - this.#times[FIRST_ARRIVAL]!;
    if (sentMs < MIN_SPAN_MS || arrivalMs < MIN_SPAN_MS / 2) return false;
    const sentBps = ((this.#bytes - this.#lastBytes) * 8000) / sentMs;
    const arrivedBps = ((this.#bytes - this.#firstBytes) * 8000) / arrivalMs;
    this.#full = arrivedBps < sentBps * FULL || this.#bytes < sentBytes * FULL;
    this.#bps = Math.min(sentBps, arrivedBps);
    return this.#times[LONGEST_BURST]! <= STALL_MS || this.#forgiveStall(sentBps, sentMs, sentBytes);
  }

  /** The receiver stalled meanwhile: how long the last packets waited is all that tells. False if that may have been another stall. */
  #forgiveStall(sentBps: number, sentMs: number, sentBytes: number): boolean {
    const throughBps = (sentBps * sentMs) / (sentMs + this.#lastWaitMs());
    if (throughBps < sentBps * FULL) return false;
    this.#full = this.#bytes < sentBytes * FULL;
    this.#bps = Math.max(this.#bps, throughBps);
    return true;
  }

  #noteDelay(sentMs: number, arrivalMs: number): void {
    const times = this.#times;
    const delayMs = arrivalMs - sentMs;
    this.#sentMs[this.#packets % KEPT] = sentMs;
    this.#delayMs[this.#packets % KEPT] = delayMs;
    if (this.#packets === 0) {
      times[LEAST_DELAY] = delayMs;
      times[LONGEST_BURST] = 0;
    }
    if (delayMs < times[LEAST_DELAY]!) times[LEAST_DELAY] = delayMs;
    if (this.#packets === 0 || arrivalMs - times[BURST_ARRIVAL]! > TOGETHER_MS) times[BURST_SENT] = sentMs;
    times[BURST_ARRIVAL] = arrivalMs;
    times[LONGEST_BURST] = Math.max(times[LONGEST_BURST]!, sentMs - times[BURST_SENT]!);
  }

  /** How much longer than the least delay of all those that were sent last have waited, at least. */
  #lastWaitMs(): number {
    const times = this.#times;
    const fromMs = times[FIRST_SENT]! + (times[LAST_SENT]! - times[FIRST_SENT]!) * LAST_PART;
    let least = Infinity;
    for (let i = 0; i < Math.min(this.#packets, KEPT); i++) {
      if (this.#sentMs[i]! >= fromMs && this.#delayMs[i]! < least) least = this.#delayMs[i]!;
    }
    return least - times[LEAST_DELAY]!;
  }
}
