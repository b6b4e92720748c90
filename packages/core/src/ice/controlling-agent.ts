/**
 * Full ICE (RFC 8445) for the side that starts out controlling: the client package, benchmarks, tests. Host candidates only, regular
 * nomination, checks over UDP and TCP, peer-reflexive pairs from the other side's checks, consent (RFC 7675).
 *
 * Left out: pair pruning and frozen states (there is one component and few pairs), server-reflexive and relayed candidates.
 * Invariant: data goes only to a pair whose check the other side has answered.
 */
import { ERROR_ROLE_CONFLICT, METHOD_BINDING } from "@stoa/wire/stun/constants";
import { hasIntegrity } from "@stoa/wire/stun/integrity";
import { parseStun, type StunMessage } from "@stoa/wire/stun/message";
import { writeStun } from "@stoa/wire/stun/write";
import { earlier, NEVER } from "../clock.ts";
import { NO_PATH, type Path, type PathInfo } from "../paths.ts";
import {
  DISCONNECTED_AFTER_MS,
  FAILED_AFTER_MS,
  type IceAgent,
  type IceDeps,
  type IceDrops,
  type IceState,
  MAX_PATHS,
} from "./agent.ts";
import { authenticateRequest, roleConflictResponse, successResponse, unknownAttributeResponse } from "./binding.ts";
import { type IceCredentials, iceCredentials, LocalCredentials, stunSigner } from "./credentials.ts";
import { pairToNominate } from "./nomination.ts";
import { CandidatePair, type Check } from "./pair.ts";
import { IceRole } from "./role.ts";

/** Ta of RFC 8445: between the first checks of two pairs. */
const PACING_MS = 20;
/** Keep-alive and consent checks, each time changed by up to 20 % so that clients do not fall into step. */
const KEEPALIVE_MS = 2000;
const KEEPALIVE_SPREAD = 0.4;
/** No pair has ever worked for this long: the connection fails. */
const CONNECT_TIMEOUT_MS = 30_000;
/** Type preference of a peer-reflexive candidate, moved to its place in the priority (section 5.1.2.1). */
const PRIORITY_PRFLX = (110 << 24) >>> 0;
const PRIORITY_UDP = 0xffff00;
const PRIORITY_TCP = 0x7fff00;

/** See the file's head. */
export class ControllingAgent implements IceAgent {
  readonly drops: IceDrops = { malformed: 0, unauthentic: 0, foreign: 0, unwanted: 0, replayed: 0 };
  readonly #deps: IceDeps;
  readonly #local: LocalCredentials;
  readonly #role: IceRole;
  #remote: IceCredentials | undefined;
  /** Our credentials that stand in the checks: those in force when the other side's last changed. */
  #localInChecks: IceCredentials;
  #session = 0;
  #sessionStartMs = NEVER;
  #state: IceState = "new";
  #pairs: CandidatePair[] = [];
  #nominated: CandidatePair | undefined;
  #selected: CandidatePair | undefined;

  constructor(deps: IceDeps, ufrag: string, pwd: string) {
    this.#deps = deps;
    this.#local = new LocalCredentials(iceCredentials(ufrag, pwd));
    this.#localInChecks = this.#local.current;
    this.#role = new IceRole(deps.random);
  }

  get state(): IceState {
    return this.#state;
  }

  get selected(): Path {
    return this.#selected?.path ?? NO_PATH;
  }

  get rttMs(): number {
    return this.#selected?.rttMs ?? 0;
  }

  get ufrags(): readonly string[] {
    return this.#local.ufrags;
  }

  /** True until a role conflict made the other side the controlling one. */
  get controlling(): boolean {
    return this.#role.controlling;
  }

