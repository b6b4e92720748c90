/**
 * What becomes of a track when its backup codec comes in (livekit.md 3.5): the publisher sends both, or everybody who
 * can moves to the backup and the first codec stops. Invariant: it is decided once for a track, when the backup's media
 * is bound; nobody is left with a codec that it cannot take.
 */
import { BackupCodecPolicy } from "@livekit/protocol";
import type { Participant } from "./participant.ts";
import type { RoomState } from "./state.ts";
import { tellTrack } from "./track-facts.ts";
import type { PublishedTrack } from "./track.ts";

/** The one that a track can fall back to. */
const BACKUP = 1;

/** Media of this codec of the track was bound. */
export function considerRegression(
  room: RoomState,
  publisher: Participant,
  track: PublishedTrack,
  codecIndex: number,
): void {
  if (codecIndex !== BACKUP || track.regressedTo === BACKUP || !wantsRegression(room, track)) return;
  track.regressedTo = BACKUP;
  tellTrack(room, publisher, track.info.sid);
}

/** In a small room one codec for everybody is cheaper for the publisher than two. */
function wantsRegression(room: RoomState, { info }: PublishedTrack): boolean {
  const { codecRegressionThreshold } = room.options.server.media;
  switch (info.backupCodecPolicy) {
    case BackupCodecPolicy.REGRESSION:
      return true;
    case BackupCodecPolicy.PREFER_REGRESSION:
      return codecRegressionThreshold === 0 || room.participants.size < codecRegressionThreshold;
    default:
      return false;
  }
}
