/** What the streams to one client share: its transport, its transport-wide sequence numbers, its counters. */
import type { SentHistory } from "../congestion/sent-history.ts";
import type { PeerId } from "../engine/specs.ts";
import type { Downlink } from "./downlink.ts";
import type { MediaTransport } from "./transport.ts";

/** Before anything was measured. */
const INITIAL_RTT_MS = 70;
const RTT_WEIGHT = 0.25;
/** Before the small integers overflow. */
const COUNT_UP_BYTES = 1 << 29;

/** A key frame is asked for again after two round trips, within these bounds. */
const MIN_REQUEST_MS = 200;
const MAX_REQUEST_MS = 1000;

/** Places in `counters`. */
export const PACKETS_IN = 0;
export const BYTES_IN = 1;
export const PACKETS_OUT = 2;
export const BYTES_OUT = 3;

export class Subscriber {
  readonly id: PeerId;
  readonly transport: MediaTransport;
  /** Sent since `counters` were brought up to date: two small integers in the object that the packet path reads anyway. */
  #packetsOut = 0;
  #bytesOut = 0;
  /** Doubles kept out of the heap: they outgrow small integers. */
  readonly #counters = new Float64Array(4);
  /** It cannot read packet trailers: they are taken off. */
  readonly stripsTrailers: boolean;
  /** Next transport-wide sequence number, 16 bits. */
  transportSequence = 0;
  /** Downlinks with something to forward in this batch; the first `touchedCount` hold. */
  readonly touched: Downlink[] = [];
  touchedCount = 0;
  /** Hears of each packet sent; undefined where bandwidth is not managed. */
  sent: SentHistory | undefined;
  #rttMs = 0;

  constructor(id: PeerId, transport: MediaTransport, stripsTrailers = false) {
    this.id = id;
    this.transport = transport;
    this.stripsTrailers = stripsTrailers;
  }

  /** Totals at the places named above. */
  get counters(): Float64Array {
    this.#counters[PACKETS_OUT]! += this.#packetsOut;
    this.#counters[BYTES_OUT]! += this.#bytesOut;
    this.#packetsOut = 0;
    this.#bytesOut = 0;
    return this.#counters;
  }

  /** Counts a packet that went out. */
  countSent(bytes: number): void {
    this.#packetsOut++;
    this.#bytesOut += bytes;
    if (this.#bytesOut > COUNT_UP_BYTES) void this.counters;
  }

  /** Smoothed round trip time, 0 when unknown. */
  get rttMs(): number {
    return this.#rttMs;
  }

  /** Round trip time to plan with. */
  get usualRttMs(): number {
    return this.#rttMs === 0 ? INITIAL_RTT_MS : this.#rttMs;
  }

  /** After how long a key frame is asked for again. */
  get requestIntervalMs(): number {
    return Math.min(Math.max(2 * this.usualRttMs, MIN_REQUEST_MS), MAX_REQUEST_MS);
  }

  /** A measured round trip. */
  measured(rttMs: number): void {
    this.#rttMs = this.#rttMs === 0 ? rttMs : this.#rttMs + (rttMs - this.#rttMs) * RTT_WEIGHT;
  }
}
