/** SignalRequest.update_metadata: a participant changes its own name, metadata or attributes (livekit.md 1.15). */
import { RequestResponse_Reason, type UpdateParticipantMetadata } from "@livekit/protocol";
import type { Participant } from "../participant.ts";
import { changeProfile, exceededField } from "../profile.ts";
import type { RoomState } from "../state.ts";
import { refreshToken } from "../token.ts";
import { announce } from "../updates.ts";
import { respond } from "./respond.ts";

/** The words of LiveKit for a field that is too long. */
const LIMIT_MESSAGE = {
  name: "exceeds name length limit",
  metadata: "exceeds metadata size limit",
  attributes: "exceeds attributes size limit",
} as const;

/** Changes what is given, if the participant may. */
export function handleUpdateMetadata(
  room: RoomState,
  participant: Participant,
  update: UpdateParticipantMetadata,
): void {
  const answer = (reason: RequestResponse_Reason, message = "") =>
    respond(room, participant, {
      reason,
      message,
      requestId: update.requestId,
      request: { case: "updateMetadata", value: update },
    });
  if (!participant.grants.canUpdateOwnMetadata) {
    return answer(RequestResponse_Reason.NOT_ALLOWED, "does not have permission to update own metadata");
  }
  const field = exceededField(participant, update, room.options.server.limits);
  if (field) return answer(RequestResponse_Reason.LIMIT_EXCEEDED, LIMIT_MESSAGE[field]);
  if (changeProfile(participant, update)) {
    announce(room, participant, { immediate: true, self: true, paced: true });
    room.event("updated", participant);
    refreshToken(room, participant);
  }
  answer(RequestResponse_Reason.OK);
}
