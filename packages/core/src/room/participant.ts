/**
 * One participant instance: who it is, what it publishes, what it wants to receive, and its ParticipantInfo.
 * Invariant: the version of the info grows with every change and an info that was handed out is never changed,
 * so one object can go to everybody.
 */
import {
  DisconnectReason,
  ParticipantInfo,
  ParticipantInfo_Kind,
  ParticipantInfo_State,
  type ClientInfo,
  type DataBlob,
  type DataTrackInfo,
  type TrackSource,
} from "@livekit/protocol";
import type { EnabledCodecs, PublishedMedia } from "../negotiation/types.ts";
import { isDependent, permissionOf } from "./claims.ts";
import { clientFeatures, type ClientFeatures } from "./client.ts";
import { newDataPublication } from "./data-publication.ts";
import { newDataReception } from "./data-reception.ts";
import type { PublishedDataTrack } from "./data-track.ts";
import type { SignalId } from "./effects.ts";
import type { ForwardSource } from "./forwards.ts";
import type { Claims, ConnectionOptions, Grants } from "./options.ts";
import { Pace } from "./pace.ts";
import type { PeerLink, PublisherLink, SubscriberLink } from "./peer-link.ts";
import { newQuality } from "./quality.ts";
import type { ParticipantSid, TrackSid } from "./sid.ts";
import type { TrackPermissions } from "./permissions.ts";
import type { Subscription } from "./subscription.ts";
import type { PendingTrack, PublishedTrack } from "./track.ts";
import { Unheard } from "./unheard.ts";
import { newWay } from "./way.ts";

/** No message takes longer to a client whose answer comes. */
const IN_FLIGHT_MS = 1000;

/** Everything that is fixed at the join. */
export interface ParticipantOptions {
  readonly sid: ParticipantSid;
  readonly claims: Claims;
  readonly client: ClientInfo;
  readonly options: ConnectionOptions;
  /** Undefined for one that has no client here. */
  readonly connection: SignalId | undefined;
  readonly region: string;
  /** Codecs that it may publish and receive. */
  readonly codecs: EnabledCodecs;
  readonly joinedAtMs: number;
  /** Order of all infos that the room ever made. */
  readonly nextRevision: () => number;
}

export class Participant {
  readonly sid: ParticipantSid;
  readonly client: ClientInfo;
  readonly features: ClientFeatures;
  readonly options: ConnectionOptions;
  readonly region: string;
  readonly codecs: EnabledCodecs;
  /** By which transports its media comes. */
  readonly way = newWay();
  readonly joinedAtMs: number;
  /** Whether the first connection is the one that we offer (livekit.md 1.5); decided at the join, whatever rights come later. */
  readonly subscriberPrimary: boolean;

  /** The live signal connection; undefined between its loss and the resume. */
  connection: SignalId | undefined;
  /** When the client was last heard. */
  lastHeardMs: number;
  /** When its signal connection came. */
  connectedMs: number;
  /** What it was told before this has arrived; what it was told since may be lost. */
  unsureSinceMs: number;

  /** The client's offers (all of it in single mode), and ours in dual mode. */
  publisher: PublisherLink | undefined;
  subscriber: SubscriberLink | undefined;
  /** Some peer connection was up once: a lost signal connection is no reason to remove the participant. */
  everConnected = false;
  /** Highest reliable data sequence received, for ReconnectResponse.last_message_seq. */
  lastDataSequence = 0;

  readonly pending = new Map<string, PendingTrack>();
  /** Bound to an m-line, to be published at their first packet. */
  readonly awaitingPacket = new Map<TrackSid, PublishedMedia>();
  readonly tracks = new Map<TrackSid, PublishedTrack>();
  /** By its own handles. */
  readonly dataTracks = new Map<number, PublishedDataTrack>();
  readonly dataPublication = newDataPublication();
  /** The last ones that ended: a client that resumes may not know it. */
  readonly endedDataTracks: DataTrackInfo[] = [];
  readonly dataReception = newDataReception();
  /** Who may receive its tracks, by its own word. */
  trackPermissions: TrackPermissions;
  /** Facts of its tracks that the worker was told, as JSON. */
  readonly toldTracks = new Map<TrackSid, string>();
  readonly subscriptions = new Map<TrackSid, Subscription>();
  /** Tracks that are sent to it, or about to be; the set that is negotiated, oldest first. */
  readonly activeTracks = new Set<TrackSid>();
  /** Tracks whose new settings wait for the end of the debounce. */
  readonly changedSettings = new Set<TrackSid>();
  /** Who speaks, and how loud, as it was told last. */
  toldSpeakers: ReadonlyMap<ParticipantSid, number> = new Map();
  lastNegotiationMs = Number.NEGATIVE_INFINITY;

  /** What it left for others to fetch, by key. */
  readonly dataBlobs = new Map<string, DataBlob>();
  /** Bytes of their keys and contents. */
  dataBlobBytes = 0;
  readonly quality = newQuality();

  /** A simulated accident: the signal connection of the next resume breaks, before or after it was answered. */
  failResume: { readonly when: "before" | "after"; readonly untilMs: number } | undefined;

