/** What the forwarder is told of a connection when it is added. */
import type { CongestionSpec, PlayoutDelaySpec } from "../engine/specs.ts";

/** What is fixed for the life of a connection. */
export interface PeerOptions {
  readonly congestion: CongestionSpec;
  readonly playoutDelay: PlayoutDelaySpec | undefined;
  /** It cannot read packet trailers. */
  readonly stripsTrailers?: boolean;
  /** Room and participant that it belongs to. */
  readonly owner?: { readonly room: string; readonly participant: string };
}

/** Nothing is managed. */
export const UNMANAGED: PeerOptions = { congestion: { enabled: false, allowPause: false }, playoutDelay: undefined };
