/**
 * What `room` says to and hears from the SDP machines: `Answerer` (the client offers: publisher peer, or the single peer)
 * and `Offerer` (we offer: subscriber peer of the dual mode). Plain data only; the classes are in `answerer.ts` and `offerer.ts`.
 * Both are pure and synchronous: nothing here waits for a worker.
 */
import type { Random } from "../crypto.ts";
import type { LocalCandidate } from "../engine/events.ts";
import type { MediaKind, ReceiverSpec, RemoteTransport, SenderSpec } from "../engine/specs.ts";

/** One sentence for the log and for the client; nothing was changed. Test with `"failure" in result`. */
export interface NegotiationFailure {
  readonly failure: string;
}

/** ICE user fragment and password of our side. Draw with `drawIceCredentials(random)` of `ice-credentials.ts`. */
export interface IceCredentials {
  readonly ufrag: string;
  readonly pwd: string;
}

/** Our end of every peer: the certificate of the process and the candidates of the worker. Read anew for each description. */
export interface LocalTransport {
  /** SHA-256, upper-case hex with colons (`DtlsFactory.fingerprint`). */
  readonly fingerprint: string;
  readonly candidates: readonly LocalCandidate[];
}

/** One entry of `room.enabled_codecs`: a MIME type in any case, and optionally the exact fmtp of the table in `codecs.ts`. */
export interface EnabledCodec {
  readonly mime: string;
  readonly fmtp?: string;
}

/** What this client may send and receive; `enabledCodecsFor` in `client-traits.ts` derives it from the configuration. */
export interface EnabledCodecs {
  readonly publish: readonly EnabledCodec[];
  readonly subscribe: readonly EnabledCodec[];
}

/** Where clients differ in SDP; `clientTraits` in `client-traits.ts` derives it from ClientInfo. */
export interface ClientTraits {
  /** False for Firefox on Linux and Android: only the wanted video codec is left in the answer. */
  readonly obeysCodecOrder: boolean;
  /** False for Firefox and Safari: no RED downstream. */
  readonly receivesRed: boolean;
  /** False for Safari: an m-line of the subscriber peer is never used for a second track. */
  readonly reusesTransceivers: boolean;
  /**
   * True for pion, which Go clients use: every offer of an m-line as inactive ends its receiver, and only the first one makes a new one,
   * so that after two of them the m-line never brings a track again.
   */
  readonly endsIdleReceivers?: boolean;
}

/**
 * How the bandwidth to a client is found out: `transport-cc` = it reports arrivals and we estimate, where it can; `remb` = it
 * estimates, and says so.
 */
export type BandwidthFeedback = "transport-cc" | "remb";

export interface NegotiationOptions {
  readonly local: LocalTransport;
  readonly random: Random;
  /** As given to the worker with `openPeer`. */
  readonly credentials: IceCredentials;
  readonly codecs: EnabledCodecs;
  readonly client: ClientTraits;
  /** Which one is preferred downstream. */
  readonly bandwidthFeedback: BandwidthFeedback;
  /** Negotiate the playout-delay extension downstream (room has min/max_playout_delay). */
  readonly playoutDelay: boolean;
}

/** A track that this participant announced with AddTrack and did not unpublish; pending ones and published ones alike. */
export interface Publication {
  readonly sid: string;
  readonly kind: MediaKind;
  /** AddTrackRequest.cid. */
  readonly cid: string;
  /**
   * TrackInfo.codecs in order: the primary one first, then backups. `mime` in any case, "" when unknown;
   * `cid` of a backup is set when its AddTrack (with `sid`) came, "" before; "" for the primary means `cid` above.
   */
  readonly codecs: readonly { readonly mime: string; readonly cid: string }[];
  /** Audio: RED wanted (not `disable_red`). Ignored when `codecs[0].mime` is known. */
  readonly red: boolean;
  /** Audio: TF_NO_DTX is not set. */
  readonly dtx: boolean;
  /** Audio: TF_STEREO is set. */
  readonly stereo: boolean;
  /** Layers that AddTrack declared with SSRCs, lowest first; usually empty. */
  readonly ssrcs: readonly { readonly ssrc: number; readonly rtxSsrc: number }[];
}

/** An m-line was newly bound to a publication: media of it may come from now on. */
export interface PublishedMedia {
  readonly sid: string;
  readonly mid: string;
  /** Track id in the client's SDP; TrackInfo.codecs[].sdp_cid when it differs from the announced cid. */
  readonly sdpCid: string;
  /** Index into `Publication.codecs`; 0 is the primary codec, also when `codecs` is empty. */
  readonly codecIndex: number;
  /** The codec that our answer puts first on the m-line, lower case; what the client will send unless it chooses otherwise. */
  readonly mime: string;
  /** RIDs in the order of rising quality; empty when not simulcast by RID. */
  readonly rids: readonly string[];
}

