/**
 * Which codec of a track a subscriber gets: the first one, in the publisher's order, that it takes, or the one that the
 * publisher fell back to (livekit.md 3.5). The worker decides in the same way by what comes in; the room needs to
 * know it beforehand, to ask the publisher for it.
 */
import { Encryption_Type } from "@livekit/protocol";
import type { SenderSpec } from "../engine/specs.ts";
import type { PublishedTrack } from "./track.ts";

/** Index in `TrackInfo.codecs`; the first one when nothing is known yet. */
export function codecFor(track: PublishedTrack, sender: SenderSpec): number {
  const { codecs } = track.info;
  const regressed = codecs[track.regressedTo];
  if (regressed && takes(sender, regressed.mimeType, track)) return track.regressedTo;
  const index = codecs.findIndex(({ mimeType }) => takes(sender, mimeType, track));
  return Math.max(index, 0);
}

/** RED is taken apart for those who have no RED, unless it is encrypted. */
function takes(sender: SenderSpec, mimeType: string, { info }: PublishedTrack): boolean {
  const mime = mimeType.toLowerCase();
  const opened = mime === "audio/red" && info.encryption === Encryption_Type.NONE ? "audio/opus" : mime;
  return sender.codecs.some((codec) => codec.mime === mime || codec.mime === opened);
}