  setRemote(ufrag: string, pwd: string, nowMs: number): void {
    if (this.#remote?.ufrag === ufrag && this.#remote.pwd === pwd) return;
    this.#remote = iceCredentials(ufrag, pwd);
    this.#localInChecks = this.#local.current;
    this.#session++;
    this.#sessionStartMs = nowMs;
    this.#nominated = undefined;
    if (this.#state === "failed") this.#state = "new";
    let dueMs = nowMs;
    for (const pair of this.#pairs) {
      pair.reset(dueMs);
      dueMs += PACING_MS;
    }
    this.#sendDue(nowMs);
  }

  restart(ufrag: string, pwd: string): void {
    this.#local.replace(iceCredentials(ufrag, pwd));
  }

  addRemoteCandidate(info: PathInfo, nowMs: number): void {
    if (this.#pairs.some((pair) => sameAddress(pair.info, info)) || !this.#makeRoom()) return;
    const { paths, claims } = this.#deps;
    const path = paths.open(info);
    if (path === NO_PATH) return;
    if (!claims.claim(path, nowMs)) {
      paths.release(path);
      return;
    }
    const waiting = this.#pairs.filter((pair) => !pair.check && !pair.settled).length;
    this.#addPair(path, info, nowMs + waiting * PACING_MS);
    this.#sendDue(nowMs);
  }

  /** This side chooses the path itself. */
  noteTraffic(): void {}

  isValid(path: Path): boolean {
    const pair = this.#find(path);
    return pair !== undefined && pair.lastResponseMs !== -NEVER;
  }

  handleStun(path: Path, at: number, length: number, nowMs: number): void {
    const message = parseStun(this.#deps.slab.u8, at, length);
    if (!message || message.method !== METHOD_BINDING) this.drops.malformed++;
    else if (message.class === "request") this.#handleRequest(path, at, message, nowMs);
    else if (message.class !== "indication") this.#handleResponse(path, at, message, nowMs);
    this.#choose(nowMs);
    this.#sendDue(nowMs);
  }

  yieldPath(path: Path, nowMs: number): boolean {
    const pair = this.#find(path);
    if (!pair) return true;
    if (nowMs - pair.lastResponseMs < DISCONNECTED_AFTER_MS) return false;
    this.#removePair(pair);
    return true;
  }

  nextTimeoutMs(): number {
    if (!this.#remote || this.#state === "failed") return NEVER;
    let nextMs = this.#stateDeadlineMs();
    for (const pair of this.#pairs) nextMs = earlier(nextMs, pair.dueMs);
    return nextMs;
  }

  handleTimeout(nowMs: number): void {
    if (this.#remote && this.#state !== "failed" && nowMs >= this.#stateDeadlineMs()) {
      this.#state = this.#state === "connected" ? "disconnected" : "failed";
    }
    this.#choose(nowMs);
    this.#sendDue(nowMs);
  }

  close(): void {
    this.#state = "failed";
    while (this.#pairs.length > 0) this.#removePair(this.#pairs[0]!);
  }

  /** When the state changes if nothing is heard. */
  #stateDeadlineMs(): number {
    if (this.#state === "new") return this.#sessionStartMs + CONNECT_TIMEOUT_MS;
    const sinceMs = Math.max(this.#lastResponseMs(), this.#sessionStartMs);
    return sinceMs + (this.#state === "connected" ? DISCONNECTED_AFTER_MS : FAILED_AFTER_MS);
  }

  #lastResponseMs(): number {
    let lastMs = -NEVER;
    for (const pair of this.#pairs) if (pair.lastResponseMs > lastMs) lastMs = pair.lastResponseMs;
    return lastMs;
  }

  #find(path: Path): CandidatePair | undefined {
    return this.#pairs.find((pair) => pair.path === path);
  }

  #addPair(path: Path, info: PathInfo, dueMs: number): CandidatePair {
    const base = info.protocol === "udp" ? PRIORITY_UDP : PRIORITY_TCP;
    const pair = new CandidatePair(path, info, base - this.#pairs.length);
    pair.dueMs = dueMs;
    this.#pairs.push(pair);
    return pair;
  }

  /** The other side's newest description counts: of pairs that never worked, a failed one goes, or the last one that came. */
  #makeRoom(): boolean {
    if (this.#pairs.length < MAX_PATHS) return true;
    const mute = this.#pairs.filter((pair) => pair.lastResponseMs === -NEVER);
    const least = mute.find((pair) => pair.exhausted) ?? mute.at(-1);
    if (least) this.#removePair(least);
    return least !== undefined;
  }

  #removePair(pair: CandidatePair): void {
    this.#pairs = this.#pairs.filter((other) => other !== pair);
    if (this.#selected === pair) this.#selected = undefined;
    if (this.#nominated === pair) this.#nominated = undefined;
    this.#deps.claims.unclaim(pair.path);
    this.#deps.paths.release(pair.path);
  }

  // Checks that we send

  #sendDue(nowMs: number): void {
    if (!this.#remote || this.#state === "failed") return;
    for (const pair of this.#pairs) {
      if (pair.dueMs > nowMs) continue;
      if (pair.needsFreshCheck) {
        if (pair.spent) pair.exhausted = true;
        pair.start(this.#newCheck(pair, this.#remote, nowMs));
      }
      this.#deps.sink.send(pair.path, pair.check!.request);
      pair.noteSent(nowMs);
    }
  }

  #newCheck(pair: CandidatePair, remote: IceCredentials, nowMs: number): Check {
    const { random, hashes } = this.#deps;
    const controlling = this.#role.controlling;
    const nominating = controlling && pair === this.#nominated;
    const transactionId = random.bytes(12);
    const request = writeStun(
      {
        class: "request",
        method: METHOD_BINDING,
        transactionId,
        username: `${remote.ufrag}:${this.#localInChecks.ufrag}`,
        priority: PRIORITY_PRFLX + pair.priority,
        useCandidate: nominating,
        ...this.#role.attributes,
      },
      stunSigner(remote, hashes),
    );
    return { transactionId, request, nominating, controlling, session: this.#session, startedMs: nowMs, sends: 0 };
  }

  #handleResponse(path: Path, at: number, message: StunMessage, nowMs: number): void {
    const pair = this.#find(path);
    const { slab, hashes } = this.#deps;
    const remote = this.#remote;
    if (!pair || !remote || !hasIntegrity(slab.u8, at, message.integrityOffset, stunSigner(remote, hashes))) {
      this.drops.unauthentic++;
      return;
    }
    const check = pair.take(message.transactionId);
    if (!check || check.session !== this.#session) {
      this.drops.malformed++;
    } else if (message.class === "success") {
      this.#handleSuccess(pair, check, nowMs);
    } else if (message.errorCode === ERROR_ROLE_CONFLICT) {
      if (this.#role.refused(check.controlling)) this.#startOver(nowMs);
    } else {
      pair.renew(nowMs + KEEPALIVE_MS);
      pair.exhausted = true;
    }
  }

  #handleSuccess(pair: CandidatePair, check: Check, nowMs: number): void {
    pair.valid = true;
    pair.exhausted = false;
    pair.lastResponseMs = nowMs;
    if (check.sends === 1) pair.rttMs = nowMs - check.startedMs;
    if (!pair.check) pair.dueMs = nowMs + this.#keepaliveMs();
    this.#state = "connected";
    // Until one is nominated, any pair that works will do.
    if (!this.#selected || check.nominating || (!this.#role.controlling && pair.nominatedByRemote))
      this.#selected = pair;
  }

  #keepaliveMs(): number {
    const unit = this.#deps.random.uint32() / 2 ** 32;
    return KEEPALIVE_MS * (1 - KEEPALIVE_SPREAD / 2 + KEEPALIVE_SPREAD * unit);
  }

  /** Nominates the best pair that works, when none is nominated or the nominated one has fallen silent. */
  #choose(nowMs: number): void {
    if (!this.#role.controlling || this.#state === "failed") return;
    const best = pairToNominate(this.#pairs, this.#nominated, nowMs);
    if (!best || best === this.#nominated) return;
    this.#nominated = best;
    best.renew(nowMs);
  }

  /** Our role has changed: nothing is nominated, and what is on its way claims the wrong role. */
  #startOver(nowMs: number): void {
    this.#nominated = undefined;
    for (const pair of this.#pairs) pair.renew(nowMs);
  }

  // Checks of the other side

  #handleRequest(path: Path, at: number, message: StunMessage, nowMs: number): void {
    const { slab, hashes, sink, paths } = this.#deps;
    const credentials = authenticateRequest(slab.u8, at, message, this.#local, hashes);
    const source = paths.describe(path);
    if (!credentials || !source) {
      this.drops.unauthentic++;
      return;
    }
    if (message.unknown.length > 0) {
      sink.send(path, unknownAttributeResponse(message, credentials, hashes));
      return;
    }
    const roles = this.#role.meet(message);
    if (roles === "conflict") {
      sink.send(path, roleConflictResponse(message, credentials, hashes));
      return;
    }
    if (roles === "changed") this.#startOver(nowMs);
    const pair = this.#find(path) ?? this.#addReflexive(path, source, nowMs);
    if (!pair) {
      this.drops.foreign++;
      return;
    }
    this.#local.confirm(credentials);
    sink.send(path, successResponse(message, source, credentials, hashes));
    // A triggered check: the other side can reach us, so we can probably reach it (section 7.3.1.4).
    if (!pair.valid && (!pair.check || pair.spent)) pair.dueMs = nowMs;
    if (message.useCandidate && !this.#role.controlling) {
      for (const other of this.#pairs) other.nominatedByRemote = other === pair;
      if (pair.valid) this.#selected = pair;
    }
  }

  #addReflexive(path: Path, source: PathInfo, nowMs: number): CandidatePair | undefined {
    if (this.#pairs.length >= MAX_PATHS) return undefined;
    const { paths, claims } = this.#deps;
    paths.retain(path);
    if (claims.claim(path, nowMs)) return this.#addPair(path, source, nowMs);
    paths.release(path);
    return undefined;
  }
}

function sameAddress(a: PathInfo, b: PathInfo): boolean {
  return (
    a.protocol === b.protocol &&
    a.port === b.port &&
    a.address.length === b.address.length &&
    a.address.every((byte, i) => byte === b.address[i])
  );
}
