/**
 * A room as a reducer: requests, media events and time go in, effects come out (livekit.md sections 1 and 4). It does no
 * I/O and has no clock; its runner feeds it one input at a time and performs `takeEffects()` after each.
 *
 * One turn: 1. the time is set; 2. the input changes the state and emits effects; 3. the runner takes and performs them;
 * 4. it calls `handleTimeout` at `nextTimeoutMs()`.
 *
 * Every case of SignalRequest has its file in `requests/`. Invariant: hostile input ends at most the session it came from.
 */
import { DisconnectReason, type ParticipantInfo, type Room as RoomInfo, type SignalRequest } from "@livekit/protocol";
import type { MediaEvent } from "../engine/events.ts";
import { Answerer } from "../negotiation/answerer.ts";
import { Offerer } from "../negotiation/offerer.ts";
import { noRoom, type Action, type Refusal } from "./admin/action.ts";
import { dispatchConfigured } from "./admin/dispatch.ts";
import { tellHandles } from "./data-subscriptions.ts";
import { tellHeldBack } from "./data-track.ts";
import { settleDynacast } from "./dynacast.ts";
import { armEmptyTimer } from "./empty.ts";
import type { Effect, SignalId } from "./effects.ts";
import { join } from "./join.ts";
import { closeRoom, fullReconnect, removeParticipant } from "./leave.ts";
import { handleMediaEvent } from "./media-events.ts";
import { negotiate } from "./negotiate.ts";
import type { Claims, JoinInput, JoinResult, RoomOptions } from "./options.ts";
import type { Participant } from "./participant.ts";
import type { NegotiationFactory } from "./peer-link.ts";
import { handleAddTrack } from "./requests/add-track.ts";
import { handleAnswer } from "./requests/answer.ts";
import { handleGetDataBlob, handleStoreDataBlob } from "./requests/data-blob.ts";
import { handleDataSubscription } from "./requests/data-subscription.ts";
import { handlePublishDataTrack, handleUnpublishDataTrack } from "./requests/data-track.ts";
import { handleLeave } from "./requests/leave.ts";
import { handleMute } from "./requests/mute.ts";
import { handleOffer } from "./requests/offer.ts";
import { handlePing, handlePingReq } from "./requests/ping.ts";
import { handleSimulate } from "./requests/simulate.ts";
import { handleSubscription } from "./requests/subscription.ts";
import { handleSubscriptionPermission } from "./requests/subscription-permission.ts";
import { handleSyncState } from "./requests/sync-state.ts";
import { applyGatheredSettings, handleTrackSetting } from "./requests/track-setting.ts";
import { handleTrickle } from "./requests/trickle.ts";
import { handleUpdateAudioTrack, handleUpdateVideoTrack } from "./requests/update-local-track.ts";
import { handleUpdateMetadata } from "./requests/update-metadata.ts";
import { rpcTimedOut } from "./rpc.ts";
import type { ParticipantSid } from "./sid.ts";
import { handleSignalClosed } from "./signal.ts";
import { endSimulatedSpeaker } from "./speakers.ts";
import { RoomState } from "./state.ts";
import { giveUpTrack } from "./subscriptions.ts";
import type { DueTimer } from "./timers.ts";
import { refreshToken } from "./token.ts";
import { flushBatchedUpdates, sendRoomUpdate } from "./updates.ts";

const NEGOTIATION: NegotiationFactory = {
  answerer: (options) => new Answerer(options),
  offerer: (options) => new Offerer(options),
};

/** A negotiation, the dearest of them, takes about 0.2 ms. */
const MAX_TIMERS_PER_TURN = 32;

export class Room {
  readonly #state: RoomState;
  readonly #negotiation: NegotiationFactory;

