/** RoomService.ListParticipants: everybody in a room, hidden ones too; a room that is not open has nobody. */
import { ListParticipantsResponse, type ListParticipantsRequest } from "@livekit/protocol";
import { readParticipants } from "@stoa/core/room/admin/read";
import { inRoom, noRoom, type ApiContext } from "../context.ts";
import { TwirpError } from "../errors.ts";

export function listParticipants(
  context: ApiContext,
  { room }: ListParticipantsRequest,
): ListParticipantsResponse | TwirpError {
  const participants = inRoom(context, room, readParticipants);
  if (!(participants instanceof TwirpError)) return new ListParticipantsResponse({ participants });
  const strict = context.config.api.enable_psrpc_for_get_list_participants;
  return strict ? noRoom() : new ListParticipantsResponse();
}
