/** What a peer tells its owner. */
import type { PeerState } from "../engine/events.ts";
import type { PathInfo } from "../paths.ts";
import type { ChannelEvent } from "./data-transport.ts";

type Protocol = PathInfo["protocol"];

/** The state of the connection has changed. */
export interface StateEvent {
  readonly type: "state";
  readonly state: PeerState;
  /** The path when connected ("udp 192.0.2.1:5000"), else the reason in words. */
  readonly detail: string;
  /** Of the path when connected. */
  readonly protocol?: Protocol | undefined;
  /** When disconnected: no packet of any kind came in the last five seconds. */
  readonly silent?: boolean;
}

/** One event of `Peer.pollEvent`, in order. */
export type PeerEvent =
  | StateEvent
  /** The client has moved to another path while connected. */
  | { readonly type: "path"; readonly detail: string; readonly protocol: Protocol | undefined }
  | ChannelEvent;
