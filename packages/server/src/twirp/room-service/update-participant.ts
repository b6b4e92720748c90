/** RoomService.UpdateParticipant. */
import type { ParticipantInfo, UpdateParticipantRequest } from "@livekit/protocol";
import { updateParticipant as update } from "@stoa/core/room/admin/update-participant";
import { inRoom, type ApiContext } from "../context.ts";
import type { TwirpError } from "../errors.ts";

export function updateParticipant(
  context: ApiContext,
  request: UpdateParticipantRequest,
): ParticipantInfo | TwirpError {
  return inRoom(context, request.room, update(request));
}
