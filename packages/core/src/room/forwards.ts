/**
 * Participants that are shown in another room as well (ForwardParticipant): what the source room tells of them, on every
 * change. The packets need no telling: both rooms are on one media worker, which knows a track by its SID.
 */
import type { ParticipantInfo } from "@livekit/protocol";
import type { Claims } from "./options.ts";
import type { ForwardSource, Participant } from "./participant.ts";
import type { TrackPermissions } from "./permissions.ts";
import type { RoomState } from "./state.ts";

/** A participant as the other room is to show it. */
export interface Forwarded {
  readonly source: ForwardSource;
  readonly claims: Claims;
  /** With its state: the other room drops one that is DISCONNECTED. */
  readonly info: ParticipantInfo;
  /** What its publisher allows, also to those who meet it in the other room. */
  readonly trackPermissions: TrackPermissions;
}

/** The participant as it is now. */
export function forwardedOf(room: RoomState, participant: Participant): Forwarded {
  return {
    source: { room: room.options.name, participant: participant.sid },
    claims: participant.claims,
    info: participant.info(),
    trackPermissions: participant.trackPermissions,
  };
}

/** Tells the rooms that show the participant that it has changed. */
export function tellForwards(room: RoomState, participant: Participant): void {
  for (const destination of participant.forwardedTo) {
    room.emit({ type: "forwarded", destination, forwarded: forwardedOf(room, participant) });
  }
}
