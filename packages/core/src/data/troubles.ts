/**
 * Times of trouble with the data of a peer: when one begins and when it is over, not every message of it. Invariant: a trouble is
 * told once when it begins and once when nothing of the kind has happened for a while.
 */
import { NEVER } from "../clock.ts";
import type { DataTrouble } from "../engine/protocol.ts";

/** So long without another one. */
const QUIET_MS = 5000;
const LOOK_MS = 1000;

/** One time of trouble of `of`. */
export interface Trouble<T> {
  readonly of: T;
  readonly kind: DataTrouble;
  /** How often it happened. */
  times: number;
  lastMs: number;
}

export class Troubles<T> {
  readonly #open = new Map<T, Map<DataTrouble, Trouble<T>>>();
  #lookAtMs = NEVER;

  /** It happened; true when that is the beginning. */
  note(of: T, kind: DataTrouble, nowMs: number): boolean {
    let open = this.#open.get(of);
    if (!open) this.#open.set(of, (open = new Map<DataTrouble, Trouble<T>>()));
    const known = open.get(kind);
    if (known) {
      known.times++;
      known.lastMs = nowMs;
      return false;
    }
    open.set(kind, { of, kind, times: 1, lastMs: nowMs });
    if (this.#lookAtMs === NEVER) this.#lookAtMs = nowMs + LOOK_MS;
    return true;
  }

  remove(of: T): void {
    this.#open.delete(of);
  }

  /** Those that are over. */
  takeOver(nowMs: number): Trouble<T>[] {
    if (nowMs < this.#lookAtMs) return [];
    const over: Trouble<T>[] = [];
    for (const [of, open] of this.#open) {
      for (const trouble of open.values()) {
        if (nowMs - trouble.lastMs < QUIET_MS) continue;
        over.push(trouble);
        open.delete(trouble.kind);
      }
      if (open.size === 0) this.#open.delete(of);
    }
    this.#lookAtMs = this.#open.size === 0 ? NEVER : nowMs + LOOK_MS;
    return over;
  }

  nextTimeoutMs(): number {
    return this.#lookAtMs;
  }
}
