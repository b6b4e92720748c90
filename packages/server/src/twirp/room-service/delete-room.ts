/** RoomService.DeleteRoom: everybody leaves for good, and the name is free. */
import { DeleteRoomResponse, DisconnectReason, type DeleteRoomRequest } from "@livekit/protocol";
import { noRoom, type ApiContext } from "../context.ts";
import type { TwirpError } from "../errors.ts";

export function deleteRoom({ registry }: ApiContext, { room }: DeleteRoomRequest): DeleteRoomResponse | TwirpError {
  const runner = registry.find(room);
  if (!runner) return noRoom();
  runner.close(DisconnectReason.ROOM_DELETED);
  return new DeleteRoomResponse();
}
