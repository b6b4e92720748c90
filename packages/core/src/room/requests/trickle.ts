/**
 * SignalRequest.trickle: a candidate of the client. We are ICE-lite and answer checks from wherever they come, so the
 * candidate itself is not needed; one that cannot be read is reported.
 */
import { RequestResponse_Reason, type TrickleRequest } from "@livekit/protocol";
import type { Participant } from "../participant.ts";
import type { RoomState } from "../state.ts";
import { respond } from "./respond.ts";

/** Checks it. */
export function handleTrickle(room: RoomState, participant: Participant, trickle: TrickleRequest): void {
  if (isCandidateInit(trickle.candidateInit)) return;
  respond(room, participant, {
    reason: RequestResponse_Reason.UNCLASSIFIED_ERROR,
    message: "candidateInit is not the JSON of an RTCIceCandidateInit",
    request: { case: "trickle", value: trickle },
  });
}

function isCandidateInit(json: string): boolean {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
