/** RoomService.RemoveParticipant: the client is told to stay away, the others see it leave. Its token stays good. */
import { DisconnectReason } from "@livekit/protocol";
import { removeParticipant as remove } from "../leave.ts";
import { participantOf, Refusal, type Action } from "./action.ts";

/** Removes whoever has the identity now. */
export function removeParticipant(identity: string): Action<true> {
  return (room) => {
    const participant = participantOf(room, identity);
    if (participant instanceof Refusal) return participant;
    remove(room, participant, DisconnectReason.PARTICIPANT_REMOVED, "disconnect", "removed through the API");
    return true;
  };
}
