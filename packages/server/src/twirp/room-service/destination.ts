/** The room into which somebody is moved or forwarded: made, if it may be, unless it is open. */
import { limitsOf } from "../../config/limits.ts";
import { newRoomConfig } from "../../rooms/room-config.ts";
import type { RoomRunner } from "../../rooms/runner.ts";
import { tooLong, type ApiContext } from "../context.ts";
import { invalidArgument, TwirpError } from "../errors.ts";

/** `worker`: where a new room is to be. */
export function openDestination(
  { registry, config }: ApiContext,
  { room, destinationRoom }: { readonly room: string; readonly destinationRoom: string },
  worker?: number,
): RoomRunner | TwirpError {
  const field = "destination_room";
  if (destinationRoom === "") return invalidArgument(field, "a destination room is required");
  if (destinationRoom === room) {
    return invalidArgument(field, "destination room cannot be the same as source room");
  }
  const { roomNameBytes } = limitsOf(config);
  const mistake = tooLong(field, destinationRoom, roomNameBytes, "room name length exceeds limits");
  if (mistake) return mistake;
  const open = registry.find(destinationRoom);
  if (open) return open;
  if (!config.room.auto_create)
    return new TwirpError("not_found", "destination room does not exist", { argument: field });
  const made = registry.open(destinationRoom, () => newRoomConfig(config, undefined, undefined), worker);
  return made ?? new TwirpError("unavailable", "no media worker is available");
}
