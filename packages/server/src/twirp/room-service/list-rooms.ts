/** RoomService.ListRooms: open rooms, all of them or those that are named. */
import { ListRoomsResponse, type ListRoomsRequest, type Room } from "@livekit/protocol";
import { readRoom } from "@stoa/core/room/admin/read";
import { inRoom, type ApiContext } from "../context.ts";
import { TwirpError } from "../errors.ts";

export function listRooms(context: ApiContext, { names }: ListRoomsRequest): ListRoomsResponse {
  const wanted = names.length > 0 ? new Set(names) : context.registry.names;
  const rooms: Room[] = [];
  for (const name of wanted) {
    const room = inRoom(context, name, readRoom);
    if (!(room instanceof TwirpError)) rooms.push(room);
  }
  return new ListRoomsResponse({ rooms });
}
