/**
 * A frame that is offered payload by payload, as a data track's packets come in. Invariant: with its first payload sent, what
 * waits of it goes before all frames of its source that have not begun; with any payload dropped, none of the rest is sent.
 */
import { NEVER } from "../../clock.ts";

/** How long what waits of it goes before others: one that never ends does not go on for longer. */
const LONGEST_MS = 5000;

export class FrameInParts {
  /** A payload of it was dropped. */
  lost = false;
  /** Payloads that wait among those of frames that have not begun. */
  waiting = 0;
  #begunAtMs = NEVER;

  /** A payload of it was given to a channel. */
  get begun(): boolean {
    return this.#begunAtMs !== NEVER;
  }

  /** The first millisecond in which it has taken too long. */
  get endsMs(): number {
    return this.#begunAtMs + LONGEST_MS + 1;
  }

  begin(nowMs: number): void {
    if (this.#begunAtMs === NEVER) this.#begunAtMs = nowMs;
  }

  /** Gives it up if it has taken too long. */
  endLate(nowMs: number): void {
    if (nowMs >= this.endsMs) this.lost = true;
  }
}

/** Where frames come from that share a channel with those of other sources. */
export interface FrameSource {
  /** The frame of which a part is offered now; undefined: what is offered is a whole one. */
  readonly parts: FrameInParts | undefined;
}
