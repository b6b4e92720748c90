/** RoomService.UpdateSubscriptions: subscribes somebody to tracks, or unsubscribes it, as if its client had asked. */
import { UpdateSubscription, type ParticipantTracks } from "@livekit/protocol";
import { handleSubscription } from "../requests/subscription.ts";
import { participantOf, Refusal, type Action } from "./action.ts";

/** Tracks that do not exist yet are waited for. */
export function updateSubscriptions(request: {
  readonly identity: string;
  readonly trackSids: string[];
  readonly subscribe: boolean;
  readonly participantTracks: ParticipantTracks[];
}): Action<true> {
  const { identity, trackSids, subscribe, participantTracks } = request;
  return (room) => {
    const participant = participantOf(room, identity);
    if (participant instanceof Refusal) return participant;
    handleSubscription(room, participant, new UpdateSubscription({ trackSids, subscribe, participantTracks }));
    return true;
  };
}
