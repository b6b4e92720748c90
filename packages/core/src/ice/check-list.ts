/**
 * The candidate pairs of the controlling agent (the checklist of RFC 8445 section 6.1.2). Invariant: each holds its path, and
 * holds it from everybody else, until it is removed.
 */
import { earlier, NEVER } from "../clock.ts";
import { NO_PATH, type Path, type PathInfo } from "../paths.ts";
import { type IceDeps, MAX_PATHS } from "./agent.ts";
import { CandidatePair } from "./pair.ts";

/** Ta of RFC 8445: between the first checks of two pairs. */
const PACING_MS = 20;
const PRIORITY_UDP = 0xffff00;
const PRIORITY_TCP = 0x7fff00;

/** See the file's head. */
export class CheckList {
  readonly #deps: Pick<IceDeps, "paths" | "claims">;
  #pairs: CandidatePair[] = [];

  constructor(deps: Pick<IceDeps, "paths" | "claims">) {
    this.#deps = deps;
  }

  /** In the order of their coming. */
  get pairs(): readonly CandidatePair[] {
    return this.#pairs;
  }

  find(path: Path): CandidatePair | undefined {
    return this.#pairs.find((pair) => pair.path === path);
  }

  /** When an answer came last on any of them. */
  get lastResponseMs(): number {
    let lastMs = -NEVER;
    for (const pair of this.#pairs) if (pair.lastResponseMs > lastMs) lastMs = pair.lastResponseMs;
    return lastMs;
  }

  /** When the next check is due. */
  get dueMs(): number {
    let dueMs = NEVER;
    for (const pair of this.#pairs) dueMs = earlier(dueMs, pair.dueMs);
    return dueMs;
  }

  /** Makes a pair with an address of the other side's, unless it is known, in use by others, or one too many. */
  open(info: PathInfo, nowMs: number): boolean {
    if (this.#pairs.some((pair) => sameAddress(pair.info, info)) || !this.#makeRoom()) return false;
    const { paths, claims } = this.#deps;
    const path = paths.open(info);
    if (path === NO_PATH) return false;
    if (!claims.claim(path, nowMs)) {
      paths.release(path);
      return false;
    }
    const waiting = this.#pairs.filter((pair) => !pair.check && !pair.settled).length;
    this.#add(path, info, nowMs + waiting * PACING_MS);
    return true;
  }

  /** Makes a pair with the address that a check of the other side's came from: a peer-reflexive one. */
  adopt(path: Path, source: PathInfo, nowMs: number): CandidatePair | undefined {
    if (this.#pairs.length >= MAX_PATHS) return undefined;
    const { paths, claims } = this.#deps;
    paths.retain(path);
    if (claims.claim(path, nowMs)) return this.#add(path, source, nowMs);
    paths.release(path);
    return undefined;
  }

  remove(pair: CandidatePair): void {
    this.#pairs = this.#pairs.filter((other) => other !== pair);
    this.#deps.claims.unclaim(pair.path);
    this.#deps.paths.release(pair.path);
  }

  /** Everything is to be checked again, one after the other. */
  reset(nowMs: number): void {
    let dueMs = nowMs;
    for (const pair of this.#pairs) {
      pair.reset(dueMs);
      dueMs += PACING_MS;
    }
  }

  /** The other side's newest description counts: of pairs that never worked, a failed one goes, or the last one that came. */
  #makeRoom(): boolean {
    if (this.#pairs.length < MAX_PATHS) return true;
    const mute = this.#pairs.filter((pair) => pair.lastResponseMs === -NEVER);
    const least = mute.find((pair) => pair.exhausted) ?? mute.at(-1);
    if (least) this.remove(least);
    return least !== undefined;
  }

  #add(path: Path, info: PathInfo, dueMs: number): CandidatePair {
    const base = info.protocol === "udp" ? PRIORITY_UDP : PRIORITY_TCP;
    const pair = new CandidatePair(path, info, base - this.#pairs.length);
    pair.dueMs = dueMs;
    this.#pairs.push(pair);
    return pair;
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
