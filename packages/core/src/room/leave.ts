/**
 * The end of a participant (livekit.md 1.12): in the order unfindable, told, drained, closed, reported.
 * Invariant: after `removeParticipant` nothing of the instance is left but its last info in an update.
 */
import { DisconnectReason, LeaveRequest, LeaveRequest_Action, SignalResponse } from "@livekit/protocol";
import type { ClientFeatures } from "./client.ts";
import { endDataTracks } from "./data-track.ts";
import { armEmptyTimer } from "./empty.ts";
import { closeLinks } from "./links.ts";
import { removeMember } from "./members.ts";
import type { Participant } from "./participant.ts";
import { unpublishAll } from "./publish.ts";
import { failRpcsOf } from "./rpc.ts";
import { forgetSpeaker } from "./speakers.ts";
import type { RoomState } from "./state.ts";
import { dropSubscriptions } from "./subscriptions.ts";
import type { TimerKind } from "./timers.ts";
import { announce, roomChanged, sendRoomUpdate } from "./updates.ts";

/** What the client is to do next; "silent" sends no Leave at all. */
export type Farewell = "disconnect" | "reconnect" | "silent";

const PARTICIPANT_TIMERS: readonly TimerKind[] = [
  "joinTimeout",
  "mediaGone",
  "refreshToken",
  "negotiate",
  "answerTimeout",
  "trackSettings",
  "simulatedSpeaker",
  "pacedUpdate",
  "dataHandles",
];

/**
 * Removes an instance and tells everybody; `detail` is for its timeline. `replaced`: everybody is about to see another
 * instance of the identity.
 */
export function removeParticipant(
  room: RoomState,
  participant: Participant,
  reason: DisconnectReason,
  farewell: Farewell,
  detail: string,
  replaced = false,
): void {
  if (room.participants.get(participant.sid) !== participant) return;
  const wasRecording = participant.recorder;
  room.participants.delete(participant.sid);
  room.identities.delete(participant.identity);
  for (const kind of PARTICIPANT_TIMERS) room.timers.clear(kind, participant.sid);

  if (farewell !== "silent") room.deliver(participant, leaveMessage(participant.features, reason, farewell));
  room.endSignal(participant);

  failRpcsOf(room, participant);
  unpublishAll(room, participant);
  endDataTracks(room, participant);
  forgetSpeaker(room, participant);
  dropSubscriptions(room, participant);
  closeLinks(room, participant);
  removeMember(room, participant);

  participant.disconnect(reason);
  announce(room, participant, { replaced });
  room.event("left", participant, detail);
  if (participant.forwardedFrom) room.emit({ type: "forwardEnded", source: participant.forwardedFrom });
  if (wasRecording) sendRoomUpdate(room);
  else roomChanged(room);
  armEmptyTimer(room);
}

/** Asks the client to come back with a new session: this one cannot be repaired. */
export function fullReconnect(room: RoomState, participant: Participant, detail: string): void {
  removeParticipant(room, participant, DisconnectReason.STATE_MISMATCH, "reconnect", detail);
}

/** A Leave in the words of the client's protocol version. */
export function leaveMessage(
  features: ClientFeatures,
  reason: DisconnectReason,
  next: "disconnect" | "resume" | "reconnect",
): SignalResponse {
  const value = features.leaveAction
    ? new LeaveRequest({ reason, action: ACTIONS[next] })
    : new LeaveRequest({ reason, canReconnect: next !== "disconnect" });
  return new SignalResponse({ message: { case: "leave", value } });
}

const ACTIONS = {
  disconnect: LeaveRequest_Action.DISCONNECT,
  resume: LeaveRequest_Action.RESUME,
  reconnect: LeaveRequest_Action.RECONNECT,
} as const;

/** Ends the room: everybody leaves, and nothing is answered any more (livekit.md 4.2). */
export function closeRoom(room: RoomState, reason: DisconnectReason): void {
  if (room.closed) return;
  room.closed = true;
  // All signal connections first: nobody need be told who else leaves.
  for (const participant of room.participants.values()) {
    room.deliver(participant, leaveMessage(participant.features, reason, "disconnect"));
    room.endSignal(participant);
  }
  for (const participant of room.participants.values()) {
    removeParticipant(room, participant, reason, "silent", "the room was closed");
  }
  room.timers.clearAll();
  room.emit({ type: "roomClosed", room: room.info(), reason });
}
