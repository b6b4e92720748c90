/**
 * What the main thread and a media worker say to each other: `MediaCommand` down, `MediaEvent` up. Both are plain data
 * for structured clone. Main owns rooms and SDP; a worker owns packets. Lists are complete and replace the former one
 * (the worker works out the difference), so that a repeated command changes nothing.
 * Everything names an instance, not an identity: `PeerId` is never used twice in a process.
 */

import type { PathInfo } from "../paths.ts";

/** One RTCPeerConnection of one participant instance; unique per process. */
export type PeerId = number;

export type MediaKind = "audio" | "video";

/** One codec as negotiated on one m-line. */
export interface CodecSpec {
  /** RTP payload type on this m-line. */
  readonly payloadType: number;
  /** Lower case: "audio/opus", "audio/red", "video/vp8", "video/h264", "video/vp9", "video/av1", "video/h265". */
  readonly mime: string;
  readonly clockRate: number;
  readonly channels: number;
  /** As in SDP without the payload type: "packetization-mode=1;profile-level-id=42e01f". */
  readonly fmtp: string;
  /** Payload type of its RTX, 0 if none. */
  readonly rtxPayloadType: number;
  /** Whether `nack` was negotiated for it. */
  readonly nack: boolean;
}

/** Ids (1 … 14 one-byte, up to 255 two-byte) of the header extensions negotiated on an m-line; absent = not negotiated. */
export interface ExtensionIds {
  readonly mid?: number;
  readonly rid?: number;
  readonly repairedRid?: number;
  readonly audioLevel?: number;
  readonly absSendTime?: number;
  readonly transportCc?: number;
  readonly dependencyDescriptor?: number;
  readonly absCaptureTime?: number;
  readonly playoutDelay?: number;
  readonly frameMarking?: number;
}

/** An m-line on which the client sends: where a published track's packets come in. */
export interface ReceiverSpec {
  readonly mid: string;
  readonly kind: MediaKind;
  /** The published track this m-line carries. */
  readonly track: string;
  readonly codecs: readonly CodecSpec[];
  readonly extensions: ExtensionIds;
  /** SSRCs that the SDP announces, lowest layer first (ssrc-group:SIM); empty when they are to be learned by rid or mid. */
  readonly ssrcs: readonly { readonly ssrc: number; readonly rtxSsrc: number }[];
  /** RIDs in the order of rising quality, layer 0 first; empty when not simulcast by RID. */
  readonly rids: readonly string[];
  /** Which of the track's codecs (`TrackSpec.codecs`) comes here: 0 = the primary one, others are backups (livekit.md 3.5). */
  readonly codecIndex: number;
}

/** How the spatial layers of one codec of a track travel (VideoLayer_Mode). */
export type LayerMode =
  /** One stream for each layer. */
  | "simulcast"
  /** The same, but only some streams have sender reports (OBS): a switch cannot wait for one. */
  | "simulcastIncompleteReports"
  /** All layers in one stream (VP9, AV1). */
  | "svc";

export type TrackSourceName = "camera" | "microphone" | "screenShare" | "screenShareAudio" | "unknown";

/** What the room knows of a published track that its SDP does not say. */
export interface TrackSpec {
  /** Room SID and SID of the publishing participant. */
  readonly room: string;
  readonly participant: string;
  readonly kind: MediaKind;
  readonly source: TrackSourceName;
  /** Codecs in the order of TrackInfo.codecs; `mime` in lower case, "" while unknown. */
  readonly codecs: readonly { readonly mime: string; readonly layerMode: LayerMode }[];
  /** The publisher ends its frames with packet trailers (livekit.md 3.15). Absent: it does not. */
  readonly packetTrailers?: boolean;
  /** End-to-end encrypted: payloads are opaque and never converted. */
  readonly encrypted: boolean;
  /** What ends frames that the server makes up, so that clients do not decrypt them; empty unless encrypted. */
  readonly trailer: Uint8Array;
  /**
   * Every subscriber that can take it gets this codec (an index in `codecs`) instead of the first one that it can take:
   * the publisher fell back to it (regression). -1 = none.
   */
  readonly regressedTo: number;
}

