/**
 * Publishers whose next messages wait, because a receiver that is not slow enough to lose any has too many already: not
 * taking a message is what closes a publisher's SCTP window. Invariant: nobody is held for a receiver that is gone, slow or
 * has caught up, or for which little of its own waits, for longer than it takes to look.
 */
import { NEVER } from "../clock.ts";
import type { PeerLanes } from "./peer-lanes.ts";
import type { FrameSource } from "./sender/frame-in-parts.ts";

/** A stalled receiver sends nothing that would make us look. */
const LOOK_MS = 50;

/** Whom a publisher waits for. */
interface Hold {
  readonly receiver: PeerLanes;
  /** Its message named its recipients. */
  readonly addressed: boolean;
  /** The publisher, as the receiver's lanes know it. */
  readonly source: FrameSource | undefined;
}

/** `T` is a publisher. */
export class PublisherHolds<T> {
  /** Whom each waits for; the last one that was too full. */
  readonly #holds = new Map<T, Hold>();
  #lookAtMs = NEVER;

  isHeld(publisher: T): boolean {
    return this.#holds.has(publisher);
  }

  hold(publisher: T, receiver: PeerLanes, addressed: boolean, nowMs: number, source?: FrameSource): void {
    if (this.#holds.size === 0) this.#lookAtMs = nowMs + LOOK_MS;
    this.#holds.set(publisher, { receiver, addressed, source });
  }

  remove(publisher: T): void {
    this.#holds.delete(publisher);
  }

  /** Publishers that need not wait any longer, and are not held any more. */
  release(nowMs: number): readonly T[] {
    if (this.#holds.size === 0) return [];
    const free: T[] = [];
    for (const [publisher, { receiver, addressed, source }] of this.#holds) {
      if (!receiver.isCongested(addressed, nowMs, source)) free.push(publisher);
    }
    for (const publisher of free) this.#holds.delete(publisher);
    this.#lookAtMs = this.#holds.size === 0 ? NEVER : nowMs + LOOK_MS;
    return free;
  }

  nextTimeoutMs(): number {
    return this.#holds.size === 0 ? NEVER : this.#lookAtMs;
  }
}
