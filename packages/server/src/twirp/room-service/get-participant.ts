/** RoomService.GetParticipant. */
import type { ParticipantInfo, RoomParticipantIdentity } from "@livekit/protocol";
import { readParticipant } from "@stoa/core/room/admin/read";
import { inRoom, type ApiContext } from "../context.ts";
import { TwirpError } from "../errors.ts";

export function getParticipant(
  context: ApiContext,
  { room, identity }: RoomParticipantIdentity,
): ParticipantInfo | TwirpError {
  if (!context.registry.find(room)) return new TwirpError("not_found", "participant does not exist");
  return inRoom(context, room, readParticipant(identity));
}
