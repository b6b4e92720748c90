/** Tells the media worker who is in the room and what they may do there. */
import { ParticipantInfo_Kind } from "@livekit/protocol";
import type { Participant } from "./participant.ts";
import type { RoomState } from "./state.ts";

/** Complete each time: a repeated one changes nothing. */
export function setMember(room: RoomState, participant: Participant): void {
  const { grants, claims } = participant;
  room.media({
    type: "setMember",
    room: room.options.sid,
    participant: participant.sid,
    member: {
      identity: participant.identity,
      canPublish: grants.canPublish,
      canPublishData: grants.canPublishData,
      canSubscribe: grants.canSubscribe,
      hidden: grants.hidden,
      agent: grants.agent || claims.kind === ParticipantInfo_Kind.AGENT,
      active: participant.active,
      away: participant.connection === undefined && !participant.forwardedFrom,
      dataPeer: participant.primary?.peer ?? 0,
    },
  });
}

export function removeMember(room: RoomState, participant: Participant): void {
  room.media({ type: "removeMember", room: room.options.sid, participant: participant.sid });
}
