/** Which peer a path belongs to; `PeerTable` keeps it, peers tell. */
import type { Path } from "../paths.ts";
import type { PeerId } from "../engine/specs.ts";

/** What the owner of paths can be asked. */
export interface PathOwner {
  readonly id: PeerId;
  /** ICE ufrags that may stand in checks for this peer, the newest first. */
  readonly ufrags: readonly string[];
  /** Lets go of a path on which it has heard nothing for long; false if it is alive there. */
  yieldPath(path: Path, nowMs: number): boolean;
}

/** The register of owners. */
export interface PathOwners<Owner extends PathOwner> {
  /** `owner` has validated the path by ICE. False when another peer is alive on it. */
  claim(path: Path, owner: Owner, nowMs: number): boolean;
  unclaim(path: Path, owner: Owner): void;
  /** The ufrags of `owner` have changed. */
  rekey(owner: Owner): void;
}
