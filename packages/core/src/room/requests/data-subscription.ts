/** SignalRequest.update_data_subscription: which data tracks the client wants or does not want (livekit.md 2.6). */
import type { UpdateDataSubscription } from "@livekit/protocol";
import { tellHandles, wishForDataTrack } from "../data-subscriptions.ts";
import type { Participant } from "../participant.ts";
import type { RoomState } from "../state.ts";

/** Applies each, and answers with all handles at once. The frame rate in the options has no effect, as in LiveKit. */
export function handleDataSubscription(
  room: RoomState,
  participant: Participant,
  { updates }: UpdateDataSubscription,
): void {
  let tell = false;
  for (const { trackSid, subscribe } of updates)
    tell = wishForDataTrack(room, participant, trackSid, subscribe) || tell;
  if (tell) tellHandles(room, participant);
}
