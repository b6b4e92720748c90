/**
 * SignalRequest.simulate: a client asks the server to behave as in an accident, to test itself (livekit.md 1.16).
 * Invariant: only the client that asks is hurt.
 */
import { DisconnectReason, type SimulateScenario } from "@livekit/protocol";
import { switchCandidateProtocol } from "../fallback.ts";
import { fullReconnect, removeParticipant } from "../leave.ts";
import type { Participant } from "../participant.ts";
import { dropSignal } from "../signal.ts";
import { simulateSpeaker } from "../speakers.ts";
import type { RoomState } from "../state.ts";

/** Resumes fail only so long after they were asked to. */
const FAIL_RESUMES_FOR_MS = 5000;

/** Lets it happen; a scenario that is not known here does nothing. */
export function handleSimulate(room: RoomState, participant: Participant, { scenario }: SimulateScenario): void {
  const failResume = (when: "before" | "after"): void => {
    participant.failResume = { when, untilMs: room.nowMs + FAIL_RESUMES_FOR_MS };
  };
  switch (scenario.case) {
    case "speakerUpdate":
      return simulateSpeaker(room, participant, scenario.value);
    case "nodeFailure": {
      const detail = "simulated failure of the node";
      return removeParticipant(room, participant, DisconnectReason.SERVER_SHUTDOWN, "silent", detail);
    }
    case "migration":
      // The session moves to itself: the client resumes and finds it.
      return dropSignal(room, participant);
    case "serverLeave": {
      const detail = "simulated shutdown of the server";
      return removeParticipant(room, participant, DisconnectReason.SERVER_SHUTDOWN, "disconnect", detail);
    }
    case "switchCandidateProtocol":
      return switchCandidateProtocol(room, participant, scenario.value);
    case "subscriberBandwidth":
      return limitBandwidth(room, participant, scenario.value);
    case "disconnectSignalOnResume":
      return failResume("after");
    case "disconnectSignalOnResumeNoMessages":
      return failResume("before");
    case "leaveRequestFullReconnect":
      return fullReconnect(room, participant, "simulated request to start anew");
    default:
  }
}

/** Bits per second; 0 lets go. */
function limitBandwidth(room: RoomState, participant: Participant, bps: bigint): void {
  const link = participant.downLink;
  if (!link?.opened) return;
  room.media({ type: "limitBandwidth", peer: link.peer, bps: bps > 0n ? Math.min(Number(bps), 2 ** 40) : 0 });
}
