/**
 * RoomService.UpdateParticipant: name, metadata, attributes and permission of somebody, all of it or nothing. Everybody,
 * the participant included, hears of it at once, and its client gets a token that says the same.
 */
import type { ParticipantInfo, ParticipantPermission } from "@livekit/protocol";
import { changeGrants, grantsOf } from "../permission-changes.ts";
import { changeProfile, exceededField, type ProfileChange } from "../profile.ts";
import { refreshToken } from "../token.ts";
import { announce } from "../updates.ts";
import { participantOf, Refusal, type Action } from "./action.ts";

/** What the API calls a field that is too long. */
const LIMIT_MESSAGE = {
  name: "name length exceeds limits",
  metadata: "metadata size exceeds limits",
  attributes: "attribute size exceeds limits",
} as const;

/** Empty text means unchanged, an attribute with an empty value is removed, a permission replaces all of the former one. */
export function updateParticipant(
  request: ProfileChange & { readonly identity: string; readonly permission?: ParticipantPermission | undefined },
): Action<ParticipantInfo> {
  return (room) => {
    const participant = participantOf(room, request.identity);
    if (participant instanceof Refusal) return participant;
    const field = exceededField(participant, request, room.options.server.limits);
    if (field) {
      const most = room.options.server.limits[`${field}Bytes`];
      return new Refusal("invalid_argument", `${LIMIT_MESSAGE[field]}: max length ${most}`, field);
    }
    if (participant.forwardedFrom) {
      return new Refusal("failed_precondition", "the participant is forwarded from another room; change it there");
    }
    const profile = changeProfile(participant, request);
    const permission =
      request.permission !== undefined && changeGrants(room, participant, grantsOf(request.permission));
    if (profile || permission) {
      announce(room, participant, { immediate: true, self: true });
      room.event("updated", participant);
      refreshToken(room, participant);
    }
    return participant.info();
  };
}
