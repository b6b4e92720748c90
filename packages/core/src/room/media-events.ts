/**
 * What the media worker reports and what follows for the participant (livekit.md 1.11, 1.18): ACTIVE when the primary
 * peer is up; a failure asks the client to resume, and ends the session when it does not. Events of peers that are
 * closed find nobody.
 */
import { DisconnectReason, ParticipantInfo_State } from "@livekit/protocol";
import type { MediaEvent, PeerState } from "../engine/protocol.ts";
import { tellSubscribed } from "./downlinks.ts";
import { leaveMessage } from "./leave.ts";
import { setMember } from "./members.ts";
import type { Participant } from "./participant.ts";
import type { PeerLink } from "./peer-link.ts";
import { publishStarted } from "./publish.ts";
import { handleRpcReply } from "./rpc.ts";
import { dropSignal } from "./signal.ts";
import type { RoomState } from "./state.ts";
import { subscribeToExisting } from "./subscriptions.ts";
import { announce } from "./updates.ts";

/** How long a participant without media may take to resume. */
const MEDIA_GONE_AFTER_MS = 5000;

/** One event about a peer or a participant of this room; others are ignored. */
export function handleMediaEvent(room: RoomState, event: MediaEvent): void {
  switch (event.type) {
    case "peerState": {
      const peer = room.peers.get(event.peer);
      if (peer) handlePeerState(room, peer.participant, peer.link, event.state, event.detail);
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
    default:
  }
}

function handlePeerState(
  room: RoomState,
  participant: Participant,
  link: PeerLink,
  state: PeerState,
  detail: string,
): void {
  switch (state) {
    case "connected":
      link.state = "connected";
      participant.everConnected = true;
      if (isWhole(participant)) room.timers.clear("mediaGone", participant.sid);
      room.event("mediaConnected", participant, detail);
      if (link === participant.primary) becomeActive(room, participant);
      tellSubscribed(room, participant, link);
      return;
    case "disconnected":
      link.state = "disconnected";
      room.event("mediaDisconnected", participant, detail);
      return;
    case "failed":
    case "closed":
      if (link.state === "failed") return;
      link.state = "failed";
      room.event("mediaFailed", participant, detail);
      failMedia(room, participant);
      return;
    default:
  }
}

function becomeActive(room: RoomState, participant: Participant): void {
  if (!participant.advance(ParticipantInfo_State.ACTIVE)) return;
  room.timers.clear("joinTimeout", participant.sid);
  setMember(room, participant);
  announce(room, participant);
  room.event("active", participant);
  subscribeToExisting(room, participant);
}

/** The client is asked to resume over a new signal connection, which restarts ICE; after 5 s it is gone. */
function failMedia(room: RoomState, participant: Participant): void {
  if (participant.connection !== undefined) {
    if (participant.features.leaveAction) {
      const leave = leaveMessage(participant.features, DisconnectReason.CONNECTION_TIMEOUT, "resume");
      room.deliver(participant, leave);
    }
    dropSignal(room, participant);
  }
  room.timers.set("mediaGone", participant.sid, room.nowMs + MEDIA_GONE_AFTER_MS);
}

/** No connection of the participant is broken at the moment. */
function isWhole(participant: Participant): boolean {
  const links = [participant.publisher, participant.subscriber];
  return links.every((link) => !link?.opened || link.state === "new" || link.state === "connected");
}
