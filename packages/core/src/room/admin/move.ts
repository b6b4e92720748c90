/**
 * RoomService.MoveParticipant, in the room that the participant leaves: its client gets a token for the other room and is
 * told to connect anew, which every client understands, on whatever worker the other room is. It publishes again there by itself.
 */
import { DisconnectReason } from "@livekit/protocol";
import type { SignalId } from "../effects.ts";
import { removeParticipant } from "../leave.ts";
import type { Claims } from "../options.ts";
import { participantOf, Refusal, type Action } from "./action.ts";

/** Whom a token for the other room is for. */
export interface Movable {
  readonly claims: Claims;
  readonly connection: SignalId;
}

/** Who would be moved, for the token. */
export function readMovable(identity: string): Action<Movable> {
  return (room) => {
    const participant = participantOf(room, identity);
    if (participant instanceof Refusal) return participant;
    if (participant.forwardedFrom) {
      return new Refusal("failed_precondition", "the participant is forwarded from another room; move it there");
    }
    const { claims, connection } = participant;
    if (connection === undefined) {
      return new Refusal("unavailable", "the participant's client is reconnecting; try again in a moment");
    }
    return { claims, connection };
  };
}

/** Whether one more may enter the other room. */
export function readAdmission(claims: Claims): Action<true> {
  return (room) => {
    const people = [...room.participants.values()].filter(({ dependent }) => !dependent);
    const known = people.some(({ identity }) => identity === claims.identity);
    if (room.maxParticipants === 0 || known || people.length < room.maxParticipants) return true;
    return new Refusal("resource_exhausted", "destination room has exceeded its max participants", "destination_room");
  };
}

/** Sends it away with its token; "changed" when the token says something else by now than the participant is. */
export function moveAway(
  { claims, connection }: Movable,
  token: string,
  destination: string,
): Action<"moved" | "changed"> {
  return (room) => {
    const participant = participantOf(room, claims.identity);
    if (participant instanceof Refusal) return participant;
    if (participant.claims !== claims || participant.connection !== connection) return "changed";
    room.send(participant, { case: "refreshToken", value: token });
    removeParticipant(room, participant, DisconnectReason.MIGRATION, "reconnect", `moved to room ${destination}`);
    return "moved";
  };
}
