/** SignalRequest.leave: the client goes, for a reason of its own (livekit.md 1.8). */
import { DisconnectReason, type LeaveRequest } from "@livekit/protocol";
import { removeParticipant } from "../leave.ts";
import type { Participant } from "../participant.ts";
import type { RoomState } from "../state.ts";

/** Reasons that a client may give; any other means that it was simply closed. */
const CLIENT_REASONS: readonly DisconnectReason[] = [
  DisconnectReason.CLIENT_INITIATED,
  DisconnectReason.USER_UNAVAILABLE,
  DisconnectReason.USER_REJECTED,
  DisconnectReason.AGENT_ERROR,
];

/** Removes it at once. */
export function handleLeave(room: RoomState, participant: Participant, leave: LeaveRequest): void {
  const reason = CLIENT_REASONS.includes(leave.reason) ? leave.reason : DisconnectReason.CLIENT_INITIATED;
  removeParticipant(room, participant, reason, "disconnect", "the client left");
}
