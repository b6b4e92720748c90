/**
 * What waits to be delivered to one webhook URL: a lane for each room, tried again with growing pauses, bounded in events,
 * bytes and age. Pure: time and randomness come in, the HTTP is in `post.ts`.
 * Invariants: of one room at most one letter is under way, in the order of `push`; a letter leaves by exactly one of
 * delivered, refused, expired and full; one that `needs` another is never delivered when that other one was lost; nothing
 * is kept of a loss that no letter can ask for any more.
 */
import { NEVER } from "@stoa/core/clock";
import type { Random } from "@stoa/core/crypto";

/** One event for one URL. */
export interface Letter {
  /** "EV_…": the same at every attempt, so that a receiver can tell a repetition. */
  readonly id: string;
  readonly event: string;
  readonly room: string;
  readonly body: string;
  readonly bytes: number;
  /** What others may need: `participant_joined` opens the stay of an instance. */
  readonly opens?: string | undefined;
  /** `participant_left` needs the opening to have arrived. */
  readonly needs?: string | undefined;
  /** `room_finished`: nothing of this room comes after it. */
  readonly last?: boolean | undefined;
}

/** Bounds of an outbox. */
export interface OutboxLimits {
  /** Letters of one room. */
  readonly maxDepth: number;
  /** Letters of all rooms, and their bodies in bytes. */
  readonly maxLetters: number;
  readonly maxBytes: number;
  /** A letter that is older is given up. */
  readonly maxAgeMs: number;
  /** Letters that may be under way at once. */
  readonly maxUnderWay: number;
  /** Pause after the first failure; doubles up to the last one, half of it is drawn by lot. */
  readonly firstPauseMs: number;
  readonly lastPauseMs: number;
}

/** How an attempt went: "again" for no connection, 5xx, 408 and 429. */
export type Attempt = "delivered" | "refused" | "again";

/** A letter that is to be sent now. */
export interface Sending {
  readonly letter: Letter;
  /** 1 for the first. */
  readonly attempt: number;
}

interface Waiting {
  readonly letter: Letter;
  readonly queuedAtMs: number;
  attempts: number;
  /** What needs it will not be sent either: nobody asks whether it was lost. */
  closed: boolean;
}

/** A letter that is not sent: what it was about. */
export type Skipped = Pick<Letter, "room" | "needs" | "last">;

interface Lane {
  readonly room: string;
  readonly queue: Waiting[];
  /** "ready" and "paused" lanes stand in the set of that name. */
  state: "empty" | "ready" | "paused" | "underWay";
  dueMs: number;
  /** Openings that were lost, and whose closing is still to come. */
  readonly lost: Set<string>;
}

export class Outbox {
  readonly #limits: OutboxLimits;
  readonly #random: Random;
  readonly #lanes = new Map<string, Lane>();
  readonly #ready = new Set<Lane>();
  readonly #paused = new Set<Lane>();
  #letters = 0;
  #bytes = 0;
  #underWay = 0;
  #expired: Letter[] = [];

  constructor(limits: OutboxLimits, random: Random) {
    this.#limits = limits;
    this.#random = random;
  }

  /** Letters that are neither delivered nor given up. */
  get size(): number {
    return this.#letters;
  }

  /** Rooms of which anything is kept. */
  get rooms(): number {
    return this.#lanes.size;
  }

  /** Letters of one room. */
  depth(room: string): number {
    return this.#lanes.get(room)?.queue.length ?? 0;
  }

  /** "full": there is no room for it; "orphan": what it needs was lost. Both are gone. */
  push(letter: Letter, nowMs: number): "queued" | "full" | "orphan" {
    const lane = this.#lane(letter.room);
    const outcome = this.#take(lane, letter, nowMs);
    if (outcome === "full" && letter.opens !== undefined) lane.lost.add(letter.opens);
    this.#close(lane, letter, outcome === "queued");
    this.#forget(lane);
    return outcome;
  }

  /** An event came by of which this URL is not to be told. */
  skip(skipped: Skipped): void {
    const lane = this.#lanes.get(skipped.room);
    if (!lane) return;
    this.#close(lane, skipped, false);
    this.#forget(lane);
  }

