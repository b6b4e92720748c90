/**
 * What a publisher is asked to send: for each codec of a track the best quality that anybody wants (livekit.md 3.10).
 * More is asked for at once, less only after a while, nothing while the track is muted. Invariants: a wish is one
 * subscriber's whose stream is bound; a backup codec is not spoken of before somebody needs it, which starts it.
 */
import {
  SubscribedAudioCodec,
  SubscribedAudioCodecUpdate,
  SubscribedCodec,
  SubscribedQuality,
  SubscribedQualityUpdate,
  TrackType,
  VideoQuality,
} from "@livekit/protocol";
import type { DownlinkSettings } from "../engine/specs.ts";
import type { Participant } from "./participant.ts";
import type { ParticipantSid, TrackSid } from "./sid.ts";
import type { RoomState } from "./state.ts";
import { qualityOfSpatial } from "./video-layers.ts";
import type { PublishedTrack } from "./track.ts";

/** A publisher sends everything until it is told otherwise: if nobody comes within this time, it stops. */
const NOBODY_CAME_MS = 10_000;
const QUALITIES = [VideoQuality.LOW, VideoQuality.MEDIUM, VideoQuality.HIGH];

/** A codec that the publisher is not told of. */
const UNSPOKEN = -1;
/** Nobody wants it; the qualities lie above that. */
const OFF = 0;

/** What is wanted of one published track. */
export interface Demand {
  readonly wishes: Map<ParticipantSid, Wish>;
  /** By codec, what the publisher was told last; undefined = nothing yet. */
  told: readonly number[] | undefined;
}

interface Wish {
  readonly codecIndex: number;
  readonly level: number;
}

/** Nobody wants anything. */
export function newDemand(): Demand {
  return { wishes: new Map(), told: undefined };
}

/** The track is published: in case nobody ever wants it. */
export function startDynacast(room: RoomState, track: PublishedTrack): void {
  if (isVideo(track)) room.timers.set("dynacast", track.info.sid, room.nowMs + NOBODY_CAME_MS);
}

/** The track ended. */
export function stopDynacast(room: RoomState, track: PublishedTrack): void {
  room.timers.clear("dynacast", track.info.sid);
  track.demand.wishes.clear();
}

/** A subscriber gets this codec with these settings from now on. */
export function wish(
  room: RoomState,
  track: PublishedTrack,
  subscriber: ParticipantSid,
  codecIndex: number,
  { disabled, maxSpatial }: DownlinkSettings,
): void {
  if (disabled) return unwish(room, track, subscriber);
  const level = isVideo(track) ? 1 + qualityOfSpatial(track.info, codecIndex, maxSpatial) : 1;
  const before = track.demand.wishes.get(subscriber);
  if (before?.codecIndex === codecIndex && before.level === level) return;
  track.demand.wishes.set(subscriber, { codecIndex, level });
  follow(room, track);
}

/** A subscriber gets nothing of the track. */
export function unwish(room: RoomState, track: PublishedTrack, subscriber: ParticipantSid): void {
  if (track.demand.wishes.delete(subscriber)) follow(room, track);
}

/** What the subscribers of another room want, by codec, which shows the track too; nothing when it does not any more. */
export function takeForeignWishes(
  room: RoomState,
  track: PublishedTrack,
  from: string,
  levels: readonly number[],
): void {
  const { wishes } = track.demand;
  let changed = false;
  for (const codecIndex of track.info.codecs.keys()) {
    // A blank keeps it apart from the participants of this room.
    const key = `${from} ${codecIndex}`;
    const level = levels[codecIndex] ?? UNSPOKEN;
    if (wishes.get(key)?.level === level) continue;
    if (level > OFF) wishes.set(key, { codecIndex, level });
    else if (!wishes.delete(key)) continue;
    changed = true;
  }
  if (changed) follow(room, track);
}

/** The timer: what is still unwanted is to stop. */
export function settleDynacast(room: RoomState, sid: TrackSid): void {
  const track = room.tracks.get(sid);
  if (track) tell(room, track, wanted(track));
}

/** The publisher goes on after a mute. */
export function unmuteDynacast(room: RoomState, track: PublishedTrack): void {
  if (track.demand.told || track.demand.wishes.size > 0) tell(room, track, wanted(track));
  else startDynacast(room, track);
}