/** An m-line on which the server sends one track to this client. */
export interface SenderSpec {
  readonly mid: string;
  readonly kind: MediaKind;
  /** The published track that is forwarded, by SID; may not exist yet on the worker (it waits). */
  readonly track: string;
  readonly ssrc: number;
  /** 0 if RTX is not negotiated. */
  readonly rtxSsrc: number;
  /** Codecs that this subscriber takes on the m-line, preferred first. */
  readonly codecs: readonly CodecSpec[];
  readonly extensions: ExtensionIds;
  /** SDES CNAME. */
  readonly cname: string;
}

/** The client's side of ICE and DTLS, as its SDP says. */
export interface RemoteTransport {
  readonly ufrag: string;
  readonly pwd: string;
  /** SHA-256 fingerprints, upper-case hex with colons; the certificate must match one. */
  readonly fingerprints: readonly string[];
  /** Our role: we are "server" when the client is active (or actpass in an offer that we answer with passive). */
  readonly dtlsRole: "client" | "server";
  /** The client's SCTP port and largest message (bytes), when it has an application m-line. */
  readonly sctp: { readonly port: number; readonly maxMessageSize: number } | undefined;
}

/** What a participant may do on the packet and data path, and how its data is stamped. */
export interface MemberSpec {
  readonly identity: string;
  readonly canPublish: boolean;
  readonly canPublishData: boolean;
  readonly canSubscribe: boolean;
  readonly hidden: boolean;
  readonly agent: boolean;
  /** ACTIVE: lossy data reaches only active members. */
  readonly active: boolean;
  /** The peer whose data channels carry data down to this member (the primary one); 0 = none yet. */
  readonly dataPeer: PeerId;
}

/** Per-subscription wishes of a client (UpdateTrackSettings). */
export interface DownlinkSettings {
  /** The subscriber switched the track off. */
  readonly disabled: boolean;
  /** Highest spatial layer that is wanted, 0 … 2. Main translates quality and size by the layers of TrackInfo. */
  readonly maxSpatial: number;
  /** Frame rate that is enough; 0 = any. */
  readonly fps: number;
  /** 1 … 255 as the client asks; 0 = the default (screen share 255, other video 1). */
  readonly priority: number;
}

/** How the bandwidth of one subscriber is managed. */
export interface CongestionSpec {
  /** False: every track is forwarded as it is asked for. */
  readonly enabled: boolean;
  /** A track that does not fit may be paused (StreamStateUpdate); otherwise its lowest layer always flows. */
  readonly allowPause: boolean;
  /** How much room a probe looks for beside the next step: a factor, and bits per second at least. 1.2 and 200,000 if left out. */
  readonly stepRoom?: number;
  readonly leastRoomBps?: number;
  /** Bits per second that every link is taken to carry, whatever the estimate says. */
  readonly leastBudgetBps?: number;
}

/** The playout-delay extension of a room, milliseconds (livekit.md 3.13). */
export interface PlayoutDelaySpec {
  readonly minMs: number;
  readonly maxMs: number;
}

/** A data channel that the server opens (dual peer connection, on the subscriber peer). */
export interface ChannelSpec {
  readonly label: string;
  readonly ordered: boolean;
  /** Undefined = reliable. */
  readonly maxRetransmits: number | undefined;
}

