/** RoomService.MutePublishedTrack. */
import { MuteRoomTrackResponse, type MuteRoomTrackRequest } from "@livekit/protocol";
import { muteTrack } from "@stoa/core/room/admin/mute-track";
import { answerFrom, type ApiContext } from "../context.ts";

export function mutePublishedTrack(context: ApiContext, request: MuteRoomTrackRequest) {
  const action = muteTrack(request, context.config.room.enable_remote_unmute);
  return answerFrom(context, request.room, action, (track) => new MuteRoomTrackResponse({ track }));
}
