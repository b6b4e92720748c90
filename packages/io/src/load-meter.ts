/**
 * Measures a media worker: how much of its time it works, how long packets take from socket to socket, what passes.
 * Two readings of the clock per batch, nothing per packet. Invariant: nothing is allocated between two reports.
 */
import { performance, type EventLoopUtilization } from "node:perf_hooks";
import { FORWARD_LATENCY_BOUNDS_US, type WorkerLoad } from "@stoa/core/engine/figures";
import type { DatagramBatch } from "@stoa/core/paths";
import type { NetworkCounters } from "./accel/udp.ts";

/** Where the counters of sent packets are. */
export interface MeteredNetwork {
  readonly counters: NetworkCounters;
  readonly bytesOut: number;
}

const BUCKETS = FORWARD_LATENCY_BOUNDS_US.length + 1;

/** Slots of the one array of doubles. */
const BYTES_IN = 0;
const LATENCY_SUM_US = 1;
const LONGEST_TURN_MS = 2;
const TURN_BEGAN_MS = 3;
const SENT_BEFORE = 4;
const LATENCY_SUM_US2 = 5;

export class LoadMeter {
  readonly #network: MeteredNetwork;
  readonly #clock: () => number;
  readonly #numbers = new Float64Array(6);
  readonly #latency = new Float64Array(BUCKETS);
  #utilization: EventLoopUtilization = performance.eventLoopUtilization();

  constructor(network: MeteredNetwork, clock: () => number) {
    this.#network = network;
    this.#clock = clock;
  }

  /** A batch came in. */
  beginBatch(batch: DatagramBatch): void {
    const numbers = this.#numbers;
    for (let i = 0; i < batch.count; i++) numbers[BYTES_IN]! += batch.length[i]!;
    numbers[TURN_BEGAN_MS] = this.#clock();
    numbers[SENT_BEFORE] = this.#network.counters.sent;
  }

  /** What follows from the batch has been handed to the system. */
  endBatch(): void {
    const numbers = this.#numbers;
    const tookMs = this.#clock() - numbers[TURN_BEGAN_MS]!;
    if (tookMs > numbers[LONGEST_TURN_MS]!) numbers[LONGEST_TURN_MS] = tookMs;
    const packets = this.#network.counters.sent - numbers[SENT_BEFORE]!;
    if (packets <= 0) return;
    const tookUs = tookMs * 1000;
    let bucket = 0;
    while (bucket < BUCKETS - 1 && tookUs > FORWARD_LATENCY_BOUNDS_US[bucket]!) bucket++;
    this.#latency[bucket]! += packets;
    numbers[LATENCY_SUM_US]! += packets * tookUs;
    numbers[LATENCY_SUM_US2]! += packets * tookUs * tookUs;
  }

  /** The report; `lateMs`: how long after its time the one who asks was woken. */
  report(lateMs: number): WorkerLoad {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#utilization);
    this.#utilization = now;
    const numbers = this.#numbers;
    const lagMs = Math.max(0, lateMs, numbers[LONGEST_TURN_MS]!);
    numbers[LONGEST_TURN_MS] = 0;
    const { counters, bytesOut } = this.#network;
    return {
      utilization,
      lagMs,
      packetsIn: counters.received,
      packetsOut: counters.sent,
      bytesIn: numbers[BYTES_IN]!,
      bytesOut,
      droppedIn: counters.droppedTooLong + counters.droppedNoMemory + counters.droppedNoPath,
      droppedOut: counters.droppedPathGone + counters.droppedRefused + counters.droppedFull,
      forwardLatency: [...this.#latency],
      forwardLatencyUs: numbers[LATENCY_SUM_US]!,
      forwardLatencyUs2: numbers[LATENCY_SUM_US2]!,
    };
  }
}
