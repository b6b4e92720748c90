/**
 * Clients for the tests of this folder: they speak SignalRequests with real SDP, answer offers, and keep what they were
 * told, so that a test asserts what a client sees. Time is virtual.
 */
import {
  AddTrackRequest,
  ClientInfo,
  type ClientInfo_Capability,
  ClientInfo_SDK,
  LeaveRequest_Action,
  ParticipantInfo,
  ParticipantInfo_Kind,
  ParticipantInfo_State,
  Ping,
  type ReconnectReason,
  RoomConfiguration,
  SessionDescription,
  SignalRequest,
  SignalTarget,
  TrackSource,
  TrackType,
  type LeaveRequest,
  type SignalResponse,
  type TrackInfo,
} from "@livekit/protocol";
import { SeededRandom } from "@stoa/testkit/node-crypto";
import type { MediaCommand } from "../engine/commands.ts";
import type { MemberSpec, PeerId, ReceiverSpec, SenderSpec } from "../engine/specs.ts";
import { Refusal, type Action } from "./admin/action.ts";
import type { Effect } from "./effects.ts";
import {
  DEFAULT_LIMITS,
  DEFAULT_MEDIA_POLICY,
  DEFAULT_TRANSPORT_POLICY,
  type Claims,
  type ConnectionOptions,
  type Grants,
  type JoinInput,
  type JoinResult,
  type RoomOptions,
  type ServerFacts,
} from "./options.ts";
import { Room } from "./room.ts";
import { answerTo, FINGERPRINT, writeOffer, type Section, type VideoCodecName } from "./harness-sdp.test.ts";

export const START_MS = 1_800_000_000_000;

export const EVERYTHING: Grants = {
  canSubscribe: true,
  canPublish: true,
  canPublishData: true,
  canPublishSources: [],
  hidden: false,
  recorder: false,
  agent: false,
  canUpdateOwnMetadata: true,
  canSubscribeMetrics: false,
  canManageAgentSession: false,
};

/** What a test may say about a client; the rest is a present-day browser with one peer connection. */
export interface ClientOptions extends Partial<ConnectionOptions> {
  readonly protocol?: number;
  readonly sdk?: ClientInfo_SDK;
  readonly version?: string;
  readonly browser?: string;
  readonly capabilities?: ClientInfo_Capability[];
  readonly kind?: ParticipantInfo_Kind;
  readonly grants?: Partial<Grants>;
  /** Add these tracks and offer them in the join request. */
  readonly tracks?: readonly LocalTrack[];
  /** Leave server offers unanswered. */
  readonly silent?: boolean;
  readonly metadata?: string;
  /** Names as in SDP of what it sends and takes; otherwise it offers VP8, and takes whatever it is offered. */
  readonly videoCodecs?: readonly VideoCodecName[];
}

export interface LocalTrack {
  readonly cid: string;
  readonly kind: "audio" | "video";
  readonly muted?: boolean;
}

/** One room, its clients, its clock, and everything that came out of it. */
export class World {
  readonly room: Room;
  readonly clients: Client[] = [];
  readonly effects: Effect[] = [];
  nowMs = START_MS;
  nextConnection = 1;
  /** Last complete lists per peer, as a worker would hold them. */
  readonly senders = new Map<PeerId, readonly SenderSpec[]>();
  readonly receivers = new Map<PeerId, readonly ReceiverSpec[]>();
  /** What the worker knows of the members, by participant sid. */
  readonly members = new Map<string, MemberSpec>();
  readonly openPeers = new Map<PeerId, Extract<MediaCommand, { type: "openPeer" }>>();
  /** Sees each message before its client does. */
  onSend: ((client: Client, message: SignalResponse) => void) | undefined;

