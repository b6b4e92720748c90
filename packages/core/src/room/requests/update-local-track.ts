/** SignalRequest.update_audio_track and update_video_track: a publisher corrects what it said of its track. */
import {
  RequestResponse_Reason,
  TrackType,
  type RequestResponse,
  type TrackInfo,
  type UpdateLocalAudioTrack,
  type UpdateLocalVideoTrack,
} from "@livekit/protocol";
import { reapplySettings } from "../downlinks.ts";
import type { Participant } from "../participant.ts";
import { updateTrack } from "../publish.ts";
import type { TrackSid } from "../sid.ts";
import type { RoomState } from "../state.ts";
import { setAudioFeatures } from "../track.ts";
import { respond } from "./respond.ts";

/** Other audio features: stereo, DTX, processing. */
export function handleUpdateAudioTrack(room: RoomState, participant: Participant, update: UpdateLocalAudioTrack): void {
  const request = { case: "updateAudioTrack", value: update } as const;
  change(room, participant, update.trackSid, request, (info) => {
    if (info.type === TrackType.AUDIO) setAudioFeatures(info, update.features);
  });
}

/** Another size; subscribers that asked for pixels may need another layer now. */
export function handleUpdateVideoTrack(room: RoomState, participant: Participant, update: UpdateLocalVideoTrack): void {
  const request = { case: "updateVideoTrack", value: update } as const;
  change(room, participant, update.trackSid, request, (info) => {
    if (info.type !== TrackType.VIDEO) return;
    info.width = update.width;
    info.height = update.height;
  });
  const track = participant.tracks.get(update.trackSid);
  if (track) reapplySettings(room, track);
}

function change(
  room: RoomState,
  participant: Participant,
  sid: TrackSid,
  request: RequestResponse["request"],
  edit: (info: TrackInfo) => void,
): void {
  const edited = (info: TrackInfo): TrackInfo => {
    const next = info.clone();
    edit(next);
    return next;
  };
  const track = participant.tracks.get(sid);
  if (track) {
    const next = edited(track.info);
    if (!next.equals(track.info)) updateTrack(room, participant, track, next);
    return;
  }
  let found = false;
  for (const pending of participant.pending.values()) {
    pending.infos = pending.infos.map((info) => {
      if (info.sid !== sid) return info;
      found = true;
      return edited(info);
    });
  }
  if (!found) respond(room, participant, { reason: RequestResponse_Reason.NOT_FOUND, request });
}
