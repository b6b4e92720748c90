/** What a peer tells its owner. */
import type { PeerState } from "../engine/protocol.ts";
import type { PathInfo } from "../paths.ts";

type Protocol = PathInfo["protocol"];

/** One event of `Peer.pollEvent`, in order. */
export type PeerEvent =
  /** `detail`: the path when connected ("udp 192.0.2.1:5000"), else the reason in words. */
  | {
      readonly type: "state";
      readonly state: PeerState;
      readonly detail: string;
      readonly protocol: Protocol | undefined;
    }
  /** The client has moved to another path while connected. */
  | { readonly type: "path"; readonly detail: string; readonly protocol: Protocol | undefined }
  | {
      readonly type: "channelOpen";
      readonly channel: number;
      readonly label: string;
      readonly ordered: boolean;
      readonly maxRetransmits: number | undefined;
    }
  | { readonly type: "message"; readonly channel: number; readonly data: Uint8Array; readonly binary: boolean }
  | { readonly type: "channelClosed"; readonly channel: number }
  | { readonly type: "bufferedLow"; readonly channel: number };
