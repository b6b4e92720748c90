/**
 * SignalRequest.publish_data_track_request and unpublish_data_track_request (livekit.md 2.6). This server has data tracks
 * switched off: the client is told so at once instead of waiting for its time-out.
 */
import {
  RequestResponse_Reason,
  type PublishDataTrackRequest,
  type UnpublishDataTrackRequest,
} from "@livekit/protocol";
import type { Participant } from "../participant.ts";
import type { RoomState } from "../state.ts";
import { respond } from "./respond.ts";

/** Refuses it. */
export function handlePublishDataTrack(
  room: RoomState,
  participant: Participant,
  request: PublishDataTrackRequest,
): void {
  respond(room, participant, {
    reason: RequestResponse_Reason.NOT_ALLOWED,
    message: "data tracks are not enabled",
    request: { case: "publishDataTrack", value: request },
  });
}

/** There is none that could be unpublished. */
export function handleUnpublishDataTrack(
  room: RoomState,
  participant: Participant,
  request: UnpublishDataTrackRequest,
): void {
  respond(room, participant, {
    reason: RequestResponse_Reason.NOT_FOUND,
    request: { case: "unpublishDataTrack", value: request },
  });
}