export type MediaCommand =
  | { readonly type: "setMember"; readonly room: string; readonly participant: string; readonly member: MemberSpec }
  | { readonly type: "removeMember"; readonly room: string; readonly participant: string }
  | {
      readonly type: "openPeer";
      readonly peer: PeerId;
      readonly room: string;
      readonly participant: string;
      /** ICE credentials that our SDP announces. */
      readonly ufrag: string;
      readonly pwd: string;
      /** Channels to open once SCTP is up; empty where the client creates them. */
      readonly channels: readonly ChannelSpec[];
      readonly congestion: CongestionSpec;
      /** Undefined: the room has none. */
      readonly playoutDelay: PlayoutDelaySpec | undefined;
      /** The client cannot read packet trailers: they are taken off what it is sent. */
      readonly stripsTrailers?: boolean;
      /** Our SDP lists no UDP candidate, because UDP failed before: checks over UDP are not answered. Absent: any will do. */
      readonly tcpOnly?: boolean;
      /** We call: the other end is at this address. Absent: the client calls. */
      readonly dial?: PathInfo;
    }
  /** First remote description, or a new one; changed remote credentials mean an ICE restart. */
  | { readonly type: "setRemote"; readonly peer: PeerId; readonly remote: RemoteTransport }
  /** New local ICE credentials (ICE restart); the old ones stay valid until a check with the new ones succeeds. */
  | {
      readonly type: "restartIce";
      readonly peer: PeerId;
      readonly ufrag: string;
      readonly pwd: string;
      /** As in `openPeer`, for checks with the new credentials. */
      readonly tcpOnly?: boolean;
    }
  | { readonly type: "setReceivers"; readonly peer: PeerId; readonly receivers: readonly ReceiverSpec[] }
  | { readonly type: "setSenders"; readonly peer: PeerId; readonly senders: readonly SenderSpec[] }
  /** Facts about a published track; before the first `setReceivers` that names it, and again when they change. */
  | { readonly type: "setTrack"; readonly track: string; readonly spec: TrackSpec }
  /** All that `publisher` publishes goes to this peer, which leads to another worker, as it comes (decision 0005); 0 = nothing. */
  | { readonly type: "setRelay"; readonly peer: PeerId; readonly publisher: PeerId }
  /** The track ended. */
  | { readonly type: "removeTrack"; readonly track: string }
  /** Holds a subscriber's bandwidth to this (bits per second); 0 lets go (SimulateScenario). */
  | { readonly type: "limitBandwidth"; readonly peer: PeerId; readonly bps: number }
  /** The publisher muted or unmuted the track: forwarding stops or resumes for everybody. */
  | { readonly type: "muteTrack"; readonly track: string; readonly muted: boolean }
  | { readonly type: "setDownlink"; readonly peer: PeerId; readonly track: string; readonly settings: DownlinkSettings }
  | { readonly type: "closePeer"; readonly peer: PeerId }
  /** Server → participants: an encoded DataPacket for these participants (SIDs); undefined = everybody in the room. */
  | {
      readonly type: "sendData";
      readonly room: string;
      readonly to: readonly string[] | undefined;
      readonly reliable: boolean;
      readonly packet: Uint8Array;
    }
  /** A participant that has come back says how far it has received whom: senders by SID, reliable sequence numbers. */
  | {
      readonly type: "noteReceived";
      readonly room: string;
      readonly participant: string;
      readonly sequences: ReadonlyMap<string, number>;
    }
  /** A participant publishes a data track; its packets name it by this handle, 1 … 65,535. */
  | { readonly type: "setDataTrack"; readonly participant: string; readonly track: string; readonly handle: number }
  /** A data track ended, with the subscriptions to it. */
  | { readonly type: "removeDataTrack"; readonly track: string }
  /** A data track goes to this participant under a handle of its own; 0 = it does not. */
  | {
      readonly type: "setDataSubscription";
      readonly participant: string;
      readonly track: string;
      readonly handle: number;
    }
  /** The answers to this call (RpcAck, RpcResponse) are for main: `rpcReply`. Until `awaited` is false. */
  | { readonly type: "awaitRpc"; readonly id: string; readonly awaited: boolean }
  | { readonly type: "shutdown" };

/** State of the connection of one peer as a whole (ICE and DTLS). */
export type PeerState = "connected" | "disconnected" | "failed" | "closed";

