/**
 * Reception statistics of one incoming stream (RFC 3550 section 6.4.1, appendices A.3 and A.8), as a report block says
 * them. Retransmissions do not count as received: the sender is to see what the network does.
 */
import type { ReportBlock } from "@stoa/wire/rtcp/report";
import type { SenderClock } from "./sender-clock.ts";

/** Places in `#times`, which are doubles kept out of the heap. */
const ARRIVAL_MS = 0;
const JITTER = 1;
const REPORT_MS = 2;

export class Reception {
  readonly #times = new Float64Array(3);
  #started = false;
  #base = 0;
  #highest = 0;
  #received = 0;
  #expectedPrior = 0;
  #receivedPrior = 0;
  #timestamp = 0;
  #lastReport = 0;

  /** The source begins (again). */
  restart(sequence: number): void {
    this.#started = false;
    this.#base = this.#highest = sequence;
    this.#received = this.#expectedPrior = this.#receivedPrior = 0;
    this.#times[JITTER] = 0;
  }

  /** The last sender report is that of another source. */
  forgetReport(): void {
    this.#lastReport = 0;
  }

  /** A packet came over the stream itself. `newest`: no later one came before. */
  receive(sequence: number, newest: boolean, timestamp: number, clockRate: number, nowMs: number): void {
    this.#received++;
    if (!newest) return;
    this.#highest = sequence;
    if (this.#started) {
      const arrived = ((nowMs - this.#times[ARRIVAL_MS]!) * clockRate) / 1000;
      const distance = Math.abs(arrived - ((timestamp - this.#timestamp) | 0));
      this.#times[JITTER] = this.#times[JITTER]! + (distance - this.#times[JITTER]!) / 16;
    }
    this.#started = true;
    this.#timestamp = timestamp;
    this.#times[ARRIVAL_MS] = nowMs;
  }

  /** A sender report came; `middle`: middle 32 bits of its NTP time. */
  senderReport(middle: number, nowMs: number): void {
    this.#lastReport = middle;
    this.#times[REPORT_MS] = nowMs;
  }

  /** Whether the newest packet is on the time line of `clock`; what was never received itself does not contradict. */
  agreesWith(clock: SenderClock, clockRate: number): boolean {
    return !this.#started || clock.agrees(this.#timestamp, this.#times[ARRIVAL_MS]!, clockRate);
  }

  /** Packets of this source that were due so far, and those of them that came. */
  get expected(): number {
    return this.#started ? ((this.#highest - this.#base) | 0) + 1 : 0;
  }

  get received(): number {
    return this.#received;
  }

  /** When the last sender report came; 0 = none of this source. */
  get reportMs(): number {
    return this.#lastReport === 0 ? 0 : this.#times[REPORT_MS]!;
  }

  /** Interarrival jitter in timestamp units. */
  get jitter(): number {
    return this.#times[JITTER]!;
  }

  /** Fills a report block (all but the SSRC) and begins the next interval. */
  report(nowMs: number, into: ReportBlock): void {
    const expected = ((this.#highest - this.#base) | 0) + 1;
    const expectedNow = expected - this.#expectedPrior;
    const lostNow = expectedNow - (this.#received - this.#receivedPrior);
    this.#expectedPrior = expected;
    this.#receivedPrior = this.#received;
    into.fractionLost = expectedNow <= 0 || lostNow <= 0 ? 0 : Math.min(255, Math.floor((lostNow * 256) / expectedNow));
    into.cumulativeLost = expected - this.#received;
    // Cycles count from zero for whoever reads this.
    into.highestSequence = (this.#highest - (this.#base & ~0xffff)) >>> 0;
    into.jitter = Math.floor(this.#times[JITTER]!);
    into.lastReport = this.#lastReport;
    into.delaySinceLastReport =
      this.#lastReport === 0 ? 0 : Math.round(((nowMs - this.#times[REPORT_MS]!) * 65_536) / 1000);
  }
}
