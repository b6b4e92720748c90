/**
 * What one probe cluster found: how fast its packets were sent and how fast they came out at the other end. The bytes of the first packet to
 * arrive do not count, nor those of the last one sent: n packets are n − 1 gaps.
 */

const MIN_PACKETS = 5;
const MIN_SPAN_MS = 20;
/** Of the bytes of the cluster. */
const MIN_ARRIVED = 0.4;
/** Came out slower than this share of how it was sent: the link was full. */
const FULL = 0.9;

// Places in the array.
const FIRST_SENT = 0;
const LAST_SENT = 1;
const FIRST_ARRIVAL = 2;
const LAST_ARRIVAL = 3;

export class ProbeEstimate {
  /** The cluster's number; 0 = none. */
  cluster = 0;
  readonly #times = new Float64Array(4);
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
    return true;
  }
}