/** One stream over one interval of `stats`, in either direction; the base of connection quality (livekit.md 3.17). */
export interface StreamStats {
  readonly track: string;
  /** Packets that were due, lost ones included. */
  readonly packets: number;
  readonly lost: number;
  /** Of those lost, how many came when they were asked for. Absent: none. */
  readonly repaired?: number;
  readonly bytes: number;
  readonly nacks: number;
  readonly keyFrameRequests: number;
  /** Those of them that came as FIR. */
  readonly firs: number;
  /** Downstream: packets sent again, and their bytes on the wire. */
  readonly resent: number;
  readonly resentBytes: number;
  /** Upstream: packets that came after a later one. */
  readonly outOfOrder: number;
  /** Milliseconds. */
  readonly jitterMs: number;
  /** Milliseconds since the receiver's last report came (downstream), or since the last packet (upstream). */
  readonly silentMs: number;
  /** Video: layers between the one wanted and the one that flows; 0 when they agree. */
  readonly layerDistance: number;
  /** Downstream: forwarding is stopped for want of bandwidth. */
  readonly paused: boolean;
}

export interface PeerStats {
  readonly peer: PeerId;
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Milliseconds, 0 when unknown. */
  readonly rttMs: number;
  /** What the link to the client is believed to carry, bits per second; 0 when unknown. */
  readonly estimateBps: number;
  /** What it publishes, what it is sent. */
  readonly receivers: readonly StreamStats[];
  readonly senders: readonly StreamStats[];
}

/** The SSRCs of one m-line of a publisher, lowest layer first; 0 = not known yet. */
export interface RelayedStream {
  readonly mid: string;
  readonly ssrcs: readonly { readonly ssrc: number; readonly rtxSsrc: number }[];
}

/** How loud a microphone is. */
export interface SpeakerLevel {
  readonly track: string;
  readonly participant: string;
  /** 0 … 1, linear. */
  readonly level: number;
}

/** How busy a worker is. Counters run since its start. */
export interface WorkerLoad {
  /** Share of the time since the last report in which the thread worked, 0 … 1. */
  readonly utilization: number;
  /** The longest that something waited for the thread since the last report, milliseconds. */
  readonly lagMs: number;
  /** Everything on the media ports: RTP, RTCP, DTLS, STUN. */
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly droppedIn: number;
  readonly droppedOut: number;
  /**
   * Packets that went out in the turn of what came in, by the time between: one count per bound of
   * `FORWARD_LATENCY_BOUNDS_US`, and one for those beyond.
   */
  readonly forwardLatency: readonly number[];
  /** Sum of those times, and of their squares. */
  readonly forwardLatencyUs: number;
  readonly forwardLatencyUs2: number;
}

/**
 * What can go wrong with data. "lost": as much reliable data as may be waits for a receiver, and what is new is lost to it. "slow":
 * reliable data is dropped, for its receiver is below the threshold. "lossy", "dataTracks": what waited too long, or was too much, is
 * dropped. "closed": there is data for a channel that the client has closed. "held": a publisher waits for a slow receiver.
 */
export type DataTrouble = "lost" | "slow" | "closed" | "lossy" | "dataTracks" | "held";

/** What was counted of data since the last report. */
export interface DataFigures {
  /** Streams that began, as `DataStreamCounts` lays them out. */
  readonly streams?: readonly number[];
  /** What became of messages, as `MessageCounts` lays them out. */
  readonly messages?: readonly number[];
}

/** Microseconds; LiveKit's buckets. */
export const FORWARD_LATENCY_BOUNDS_US = [50, 100, 250, 500, 1000, 2000, 3000, 5000, 10_000, 20_000] as const;

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

/** A host candidate of a media worker (RFC 8445); ICE-lite, so only host ones. */
export interface LocalCandidate {
  readonly protocol: "udp" | "tcp";
  readonly address: string;
  readonly port: number;
}