/** The publisher may have missed what it was told. */
export function repeatDynacast(room: RoomState, publisher: Participant): void {
  for (const track of publisher.tracks.values()) {
    if (track.demand.told) tell(room, track, wanted(track));
  }
}

/** The publisher was told that nobody wants anything of it. */
export function isUnwanted({ demand }: PublishedTrack): boolean {
  return demand.told?.every((level) => level <= OFF) ?? false;
}

/** Compares what is wanted with what the publisher was told. */
function follow(room: RoomState, track: PublishedTrack): void {
  const { told } = track.demand;
  const { sid } = track.info;
  const levels = wanted(track);
  if (told && levels.every((level, i) => level === told[i])) return room.timers.clear("dynacast", sid);
  const delayMs = isVideo(track) ? room.options.server.media.dynacastPauseDelayMs : 0;
  const onlyLess = told && levels.every((level, i) => level <= (told[i] ?? UNSPOKEN));
  if (!onlyLess || delayMs === 0) return tell(room, track, levels);
  if (!room.timers.isSet("dynacast", sid)) room.timers.set("dynacast", sid, room.nowMs + delayMs);
}

/** The level of each codec. */
function wanted({ info, demand }: PublishedTrack): number[] {
  const levels: number[] = info.codecs.map(({ mid }, i) => {
    const spoken = i === 0 || mid !== "" || (demand.told?.[i] ?? UNSPOKEN) !== UNSPOKEN;
    return spoken ? OFF : UNSPOKEN;
  });
  for (const { codecIndex, level } of demand.wishes.values()) {
    if (level > levels[codecIndex]!) levels[codecIndex] = level;
  }
  return levels;
}

function tell(room: RoomState, track: PublishedTrack, levels: readonly number[]): void {
  const publisher = room.participants.get(track.publisher);
  room.timers.clear("dynacast", track.info.sid);
  if (!publisher || track.info.muted) return;
  track.demand.told = levels;
  if (publisher.forwardedFrom) {
    room.emit({ type: "forwardWanted", source: publisher.forwardedFrom, track: track.info.sid, levels });
    return;
  }
  if (isVideo(track)) {
    room.send(publisher, { case: "subscribedQualityUpdate", value: qualityUpdate(track, levels) });
  } else if (levels.length > 1) {
    room.send(publisher, { case: "subscribedAudioCodecUpdate", value: audioUpdate(track, levels) });
  }
}

function qualityUpdate({ info }: PublishedTrack, levels: readonly number[]): SubscribedQualityUpdate {
  const subscribedCodecs: SubscribedCodec[] = [];
  for (const [i, { mimeType }] of info.codecs.entries()) {
    const level = levels[i]!;
    if (level === UNSPOKEN) continue;
    const qualities = QUALITIES.map((quality) => new SubscribedQuality({ quality, enabled: quality < level }));
    subscribedCodecs.push(new SubscribedCodec({ codec: shortName(mimeType), qualities }));
  }
  // Clients before backup codecs read only the list of the first one.
  const subscribedQualities = subscribedCodecs[0]?.qualities ?? [];
  return new SubscribedQualityUpdate({ trackSid: info.sid, subscribedQualities, subscribedCodecs });
}

function audioUpdate({ info }: PublishedTrack, levels: readonly number[]): SubscribedAudioCodecUpdate {
  const subscribedAudioCodecs: SubscribedAudioCodec[] = [];
  for (const [i, { mimeType }] of info.codecs.entries()) {
    const level = levels[i]!;
    if (level === UNSPOKEN) continue;
    subscribedAudioCodecs.push(new SubscribedAudioCodec({ codec: shortName(mimeType), enabled: level > OFF }));
  }
  return new SubscribedAudioCodecUpdate({ trackSid: info.sid, subscribedAudioCodecs });
}

/** "video/VP8" → "vp8". */
function shortName(mimeType: string): string {
  return mimeType.toLowerCase().replace(/^(audio|video)\//, "");
}

function isVideo({ info }: PublishedTrack): boolean {
  return info.type === TrackType.VIDEO;
}
