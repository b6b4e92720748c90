/**
 * The state of one room and the two ways out of it: `send` and `emit`. All other files of this folder are functions
 * over it. Invariant: within one input time stands still (`nowMs`), and what is emitted keeps its order.
 */
import {
  type AgentDispatch,
  type ParticipantInfo,
  Room as RoomInfo,
  ServerInfo,
  ServerInfo_Edition,
  SignalResponse,
  TimedVersion,
  type TrackInfo,
} from "@livekit/protocol";
import { Nonces } from "../data/nonces.ts";
import type { MediaCommand } from "../engine/commands.ts";
import type { SpeakerLevel } from "../engine/events.ts";
import type { PeerId } from "../engine/specs.ts";
import { protoCodec } from "./client.ts";
import type { PublishedDataTrack } from "./data-track.ts";
import type { Effect, ParticipantEventKind } from "./effects.ts";
import type { RoomOptions, ServerFacts } from "./options.ts";
import type { Participant } from "./participant.ts";
import type { PeerLink } from "./peer-link.ts";
import { randomText, type ParticipantSid, type TrackSid } from "./sid.ts";
import { Timers } from "./timers.ts";
import type { PublishedTrack } from "./track.ts";
import type { RememberedWays } from "./way.ts";

/** The cases of a SignalResponse: { case, value }. */
export type Response = Exclude<SignalResponse["message"], { case: undefined }>;

/** A participant whose info has changed; the info is read when the update goes out. */
export interface QueuedUpdate {
  readonly participant: Participant;
  /** Left because the same identity came back. */
  readonly replaced: boolean;
  /** It is here, but others are not to see it any more: what they are told instead. */
  readonly farewell?: ParticipantInfo;
}

/** A call that the server made to a participant. */
export interface PendingRpc {
  readonly participant: ParticipantSid;
}

const PROTOCOL_VERSION = 17;
const AGENT_PROTOCOL_VERSION = 1;
const DEFAULT_EMPTY_TIMEOUT_S = 300;
const DEFAULT_DEPARTURE_TIMEOUT_S = 20;
/** Bytes that publishers append to end-to-end encrypted frames that the server makes up (livekit.md 3.16). */
const TRAILER_BYTES = 32;

export class RoomState {
  readonly options: RoomOptions;
  readonly serverInfo: ServerInfo;
  readonly sifTrailer: Uint8Array;
  readonly timers = new Timers();
  readonly participants = new Map<ParticipantSid, Participant>();
  readonly identities = new Map<string, Participant>();
  readonly tracks = new Map<TrackSid, PublishedTrack>();
  readonly dataTracks = new Map<TrackSid, PublishedDataTrack>();
  /** Who waits for a track that does not exist yet. */
  readonly awaitedTracks = new Map<TrackSid, Set<Participant>>();
  readonly peers = new Map<PeerId, { readonly participant: Participant; readonly link: PeerLink }>();
  /** By identity. */
  readonly queuedUpdates = new Map<string, QueuedUpdate>();
  /** Who speaks, by the word of the media worker, loudest first. */
  speakers: readonly SpeakerLevel[] = [];
  /** Who is said to speak by a test scenario. */
  readonly simulatedSpeakers = new Set<ParticipantSid>();
  /** By which transports media came through, by identity. */
  readonly ways: RememberedWays = new Map();
  /** Who left lately: clients that resume may have missed it. */
  readonly departures: QueuedUpdate[] = [];

  /** By id. */
  readonly dispatches = new Map<string, AgentDispatch>();
  /** Of the messages that the API sent lately. */
  readonly nonces = new Nonces();
  /** Calls of the server that a participant has not answered yet, by id. */
  readonly rpcs = new Map<string, PendingRpc>();

  nowMs = 0;
  closed = false;
  metadata: string;
  maxParticipants: number;
  /** Seconds that the room may stand empty before anybody came, and after the last one left. */
  emptyTimeoutS: number;
  departureTimeoutS: number;
  /** Somebody other than an agent or a recorder was here. */
  everJoined = false;

  #effects: Effect[] = [];
  #revision = 0;
  #lastVersionUs = 0n;
  readonly #turnPassword: string;

