/**
 * How many bytes may be in flight: slow start of RFC 9260 section 7.2.1, then CUBIC (RFC 9438) in place of the linear
 * growth of 7.2.2, because one packet per round trip needs minutes to refill a window of megabytes on a long path.
 */

const INITIAL_PACKETS = 10;
const MIN_PACKETS = 4;
/** More than any receive window we meet; bounds what one association keeps in flight. */
const MAX_BYTES = 8 * 1024 * 1024;
/** CUBIC's multiplicative decrease. */
const BETA = 0.7;
/** CUBIC's aggressiveness, packets per second cubed. */
const C = 0.4;
/** Growth per round trip that keeps CUBIC as fast as Reno on short paths. */
const RENO_FRIENDLY = (3 * (1 - BETA)) / (1 + BETA);
/** Part of slow start's growth that is left when the window has once been too large. */
const GENTLY = 0.25;
/** A SACK may stand for this many packets in slow start; more would reward a peer that splits or withholds SACKs. */
const SLOW_START_PACKETS = 4;

/** The window of one path. Sizes in bytes of payload. */
export class CongestionWindow {
  readonly #mtu: number;
  #bytes: number;
  #threshold = MAX_BYTES;
  #lastMaxBytes = 0;
  /** When the cubic curve started; 0 = with the next acknowledgement. */
  #epochMs = 0;
  #originBytes = 0;
  #untilOriginS = 0;
  #renoBytes = 0;
  /** What the last loss changed. */
  #formerBytes = 0;
  #formerThreshold = 0;
  #formerLastMaxBytes = 0;
  /** The window at the last timeout. */
  #timedOutBytes = 0;
  /** Slow start is not the first one. */
  #gently = false;

  constructor(mtu: number) {
    this.#mtu = mtu;
    this.#bytes = INITIAL_PACKETS * mtu;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get inSlowStart(): boolean {
    return this.#bytes < this.#threshold;
  }

  /** `ackedBytes` were acknowledged. `limited`: the window was what stopped the sender; otherwise it does not grow. */
  acked(ackedBytes: number, limited: boolean, smoothedRttMs: number, nowMs: number): void {
    if (!limited) {
      this.#epochMs = 0;
      return;
    }
    if (this.inSlowStart) {
      this.#bytes += Math.min(ackedBytes, SLOW_START_PACKETS * this.#mtu) * (this.#gently ? GENTLY : 1);
    } else this.#bytes += this.#cubicGrowth(ackedBytes, smoothedRttMs, nowMs);
    if (this.#bytes > MAX_BYTES) this.#bytes = MAX_BYTES;
  }

  /** Fast retransmit: once per window of data. */
  lost(): void {
    this.#formerBytes = this.#bytes;
    this.#formerThreshold = this.#threshold;
    this.#formerLastMaxBytes = this.#lastMaxBytes;
    // Fast convergence: a second loss below the last peak means that others want room.
    const shrinking = this.#bytes < this.#lastMaxBytes;
    this.#lastMaxBytes = shrinking ? (this.#bytes * (1 + BETA)) / 2 : this.#bytes;
    this.#threshold = Math.max(this.#bytes * BETA, MIN_PACKETS * this.#mtu);
    this.#bytes = this.#threshold;
    this.#epochMs = 0;
  }

  /** The last loss was not ours: it changes nothing after all, and those before may have been none of ours either. */
  takeBack(): void {
    if (this.#formerBytes > this.#bytes) {
      this.#bytes = this.#formerBytes;
      this.#lastMaxBytes = this.#formerLastMaxBytes;
    }
    if (this.#formerThreshold < MAX_BYTES) this.reopen();
    else this.#threshold = MAX_BYTES;
    this.#epochMs = 0;
  }

  /** What was found to be too much may be so no longer: the way up is open again, by a quarter each round trip. */
  reopen(): void {
    this.#gently = true;
    this.#threshold = MAX_BYTES;
  }

  /** A queue stands in the path: slow start is over, and only this part of the window is left, if that is less than the whole. */
  delayed(part: number): void {
    if (part < 1) this.#bytes = Math.max(this.#bytes * Math.max(part, BETA), MIN_PACKETS * this.#mtu);
    this.#threshold = Math.min(this.#threshold, this.#bytes);
    this.#epochMs = 0;
  }

  /** The retransmission timer expired: start over with one packet. */
  timedOut(): void {
    this.#formerBytes = 0;
    this.#gently = false;
    // A second expiry finds a window of one packet, which says nothing about the path.
    if (this.#bytes > this.#mtu) {
      this.#timedOutBytes = this.#bytes;
      this.#lastMaxBytes = this.#bytes;
      this.#threshold = Math.max(this.#bytes / 2, MIN_PACKETS * this.#mtu);
    }
    this.#bytes = this.#mtu;
    this.#epochMs = 0;
  }

  /** The path only stood still for a while: as after a loss. */
  timedOutInVain(): void {
    this.#bytes = Math.max(this.#bytes, this.#timedOutBytes * BETA);
    this.#threshold = Math.max(this.#threshold, this.#bytes);
    this.#epochMs = 0;
  }

  /** Nothing was sent for this many timeouts: old knowledge of the path fades (RFC 9260 section 7.2.1). */
  idle(timeouts: number): void {
    const faded = this.#bytes / 2 ** Math.min(timeouts, 16);
    this.#bytes = Math.min(this.#bytes, Math.max(faded, INITIAL_PACKETS * this.#mtu));
  }

  #cubicGrowth(ackedBytes: number, smoothedRttMs: number, nowMs: number): number {
    if (this.#epochMs === 0) this.#startEpoch(nowMs);
    const seconds = (nowMs - this.#epochMs + smoothedRttMs) / 1000 - this.#untilOriginS;
    const target = this.#originBytes + C * seconds * seconds * seconds * this.#mtu;
    this.#renoBytes += (RENO_FRIENDLY * ackedBytes * this.#mtu) / this.#bytes;
    const wanted = Math.min(Math.max(target, this.#renoBytes), 1.5 * this.#bytes);
    return Math.max(0, ((wanted - this.#bytes) * ackedBytes) / this.#bytes);
  }

  #startEpoch(nowMs: number): void {
    this.#epochMs = nowMs;
    this.#renoBytes = this.#bytes;
    this.#originBytes = Math.max(this.#lastMaxBytes, this.#bytes);
    this.#untilOriginS = Math.cbrt((this.#originBytes - this.#bytes) / this.#mtu / C);
  }
}
