/**
 * One candidate pair of the controlling agent, and the STUN transaction that checks it (RFC 8445 section 7.2, RFC 8489 section 6.2.1).
 * The local candidate is whatever socket `io` sends from, so a pair is a path.
 */
import { NEVER } from "../clock.ts";
import type { Path, PathInfo } from "../paths.ts";

/** First retransmission of a check; doubles up to `MAX_RTO_MS`. */
const FIRST_RTO_MS = 250;
const MAX_RTO_MS = 1000;
/** Sends of one check before it counts as failed: about 6 s. */
const MAX_SENDS = 7;
/** A pair whose check failed is tried again, for a network may come back. */
const RETRY_FAILED_MS = 2000;
/** Answers to a check count also when it was already replaced by a newer one. */
const REMEMBERED_CHECKS = 4;

/** A check that is on its way. */
export interface Check {
  readonly transactionId: Uint8Array;
  readonly request: Uint8Array;
  /** It carries USE-CANDIDATE. */
  readonly nominating: boolean;
  /** The role that it claims. */
  readonly controlling: boolean;
  /** Which ICE session (restart) it belongs to. */
  readonly session: number;
  /** When it was first sent. */
  readonly startedMs: number;
  sends: number;
}

/** See the file's head. */
export class CandidatePair {
  readonly path: Path;
  readonly info: PathInfo;
  /** Of pairs that work, the higher one is nominated: UDP before TCP, then in the order of arrival. */
  readonly priority: number;
  /** A check of the current ICE session was answered. */
  valid = false;
  /** The current check was sent as often as allowed. */
  exhausted = false;
  /** When the next send is due. */
  dueMs = NEVER;
  lastResponseMs = -NEVER;
  rttMs = 0;
  /** As controlled side: the other side has nominated this pair. */
  nominatedByRemote = false;
  #checks: Check[] = [];
  #renew = false;

  constructor(path: Path, info: PathInfo, priority: number) {
    this.path = path;
    this.info = info;
    this.priority = priority;
  }

  /** The check that is being retransmitted, if any. */
  get check(): Check | undefined {
    return this.#checks[0];
  }

  /** Whether no answer is awaited that could still come soon. */
  get settled(): boolean {
    return this.valid || this.exhausted;
  }

  start(check: Check): void {
    this.#renew = false;
    this.#checks.unshift(check);
    if (this.#checks.length > REMEMBERED_CHECKS) this.#checks.pop();
  }

  /** The check was sent once more; plans the next send. */
  noteSent(nowMs: number): void {
    const check = this.#checks[0];
    if (!check) return;
    check.sends++;
    if (check.sends < MAX_SENDS) {
      this.dueMs = nowMs + Math.min(FIRST_RTO_MS * 2 ** (check.sends - 1), MAX_RTO_MS);
    } else {
      this.dueMs = nowMs + RETRY_FAILED_MS;
    }
  }

  /** Whether the current check was sent as often as allowed. */
  get spent(): boolean {
    return (this.#checks[0]?.sends ?? 0) >= MAX_SENDS;
  }

  /** Whether what is sent next must be a fresh check, not the current one again. */
  get needsFreshCheck(): boolean {
    return this.#renew || this.#checks[0] === undefined || this.spent;
  }

  /** Takes the check that an answer belongs to; the pair then has no check on its way. */
  take(transactionId: Uint8Array): Check | undefined {
    const index = this.#checks.findIndex((check) => sameBytes(check.transactionId, transactionId));
    if (index < 0) return undefined;
    const check = this.#checks[index]!;
    if (index === 0) this.#checks = [];
    else this.#checks.splice(index, 1);
    return check;
  }

  /** A new ICE session: everything is to be checked again. */
  reset(dueMs: number): void {
    this.valid = false;
    this.exhausted = false;
    this.nominatedByRemote = false;
    this.dueMs = dueMs;
    this.#checks = [];
  }

  /** The next send is a fresh check; answers to those on their way still count. */
  renew(dueMs: number): void {
    this.#renew = true;
    this.dueMs = dueMs;
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
