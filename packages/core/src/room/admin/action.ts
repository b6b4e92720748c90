/**
 * What an administrator does to a room from outside, through the API. Each file of this folder is one action: given its
 * request it is a function over the room, run by `Room.act` between two other inputs, that gives the answer or says why not.
 */
import type { RoomState } from "../state.ts";
import type { Participant } from "../participant.ts";

/** Why an action was not done; the codes are Twirp's. */
export class Refusal {
  readonly code:
    | "not_found"
    | "invalid_argument"
    | "failed_precondition"
    | "already_exists"
    | "resource_exhausted"
    | "unavailable"
    | "internal";
  /** One sentence for the caller. */
  readonly message: string;
  /** The field of the request that is wrong, or "". */
  readonly field: string;

  constructor(code: Refusal["code"], message: string, field = "") {
    this.code = code;
    this.message = message;
    this.field = field;
  }
}

/** One action with its answer. */
export type Action<Answer> = (room: RoomState) => Answer | Refusal;

/** The room is gone, or never was. */
export function noRoom(): Refusal {
  return new Refusal("not_found", "requested room does not exist");
}

/** The participant that a request names, by identity. */
export function participantOf(room: RoomState, identity: string): Participant | Refusal {
  return room.identities.get(identity) ?? new Refusal("not_found", "participant does not exist");
}
