/** RoomService.RemoveParticipant. */
import { RemoveParticipantResponse, type RoomParticipantIdentity } from "@livekit/protocol";
import { removeParticipant as remove } from "@stoa/core/room/admin/remove-participant";
import { answerFrom, type ApiContext } from "../context.ts";

export function removeParticipant(context: ApiContext, { room, identity }: RoomParticipantIdentity) {
  return answerFrom(context, room, remove(identity), () => new RemoveParticipantResponse());
}
