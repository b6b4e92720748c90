/**
 * RoomService.MutePublishedTrack: silences a track of somebody, and asks its client to do likewise. Somebody's microphone
 * is switched on from afar only where the operator allows that.
 */
import { MuteTrackRequest, type TrackInfo } from "@livekit/protocol";
import { setMuted } from "../mute.ts";
import { participantOf, Refusal, type Action } from "./action.ts";

/** `remoteUnmute`: `room.enable_remote_unmute` of the configuration. */
export function muteTrack(
  request: { readonly identity: string; readonly trackSid: string; readonly muted: boolean },
  remoteUnmute: boolean,
): Action<TrackInfo> {
  const { identity, trackSid: sid, muted } = request;
  return (room) => {
    const participant = participantOf(room, identity);
    if (participant instanceof Refusal) return participant;
    if (participant.forwardedFrom) {
      return new Refusal("failed_precondition", "the track is forwarded from another room; mute it there");
    }
    if (!muted && !remoteUnmute) return new Refusal("failed_precondition", "remote unmute not enabled");
    // The client must hear of it before it sees its own track muted: it would contradict.
    const tell = () => room.send(participant, { case: "mute", value: new MuteTrackRequest({ sid, muted }) });
    return setMuted(room, participant, sid, muted, tell) ?? new Refusal("not_found", "track is not found");
  };
}
