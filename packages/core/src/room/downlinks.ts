/**
 * What a subscriber gets of the tracks that are forwarded to it: which ones, in which size, and what it is told when a
 * codec is beyond it (livekit.md 1.13). Invariant: settings are remembered per track, also before the track is there,
 * and reach the worker after the sender that they are about.
 */
import {
  SubscriptionError,
  SubscriptionResponse,
  TrackSubscribed,
  TrackType,
  VideoQuality,
  type TrackInfo,
  type UpdateTrackSettings,
} from "@livekit/protocol";
import type { DownlinkSettings, SenderSpec } from "../engine/protocol.ts";
import { streamId } from "../negotiation/track-info.ts";
import type { DownTrack } from "../negotiation/types.ts";
import { setSenders } from "./links.ts";
import type { Participant } from "./participant.ts";
import type { PeerLink } from "./peer-link.ts";
import type { TrackSid } from "./sid.ts";
import { tellSpeakers } from "./speakers.ts";
import type { RoomState } from "./state.ts";
import { sameCodec } from "./track.ts";

/** A layer may be this much smaller than what is asked for and still do. */
const SIZE_TOLERANCE = 0.9;
/** Heights of the layers of a track that does not tell them, below its own. */
const USUAL_HEIGHTS = [180, 360];

/** The complete set that the participant is to receive, oldest first. */
export function downTracks(room: RoomState, participant: Participant): DownTrack[] {
  const list: DownTrack[] = [];
  for (const sid of participant.activeTracks) {
    const track = room.tracks.get(sid);
    if (!track) continue;
    const { info } = track;
    list.push({
      sid,
      kind: info.type === TrackType.VIDEO ? "video" : "audio",
      stream: streamId(track.publisher, sid),
      mimes: info.codecs.map((codec) => codec.mimeType).filter((mime) => mime !== ""),
      stereo: info.stereo,
      red: sameCodec(info.mimeType, "audio/red"),
    });
  }
  return list;
}

/** Hands the worker the senders of an answered negotiation, then the settings of those that are new. */
export function bindSenders(
  room: RoomState,
  participant: Participant,
  link: PeerLink,
  senders: readonly SenderSpec[],
): void {
  const before = new Set(link.senders.map((sender) => sender.track));
  setSenders(room, link, senders);
  for (const sender of senders) {
    if (before.has(sender.track)) continue;
    applySettings(room, participant, sender.track);
  }
  tellSubscribed(room, participant, link);
}

/** Tells publishers, once per track, that somebody receives it now (livekit.md 1.9, case 23). */
export function tellSubscribed(room: RoomState, participant: Participant, link: PeerLink): void {
  if (link.state !== "connected" || participant.hidden) return;
  for (const sender of link.senders) {
    const track = room.tracks.get(sender.track);
    if (!track || track.everSubscribed) continue;
    track.everSubscribed = true;
    const publisher = room.participants.get(track.publisher);
    if (publisher?.features.requestResponse) {
      room.send(publisher, { case: "trackSubscribed", value: new TrackSubscribed({ trackSid: track.info.sid }) });
    }
  }
}

/** The track stops on this link at once; its m-line follows with the next negotiation. */
export function unbindSender(room: RoomState, participant: Participant, track: TrackSid): void {
  const link = participant.downLink;
  if (!link?.senders.some((sender) => sender.track === track)) return;
  setSenders(
    room,
    link,
    link.senders.filter((sender) => sender.track !== track),
  );
}

/** Puts the participant's settings for a track into force, if the track is bound; otherwise they wait for that. */
export function applySettings(room: RoomState, participant: Participant, sid: TrackSid): void {
  const link = participant.downLink;
  const track = room.tracks.get(sid);
  if (!track || !link?.senders.some((sender) => sender.track === sid)) return;
  participant.changedSettings.delete(sid);
  const wishes = participant.subscriptions.get(sid)?.settings;
  const settings = downlinkSettings(track.info, wishes, participant.options.adaptiveStream);
  room.media({ type: "setDownlink", peer: link.peer, track: sid, settings });
  tellSpeakers(room, participant);
}

/** The client has no codec for these tracks; it is told once per subscription. */
export function reportUnsupported(room: RoomState, participant: Participant, tracks: readonly TrackSid[]): void {
  for (const sid of tracks) {
    const subscription = participant.subscriptions.get(sid);
    if (!subscription || subscription.refused) continue;
    subscription.refused = true;
    sendSubscriptionError(room, participant, sid, SubscriptionError.SE_CODEC_UNSUPPORTED);
  }
}

/** Why a wished-for track does not come. */
export function sendSubscriptionError(
  room: RoomState,
  participant: Participant,
  trackSid: TrackSid,
  err: SubscriptionError,
): void {
  room.send(participant, { case: "subscriptionResponse", value: new SubscriptionResponse({ trackSid, err }) });
}

function downlinkSettings(
  info: TrackInfo,
  wishes: UpdateTrackSettings | undefined,
  adaptiveStream: boolean,
): DownlinkSettings {
  // With adaptive stream the client will say what it shows; until then the smallest will do.
  if (!wishes)
    return { disabled: false, maxSpatial: adaptiveStream ? VideoQuality.LOW : VideoQuality.HIGH, fps: 0, priority: 0 };
  const quality = wishes.width > 0 ? qualityForSize(info, wishes.width, wishes.height) : wishes.quality;
  return {
    disabled: wishes.disabled || quality === VideoQuality.OFF,
    maxSpatial: Math.min(quality, VideoQuality.HIGH),
    fps: wishes.fps,
    priority: wishes.priority,
  };
}

/** The lowest layer that is large enough; for portrait video the width decides, unless the layers are known. */
export function qualityForSize(info: TrackInfo, width: number, height: number): VideoQuality {
  if (info.type !== TrackType.VIDEO || info.height === 0) return VideoQuality.HIGH;
  const known = (info.codecs[0]?.layers ?? info.layers).map((layer) => layer.height).sort((a, b) => a - b);
  const portrait = info.width < info.height;
  const heights = known.length > 0 && known[0]! > 0 ? known : [...USUAL_HEIGHTS, portrait ? info.width : info.height];
  const wanted = SIZE_TOLERANCE * (heights !== known && portrait ? width : height);
  for (let i = 0; i < heights.length - 1; i++) {
    // Equal neighbours are one layer announced twice: take the upper.
    if (heights[i]! >= wanted && heights[i] !== heights[i + 1]) return i;
  }
  return Math.min(heights.length - 1, VideoQuality.HIGH);
}
