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
import type { DownlinkSettings, SenderSpec } from "../engine/specs.ts";
import { streamId } from "../negotiation/track-info.ts";
import type { DownTrack } from "../negotiation/types.ts";
import { codecFor } from "./codec-choice.ts";
import { unwish, wish } from "./dynacast.ts";
import { setSenders } from "./links.ts";
import type { Participant } from "./participant.ts";
import type { PeerLink } from "./peer-link.ts";
import { tellQualities } from "./quality.ts";
import type { TrackSid } from "./sid.ts";
import { tellSpeakers } from "./speakers.ts";
import type { RoomState } from "./state.ts";
import { sameCodec, type PublishedTrack } from "./track.ts";
import { spatialForQuality, spatialForSize } from "./video-layers.ts";

const MAX_PRIORITY = 255;

/** The complete set that the participant is to receive, oldest first. */
export function downTracks(room: RoomState, participant: Participant): DownTrack[] {
  const list: DownTrack[] = [];
  const synced = room.options.config.syncStreams && participant.features.syncStreams;
  for (const sid of participant.activeTracks) {
    const track = room.tracks.get(sid);
    if (!track) continue;
    const { info } = track;
    list.push({
      sid,
      kind: info.type === TrackType.VIDEO ? "video" : "audio",
      stream: streamId(track.publisher, sid, synced ? info.stream : undefined),
      mimes: info.codecs.map((codec) => codec.mimeType).filter((mime) => mime !== ""),
      stereo: info.stereo,
      red: sameCodec(info.mimeType, "audio/red"),
    });
  }
  return list;
}

/** Hands the worker the senders of an answered negotiation, then the settings of those that are new or have other codecs. */
export function bindSenders(
  room: RoomState,
  participant: Participant,
  link: PeerLink,
  senders: readonly SenderSpec[],
): void {
  const before = new Map(link.senders.map((sender) => [sender.track, sender]));
  setSenders(room, link, senders);
  const known = publishersOf(room, before.keys());
  for (const sender of senders) {
    const former = before.get(sender.track);
    before.delete(sender.track);
    if (!former || !sameCodecs(former, sender)) applySettings(room, participant, sender.track);
  }
  for (const track of before.keys()) forgetSettings(room, participant, track);
  const publishers = publishersOf(
    room,
    senders.map(({ track }) => track),
  );
  tellQualities(
    room,
    participant,
    [...publishers].filter((publisher) => !known.has(publisher)),
  );
  tellSubscribed(room, participant, link);
}

function sameCodecs(a: SenderSpec, b: SenderSpec): boolean {
  return a.codecs.length === b.codecs.length && a.codecs.every(({ mime }, i) => mime === b.codecs[i]!.mime);
}

function publishersOf(room: RoomState, tracks: Iterable<TrackSid>): Set<Participant> {
  const publishers = new Set<Participant>();
  for (const sid of tracks) {
    const track = room.tracks.get(sid);
    const publisher = track && room.participants.get(track.publisher);
    if (publisher) publishers.add(publisher);
  }
  return publishers;
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
  forgetSettings(room, participant, track);
}

/** The worker forgets the settings of what it does not send any more, and the publisher need not send it. */
function forgetSettings(room: RoomState, participant: Participant, sid: TrackSid): void {
  const subscription = participant.subscriptions.get(sid);
  const track = room.tracks.get(sid);
  if (subscription) subscription.inForce = undefined;
  if (track) unwish(room, track, participant.sid);
}

/** Puts the participant's settings for a track into force, if the track is bound; otherwise they wait for that. */
export function applySettings(room: RoomState, participant: Participant, sid: TrackSid): void {
  const link = participant.downLink;
  const track = room.tracks.get(sid);
  const subscription = participant.subscriptions.get(sid);
  const sender = link?.senders.find((one) => one.track === sid);
  if (!link || !track || !subscription || !sender) return;
  participant.changedSettings.delete(sid);
  const { adaptiveStream } = participant.options;
  const codecIndex = codecFor(track, sender);
  const settings = downlinkSettings(track.info, codecIndex, subscription.settings, adaptiveStream);
  if (!sameSettings(settings, subscription.inForce)) {
    subscription.inForce = settings;
    room.media({ type: "setDownlink", peer: link.peer, track: sid, settings });
  }
  wish(room, track, participant.sid, codecIndex, settings);
  tellSpeakers(room, participant);
}

/** The layers, the size or the codecs of a track changed: subscribers may need another layer now. */
export function reapplySettings(room: RoomState, track: PublishedTrack): void {
  const { sid } = track.info;
  for (const participantSid of track.subscribers) {
    const subscriber = room.participants.get(participantSid);
    if (subscriber?.subscriptions.get(sid)?.inForce) applySettings(room, subscriber, sid);
  }
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
  room.emit({ type: "subscription", subscriber: participant.sid, track: trackSid, error: err });
  room.send(participant, { case: "subscriptionResponse", value: new SubscriptionResponse({ trackSid, err }) });
}

function downlinkSettings(
  info: TrackInfo,
  codecIndex: number,
  wishes: UpdateTrackSettings | undefined,
  adaptiveStream: boolean,
): DownlinkSettings {
  // With adaptive stream the client will say what it shows; until then the smallest will do.
  const quality = wishes?.quality ?? (adaptiveStream ? VideoQuality.LOW : VideoQuality.HIGH);
  if (!wishes) {
    return { disabled: false, maxSpatial: spatialForQuality(info, codecIndex, quality), fps: 0, priority: 0 };
  }
  const bySize = wishes.width > 0;
  return {
    disabled: wishes.disabled || (!bySize && quality === VideoQuality.OFF),
    maxSpatial: bySize
      ? spatialForSize(info, codecIndex, wishes.width, wishes.height)
      : spatialForQuality(info, codecIndex, quality),
    fps: wishes.fps,
    priority: Math.min(wishes.priority, MAX_PRIORITY),
  };
}

function sameSettings(a: DownlinkSettings, b: DownlinkSettings | undefined): boolean {
  return a.disabled === b?.disabled && a.maxSpatial === b.maxSpatial && a.fps === b.fps && a.priority === b.priority;
}