  constructor(
    config: Partial<RoomConfiguration> = {},
    overrides: Partial<RoomOptions> = {},
    server: Partial<ServerFacts> = {},
  ) {
    let peer = 0;
    this.room = new Room({
      sid: "RM_test",
      name: "test",
      createdAtMs: START_MS,
      config: new RoomConfiguration(config),
      server: {
        version: "1.13.5",
        nodeId: "ND_test",
        region: "here",
        enabledCodecs: [
          "audio/opus",
          "audio/red",
          "video/AV1",
          "video/H264",
          "video/VP8",
          "video/VP9",
          "video/rtx",
        ].map((mime) => ({ mime })),
        transport: DEFAULT_TRANSPORT_POLICY,
        iceServers: () => [],
        limits: { ...DEFAULT_LIMITS, nameBytes: 16, metadataBytes: 32, attributesBytes: 64 },
        media: DEFAULT_MEDIA_POLICY,
        dataTracks: { encodingBytes: 32 },
        ...server,
      },
      media: {
        fingerprint: FINGERPRINT,
        candidates: [
          { protocol: "udp", address: "192.0.2.1", port: 7882 },
          { protocol: "tcp", address: "192.0.2.1", port: 7881 },
        ],
      },
      random: new SeededRandom(1),
      nextPeerId: () => ++peer,
      ...overrides,
    });
  }

  /** A client that has joined; its primary peer is not connected yet. */
  join(identity: string, options: ClientOptions = {}): Client {
    const client = this.newClient(identity, options);
    const result = client.join();
    if (!("participant" in result)) throw new Error(`${identity} was not let in: ${result.failure}`);
    return client;
  }

  /** A client that has joined and whose peers are up. */
  connect(identity: string, options: ClientOptions = {}): Client {
    const client = this.join(identity, options);
    client.connectMedia();
    return client;
  }

  newClient(identity: string, options: ClientOptions = {}): Client {
    const client = new Client(this, identity, options);
    this.clients.push(client);
    return client;
  }

  /** An action of the API, with everything that follows; a refusal is its text. */
  act<Answer>(action: Action<Answer>): Answer | string {
    const answer = this.room.act(action, this.nowMs);
    this.perform();
    return answer instanceof Refusal ? `${answer.code}: ${answer.message}` : answer;
  }

  /** Lets time pass, with every timer on the way. */
  advance(ms: number): void {
    const end = this.nowMs + ms;
    for (let next = this.room.nextTimeoutMs(); next <= end; next = this.room.nextTimeoutMs()) {
      this.nowMs = Math.max(this.nowMs, next);
      this.room.handleTimeout(this.nowMs);
      this.perform();
    }
    this.nowMs = end;
  }

  /** Performs the effects until nobody has anything to say. */
  perform(): void {
    for (let effects = this.room.takeEffects(); effects.length > 0; effects = this.room.takeEffects()) {
      for (const effect of effects) {
        this.effects.push(effect);
        this.#performOne(effect);
      }
      for (const client of this.clients) client.react();
    }
  }

  /** Media commands of one type, in order. */
  commands<T extends MediaCommand["type"]>(type: T): Extract<MediaCommand, { type: T }>[] {
    const found: Extract<MediaCommand, { type: T }>[] = [];
    for (const effect of this.effects) {
      if (effect.type === "media" && isCommand(effect.command, type)) found.push(effect.command);
    }
    return found;
  }

  #performOne(effect: Effect): void {
    if (effect.type === "send") {
      const client = this.clients.find((one) => one.connection === effect.connection);
      if (!client || client.deaf) return;
      this.onSend?.(client, effect.message);
      client.receive(effect.message);
    } else if (effect.type === "endSignal") {
      const client = this.clients.find((one) => one.connection === effect.connection);
      if (client) client.connection = 0;
    } else if (effect.type === "media") {
      const { command } = effect;
      if (command.type === "setSenders") this.senders.set(command.peer, command.senders);
      if (command.type === "setReceivers") this.receivers.set(command.peer, command.receivers);
      if (command.type === "setMember") this.members.set(command.participant, command.member);
      if (command.type === "removeMember") this.members.delete(command.participant);
      if (command.type === "openPeer") this.openPeers.set(command.peer, command);
      if (command.type === "closePeer") {
        this.openPeers.delete(command.peer);
        this.senders.delete(command.peer);
        this.receivers.delete(command.peer);
      }
    }
  }
}

