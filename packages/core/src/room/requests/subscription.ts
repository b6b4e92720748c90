/** SignalRequest.subscription: which tracks the client wants or does not want (livekit.md 1.13). */
import type { UpdateSubscription } from "@livekit/protocol";
import type { Participant } from "../participant.ts";
import type { RoomState } from "../state.ts";
import { subscribe, unsubscribe } from "../subscriptions.ts";

/** Applies each; tracks that do not exist yet are waited for. */
export function handleSubscription(room: RoomState, participant: Participant, update: UpdateSubscription): void {
  const apply = update.subscribe ? subscribe : unsubscribe;
  for (const sid of update.trackSids) apply(room, participant, sid);
  for (const tracks of update.participantTracks) {
    for (const sid of tracks.trackSids) apply(room, participant, sid);
  }
}
