/**
 * Whose datagram is it? (RFC 7983 demultiplexing among peers on one port.) A path belongs to the peer that validated it by ICE; a STUN
 * check goes to the peer whose ufrag it carries, so that a peer may come up on any address.
 * Invariant: a path has at most one owner; it changes hands only when the former one has been silent there.
 */
import { usernameFragment } from "@stoa/wire/stun/username";
import type { PeerId } from "../engine/specs.ts";
import type { Path } from "../paths.ts";
import type { Slab } from "../slab.ts";
import type { Peer } from "./peer.ts";
import type { PathOwners } from "./path-owners.ts";

/** Handles are small and dense; one beyond this is a mistake of the caller, and is not looked up. */
const MAX_PATH = 1 << 24;

/** All peers of one worker. */
export class PeerTable implements PathOwners<Peer> {
  readonly #slab: Slab;
  readonly #byId = new Map<PeerId, Peer>();
  readonly #byUfrag = new Map<string, Peer>();
  /** The ufrags under which each peer stands in `#byUfrag`. */
  readonly #ufrags = new Map<PeerId, readonly string[]>();
  readonly #byPath: (Peer | undefined)[] = [];

  constructor(slab: Slab) {
    this.#slab = slab;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Makes the peer findable; from now on it keeps its paths and ufrags up to date here by itself. */
  add(peer: Peer): void {
    this.#byId.set(peer.id, peer);
    this.rekey(peer);
    peer.registerAt(this);
  }

  /** Makes the peer unfindable; call it before `peer.close()`. */
  remove(id: PeerId): void {
    const peer = this.#byId.get(id);
    if (!peer) return;
    this.#byId.delete(id);
    this.#dropUfrags(peer);
    for (let path = 0; path < this.#byPath.length; path++) {
      if (this.#byPath[path] === peer) this.#byPath[path] = undefined;
    }
  }

  get(id: PeerId): Peer | undefined {
    return this.#byId.get(id);
  }

  values(): IterableIterator<Peer> {
    return this.#byId.values();
  }

  /** The peer that the datagram of `length` bytes at `at` is for. A Binding request is looked up by its ufrag alone. */
  find(path: Path, at: number, length: number): Peer | undefined {
    if (this.#slab.u8[at]! < 4) {
      const ufrag = usernameFragment(this.#slab.u8, at, length);
      if (ufrag !== undefined) return this.#byUfrag.get(ufrag);
    }
    return path < this.#byPath.length ? this.#byPath[path] : undefined;
  }

  rekey(peer: Peer): void {
    if (!this.#byId.has(peer.id)) return;
    this.#dropUfrags(peer);
    const ufrags = peer.ufrags;
    this.#ufrags.set(peer.id, ufrags);
    for (const ufrag of ufrags) this.#byUfrag.set(ufrag, peer);
  }

  claim(path: Path, peer: Peer, nowMs: number): boolean {
    if (path < 0 || path > MAX_PATH || !this.#byId.has(peer.id)) return false;
    while (this.#byPath.length <= path) this.#byPath.push(undefined);
    const owner = this.#byPath[path];
    if (owner && owner !== peer && !owner.yieldPath(path, nowMs)) return false;
    this.#byPath[path] = peer;
    return true;
  }

  unclaim(path: Path, peer: Peer): void {
    if (this.#byPath[path] === peer) this.#byPath[path] = undefined;
  }

  #dropUfrags(peer: Peer): void {
    for (const ufrag of this.#ufrags.get(peer.id) ?? []) {
      if (this.#byUfrag.get(ufrag) === peer) this.#byUfrag.delete(ufrag);
    }
    this.#ufrags.delete(peer.id);
  }
}
