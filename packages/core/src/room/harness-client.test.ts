/**
 * A client for the tests of this folder: it speaks SignalRequests with real SDP, answers offers, and keeps what it was told,
 * so that a test asserts what a client sees.
 */
import {
  type AddTrackRequest,
  type LeaveRequest,
  type ParticipantInfo,
  ParticipantInfo_State,
  Ping,
  type ReconnectReason,
  type RequestResponse_Reason,
  SessionDescription,
  SignalRequest,
  type SignalResponse,
  SignalTarget,
  type TrackInfo,
} from "@livekit/protocol";
import type { PeerId } from "../engine/specs.ts";
import { addTrackRequest, joinInput, type ClientOptions, type LocalTrack } from "./harness-join.test.ts";
import { answerTo, writeOffer, type Section } from "./harness-sdp.test.ts";
import type { World } from "./harness.test.ts";
import type { JoinInput, JoinResult } from "./options.ts";

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

  /** What it was last told of a request. */
  get lastReason(): RequestResponse_Reason | undefined {
    return this.last("requestResponse")?.reason;
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
    const input = joinInput(this.identity, this.connection, this.options);
    if (resume || !this.single) return { ...input, resume };
    const addTracks = (this.options.tracks ?? []).map((track) => addTrackRequest(track, {}));
    return { ...input, addTracks, publisherOffer: this.#firstOffer() };
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