  /** Infos up to this revision reached it by a JoinResponse or a snapshot. */
  seenRevision = 0;
  /** Revision of its first info: whoever has seen that one knows it. */
  joinRevision = 0;
  /** Revision that was last broadcast, and last sent to itself; 0 = never. */
  lastBroadcast = 0;
  lastBroadcastMs = 0;
  /** How often the others hear of changes that it makes as it likes. */
  readonly updatePace = new Pace();
  lastToldSelf = 0;
  /** What it was told and may not have heard. */
  readonly unheard = new Unheard();
  /** Tracks that we ended and of which it may have heard only at its last resume. */
  endedWhileAway: ReadonlySet<TrackSid> = new Set();
  /** Set for one that stands for a participant of another room (ForwardParticipant). */
  forwardedFrom: ForwardSource | undefined;
  /** Rooms into which it is forwarded. */
  readonly forwardedTo = new Set<string>();
  /** The instance of the identity that it replaced, until a broadcast has shown everybody the new one. */
  predecessor: Participant | undefined;

  #claims: Claims;
  #state = ParticipantInfo_State.JOINING;
  #isPublisher = false;
  #disconnectReason = DisconnectReason.UNKNOWN_REASON;
  #version = 0;
  #revision = 0;
  #info: ParticipantInfo | undefined;
  readonly #nextRevision: () => number;

  constructor(options: ParticipantOptions) {
    this.sid = options.sid;
    this.client = options.client;
    this.features = clientFeatures(options.client);
    this.options = options.options;
    this.region = options.region;
    this.codecs = options.codecs;
    this.joinedAtMs = options.joinedAtMs;
    this.lastHeardMs = options.joinedAtMs;
    this.connectedMs = options.joinedAtMs;
    this.unsureSinceMs = options.joinedAtMs;
    this.connection = options.connection;
    this.#claims = options.claims;
    this.subscriberPrimary = !this.singlePeer && this.features.subscriberPrimary && options.claims.grants.canSubscribe;
    this.#nextRevision = options.nextRevision;
  }

  get identity(): string {
    return this.#claims.identity;
  }

  get claims(): Claims {
    return this.#claims;
  }

  get grants(): Grants {
    return this.#claims.grants;
  }

  get hidden(): boolean {
    return this.#claims.grants.hidden;
  }

  /** Does not keep the room open, and does not count as one of the people in it. */
  get dependent(): boolean {
    return this.forwardedFrom !== undefined || isDependent(this.#claims);
  }

  get recorder(): boolean {
    return this.#claims.kind === ParticipantInfo_Kind.EGRESS || this.#claims.grants.recorder;
  }

  get state(): ParticipantInfo_State {
    return this.#state;
  }

  get active(): boolean {
    return this.#state === ParticipantInfo_State.ACTIVE;
  }

  get isPublisher(): boolean {
    return this.#isPublisher;
  }

  get disconnectReason(): DisconnectReason {
    return this.#disconnectReason;
  }

  /** One peer connection for both directions, offered by the client. */
  get singlePeer(): boolean {
    return this.options.peerConnections === "single";
  }

  /** The connection that makes the participant ACTIVE and carries data down to it. */
  get primary(): PeerLink | undefined {
    return this.subscriberPrimary ? this.subscriber : this.publisher;
  }

  /** The connection on which tracks of others are sent to it. */
  get downLink(): PeerLink | undefined {
    return this.singlePeer ? this.publisher : this.subscriber;
  }

  /** Revision of the current info. */
  get revision(): number {
    this.info();
    return this.#revision;
  }

  canPublishSource(source: TrackSource): boolean {
    const { canPublish, canPublishSources } = this.grants;
    return canPublish && (canPublishSources.length === 0 || canPublishSources.includes(source));
  }

  /**
   * A request came. What was sent so shortly before that it was on its way meanwhile may still be lost, and so may what a
   * new connection began with.
   */
  heard(nowMs: number): void {
    this.lastHeardMs = nowMs;
    if (nowMs >= this.connectedMs + IN_FLIGHT_MS) this.unsureSinceMs = nowMs - IN_FLIGHT_MS;
  }

  /** States only go forward; false when it is there already. */
  advance(state: ParticipantInfo_State): boolean {
    if (state <= this.#state) return false;
    this.#state = state;
    this.touch();
    return true;
  }

  disconnect(reason: DisconnectReason): void {
    this.#disconnectReason = reason;
    this.advance(ParticipantInfo_State.DISCONNECTED);
    this.touch();
  }

  setPublisher(publisher: boolean): void {
    if (this.#isPublisher === publisher) return;
    this.#isPublisher = publisher;
    this.touch();
  }

  setClaims(claims: Claims): void {
    this.#claims = claims;
    this.touch();
  }

  /** Something that the info shows has changed. */
  touch(): void {
    this.#info = undefined;
  }

  /** As others see it; a new object with a higher version after each change. */
  info(): ParticipantInfo {
    if (this.#info) return this.#info;
    this.#version++;
    this.#revision = this.#nextRevision();
    this.#info = new ParticipantInfo({
      sid: this.sid,
      identity: this.identity,
      name: this.#claims.name,
      metadata: this.#claims.metadata,
      attributes: { ...this.#claims.attributes },
      state: this.#state,
      joinedAt: BigInt(Math.floor(this.joinedAtMs / 1000)),
      joinedAtMs: BigInt(Math.floor(this.joinedAtMs)),
      version: this.#version,
      permission: permissionOf(this.grants),
      region: this.region,
      isPublisher: this.#isPublisher,
      kind: this.#claims.kind,
      kindDetails: [...this.#claims.kindDetails],
      disconnectReason: this.#disconnectReason,
      clientProtocol: this.client.clientProtocol,
      capabilities: [...this.client.capabilities],
      tracks: [...this.tracks.values()].map((track) => track.info),
      dataTracks: [...this.dataTracks.values()].map((track) => track.info),
    });
    return this.#info;
  }
}
