/** What a room is made from, and what a join brings. Plain data, resolved and checked by the server's edge beforehand. */
import type {
  AddTrackRequest,
  ClientInfo,
  ICEServer,
  ParticipantInfo_Kind,
  ParticipantInfo_KindDetail,
  ReconnectReason,
  RoomConfiguration,
  SessionDescription,
  SignalResponse,
  TrackSource,
} from "@livekit/protocol";
import type { Random } from "../crypto.ts";
import type { CongestionSpec, PeerId } from "../engine/specs.ts";
import type { BandwidthFeedback, EnabledCodec, LocalTransport } from "../negotiation/types.ts";
import type { SignalId } from "./effects.ts";
import type { ParticipantSid } from "./sid.ts";

/** The video grant of a token with every "unset means …" resolved (livekit.md 4.3). */
export interface Grants {
  readonly canSubscribe: boolean;
  readonly canPublish: boolean;
  readonly canPublishData: boolean;
  /** Empty = every source. */
  readonly canPublishSources: readonly TrackSource[];
  readonly hidden: boolean;
  readonly recorder: boolean;
  readonly agent: boolean;
  readonly canUpdateOwnMetadata: boolean;
  readonly canSubscribeMetrics: boolean;
  readonly canManageAgentSession: boolean;
}

/** Who a participant is, as its token says; name, metadata, attributes and grants may change while it is in the room. */
export interface Claims {
  readonly identity: string;
  readonly name: string;
  readonly metadata: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly kind: ParticipantInfo_Kind;
  readonly kindDetails: readonly ParticipantInfo_KindDetail[];
  readonly grants: Grants;
}

/** How a client wants to be connected (query parameters of `/rtc`, ConnectionSettings of `/rtc/v1`). */
export interface ConnectionOptions {
  readonly peerConnections: "single" | "dual";
  readonly autoSubscribe: boolean;
  readonly autoSubscribeDataTrack: boolean;
  readonly adaptiveStream: boolean;
  /** Whether streams may be paused when its link is too thin for them; undefined = as the server does. */
  readonly subscriberAllowPause: boolean | undefined;
}

/** One request to enter the room, or to come back to it after the signal connection broke. */
export interface JoinInput {
  /** The signal connection that asks; responses go there. */
  readonly connection: SignalId;
  readonly claims: Claims;
  readonly client: ClientInfo;
  readonly options: ConnectionOptions;
  /** Set when the client resumes: the SID that it had (old clients leave it empty). */
  readonly resume:
    | { readonly participantSid: ParticipantSid; readonly reason?: ReconnectReason | undefined }
    | undefined;
  /** Of a v1 join request; handled after the JoinResponse is out. */
  readonly addTracks: readonly AddTrackRequest[];
  /** Of a v1 join request; handled after `addTracks`. */
  readonly publisherOffer: SessionDescription | undefined;
}

/** Why nobody was let in. */
export interface JoinFailure {
  readonly failure: "room_closed" | "room_full" | "state_mismatch";
  /** For the HTTP answer. */
  readonly message: string;
  /** When set, the client must see this message instead of an HTTP error: upgrade, send it, close. */
  readonly leave: SignalResponse | undefined;
}

export type JoinResult = { readonly participant: ParticipantSid } | JoinFailure;

/** Facts about this server that a room repeats to its clients. */
export interface ServerFacts {
  /** MAJOR.MINOR.PATCH: the Rust SDK accepts nothing else. */
  readonly version: string;
  readonly nodeId: string;
  readonly region: string;
  /** `room.enabled_codecs` of the configuration, in its order. */
  readonly enabledCodecs: readonly EnabledCodec[];
  readonly transport: TransportPolicy;
  /** STUN and TURN servers for one participant; the credentials are its own. */
  readonly iceServers: (participant: ParticipantSid) => ICEServer[];
  readonly limits: RoomLimits;
  /** Undefined = switched off. */
  readonly dataBlobs?: DataBlobPolicy | undefined;
  /** Undefined = switched off. */
  readonly dataTracks?: DataTrackPolicy | undefined;
  readonly media: MediaPolicy;
}