  /** What is to be sent now; every one of them must be settled. */
  take(nowMs: number): Sending[] {
    for (const lane of this.#paused) {
      if (lane.dueMs <= nowMs) this.#move(lane, "ready");
    }
    const sendings: Sending[] = [];
    for (const lane of this.#ready) {
      if (this.#underWay >= this.#limits.maxUnderWay) break;
      const head = this.#freshHead(lane, nowMs);
      if (!head) continue;
      this.#underWay++;
      this.#move(lane, "underWay");
      sendings.push({ letter: head.letter, attempt: ++head.attempts });
    }
    return sendings;
  }

  /** The attempt is over; "paused": it will be made again. */
  settle(letter: Letter, attempt: Attempt, nowMs: number): "delivered" | "refused" | "expired" | "paused" {
    const lane = this.#lanes.get(letter.room);
    const head = lane?.queue[0];
    if (!lane || !head || lane.state !== "underWay" || head.letter !== letter) return "expired";
    this.#underWay--;
    if (attempt === "again") {
      const pauseMs = this.#pauseMs(head.attempts);
      if (nowMs + pauseMs - head.queuedAtMs <= this.#limits.maxAgeMs) {
        lane.dueMs = nowMs + pauseMs;
        this.#move(lane, "paused");
        return "paused";
      }
    }
    this.#drop(lane, attempt === "again"); // a receiver that refused has seen it
    this.#move(lane, lane.queue.length > 0 ? "ready" : "empty");
    this.#forget(lane);
    return attempt === "again" ? "expired" : attempt;
  }

  /** When `take` has something new without a `push` or a `settle` in between. */
  nextTimeoutMs(): number {
    let earliestMs = NEVER;
    for (const lane of this.#paused) if (lane.dueMs < earliestMs) earliestMs = lane.dueMs;
    return earliestMs;
  }

  /** Letters that `take` found too old; the list is the caller's. */
  takeExpired(): Letter[] {
    const expired = this.#expired;
    this.#expired = [];
    return expired;
  }

  #take(lane: Lane, letter: Letter, nowMs: number): "queued" | "full" | "orphan" {
    if (letter.needs !== undefined && lane.lost.delete(letter.needs)) return "orphan";
    const { maxDepth, maxLetters, maxBytes } = this.#limits;
    const full = lane.queue.length >= maxDepth || this.#letters >= maxLetters || this.#bytes + letter.bytes > maxBytes;
    if (full) return "full";
    lane.queue.push({ letter, queuedAtMs: nowMs, attempts: 0, closed: false });
    this.#letters++;
    this.#bytes += letter.bytes;
    if (lane.state === "empty") this.#move(lane, "ready");
    return "queued";
  }

  /** The first letter of a lane that is young enough and has what it needs. */
  #freshHead(lane: Lane, nowMs: number): Waiting | undefined {
    for (let head = lane.queue[0]; head; head = lane.queue[0]) {
      const orphan = head.letter.needs !== undefined && lane.lost.has(head.letter.needs);
      if (!orphan && nowMs - head.queuedAtMs <= this.#limits.maxAgeMs) return head;
      this.#expired.push(head.letter);
      this.#drop(lane, true);
    }
    this.#move(lane, "empty");
    this.#forget(lane);
    return undefined;
  }

  #drop(lane: Lane, lost: boolean): void {
    const { letter, closed } = lane.queue.shift()!;
    this.#letters--;
    this.#bytes -= letter.bytes;
    if (lost && !closed && letter.opens !== undefined) lane.lost.add(letter.opens);
    if (letter.needs !== undefined) lane.lost.delete(letter.needs);
  }

  /** Forgets the losses that no letter will ask for: of the stay that ends here, or of all when the room does. */
  #close(lane: Lane, { needs, last }: Skipped, queued: boolean): void {
    if (last) {
      const asked = new Set(lane.queue.map(({ letter }) => letter.needs));
      for (const opening of lane.lost) if (!asked.has(opening)) lane.lost.delete(opening);
      for (const waiting of lane.queue) waiting.closed ||= !asked.has(waiting.letter.opens);
    } else if (needs !== undefined && !queued && !lane.lost.delete(needs)) {
      for (const waiting of lane.queue) waiting.closed ||= waiting.letter.opens === needs;
    }
  }

  #pauseMs(attempts: number): number {
    const { firstPauseMs, lastPauseMs } = this.#limits;
    const mostMs = Math.min(lastPauseMs, firstPauseMs * 2 ** Math.min(30, attempts - 1));
    return mostMs / 2 + (mostMs / 2) * (this.#random.uint32() / 2 ** 32);
  }

  #move(lane: Lane, state: Lane["state"]): void {
    this.#ready.delete(lane);
    this.#paused.delete(lane);
    lane.state = state;
    if (state === "ready") this.#ready.add(lane);
    if (state === "paused") this.#paused.add(lane);
  }

  #lane(room: string): Lane {
    let lane = this.#lanes.get(room);
    if (!lane) this.#lanes.set(room, (lane = { room, queue: [], state: "empty", dueMs: NEVER, lost: new Set() }));
    return lane;
  }

  #forget(lane: Lane): void {
    if (lane.state === "empty" && lane.lost.size === 0) this.#lanes.delete(lane.room);
  }
}
