/**
 * What the main thread and a media worker speak of: peers, m-lines, tracks, members, as main describes them. Plain data for
 * structured clone. Everything names an instance, not an identity: `PeerId` is never used twice in a process.
 */

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
  /** Its signal connection is gone: it is about to resume, and to be told how far its reliable data has come. */
  readonly away: boolean;
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
