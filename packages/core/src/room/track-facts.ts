/**
 * What the media worker is told of a publisher's tracks (`TrackSpec`). Invariants: the facts of a track come before the
 * first list of receivers that names it, and again whenever they change; a track whose facts were told is removed once.
 */
import type { TrackInfo } from "@livekit/protocol";
import type { ReceiverSpec } from "../engine/specs.ts";
import { tellForwards } from "./forwards.ts";
import type { Participant } from "./participant.ts";
import type { PeerLink } from "./peer-link.ts";
import type { TrackSid } from "./sid.ts";
import type { RoomState } from "./state.ts";
import { trackSpec } from "./track-spec.ts";

/** Tells where a publisher's media comes in, and before that what it is. */
export function setReceivers(
  room: RoomState,
  participant: Participant,
  link: PeerLink,
  receivers: readonly ReceiverSpec[],
): void {
  for (const { track } of receivers) {
    const info = infoOf(participant, track);
    if (info) tell(room, participant, info);
  }
  room.media({ type: "setReceivers", peer: link.peer, receivers });
  tellForwards(room, participant);
}

/** Something about a track has changed; one that the worker does not know yet is told with its receiver. */
export function tellTrack(room: RoomState, participant: Participant, sid: TrackSid): void {
  const info = participant.toldTracks.has(sid) ? infoOf(participant, sid) : undefined;
  if (info && tell(room, participant, info)) tellForwards(room, participant);
}

/** The track ended. */
export function forgetTrack(room: RoomState, participant: Participant, sid: TrackSid): void {
  if (participant.toldTracks.delete(sid)) room.media({ type: "removeTrack", track: sid });
}

/** All tracks of a participant that leaves, announced ones too. */
export function forgetTracks(room: RoomState, participant: Participant): void {
  for (const sid of participant.toldTracks.keys()) forgetTrack(room, participant, sid);
}

/** False: nothing has changed. */
function tell(room: RoomState, participant: Participant, info: TrackInfo): boolean {
  const spec = trackSpec(room, participant, info);
  const text = JSON.stringify(spec);
  if (participant.toldTracks.get(info.sid) === text) return false;
  participant.toldTracks.set(info.sid, text);
  room.media({ type: "setTrack", track: info.sid, spec });
  return true;
}

/** Of a published track, or of one that waits for its media. */
function infoOf(participant: Participant, sid: TrackSid): TrackInfo | undefined {
  const published = participant.tracks.get(sid);
  if (published) return published.info;
  for (const pending of participant.pending.values()) {
    const info = pending.infos.find((one) => one.sid === sid);
    if (info) return info;
  }
  return undefined;
}