  constructor(options: RoomOptions) {
    const { config, server, random } = options;
    this.options = options;
    this.nowMs = options.createdAtMs;
    this.metadata = config.metadata;
    this.maxParticipants = config.maxParticipants;
    this.emptyTimeoutS = config.emptyTimeout || DEFAULT_EMPTY_TIMEOUT_S;
    this.departureTimeoutS = config.departureTimeout || DEFAULT_DEPARTURE_TIMEOUT_S;
    this.sifTrailer = random.bytes(TRAILER_BYTES);
    this.#turnPassword = randomText(random, 43);
    this.serverInfo = serverInfo(server);
  }

  readonly nextRevision = (): number => ++this.#revision;

  get revision(): number {
    return this.#revision;
  }

  /** Milliseconds that the room may stand empty before it closes. */
  get emptyAfterMs(): number {
    return 1000 * (this.everJoined ? this.departureTimeoutS : this.emptyTimeoutS);
  }

  emit(effect: Effect): void {
    this.#effects.push(effect);
  }

  takeEffects(): Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  media(command: MediaCommand): void {
    this.emit({ type: "media", command });
  }

  /** To a participant's live signal connection; without one it is lost, the resume makes up for it. */
  send(to: Participant, message: Response): void {
    this.deliver(to, new SignalResponse({ message }));
  }

  /** A message that several participants get: one object, so that it is encoded once. */
  deliver(to: Participant, message: SignalResponse): void {
    if (to.forwardedFrom) return;
    to.unheard.note(message, this.nowMs, to.unsureSinceMs);
    if (to.connection === undefined) return;
    this.emit({ type: "send", to: to.sid, connection: to.connection, message });
  }

  /** Closes the signal connection after what was sent on it; the participant stays. */
  endSignal(of: Participant): void {
    if (of.connection === undefined) return;
    this.emit({ type: "endSignal", participant: of.sid, connection: of.connection, afterFlush: true });
    of.connection = undefined;
  }

  event(kind: ParticipantEventKind, participant: Participant, detail = "", track?: TrackInfo): void {
    const info = participant.info();
    const event = { type: "participantEvent" as const, kind, participant: info, track, detail, atMs: this.nowMs };
    const connects = kind === "joined" && !participant.forwardedFrom;
    this.emit(connects ? { ...event, client: participant.client } : event);
  }

  /** Strictly increasing, also within one microsecond (livekit.md 4.1). */
  nextVersion(): TimedVersion {
    const us = BigInt(Math.floor(this.nowMs * 1000));
    this.#lastVersionUs = us > this.#lastVersionUs ? us : this.#lastVersionUs + 1n;
    return new TimedVersion({ unixMicro: this.#lastVersionUs, ticks: 0 });
  }

  /** The room as clients and the API see it. */
  info(): RoomInfo {
    const { sid, name, createdAtMs, server } = this.options;
    let numParticipants = 0;
    let numPublishers = 0;
    let activeRecording = false;
    for (const participant of this.participants.values()) {
      if (!participant.dependent) numParticipants++;
      if (participant.isPublisher) numPublishers++;
      if (participant.recorder) activeRecording = true;
    }
    return new RoomInfo({
      sid,
      name,
      emptyTimeout: this.emptyTimeoutS,
      departureTimeout: this.departureTimeoutS,
      maxParticipants: this.maxParticipants,
      creationTime: BigInt(Math.floor(createdAtMs / 1000)),
      creationTimeMs: BigInt(Math.floor(createdAtMs)),
      turnPassword: this.#turnPassword,
      enabledCodecs: server.enabledCodecs.map(protoCodec),
      metadata: this.metadata,
      numParticipants,
      numPublishers,
      activeRecording,
      version: this.nextVersion(),
    });
  }
}

/** What this server tells clients and agent workers of itself. */
export function serverInfo({
  version,
  nodeId,
  region,
}: Pick<ServerFacts, "version" | "nodeId" | "region">): ServerInfo {
  return new ServerInfo({
    edition: ServerInfo_Edition.Standard,
    version,
    protocol: PROTOCOL_VERSION,
    region,
    nodeId,
    agentProtocol: AGENT_PROTOCOL_VERSION,
  });
}
