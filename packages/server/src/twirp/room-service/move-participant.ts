/**
 * RoomService.MoveParticipant: somebody leaves one room and joins another one, which is made if need be. Its client is
 * given a token for it and connects anew; it keeps its name, its attributes and its rights.
 */
import { MoveParticipantResponse, type MoveParticipantRequest } from "@livekit/protocol";
import { moveAway, readAdmission, readMovable } from "@stoa/core/room/admin/move";
import { inRoom, type ApiContext } from "../context.ts";
import { TwirpError } from "../errors.ts";
import { openDestination } from "./destination.ts";

/** Times that somebody's rights may change while the token for it is signed. */
const MAX_ATTEMPTS = 5;

export async function moveParticipant(
  context: ApiContext,
  request: MoveParticipantRequest,
): Promise<MoveParticipantResponse | TwirpError> {
  const { room, identity, destinationRoom } = request;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const movable = inRoom(context, room, readMovable(identity));
    if (movable instanceof TwirpError) return movable;
    const destination = openDestination(context, request);
    if (destination instanceof TwirpError) return destination;
    const admission = inRoom(context, destinationRoom, readAdmission(movable.claims));
    if (admission instanceof TwirpError) return admission;
    const token = await context.registry.tokenFor(movable.connection, movable.claims, destinationRoom);
    if (token === undefined) continue;
    const moved = inRoom(context, room, moveAway(movable, token, destinationRoom));
    if (moved instanceof TwirpError) return moved;
    if (moved === "moved") return new MoveParticipantResponse();
  }
  return new TwirpError("aborted", "the participant changes too fast to be moved");
}
