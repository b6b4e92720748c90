/** SignalRequest.mute: the client muted or unmuted a track of its own. It is not told back what it said itself. */
import { RequestResponse_Reason, type MuteTrackRequest, type TrackInfo } from "@livekit/protocol";
import { unmuteDynacast } from "../dynacast.ts";
import type { Participant } from "../participant.ts";
import { updateTrack } from "../publish.ts";
import type { RoomState } from "../state.ts";
import { respond } from "./respond.ts";

/** Marks the track, announced or published, and stops or resumes its forwarding. */
export function handleMute(room: RoomState, participant: Participant, mute: MuteTrackRequest): void {
  const { sid, muted } = mute;
  let found = false;
  for (const pending of participant.pending.values()) {
    pending.infos = pending.infos.map((info) => {
      if (info.sid !== sid) return info;
      found = true;
      return info.muted === muted ? info : withMuted(info, muted);
    });
  }
  const track = participant.tracks.get(sid);
  if (track && track.info.muted !== muted) {
    room.media({ type: "muteTrack", track: sid, muted });
    updateTrack(room, participant, track, withMuted(track.info, muted));
    if (!muted) unmuteDynacast(room, track);
  }
  if (track || found) return;
  respond(room, participant, {
    reason: RequestResponse_Reason.NOT_FOUND,
    request: { case: "mute", value: mute },
  });
}

function withMuted(info: TrackInfo, muted: boolean): TrackInfo {
  const next = info.clone();
  next.muted = muted;
  return next;
}
