/**
 * What the media worker reports and what follows for the participant (livekit.md 1.11, 1.18): ACTIVE when the primary
 * peer is up; a failure asks the client to resume, and ends the session when it does not. Events of peers that are
 * closed find nobody.
 */
import {
  DisconnectReason,
  ParticipantInfo_State,
  StreamState,
  StreamStateInfo,
  StreamStateUpdate,
} from "@livekit/protocol";
import type { DataTrouble, MediaEvent } from "../engine/events.ts";
import { subscribeToExistingData } from "./data-subscriptions.ts";
import { tellSubscribed } from "./downlinks.ts";
import { isCutOff, isUdpUnstable, mediaFailed } from "./fallback.ts";
import { fullReconnect, leaveMessage } from "./leave.ts";
import { setMember } from "./members.ts";
import type { Participant } from "./participant.ts";
import type { PeerLink } from "./peer-link.ts";
import { publishStarted } from "./publish.ts";
import { handleRpcReply } from "./rpc.ts";
import { handleStats } from "./quality.ts";
import type { TrackSid } from "./sid.ts";
import { dropSignal } from "./signal.ts";
import { handleSpeakers } from "./speakers.ts";
import type { RoomState } from "./state.ts";
import { subscribeToExisting } from "./subscriptions.ts";
import { announce } from "./updates.ts";

/** How long a participant without media may take to resume. */
const MEDIA_GONE_AFTER_MS = 5000;
/** From "disconnected" to "failed" in the worker: who is asked to resume that early has no less time than others. */
const EARLY_MS = 5000;

/** One event about a peer or a participant of this room; others are ignored. */
export function handleMediaEvent(room: RoomState, event: MediaEvent): void {
  switch (event.type) {
    case "peerState": {
      const peer = room.peers.get(event.peer);
      if (peer) handlePeerState(room, peer.participant, peer.link, event);
      return;
    }
    case "trackStarted": {
      const peer = room.peers.get(event.peer);
      if (peer) publishStarted(room, peer.participant, event.track, event.mime);
      return;
    }
    case "dataSequence": {
      const participant = room.participants.get(event.participant);
      if (participant) participant.lastDataSequence = Math.max(participant.lastDataSequence, event.sequence);
      return;
    }
    case "rpcReply":
      return handleRpcReply(room, event.participant, event.packet);
    case "streamState": {
      const peer = room.peers.get(event.peer);
      if (peer) tellStreamState(room, peer.participant, event.track, event.paused);
      return;
    }
    case "stats": {
      const peer = room.peers.get(event.peer);
      if (!peer) return;
      handleStats(room, peer.participant, event.stats);
      if (isUdpUnstable(room, peer.participant, peer.link, event.stats)) askToResume(room, peer.participant);
      return;
    }
    case "speakers":
      return handleSpeakers(room, event.speakers);
    case "dataTrouble": {
      const peer = room.peers.get(event.peer);
      if (peer && event.begins) handleDataTrouble(room, peer.participant, peer.link, event.trouble);
      return;
    }
    default:
  }
}

/** Its picture stands still for want of bandwidth, or moves again; that a muted one stands still is known. */
function tellStreamState(room: RoomState, subscriber: Participant, trackSid: TrackSid, paused: boolean): void {
  const track = room.tracks.get(trackSid);
  if (!track || !subscriber.activeTracks.has(trackSid) || (paused && track.info.muted)) return;
  const state = paused ? StreamState.PAUSED : StreamState.ACTIVE;
  const streamStates = [new StreamStateInfo({ participantSid: track.publisher, trackSid, state })];
  room.send(subscriber, { case: "streamStateUpdate", value: new StreamStateUpdate({ streamStates }) });
}

function handlePeerState(
  room: RoomState,
  participant: Participant,
  link: PeerLink,
  { state, detail, protocol, silent }: Extract<MediaEvent, { type: "peerState" }>,
): void {
  switch (state) {
    case "connected":
      link.state = "connected";
      link.connectedMs ??= room.nowMs;
      link.protocol = protocol;
      participant.everConnected = true;
      if (isWhole(participant)) room.timers.clear("mediaGone", participant.sid);
      room.event("mediaConnected", participant, detail);
      if (link === participant.primary) becomeActive(room, participant);
      tellSubscribed(room, participant, link);
      return;
    case "disconnected":
      link.state = "disconnected";
      room.event("mediaDisconnected", participant, detail);
      // Five seconds later the worker would say that it failed; the client is there, and may try another way at once.
      if (silent && isCutOff(room, participant)) failLink(room, participant, link, "failed", EARLY_MS);
      return;
    case "failed":
    case "closed":
      if (link.state === "failed") return;
      room.event("mediaFailed", participant, detail);
      failLink(room, participant, link, state);
      return;
    default:
  }
}

/** The configuration may ask that a client which has missed reliable data, or cannot be given any, starts anew. */
function handleDataTrouble(room: RoomState, participant: Participant, link: PeerLink, trouble: DataTrouble): void {
  if (!room.options.server.transport.reconnectOnDataLoss || link.state !== "connected") return;
  if (trouble === "lost") fullReconnect(room, participant, "reliable data for it was lost");
  if (trouble === "closed") fullReconnect(room, participant, "it closed a data channel");
}

function becomeActive(room: RoomState, participant: Participant): void {
  if (!participant.advance(ParticipantInfo_State.ACTIVE)) return;
  room.timers.clear("joinTimeout", participant.sid);
  setMember(room, participant);
  announce(room, participant);
  room.event("active", participant);
  subscribeToExisting(room, participant);
  subscribeToExistingData(room, participant);
}

/** The connection is lost; 5 s later its participant is removed, unless it has resumed or left until then. */
function failLink(
  room: RoomState,
  participant: Participant,
  link: PeerLink,
  state: "failed" | "closed",
  earlyMs = 0,
): void {
  link.state = "failed";
  // A client that says goodbye found nothing wrong with its way.
  if (state === "failed") mediaFailed(room, participant, link);
  // One that has resumed is restoring it: a peer that fails now is one of before.
  const restoring = participant.connection !== undefined && room.timers.isSet("mediaGone", participant.sid);
  if (restoring) return;
  // Its Leave, or the end of its signal connection, is under way too, and may be overtaken by the goodbye of its media.
  if (state === "failed") askToResume(room, participant);
  room.timers.set("mediaGone", participant.sid, room.nowMs + earlyMs + MEDIA_GONE_AFTER_MS);
}

/** The client is asked to resume over a new signal connection, which restarts ICE. */
function askToResume(room: RoomState, participant: Participant): void {
  if (participant.connection === undefined) return;
  if (participant.features.leaveAction) {
    const leave = leaveMessage(participant.features, DisconnectReason.CONNECTION_TIMEOUT, "resume");
    room.deliver(participant, leave);
  }
  dropSignal(room, participant);
}

/** No connection of the participant is broken at the moment. */
function isWhole(participant: Participant): boolean {
  const links = [participant.publisher, participant.subscriber];
  return links.every((link) => !link?.opened || link.state === "new" || link.state === "connected");
}
