/**
 * Times of trouble with the data of a peer: when one begins and when it is over, not every message of it. Invariant: a trouble is
 * told once when it begins and once when nothing of the kind has happened for a while, which is longer each time.
 */
import { NEVER } from "../clock.ts";
import type { DataTrouble } from "../engine/events.ts";

/** So long without another one, at first and at most: what comes and goes is not to fill a timeline. */
const QUIET_MS = 5000;
const MAX_QUIET_MS = 320_000;
const LOOK_MS = 1000;

/** One kind of trouble of `of`. */
export interface Trouble<T> {
  readonly of: T;
  readonly kind: DataTrouble;
  /** How often it happened since it began; 0: it is over. */
  times: number;
  lastMs: number;
  quietMs: number;
}

export class Troubles<T> {
  readonly #known = new Map<T, Map<DataTrouble, Trouble<T>>>();
  #lookAtMs = NEVER;

  /** It happened; true when that is the beginning. */
  note(of: T, kind: DataTrouble, nowMs: number): boolean {
    let known = this.#known.get(of);
    if (!known) this.#known.set(of, (known = new Map<DataTrouble, Trouble<T>>()));
    let trouble = known.get(kind);
    if (!trouble) known.set(kind, (trouble = { of, kind, times: 0, lastMs: 0, quietMs: QUIET_MS }));
    trouble.times++;
    trouble.lastMs = nowMs;
    if (this.#lookAtMs === NEVER) this.#lookAtMs = nowMs + LOOK_MS;
    return trouble.times === 1;
  }

  remove(of: T): void {
    this.#known.delete(of);
  }

  /** Tells those that are over. */
  handleTimeout(nowMs: number, tell: (of: T, kind: DataTrouble, times: number) => void): void {
    if (nowMs < this.#lookAtMs) return;
    this.#lookAtMs = NEVER;
    for (const known of this.#known.values()) {
      for (const trouble of known.values()) {
        const { of, kind, times, lastMs, quietMs } = trouble;
        if (times === 0) continue;
        if (nowMs - lastMs < quietMs) {
          this.#lookAtMs = nowMs + LOOK_MS;
          continue;
        }
        trouble.times = 0;
        trouble.quietMs = Math.min(MAX_QUIET_MS, 2 * quietMs);
        tell(of, kind, times);
      }
    }
  }

  nextTimeoutMs(): number {
    return this.#lookAtMs;
  }
}
