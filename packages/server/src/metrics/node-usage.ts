/**
 * How much this node carries, for `limit.num_tracks` and `limit.bytes_per_sec`: tracks by what the rooms do, bytes a second
 * by what the media workers report. Invariant: of a worker no more is kept than the reports of the last ten seconds.
 */
import type { WorkerLoad } from "@stoa/core/engine/figures";

/** LiveKit's measuring time: a burst does not close the door. */
const WINDOW_MS = 10_000;
/** A worker that reports oftener than it should. */
const MAX_SAMPLES = 64;

/** The sentence that a client gets, and the one that an API call gets. */
export const NODE_FULL = "node has exceeded its configured limit";
export const NODE_LIMIT_REACHED = "reached configured limit for node";

/** `limit` of the configuration, as far as it is about the whole node; 0 or less = no limit. */
export interface NodeLimits {
  readonly num_tracks: number;
  readonly bytes_per_sec: number;
}

interface Sample {
  readonly atMs: number;
  readonly bytes: number;
}

export class NodeUsage {
  readonly #workers = new Map<number, Sample[]>();

  /** One report; undefined: the worker is gone, its counters start anew. */
  note(worker: number, load: WorkerLoad | undefined, nowMs: number): void {
    if (!load) {
      this.#workers.delete(worker);
      return;
    }
    const samples = this.#workers.get(worker) ?? [];
    this.#workers.set(worker, samples);
    samples.push({ atMs: nowMs, bytes: load.bytesIn + load.bytesOut });
    while (samples.length > 2 && (samples.length > MAX_SAMPLES || samples[0]!.atMs < nowMs - WINDOW_MS))
      samples.shift();
  }

  /** In and out, all workers together. */
  get bytesPerSec(): number {
    let sum = 0;
    for (const samples of this.#workers.values()) {
      const [first, last] = [samples[0]!, samples.at(-1)!];
      if (last.atMs > first.atMs) sum += (1000 * (last.bytes - first.bytes)) / (last.atMs - first.atMs);
    }
    return sum;
  }
}

/** Whether a limit is reached; `tracks`: published and forwarded ones. */
export function isFull(limits: NodeLimits, tracks: number, bytesPerSec: number): boolean {
  const { num_tracks, bytes_per_sec } = limits;
  return (num_tracks > 0 && tracks >= num_tracks) || (bytes_per_sec > 0 && bytesPerSec >= bytes_per_sec);
}
