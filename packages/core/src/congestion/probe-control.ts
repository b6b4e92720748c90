/**
 * When to send more than there is to send, and how much: a probe asks the link what media alone does not ask. It raises the rate to a goal for a
 * moment, media included, and looks at what comes out. Probes are short and ask for at most twice what is known, so that a wrong
 * guess costs a queue of a moment; success is followed by the next at once, failure by a pause that grows.
 */
import { NEVER } from "../clock.ts";

/** How a kind of estimator is probed. */
export interface ProbeShape {
  /** How long more is sent. */
  readonly clusterMs: number;
  /** How long, beside two round trips, the answer may take. */
  readonly settleMs: number;
  /** The goal over what is known: after success, after failure. */
  readonly boldFactor: number;
  readonly cautiousFactor: number;
}

/** What is sent and wanted, bits per second; all of one subscriber's video. */
export interface Demand {
  /** What the granted layers need. */
  readonly allocatedBps: number;
  /** What the next higher layer needs in addition; 0 = there is none. */
  readonly nextStepBps: number;
  /** What all wanted layers would need. */
  readonly desiredBps: number;
  /** A step needs this much room as a factor, or at least so many bits per second. */
  readonly stepRoom?: number;
  readonly leastRoomBps?: number;
}

const TICK_MS = 10;
const FIRST_PAUSE_MS = 3000;
const PAUSE_FACTOR = 1.5;
/** So that a link that has recovered is found out within 10 s. */
const MAX_PAUSE_MS = 8000;
/** Between probes of a row that succeeds. */
const SHORT_PAUSE_MS = 150;
/** A step needs this much room, or at least … */
const STEP_ROOM = 1.2;
const MIN_ROOM_BPS = 200_000;
/** The most that is sent in one call: the rest of a tick that came late is not made up. */
const MAX_TICKS = 3;
/** Before that nothing was measured. */
const START_MS = 400;

const IDLE = 0;
const SENDING = 1;
const WAITING = 2;

export class ProbeControl {
  /** How the next probe is done. */
  shape: ProbeShape;
  #state: 0 | 1 | 2 = IDLE;
  #nextMs = NEVER;
  #pauseMs = FIRST_PAUSE_MS;
  #succeeded = true;
  #goalBps = 0;
  #beganMs = 0;
  #endMs = 0;
  /** Bytes of the cluster that were asked for so far. */
  #duePadding = 0;
  #clusters = 0;

  constructor(shape: ProbeShape) {
    this.shape = shape;
  }

  /** Padding is being sent. */
  get sending(): boolean {
    return this.#state === SENDING;
  }

  /** A probe is under way, its answer included. */
  get active(): boolean {
    return this.#state !== IDLE;
  }

  /** All is sent, the answer is not known. */
  get waiting(): boolean {
    return this.#state === WAITING;
  }

  get goalBps(): number {
    return this.#goalBps;
  }

  get beganMs(): number {
    return this.#beganMs;
  }

  /** Counts the probes begun. */
  get clusters(): number {
    return this.#clusters;
  }

  /** The first packets of video flow. */
  start(nowMs: number): void {
    if (this.#nextMs === NEVER) this.#nextMs = nowMs + START_MS;
  }

  nextTimeoutMs(): number {
    if (this.#state === SENDING) return this.#duePadding;
    return this.#state === WAITING ? this.#endMs : this.#nextMs;
  }

  /** Begins a probe if it is time and somebody wants it. True if one begins. */
  begin(rateBps: number, demand: Demand, limitBps: number, nowMs: number): boolean {
    if (this.#state !== IDLE || nowMs < this.#nextMs) return false;
    this.#nextMs = nowMs + FIRST_PAUSE_MS;
    const goal = this.#goal(rateBps, demand);
    if (goal <= rateBps || (limitBps > 0 && rateBps >= limitBps)) {
      // Nobody needs to know now; look again soon.
      this.#nextMs = nowMs + SHORT_PAUSE_MS;
      return false;
    }
    this.#goalBps = goal;
    this.#state = SENDING;
    this.#beganMs = nowMs;
    this.#endMs = nowMs + this.shape.clusterMs;
    this.#duePadding = nowMs;
    this.#clusters++;
    return true;
  }

  /** Bytes of padding to send now; `sentBytes` were sent since the cluster began, media and padding. */
  paddingBytes(sentBytes: number, nowMs: number): number {
    if (this.#state !== SENDING || nowMs < this.#duePadding) return 0;
    this.#duePadding = nowMs + TICK_MS;
    const elapsedMs = Math.min(nowMs - this.#beganMs + TICK_MS, this.shape.clusterMs);
    const due = (this.#goalBps * elapsedMs) / 8000 - sentBytes;
    const most = (this.#goalBps * TICK_MS * MAX_TICKS) / 8000;
    return Math.max(0, Math.min(Math.ceil(due), Math.ceil(most)));
  }

  /** Whether the cluster's time is over; from then on the answer is waited for. */
  sent(rttMs: number, nowMs: number): boolean {
    if (this.#state !== SENDING || nowMs < this.#endMs) return false;
    this.#wait(rttMs, nowMs);
    return true;
  }

  /** The link is visibly full: no more padding. */
  stop(rttMs: number, nowMs: number): void {
    if (this.#state === SENDING) this.#wait(rttMs, nowMs);
  }

  /** Whether the answer is overdue. */
  overdue(nowMs: number): boolean {
    return this.#state === WAITING && nowMs >= this.#endMs;
  }

  /** The answer: whether the link carries about what was asked for. */
  finish(succeeded: boolean, nowMs: number): void {
    this.#state = IDLE;
    this.#succeeded = succeeded;
    if (succeeded) {
      this.#pauseMs = FIRST_PAUSE_MS;
      this.#nextMs = nowMs + SHORT_PAUSE_MS;
      return;
    }
    this.#nextMs = nowMs + this.#pauseMs;
    this.#pauseMs = Math.min(this.#pauseMs * PAUSE_FACTOR, MAX_PAUSE_MS);
  }

  /** Congestion, not by a probe: no probe before a pause is over. */
  congested(nowMs: number): void {
    this.#succeeded = false;
    this.#state = IDLE;
    this.#nextMs = nowMs + this.#pauseMs;
  }

  /** The link carries visibly more than is known: ask at once. */
  hint(nowMs: number): void {
    if (this.#nextMs !== NEVER) this.#nextMs = Math.min(this.#nextMs, nowMs);
  }

  #wait(rttMs: number, nowMs: number): void {
    this.#state = WAITING;
    this.#endMs = nowMs + this.shape.settleMs + 2 * rttMs;
  }

  #goal(rateBps: number, demand: Demand): number {
    const { allocatedBps, nextStepBps, desiredBps, stepRoom = STEP_ROOM, leastRoomBps = MIN_ROOM_BPS } = demand;
    if (desiredBps <= 0) return 0;
    if (rateBps === 0) return desiredBps * stepRoom + leastRoomBps;
    if (desiredBps <= allocatedBps || nextStepBps <= 0) return 0;
    const wanted = allocatedBps + Math.max(nextStepBps * stepRoom, leastRoomBps);
    if (rateBps >= wanted) return 0;
    const factor = this.#succeeded ? this.shape.boldFactor : this.shape.cautiousFactor;
    return Math.min(wanted, rateBps * factor);
  }
}