/** How this server shares out bandwidth and asks publishers for layers and codecs. */
export interface MediaPolicy {
  /** `rtc.congestion_control`; a client may overrule `allowPause`. */
  readonly congestion: CongestionSpec;
  /** How long a layer must be unwanted before its publisher is asked to stop it, milliseconds; 0 = at once. */
  readonly dynacastPauseDelayMs: number;
  /** In rooms with fewer participants a track regresses to its backup codec, if its publisher prefers that; 0 = always. */
  readonly codecRegressionThreshold: number;
}

/** How peers are connected; from `rtc` of the configuration. */
export interface TransportPolicy {
  /** Which one is preferred towards subscribers. */
  readonly bandwidthFeedback: BandwidthFeedback;
  /** Clients whose UDP fails are sent to TCP, or to TURN over TLS (`fallback.ts`). */
  readonly tcpFallback: boolean;
  /** Only those whose signalling answers sooner than this, in milliseconds; 0 = all. */
  readonly tcpFallbackRttMs: number;
  /** UDP that loses much counts as failed; only with a bound for the round trip. */
  readonly udpUnstableFallback: boolean;
  /** Who has missed reliable data starts anew. */
  readonly reconnectOnDataLoss: boolean;
}

/** `limit` of the configuration, read anew for each question; 0 = no limit. */
export interface RoomLimits {
  /** What self-updates must not exceed. */
  readonly nameBytes: number;
  readonly metadataBytes: number;
  /** Sum of the keys and values. */
  readonly attributesBytes: number;
  /** Tracks of a kind that one participant may receive at once. */
  readonly videoSubscriptions: number;
  readonly audioSubscriptions: number;
}

/** How much a participant may leave with the server for others to fetch; sizes in bytes, 0 = no limit. */
export interface DataBlobPolicy {
  readonly keyBytes: number;
  /** Name of an encoding of the client's own. */
  readonly encodingBytes: number;
  /** Sum of all keys and contents. */
  readonly totalBytes: number;
}

/** What a participant may say of its data tracks; 0 = no limit. */
export interface DataTrackPolicy {
  /** Name of an encoding of the client's own. */
  readonly encodingBytes: number;
}

/** Everything a room needs for its life. */
export interface RoomOptions {
  readonly sid: string;
  readonly name: string;
  readonly createdAtMs: number;
  /** Timeouts (seconds), max_participants, metadata, sync_streams; a timeout of 0 means the default. */
  readonly config: RoomConfiguration;
  readonly server: ServerFacts;
  /** Certificate and candidates of the room's media worker; read anew for each description. */
  readonly media: LocalTransport;
  readonly random: Random;
  /** A PeerId that no other peer of this process had or will have. */
  readonly nextPeerId: () => PeerId;
}

/** Limits of a server that configures none (livekit.md 4.3). */
export const DEFAULT_LIMITS: RoomLimits = {
  nameBytes: 256,
  metadataBytes: 512 * 1024,
  attributesBytes: 64 * 1024,
  videoSubscriptions: 0,
  audioSubscriptions: 0,
};

/** Policy of a server that configures none (livekit.md 3.9, 3.10, 3.5). */
export const DEFAULT_MEDIA_POLICY: MediaPolicy = {
  congestion: { enabled: true, allowPause: false },
  dynacastPauseDelayMs: 5000,
  codecRegressionThreshold: 5,
};

/** How peers are connected when nothing is configured. */
export const DEFAULT_TRANSPORT_POLICY: TransportPolicy = {
  bandwidthFeedback: "transport-cc",
  tcpFallback: true,
  tcpFallbackRttMs: 0,
  udpUnstableFallback: false,
  reconnectOnDataLoss: false,
};
