/**
 * What a media worker tells the main thread: what has become of peers, tracks and data. Plain data for structured clone.
 * What it counts and measures meanwhile is in `figures.ts`.
 */
import type { DataFigures, PeerStats, WorkerLoad } from "./figures.ts";
import type { PeerId } from "./specs.ts";

export type MediaEvent =
  /** The worker is up: its candidates, to be written in every SDP. */
  | { readonly type: "ready"; readonly candidates: readonly LocalCandidate[] }
  /** It cannot start (a port in use …): one sentence for the user. */
  | { readonly type: "fatal"; readonly message: string }
  | {
      readonly type: "peerState";
      readonly peer: PeerId;
      readonly state: PeerState;
      /** Why, in words, for the participant's timeline: "consent expired", "fingerprint mismatch", "udp 192.0.2.1:5000". */
      readonly detail: string;
      /** What the path in use is over; with "connected" only, which comes again when the client moved to another path. */
      readonly protocol?: "udp" | "tcp" | undefined;
      /** With "disconnected": no packet of any kind came in the last five seconds; it is more than lost checks. */
      readonly silent?: boolean;
    }
  /** A data channel is open at this peer (either side created it). */
  | {
      readonly type: "channelOpen";
      readonly peer: PeerId;
      readonly label: string;
      /** Messages that were given to the channel of this label before it, and that the client had not received. */
      readonly sentAgain: number;
    }
  /** First packet of a layer of a published track. */
  | {
      readonly type: "trackStarted";
      readonly track: string;
      readonly peer: PeerId;
      readonly mime: string;
      readonly layer: number;
    }
  /** First packet forwarded to this subscriber. */
  | { readonly type: "downlinkStarted"; readonly track: string; readonly peer: PeerId }
  /** A video stream to this subscriber goes on in another spatial layer (simulcast or SVC), and why. */
  | {
      readonly type: "layerSwitched";
      readonly peer: PeerId;
      readonly track: string;
      readonly from: number;
      readonly to: number;
      /** "wanted": it is what the client wants; "bandwidth": its link carries no more; "publisher": nothing nearer is sent. */
      readonly reason: "wanted" | "bandwidth" | "publisher";
    }
  /** Highest reliable data sequence number seen of this participant; throttled. */
  | { readonly type: "dataSequence"; readonly participant: string; readonly sequence: number }
  /** An encoded DataPacket with the answer of a participant to a call of the server. */
  | { readonly type: "rpcReply"; readonly participant: string; readonly packet: Uint8Array }
  /** A message that was relayed, as its recipients get it: an encoded DataPacket. Only for who asked (`EngineDeps.tapData`). */
  | { readonly type: "data"; readonly participant: string; readonly reliable: boolean; readonly packet: Uint8Array }
  /** Every 5 s for each connected peer. */
  | { readonly type: "stats"; readonly peer: PeerId; readonly stats: PeerStats }
  /** Who speaks in a room, loudest first, whenever the list changes. */
  | { readonly type: "speakers"; readonly room: string; readonly speakers: readonly SpeakerLevel[] }
  /** The SSRCs that carry what is relayed to this peer, for who takes it in at the other end (`ReceiverSpec.ssrcs`). */
  | { readonly type: "relayedStreams"; readonly peer: PeerId; readonly streams: readonly RelayedStream[] }
  /** A subscriber's stream was paused for want of bandwidth, or goes on. */
  | { readonly type: "streamState"; readonly peer: PeerId; readonly track: string; readonly paused: boolean }
  /** Every second, about the worker itself. */
  | {
      readonly type: "load";
      readonly load: WorkerLoad;
      /** Absent when there was no data. */
      readonly data?: DataFigures;
    }
  /** A time of trouble with the data of a peer begins, or is over: it has not happened for a while. */
  | {
      readonly type: "dataTrouble";
      readonly peer: PeerId;
      readonly trouble: DataTrouble;
      readonly begins: boolean;
      /** Messages that met it so far. */
      readonly times: number;
      /** Of "held", when it begins. */
      readonly receiver?: PeerId;
    }
  | {
      readonly type: "log";
      readonly level: "debug" | "info" | "warn" | "error";
      readonly message: string;
      readonly fields: Record<string, unknown>;
    };

/** State of the connection of one peer as a whole (ICE and DTLS). */
export type PeerState = "connected" | "disconnected" | "failed" | "closed";

/** How loud a microphone is. */
export interface SpeakerLevel {
  readonly track: string;
  readonly participant: string;
  /** 0 … 1, linear. */
  readonly level: number;
}

/** The SSRCs of one m-line of a publisher, lowest layer first; 0 = not known yet. */
export interface RelayedStream {
  readonly mid: string;
  readonly ssrcs: readonly { readonly ssrc: number; readonly rtxSsrc: number }[];
}

/**
 * What can go wrong with data. "lost": as much reliable data as may be waits for a receiver, and what is new is lost to it. "slow":
 * reliable data is dropped, for its receiver is below the threshold. "lossy", "dataTracks": what waited too long, or was too much, is
 * dropped. "closed": there is data for a channel that the client has closed. "held": a publisher waits for a slow receiver.
 * "unknown": a publisher sends packets of a kind that the server does not know; they are relayed.
 */
export type DataTrouble = "lost" | "slow" | "closed" | "lossy" | "dataTracks" | "held" | "unknown";

/** A host candidate of a media worker (RFC 8445); ICE-lite, so only host ones. */
export interface LocalCandidate {
  readonly protocol: "udp" | "tcp";
  readonly address: string;
  readonly port: number;
}
