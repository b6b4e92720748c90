/** What a peer needs of ICE, whichever agent does it: `LiteAgent` at the server, `ControllingAgent` in clients and tests. */
import type { Hashes, Random } from "../crypto.ts";
import type { PacketSink, Path, PathInfo, Paths } from "../paths.ts";
import type { Slab } from "../slab.ts";

/** Without a valid check for this long the connection counts as disconnected; LiveKit's figure. */
export const DISCONNECTED_AFTER_MS = 10_000;
/** Without a valid check for this long consent has expired (RFC 7675 wants at most 30 s). */
export const FAILED_AFTER_MS = 15_000;
/** Paths that one peer may hold: a few interfaces times UDP and TCP, each once more after a change of network. */
export const MAX_PATHS = 16;

/** "new": no valid check yet. */
export type IceState = "new" | "connected" | "disconnected" | "failed";

/** Injected; shared by all agents of a worker. */
export interface IceDeps {
  readonly slab: Slab;
  readonly hashes: Hashes;
  readonly random: Random;
  readonly sink: PacketSink;
  readonly paths: Paths;
  readonly claims: PathClaims;
}

/** Who owns a path, among all peers: datagrams on it are theirs. */
export interface PathClaims {
  /** False when the path is in use by another peer. */
  claim(path: Path, nowMs: number): boolean;
  unclaim(path: Path): void;
}

/** Datagrams that were dropped, and why. */
export interface IceDrops {
  /** Not STUN, not a Binding message, or an answer to nothing. */
  malformed: number;
  /** Unknown ufrag, wrong password, no integrity. Dropped silently: an answer would serve scanners and reflection. */
  unauthentic: number;
  /** Valid, but another peer is alive on this path. */
  foreign: number;
  /** Valid, but over UDP where our description lists TCP only. */
  unwanted: number;
  /** Copies of a check that came before, from another address than the first. */
  replayed: number;
}

/** See the file's head. After each call that takes `nowMs`, read `state`, `selected` and `nextTimeoutMs` again. */
export interface IceAgent {
  readonly state: IceState;
  /** Where to send; `NO_PATH` before the first valid check. */
  readonly selected: Path;
  /** Round trip of the last check that we sent; 0 when unknown. */
  readonly rttMs: number;
  readonly drops: Readonly<IceDrops>;
  /** Our ufrags that a check may carry, the newest first. */
  readonly ufrags: readonly string[];
  /** The other side's credentials; others than before mean an ICE restart. */
  setRemote(ufrag: string, pwd: string, nowMs: number): void;
  /** New credentials of ours; `tcpOnly`: checks with them are answered over TCP only. */
  restart(ufrag: string, pwd: string, nowMs: number, tcpOnly?: boolean): void;
  addRemoteCandidate(info: PathInfo, nowMs: number): void;
  /** Whether a check on this path was valid, so that other traffic may use it. */
  isValid(path: Path): boolean;
  /** The other side sends DTLS on this path. */
  noteTraffic(path: Path): void;
  handleStun(path: Path, at: number, length: number, nowMs: number): void;
  /** Gives a path up to another peer, if this one is silent on it. */
  yieldPath(path: Path, nowMs: number): boolean;
  nextTimeoutMs(): number;
  handleTimeout(nowMs: number): void;
  /** Releases all paths. */
  close(): void;
}

/** "udp 192.0.2.1:5000", "tcp [2001:db8:0:0:0:0:0:1]:7881". */
export function formatPath(info: PathInfo): string {
  const { address, port, protocol } = info;
  if (address.length === 4) return `${protocol} ${address.join(".")}:${port}`;
  const groups: string[] = [];
  for (let i = 0; i + 1 < address.length; i += 2) groups.push(((address[i]! << 8) | address[i + 1]!).toString(16));
  return `${protocol} [${groups.join(":")}]:${port}`;
}