/** A track that this participant is to receive. */
export interface DownTrack {
  /** SID of the published track; the key. */
  readonly sid: string;
  readonly kind: MediaKind;
  /** msid stream id and CNAME: `streamId` of `track-info.ts`. */
  readonly stream: string;
  /** Codecs that the publisher sends or may send, preferred first, any case; empty = not known yet. */
  readonly mimes: readonly string[];
  /** Audio: TF_STEREO of the publisher. */
  readonly stereo: boolean;
  /** Audio: the publisher sends RED (then NACK is not asked for by RED-capable subscribers). */
  readonly red: boolean;
}

/** What the worker is to be told about media; the lists are complete (`setReceivers`, `setSenders`). */
export interface MediaPlan {
  readonly receivers: readonly ReceiverSpec[];
  readonly senders: readonly SenderSpec[];
}

/** Change of publications by an offer, or by `bindPublications`. */
export interface PublicationChanges {
  /** New bindings, in m-line order. A backup codec comes as an entry with `codecIndex` > 0 of a SID known before. */
  readonly published: readonly PublishedMedia[];
  /** SIDs whose last m-line stopped sending: unpublished by the client. */
  readonly closed: readonly string[];
}

/** The section that candidates belong to: RTCIceCandidateInit.sdpMid and sdpMLineIndex of a trickle. */
export interface CandidateSection {
  readonly sdpMid: string;
  readonly sdpMLineIndex: number;
}

export interface OfferResult extends MediaPlan, PublicationChanges {
  readonly answer: string;
  /** For SessionDescription.mid_to_track_id: m-lines on which we send, and the SID that each carries. */
  readonly midToTrackId: Record<string, string>;
  /** For the candidates that are trickled on top of those in the answer (`writeCandidates` gives their text). */
  readonly candidateSection: CandidateSection;
  readonly remote: RemoteTransport;
  /** The client restarted ICE: our new credentials, already in the answer; tell the worker (`restartIce`, then `setRemote`). */
  readonly iceRestart: IceCredentials | undefined;
  /** Down tracks for which no m-line has a codec that the client takes (SE_CODEC_UNSUPPORTED). They stay desired. */
  readonly unsupported: readonly string[];
  /** The client offered an application m-line (fully-established rule of the first offer). */
  readonly dataChannels: boolean;
}

/** MediaSectionsRequirement: how many more m-lines the client is to add before it offers again; both may be 0. */
export interface SectionsRequirement {
  readonly audios: number;
  readonly videos: number;
}

/** Options of a peer on which the client offers. */
export interface AnswererOptions extends NegotiationOptions {
  /** `single`: down tracks ride on this peer too (protocol v1). `publisher`: they have a peer of their own. */
  readonly role: "publisher" | "single";
}

/** The machine of a peer on which the client offers. */
export interface AnswererApi {
  /** Current lists for the worker. After `setDownTracks` the senders already lack what is no longer wanted. */
  readonly plan: MediaPlan;
  /** `publications`: all tracks of this participant, in the order of their AddTrack. */
  handleOffer(sdp: string, publications: readonly Publication[]): OfferResult | NegotiationFailure;
  /** AddTrack came after the offer that has its m-line: binds without an answer. Cheap when nothing is unbound. */
  bindPublications(publications: readonly Publication[]): PublicationChanges;
  /** Single peer mode: the complete desired set, oldest first. True: ask `takeRequirement`. */
  setDownTracks(tracks: readonly DownTrack[]): boolean;
  /**
   * Single peer mode: what to send as MediaSectionsRequirement now, undefined for nothing. Counts are only the sections
   * that were not yet asked for since the last offer. Call after `handleOffer` and after `setDownTracks`.
   */
  takeRequirement(): SectionsRequirement | undefined;
}

export interface ServerOffer extends MediaPlan {
  readonly offer: string;
  readonly midToTrackId: Record<string, string>;
  readonly candidateSection: CandidateSection;
}

export interface AnswerResult extends MediaPlan {
  readonly remote: RemoteTransport;
  /** The client's credentials are other ones than before. */
  readonly iceRestarted: boolean;
  /** Down tracks that the client refused, or has no codec for (SE_CODEC_UNSUPPORTED). They stay desired until removed. */
  readonly unsupported: readonly string[];
  /** The desired set changed since the offer, or a freed m-line can be used now: call `createOffer` again. */
  readonly renegotiate: boolean;
}

/** Options of the subscriber peer. */
export interface OffererOptions extends NegotiationOptions {
  /** Offer an application m-line, as the first one. */
  readonly dataChannels: boolean;
}

/** The machine of the subscriber peer in dual mode. `receivers` of its plans is always empty. */
export interface OffererApi {
  readonly plan: MediaPlan;
  /** An offer is out and unanswered. `createOffer` is allowed then and supersedes it (resume). */
  readonly offering: boolean;
  /** The complete desired set, oldest first. True: an offer is needed (once the outstanding one is answered). */
  setDownTracks(tracks: readonly DownTrack[]): boolean;
  createOffer(): ServerOffer;
  /** Senders are complete only now: hand `plan.senders` to the worker after each answer. */
  handleAnswer(sdp: string): AnswerResult | NegotiationFailure;
  /** Draws new credentials for the next offer; tell the worker. */
  restartIce(): IceCredentials;
}
