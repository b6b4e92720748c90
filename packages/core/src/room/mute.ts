/** A track, announced or published, is muted or unmuted: marked, stopped or resumed at the worker, and told to everybody. */
import type { TrackInfo } from "@livekit/protocol";
import { unmuteDynacast } from "./dynacast.ts";
import type { Participant } from "./participant.ts";
import { updateTrack } from "./publish.ts";
import type { TrackSid } from "./sid.ts";
import type { RoomState } from "./state.ts";

/** The track's info as it is now; undefined when the participant has no such track. `onFound` runs before anybody is told. */
export function setMuted(
  room: RoomState,
  participant: Participant,
  sid: TrackSid,
  muted: boolean,
  onFound: () => void = () => {},
): TrackInfo | undefined {
  let announced: TrackInfo | undefined;
  for (const pending of participant.pending.values()) {
    pending.infos = pending.infos.map((info) => {
      if (info.sid !== sid) return info;
      return (announced = info.muted === muted ? info : withMuted(info, muted));
    });
  }
  const track = participant.tracks.get(sid);
  if (track ?? announced) onFound();
  if (track && track.info.muted !== muted) {
    room.media({ type: "muteTrack", track: sid, muted });
    updateTrack(room, participant, track, withMuted(track.info, muted));
    if (!muted) unmuteDynacast(room, track);
  }
  return track?.info ?? announced;
}

function withMuted(info: TrackInfo, muted: boolean): TrackInfo {
  const next = info.clone();
  next.muted = muted;
  return next;
}
