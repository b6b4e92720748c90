/** ListRooms, ListParticipants, GetParticipant: what the API is shown. Hidden participants are shown as well. */
import type { ParticipantInfo, Room as RoomInfo } from "@livekit/protocol";
import { participantOf, Refusal, type Action } from "./action.ts";

/** The room with its counters as they are now. */
export const readRoom: Action<RoomInfo> = (room) => room.info();

/** Everybody in the room, in the order of their coming. */
export const readParticipants: Action<ParticipantInfo[]> = (room) =>
  [...room.participants.values()].map((participant) => participant.info());

/** One of them, by identity. */
export function readParticipant(identity: string): Action<ParticipantInfo> {
  return (room) => {
    const participant = participantOf(room, identity);
    return participant instanceof Refusal ? participant : participant.info();
  };
}
