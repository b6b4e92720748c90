/** RoomService.UpdateRoomMetadata. */
import type { Room, UpdateRoomMetadataRequest } from "@livekit/protocol";
import { updateRoomMetadata as update } from "@stoa/core/room/admin/update-room";
import { inRoom, type ApiContext } from "../context.ts";
import type { TwirpError } from "../errors.ts";

export function updateRoomMetadata(context: ApiContext, request: UpdateRoomMetadataRequest): Room | TwirpError {
  return inRoom(context, request.room, update(request.metadata));
}
