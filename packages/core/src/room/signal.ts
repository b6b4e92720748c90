/**
 * The loss of a signal connection (livekit.md 1.11). Invariant: only the connection that is the participant's now
 * counts; the end of one that a resume has replaced means nothing.
 */
import { DisconnectReason } from "@livekit/protocol";
import type { SignalId } from "./effects.ts";
import { removeParticipant } from "./leave.ts";
import { setMember } from "./members.ts";
import type { Participant } from "./participant.ts";
import type { RoomState } from "./state.ts";

/** The socket is gone: with media up the participant stays and may resume, without it is removed. */
export function handleSignalClosed(room: RoomState, participant: Participant, connection: SignalId, why = ""): void {
  if (participant.connection !== connection) return;
  participant.connection = undefined;
  if (!participant.everConnected) {
    const detail = why || "the signal connection ended before media was connected";
    removeParticipant(room, participant, DisconnectReason.SIGNAL_CLOSE, "silent", detail);
    return;
  }
  lostSignal(room, participant, why);
}

/** Ends the signal connection from our side; the participant stays and may resume. */
export function dropSignal(room: RoomState, participant: Participant): void {
  room.endSignal(participant);
  lostSignal(room, participant);
}

/** Tells everybody who must know: nothing can be negotiated now, and the resume starts over. */
function lostSignal(room: RoomState, participant: Participant, why = ""): void {
  room.event("signalLost", participant, why);
  setMember(room, participant);
  room.timers.clear("negotiate", participant.sid);
  room.timers.clear("answerTimeout", participant.sid);
}
