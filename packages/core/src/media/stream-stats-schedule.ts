/**
 * When the statistics of which peer are due: every five seconds from its connection on, also while nothing flows, for
 * silence says most. Peers take turns by the moment they connected, and a call does a bounded number of them.
 */
import { NEVER } from "../clock.ts";
import type { MediaEvent } from "../engine/events.ts";
import type { PeerId } from "../engine/specs.ts";
import type { StreamMeter } from "./stream-stats.ts";

const SAMPLE_MS = 1000;
/** LiveKit: 5 s. */
const SAMPLES_PER_REPORT = 5;
const MAX_PER_CALL = 64;
/** Deadlines are rounded to this, so that many idle peers cost few wake-ups. */
const GRID_MS = 100;

interface Turn {
  readonly meter: StreamMeter;
  samples: number;
  dueMs: number;
}

export class StatsSchedule {
  /** In the order of their deadlines: the intervals are all the same. */
  readonly #turns = new Map<PeerId, Turn>();

  /** The peer is connected. */
  add(id: PeerId, meter: StreamMeter, nowMs: number): void {
    this.#turns.set(id, { meter, samples: 0, dueMs: dueAfter(nowMs) });
  }

  has(id: PeerId): boolean {
    return this.#turns.has(id);
  }

  remove(id: PeerId): void {
    this.#turns.delete(id);
  }

  nextTimeoutMs(): number {
    const [first] = this.#turns.values();
    return first?.dueMs ?? NEVER;
  }

  /** Hands over what is due. */
  handleTimeout(nowMs: number, events: MediaEvent[]): void {
    let left = MAX_PER_CALL;
    for (const [id, turn] of this.#turns) {
      if (turn.dueMs > nowMs || left-- === 0) return;
      turn.meter.sample(nowMs);
      turn.samples++;
      if (turn.samples === SAMPLES_PER_REPORT) {
        turn.samples = 0;
        events.push({ type: "stats", peer: id, stats: turn.meter.take(nowMs) });
      }
      turn.dueMs = dueAfter(nowMs);
      this.#turns.delete(id);
      this.#turns.set(id, turn);
    }
  }
}

function dueAfter(nowMs: number): number {
  return Math.ceil((nowMs + SAMPLE_MS) / GRID_MS) * GRID_MS;
}