  /** `negotiation`: other SDP machines, for tests. */
  constructor(options: RoomOptions, negotiation: NegotiationFactory = NEGOTIATION) {
    this.#state = new RoomState(options);
    this.#negotiation = negotiation;
    armEmptyTimer(this.#state);
    this.#state.emit({ type: "roomCreated", room: this.#state.info() });
    dispatchConfigured(this.#state);
  }

  get closed(): boolean {
    return this.#state.closed;
  }

  /** As clients and the API see it, with current counters. */
  info(): RoomInfo {
    return this.#state.info();
  }

  /** Everybody, hidden ones too, as the API lists them. */
  participants(): ParticipantInfo[] {
    return [...this.#state.participants.values()].map((participant) => participant.info());
  }

  /** An action of the API (`admin/`), with its answer. */
  act<Answer>(action: Action<Answer>, nowMs: number): Answer | Refusal {
    this.#state.nowMs = nowMs;
    return this.#state.closed ? noRoom() : action(this.#state);
  }

  /** Who a participant is, for a token; undefined when it is not here (any more). */
  claims(sid: ParticipantSid): Claims | undefined {
    return this.#state.participants.get(sid)?.claims;
  }

  /** A new participant, or one that resumes. Its first message is among the effects, unless this is a `JoinFailure`. */
  join(input: JoinInput, nowMs: number): JoinResult {
    this.#state.nowMs = nowMs;
    return join(this.#state, input, this.#negotiation);
  }

  /** A request on the signal connection of `from`; one from a connection that was replaced is ignored. */
  handleRequest(from: ParticipantSid, connection: SignalId, request: SignalRequest, nowMs: number): void {
    const participant = this.#enter(from, nowMs);
    if (!participant || participant.connection !== connection) return;
    participant.heard(nowMs);
    dispatch(this.#state, participant, request);
  }

  /** The signal connection of `from` ended, whoever ended it; `why`: for people, if it was the server. */
  handleSignalClosed(from: ParticipantSid, connection: SignalId, nowMs: number, why = ""): void {
    const participant = this.#enter(from, nowMs);
    if (participant) handleSignalClosed(this.#state, participant, connection, why);
  }

  /** An event of the media worker; those about other rooms are ignored. */
  handleMedia(event: MediaEvent, nowMs: number): void {
    this.#state.nowMs = nowMs;
    handleMediaEvent(this.#state, event);
  }

  /** Ends the room: ROOM_DELETED, SERVER_SHUTDOWN, … */
  close(reason: DisconnectReason, nowMs: number): void {
    this.#state.nowMs = nowMs;
    closeRoom(this.#state, reason);
  }

  /** When `handleTimeout` is due, or `NEVER`; may change with every call of another method. */
  nextTimeoutMs(): number {
    return this.#state.timers.nextMs();
  }

  /**
   * Does what is due, a bounded part of it per call: a track that thousands negotiate must not hold up the thread.
   * As long as `nextTimeoutMs()` lies in the past, call again, after other work.
   */
  handleTimeout(nowMs: number): void {
    this.#state.nowMs = nowMs;
    for (let i = 0; i < MAX_TIMERS_PER_TURN; i++) {
      const due = this.#state.timers.takeDue(nowMs);
      if (!due) return;
      fire(this.#state, due);
    }
  }

  /** What is to be done, in order; the list is the caller's. */
  takeEffects(): Effect[] {
    return this.#state.takeEffects();
  }

  #enter(from: ParticipantSid, nowMs: number): Participant | undefined {
    this.#state.nowMs = nowMs;
    return this.#state.participants.get(from);
  }
}

function dispatch(room: RoomState, from: Participant, { message }: SignalRequest): void {
  switch (message.case) {
    case "offer":
      return handleOffer(room, from, message.value);
    case "answer":
      return handleAnswer(room, from, message.value);
    case "trickle":
      return handleTrickle(room, from, message.value);
    case "addTrack":
      return handleAddTrack(room, from, message.value);
    case "mute":
      return handleMute(room, from, message.value);
    case "subscription":
      return handleSubscription(room, from, message.value);
    case "subscriptionPermission":
      return handleSubscriptionPermission(room, from, message.value);
    case "trackSetting":
      return handleTrackSetting(room, from, message.value);
    case "leave":
      return handleLeave(room, from, message.value);
    case "syncState":
      return handleSyncState(room, from, message.value);
    case "simulate":
      return handleSimulate(room, from, message.value);
    case "ping":
      return handlePing(room, from);
    case "pingReq":
      return handlePingReq(room, from, message.value);
    case "updateMetadata":
      return handleUpdateMetadata(room, from, message.value);
    case "updateAudioTrack":
      return handleUpdateAudioTrack(room, from, message.value);
    case "updateVideoTrack":
      return handleUpdateVideoTrack(room, from, message.value);
    case "publishDataTrackRequest":
      return handlePublishDataTrack(room, from, message.value);
    case "unpublishDataTrackRequest":
      return handleUnpublishDataTrack(room, from, message.value);
    case "updateDataSubscription":
      return handleDataSubscription(room, from, message.value);
    case "storeDataBlobRequest":
      return handleStoreDataBlob(room, from, message.value);
    case "getDataBlobRequest":
      return handleGetDataBlob(room, from, message.value);
    default:
    // update_layers is deprecated; a case that is not known here comes from a newer client.
  }
}

function fire(room: RoomState, { kind, subject }: DueTimer): void {
  if (kind === "batchedUpdates") return flushBatchedUpdates(room);
  if (kind === "roomUpdate") return sendRoomUpdate(room);
  if (kind === "emptyRoom") return closeRoom(room, DisconnectReason.ROOM_CLOSED);
  if (kind === "rpcAck" || kind === "rpcResponse") return rpcTimedOut(room, subject, kind);
  if (kind === "dynacast") return settleDynacast(room, subject);
  const blank = subject.indexOf(" ");
  const participant = room.participants.get(blank < 0 ? subject : subject.slice(0, blank));
  if (!participant) return;
  switch (kind) {
    case "joinTimeout": {
      const detail = "no media connection within a minute";
      return removeParticipant(room, participant, DisconnectReason.JOIN_FAILURE, "disconnect", detail);
    }
    case "mediaGone": {
      const detail = "media failed and was not restored";
      return removeParticipant(room, participant, DisconnectReason.CONNECTION_TIMEOUT, "reconnect", detail);
    }
    case "refreshToken":
      return refreshToken(room, participant);
    case "negotiate":
      return negotiate(room, participant);
    case "answerTimeout":
      return fullReconnect(room, participant, "an offer was not answered within 15 s");
    case "trackSettings":
      return applyGatheredSettings(room, participant);
    case "pacedUpdate":
      return tellHeldBack(room, participant);
    case "dataHandles":
      return tellHandles(room, participant);
    case "simulatedSpeaker":
      return endSimulatedSpeaker(room, participant);
    case "trackNotFound":
      return giveUpTrack(room, participant, subject.slice(blank + 1));
    default:
      return kind satisfies never;
  }
}
