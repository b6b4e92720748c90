/**
 * ICE-lite (RFC 8445 section 2.5): answers checks, never sends one, and is always controlled. A path is used only after a check that
 * our password signed; the client's nomination selects it. The client's checks are also its consent (RFC 7675).
 */
import { METHOD_BINDING } from "@stoa/wire/stun/constants";
import { parseStun, type StunMessage } from "@stoa/wire/stun/message";
import { NEVER } from "../clock.ts";
import { NO_PATH, type Path } from "../paths.ts";
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
import { iceCredentials, LocalCredentials } from "./credentials.ts";

/** Browsers check the selected pair every 2.5 s (Chromium) or every 4 to 6 s (Firefox); longer silence means it has moved. */
const SELECTED_SILENT_MS = 7000;
/** Browsers check backup pairs about every 25 s; a path that is silent for longer than twice that is given back. */
const PATH_EXPIRES_MS = 60_000;

/** Checks whose copies are known: the last ten minutes of a browser's. */
const REMEMBERED_CHECKS = 256;

interface ValidPath {
  readonly path: Path;
  /** PRIORITY of the last check. */
  priority: number;
  lastCheckMs: number;
  /** Last check with USE-CANDIDATE in this ICE session; `-NEVER` if none. */
  nominatedMs: number;
}

/** See the file's head. */
export class LiteAgent implements IceAgent {
  readonly drops: IceDrops = { malformed: 0, unauthentic: 0, foreign: 0, unwanted: 0, replayed: 0 };
  /** An agent that sends no checks measures nothing. */
  readonly rttMs = 0;
  readonly #deps: IceDeps;
  readonly #local: LocalCredentials;
  #tcpOnly: boolean;
  #remoteUfrag: string | undefined;
  #state: IceState = "new";
  #valid: ValidPath[] = [];
  #selected: ValidPath | undefined;
  #lastCheckMs = -NEVER;
  /** Beginnings of the transaction ids of valid checks, the oldest overwritten first. */
  readonly #checks = new Int32Array(REMEMBERED_CHECKS);
  #checkCount = 0;

  /** `tcpOnly`: checks over UDP are not answered. */
  constructor(deps: IceDeps, ufrag: string, pwd: string, tcpOnly = false) {
    this.#deps = deps;
    this.#tcpOnly = tcpOnly;
    this.#local = new LocalCredentials(iceCredentials(ufrag, pwd));
  }

  get state(): IceState {
    return this.#state;
  }

  get selected(): Path {
    return this.#selected?.path ?? NO_PATH;
  }

  get ufrags(): readonly string[] {
    return this.#local.ufrags;
  }