function isCommand<T extends MediaCommand["type"]>(
  command: MediaCommand,
  type: T,
): command is Extract<MediaCommand, { type: T }> {
  return command.type === type;
}

type ResponseCase = NonNullable<SignalResponse["message"]["case"]>;
type ResponseValue<C extends ResponseCase> = Extract<SignalResponse["message"], { case: C }>["value"];

/** One client. */
export class Client {
  readonly world: World;
  readonly identity: string;
  readonly options: ClientOptions;
  sid = "";
  /** 0 = no signal connection. */
  connection = 0;
  /** The network is gone and the server does not know: what it sends is lost. Until the next connection. */
  deaf = false;
  readonly messages: SignalResponse[] = [];
  /** Others as this client knows them, by sid. */
  readonly others = new Map<string, ParticipantInfo>();
  self: ParticipantInfo | undefined;
  /** mid → track sid on the peer on which it receives. */
  midToTrackId: Record<string, string> = {};
  readonly #sections: Section[] = [];
  #ufrag = 0;
  #unansweredOffer: SessionDescription | undefined;
  #wantsOffer = false;

  constructor(world: World, identity: string, options: ClientOptions) {
    this.world = world;
    this.identity = identity;
    this.options = options;
  }

  /** Follows identities over re-joins. */
  get modern(): boolean {
    return (this.options.protocol ?? 17) >= 12;
  }

  get single(): boolean {
    return this.options.peerConnections !== "dual";
  }

