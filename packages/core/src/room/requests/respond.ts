/** RequestResponse: what became of a request, by the id that the client gave it (livekit.md 1.9, case 22). */
import { RequestResponse, RequestResponse_Reason } from "@livekit/protocol";
import type { Participant } from "../participant.ts";
import type { RoomState } from "../state.ts";

/** The outcome, with the request echoed; OK goes only to clients that want it. */
export interface Outcome {
  readonly reason: RequestResponse_Reason;
  readonly message?: string;
  readonly requestId?: number;
  readonly request: RequestResponse["request"];
}

/** Tells the client, if it understands that. */
export function respond(room: RoomState, participant: Participant, outcome: Outcome): void {
  const { requestResponse, okResponse } = participant.features;
  if (!requestResponse || (outcome.reason === RequestResponse_Reason.OK && !okResponse)) return;
  room.send(participant, { case: "requestResponse", value: new RequestResponse(outcome) });
}