  /** The client's password is not needed: it would sign checks of ours. Another ufrag makes nominations count afresh. */
  setRemote(ufrag: string): void {
    if (this.#remoteUfrag !== undefined && ufrag !== this.#remoteUfrag) this.#forgetNominations();
    this.#remoteUfrag = ufrag;
  }

  /** What goes on under the old credentials is not disturbed, also over UDP. */
  restart(ufrag: string, pwd: string, _nowMs: number, tcpOnly = false): void {
    this.#tcpOnly = tcpOnly;
    if (this.#local.replace(iceCredentials(ufrag, pwd))) this.#forgetNominations();
  }

  /** A lite agent waits for the client's checks. */
  addRemoteCandidate(): void {}

  isValid(path: Path): boolean {
    return this.#find(path) !== undefined;
  }

  /** Before the nomination, the path that the client itself uses is the one it listens on. */
  noteTraffic(path: Path): void {
    const entry = this.#find(path);
    if (entry && this.#selected?.nominatedMs === -NEVER) this.#selected = entry;
  }

  handleStun(path: Path, at: number, length: number, nowMs: number): void {
    const { slab, hashes, sink, paths } = this.#deps;
    const message = parseStun(slab.u8, at, length);
    if (!message || message.method !== METHOD_BINDING || message.class !== "request") {
      // Binding indications are keep-alives of older agents and want no answer.
      if (message?.class !== "indication") this.drops.malformed++;
      return;
    }
    const credentials = authenticateRequest(slab.u8, at, message, this.#local, hashes);
    const source = paths.describe(path);
    if (!credentials || !source) {
      this.drops.unauthentic++;
      return;
    }
    if (this.#tcpOnly && source.protocol === "udp" && credentials === this.#local.current) {
      this.drops.unwanted++;
      return;
    }
    if (message.unknown.length > 0) {
      sink.send(path, unknownAttributeResponse(message, credentials, hashes));
    } else if (message.controlled) {
      sink.send(path, roleConflictResponse(message, credentials, hashes));
    } else if (this.#validate(path, message, nowMs)) {
      this.#local.confirm(credentials);
      sink.send(path, successResponse(message, source, credentials, hashes));
    }
  }

  yieldPath(path: Path, nowMs: number): boolean {
    const entry = this.#find(path);
    if (!entry) return true;
    if (nowMs - entry.lastCheckMs < DISCONNECTED_AFTER_MS) return false;
    this.#drop(entry);
    return true;
  }

  nextTimeoutMs(): number {
    switch (this.#state) {
      case "connected":
        return this.#lastCheckMs + DISCONNECTED_AFTER_MS;
      case "disconnected":
        return this.#lastCheckMs + FAILED_AFTER_MS;
      default:
        return NEVER;
    }
  }

  handleTimeout(nowMs: number): void {
    if (this.#state === "new" || this.#state === "failed") return;
    if (nowMs >= this.#lastCheckMs + FAILED_AFTER_MS) this.#state = "failed";
    else if (nowMs >= this.#lastCheckMs + DISCONNECTED_AFTER_MS) this.#state = "disconnected";
  }

  close(): void {
    while (this.#valid.length > 0) this.#drop(this.#valid[0]!);
    this.#state = "failed";
  }

  #find(path: Path): ValidPath | undefined {
    for (const entry of this.#valid) if (entry.path === path) return entry;
    return undefined;
  }

  /** Takes note of an authentic check; false when the path is another peer's, or the check somebody else's copy. */
  #validate(path: Path, message: StunMessage, nowMs: number): boolean {
    const known = this.#find(path);
    const check = checkId(message.transactionId);
    // Whoever sees a check could send it again from elsewhere, and media would go there until the client's next one.
    if (!known && this.#checks.includes(check)) {
      this.drops.replayed++;
      return false;
    }
    const entry = known ?? this.#add(path, nowMs);
    if (!entry) {
      this.drops.foreign++;
      return false;
    }
    this.#checks[this.#checkCount++ % REMEMBERED_CHECKS] = check;
    entry.priority = message.priority ?? 0;
    if (this.#shouldSelect(entry, message.useCandidate === true, nowMs)) this.#selected = entry;
    entry.lastCheckMs = nowMs;
    if (message.useCandidate) entry.nominatedMs = nowMs;
    this.#lastCheckMs = nowMs;
    this.#state = "connected";
    this.#prune(nowMs);
    return true;
  }

  /**
   * The first valid path is used until one is nominated. Another nominated path takes over when it is newly nominated, when it has at
   * least the priority of the selected one, or when the client has stopped nominating the selected one: a client that
   * nominates every pair (RFC 5245's aggressive nomination) so ends on its best pair, and one that moves is followed.
   */
  #shouldSelect(entry: ValidPath, nominated: boolean, nowMs: number): boolean {
    const selected = this.#selected;
    if (!selected || selected === entry) return true;
    if (nowMs - selected.lastCheckMs > SELECTED_SILENT_MS) return true;
    if (!nominated) return false;
    return (
      entry.nominatedMs === -NEVER || entry.priority >= selected.priority || selected.nominatedMs < entry.nominatedMs
    );
  }

  #add(path: Path, nowMs: number): ValidPath | undefined {
    const { paths, claims } = this.#deps;
    // Held before it is claimed: a former owner that lets go must not be the last one.
    paths.retain(path);
    if (!claims.claim(path, nowMs)) {
      paths.release(path);
      return undefined;
    }
    if (this.#valid.length >= MAX_PATHS) this.#drop(this.#leastRecent());
    const entry: ValidPath = { path, priority: 0, lastCheckMs: nowMs, nominatedMs: -NEVER };
    this.#valid.push(entry);
    return entry;
  }

  #leastRecent(): ValidPath {
    const others = this.#valid.filter((entry) => entry !== this.#selected);
    return others.reduce((oldest, entry) => (entry.lastCheckMs < oldest.lastCheckMs ? entry : oldest));
  }

  #prune(nowMs: number): void {
    for (const entry of this.#valid) {
      if (entry !== this.#selected && nowMs - entry.lastCheckMs > PATH_EXPIRES_MS) this.#drop(entry);
    }
  }

  #drop(entry: ValidPath): void {
    this.#valid = this.#valid.filter((other) => other !== entry);
    if (this.#selected === entry) this.#selected = undefined;
    this.#deps.claims.unclaim(entry.path);
    this.#deps.paths.release(entry.path);
  }

  #forgetNominations(): void {
    for (const entry of this.#valid) entry.nominatedMs = -NEVER;
  }
}

/** 32 of its 96 bits; never 0, which stands for none. */
function checkId(transactionId: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = transactionId;
  return (a << 24) | (b << 16) | (c << 8) | d || 1;
}
