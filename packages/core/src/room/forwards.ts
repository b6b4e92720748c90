/**
 * Participants that are shown in another room as well (ForwardParticipant): what the source room tells of them, on every
 * change. Where both rooms are on one media worker the packets need no telling, for it knows a track by its SID; for a room
 * on another one it is told where the packets come in, so that they can be relayed (decision 0005).
 */
import type { ParticipantInfo } from "@livekit/protocol";
import type { PeerId, ReceiverSpec, TrackSpec } from "../engine/specs.ts";
import type { Claims } from "./options.ts";
import type { Participant } from "./participant.ts";
import type { TrackPermissions } from "./permissions.ts";
import type { ParticipantSid } from "./sid.ts";
import type { RoomState } from "./state.ts";
import { trackSpec } from "./track-spec.ts";

/** A participant of another room. */
export interface ForwardSource {
  /** Name of the room. */
  readonly room: string;
  readonly participant: ParticipantSid;
}

/** A participant as the other room is to show it. */
export interface Forwarded {
  readonly source: ForwardSource;
  readonly claims: Claims;
  /** With its state: the other room drops one that is DISCONNECTED. */
  readonly info: ParticipantInfo;
  /** What its publisher allows, also to those who meet it in the other room. */
  readonly trackPermissions: TrackPermissions;
  /** Undefined while it sends nothing. */
  readonly media: ForwardedMedia | undefined;
}

/** Where a participant's packets come in. */
export interface ForwardedMedia {
  readonly peer: PeerId;
  readonly receivers: readonly ReceiverSpec[];
  /** By the SID of the track. */
  readonly specs: ReadonlyMap<string, TrackSpec>;
}

/** The participant as it is now. */
export function forwardedOf(room: RoomState, participant: Participant): Forwarded {
  return {
    source: { room: room.options.name, participant: participant.sid },
    claims: participant.claims,
    info: participant.info(),
    trackPermissions: participant.trackPermissions,
    media: mediaOf(room, participant),
  };
}

function mediaOf(room: RoomState, participant: Participant): ForwardedMedia | undefined {
  const link = participant.publisher;
  if (!link?.opened) return undefined;
  const { receivers } = link.machine.plan;
  const tracks = [...participant.tracks.values()];
  const specs = tracks.map(({ info }) => [info.sid, trackSpec(room, participant, info)] as const);
  return { peer: link.peer, receivers, specs: new Map(specs) };
}

/** Tells the rooms that show the participant that it has changed. */
export function tellForwards(room: RoomState, participant: Participant): void {
  for (const destination of participant.forwardedTo) {
    room.emit({ type: "forwarded", destination, forwarded: forwardedOf(room, participant) });
  }
}