  join(resume?: JoinInput["resume"]): JoinResult {
    this.connection = this.world.nextConnection++;
    this.deaf = false;
    const result = this.world.room.join(this.#joinInput(resume), this.world.nowMs);
    if ("participant" in result) this.sid = result.participant;
    else this.connection = 0;
    this.world.perform();
    return result;
  }

  /** Comes back over a new signal connection that is dead before anything arrives on it. */
  resumeInVain(): void {
    this.connection = this.world.nextConnection++;
    this.deaf = true;
    this.world.room.join(this.#joinInput({ participantSid: this.sid, reason: undefined }), this.world.nowMs);
    this.world.perform();
  }

  /** Comes back over a new signal connection, as after a network change. */
  resume(reason?: ReconnectReason): JoinResult {
    return this.join({ participantSid: this.sid, reason });
  }

  request(message: Exclude<SignalRequest["message"], { case: undefined }>): void {
    const request = new SignalRequest({ message });
    this.world.room.handleRequest(this.sid, this.connection, request, this.world.nowMs);
    this.world.perform();
  }

  /** The WebSocket breaks. */
  dropSignal(): void {
    const { connection } = this;
    this.connection = 0;
    this.world.room.handleSignalClosed(this.sid, connection, this.world.nowMs);
    this.world.perform();
  }

  /** Two pings, so that what it was told before them has arrived for certain. */
  beat(): void {
    for (let i = 0; i < 2; i++) {
      this.world.advance(5000);
      this.request({ case: "pingReq", value: new Ping() });
    }
  }

  /** All peers that the worker knows of this client. */
  get peers(): PeerId[] {
    return [...this.world.openPeers.values()].filter((peer) => peer.participant === this.sid).map((peer) => peer.peer);
  }

  /** Peer id of one of the two connections, once it is open. */
  peer(target: SignalTarget): PeerId {
    const withChannels = [...this.world.openPeers.values()].filter((peer) => peer.participant === this.sid);
    const subscriber = withChannels.find((peer) => peer.channels.length > 0);
    const found = target === SignalTarget.SUBSCRIBER ? subscriber : withChannels.find((peer) => peer !== subscriber);
    if (!found) throw new Error(`${this.identity} has no such peer`);
    return found.peer;
  }

  connectMedia(protocol: "udp" | "tcp" = "udp"): void {
    for (const peer of this.peers) this.peerState(peer, "connected", protocol);
  }

  peerState(peer: PeerId, state: "connected" | "disconnected" | "failed" | "closed", protocol?: "udp" | "tcp"): void {
    this.world.room.handleMedia(
      { type: "peerState", peer, state, detail: "test", protocol, silent: true },
      this.world.nowMs,
    );
    this.world.perform();
  }

  addTrack(cid: string, kind: "audio" | "video", more: Partial<AddTrackRequest> = {}): void {
    this.request({ case: "addTrack", value: addTrackRequest({ cid, kind }, more) });
  }

  /** Announces and offers a track; its TrackInfo. */
  publish(cid: string, kind: "audio" | "video", more: Partial<AddTrackRequest> = {}): TrackInfo {
    this.addTrack(cid, kind, more);
    this.offer([{ cid, kind }]);
    const track = this.published(cid);
    if (!track) throw new Error(`${this.identity} could not publish ${cid}`);
    return track;
  }

  /** Ends media of a track: its m-line becomes inactive. */
  unpublish(cid: string): void {
    for (const section of this.#sections) if (section.cid === cid) section.cid = undefined;
    this.offer([]);
  }

  offer(tracks: readonly LocalTrack[]): void {
    this.request({ case: "offer", value: this.#makeOffer(tracks) });
  }

  restartIce(): void {
    this.#ufrag++;
    this.offer([]);
  }

  /** Answers the offer that `silent` held back. */
  answer(): void {
    const offer = this.#unansweredOffer;
    if (!offer) throw new Error(`${this.identity} has no offer to answer`);
    this.#unansweredOffer = undefined;
    const value = new SessionDescription({ type: "answer", sdp: this.#answerTo(offer.sdp), id: offer.id });
    this.request({ case: "answer", value });
  }

  /** TrackInfo of TrackPublished for this cid, the newest. */
  published(cid: string): TrackInfo | undefined {
    return this.all("trackPublished").findLast((response) => response.cid === cid)?.track;
  }

  /** Another participant, by identity, as this client knows it. */
  sees(identity: string): ParticipantInfo | undefined {
    return [...this.others.values()].find((info) => info.identity === identity);
  }

  /** Track sids that the worker sends to this client. */
  receives(): string[] {
    return this.peers.flatMap((peer) => this.world.senders.get(peer) ?? []).map((sender) => sender.track);
  }

  /** Track sids whose packets the worker takes from this client. */
  sends(): string[] {
    return this.peers.flatMap((peer) => this.world.receivers.get(peer) ?? []).map((receiver) => receiver.track);
  }

  all<C extends ResponseCase>(kind: C): ResponseValue<C>[] {
    const values: ResponseValue<C>[] = [];
    for (const { message } of this.messages) {
      if (message.case === kind) values.push(message.value as ResponseValue<C>);
    }
    return values;
  }

  last<C extends ResponseCase>(kind: C): ResponseValue<C> | undefined {
    return this.all(kind).at(-1);
  }

  get leave(): LeaveRequest | undefined {
    return this.last("leave");
  }

  /** Forgets what was received; for "from here on" assertions. */
  forget(): void {
    this.messages.length = 0;
  }

  receive(response: SignalResponse): void {
    this.messages.push(response);
    const { message } = response;
    switch (message.case) {
      case "join":
        this.others.clear();
        this.self = message.value.participant;
        for (const info of message.value.otherParticipants) this.others.set(info.sid, info);
        break;
      case "update":
        for (const info of message.value.participants) this.#learn(info);
        break;
      case "offer":
        this.midToTrackId = message.value.midToTrackId;
        this.#unansweredOffer = message.value;
        break;
      case "answer":
        if (this.single) this.midToTrackId = message.value.midToTrackId;
        break;
      case "mediaSectionsRequirement":
        for (let i = 0; i < message.value.numAudios; i++) this.#addSection("audio");
        for (let i = 0; i < message.value.numVideos; i++) this.#addSection("video");
        this.#wantsOffer = true;
        break;
      default:
    }
  }

  /** What a client does by itself after it has read its messages. */
  react(): void {
    if (this.connection === 0 || this.deaf || this.options.silent) return;
    if (this.#wantsOffer) {
      this.#wantsOffer = false;
      this.offer([]);
    }
    if (this.#unansweredOffer) this.answer();
  }

  #learn(info: ParticipantInfo): void {
    if (info.sid === this.sid) {
      this.self = info;
      return;
    }
    // A client of today knows others by identity: a new instance takes the place of the old one.
    for (const [sid, other] of this.others) {
      if (sid === info.sid || (this.modern && other.identity === info.identity)) this.others.delete(sid);
    }
    if (info.state !== ParticipantInfo_State.DISCONNECTED) this.others.set(info.sid, info);
  }

  #joinInput(resume: JoinInput["resume"]): JoinInput {
    const { options } = this;
    const claims: Claims = {
      identity: this.identity,
      name: "",
      metadata: options.metadata ?? "",
      attributes: {},
      kind: options.kind ?? ParticipantInfo_Kind.STANDARD,
      kindDetails: [],
      grants: { ...EVERYTHING, ...options.grants },
    };
    const first = !resume && this.single;
    return {
      connection: this.connection,
      claims,
      client: new ClientInfo({
        sdk: options.sdk ?? ClientInfo_SDK.JS,
        version: options.version ?? "2.23.0",
        protocol: options.protocol ?? 17,
        browser: options.browser ?? "chrome",
        browserVersion: "140.0",
        os: "linux",
        capabilities: options.capabilities ?? [],
      }),
      options: {
        peerConnections: this.single ? "single" : "dual",
        autoSubscribe: options.autoSubscribe ?? true,
        autoSubscribeDataTrack: options.autoSubscribeDataTrack ?? false,
        adaptiveStream: options.adaptiveStream ?? false,
        subscriberAllowPause: options.subscriberAllowPause,
      },
      resume,
      addTracks: first ? (options.tracks ?? []).map((track) => addTrackRequest(track, {})) : [],
      publisherOffer: first ? this.#firstOffer() : undefined,
    };
  }

  #firstOffer(): SessionDescription {
    this.#sections.push({ mid: "0", kind: "application", cid: undefined });
    for (let i = 0; i < 3; i++) {
      this.#addSection("audio");
      this.#addSection("video");
    }
    return this.#makeOffer(this.options.tracks ?? []);
  }

  #addSection(kind: "audio" | "video"): Section {
    const section: Section = { mid: String(this.#sections.length), kind, cid: undefined };
    this.#sections.push(section);
    return section;
  }

  #answerTo(offer: string): string {
    return answerTo(offer, this.identity, this.options.videoCodecs);
  }

  #makeOffer(tracks: readonly LocalTrack[]): SessionDescription {
    if (this.#sections.length === 0) this.#sections.push({ mid: "0", kind: "application", cid: undefined });
    for (const { cid, kind } of tracks) this.#addSection(kind).cid = cid;
    const sdp = writeOffer(this.#sections, `${this.identity}${this.#ufrag}`, this.single, this.options.videoCodecs);
    return new SessionDescription({ type: "offer", sdp, id: 1 });
  }
}

/** An AddTrack like a browser's. */
export function addTrackRequest(track: LocalTrack, more: Partial<AddTrackRequest>): AddTrackRequest {
  const { cid, kind, muted = false } = track;
  const video = kind === "video";
  return new AddTrackRequest({
    cid,
    muted,
    name: cid,
    type: video ? TrackType.VIDEO : TrackType.AUDIO,
    source: video ? TrackSource.CAMERA : TrackSource.MICROPHONE,
    width: video ? 1280 : 0,
    height: video ? 720 : 0,
    ...more,
  });
}

export { LeaveRequest_Action, SignalTarget };
