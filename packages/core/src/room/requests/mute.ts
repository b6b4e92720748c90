/** SignalRequest.mute: the client muted or unmuted a track of its own. It is not told back what it said itself. */
import { RequestResponse_Reason, type MuteTrackRequest } from "@livekit/protocol";
import { setMuted } from "../mute.ts";
import type { Participant } from "../participant.ts";
import type { RoomState } from "../state.ts";
import { respond } from "./respond.ts";

/** Marks the track, and stops or resumes its forwarding. */
export function handleMute(room: RoomState, participant: Participant, mute: MuteTrackRequest): void {
  participant.unheard.withdrawMute(mute.sid);
  if (setMuted(room, participant, mute.sid, mute.muted)) return;
  respond(room, participant, {
    reason: RequestResponse_Reason.NOT_FOUND,
    request: { case: "mute", value: mute },
  });
}
