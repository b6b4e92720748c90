/**
 * From an announced track to a published one, and its end (livekit.md 1.10, steps 7 to 10).
 * Invariants: a track is published once its m-line is bound; others read of it in a ParticipantUpdate before they are
 * offered its media; its end frees the next announcement of the same cid.
 */
import { TrackPublishedResponse, TrackType, type SimulcastCodecInfo, type TrackInfo } from "@livekit/protocol";
import { trackMime } from "../negotiation/track-info.ts";
import type { Publication, PublicationChanges, PublishedMedia } from "../negotiation/types.ts";
import { considerRegression } from "./codec-regression.ts";
import { reapplySettings } from "./downlinks.ts";
import { newDemand, startDynacast } from "./dynacast.ts";
import type { Participant } from "./participant.ts";
import type { TrackSid } from "./sid.ts";
import type { RoomState } from "./state.ts";
import { offerTrack, withdrawTrack } from "./subscriptions.ts";
import type { PendingTrack, PublishedTrack } from "./track.ts";
import { forgetTrack, forgetTracks, setReceivers, tellTrack } from "./track-facts.ts";
import { announce, roomChanged } from "./updates.ts";

/** What the SDP machine is to match m-lines with: published and announced tracks, oldest first. */
export function publicationsOf(participant: Participant): Publication[] {
  const infos: { info: TrackInfo; cid: string }[] = [...participant.tracks.values()];
  for (const pending of participant.pending.values()) {
    // One that waits for a published track of the same cid to end would take its m-line.
    if (!pending.queued) infos.push({ info: pending.infos[0]!, cid: pending.cid });
  }
  return infos.map(({ info, cid }) => ({
    sid: info.sid,
    cid,
    kind: info.type === TrackType.VIDEO ? "video" : "audio",
    codecs: info.codecs.map((codec) => ({ mime: codec.mimeType, cid: codec.cid })),
    red: !info.disableRed,
    dtx: !info.disableDtx,
    stereo: info.stereo,
    ssrcs: declaredSsrcs(info),
  }));
}

/** After an AddTrack: an offer that has its m-line may have come before. */
export function bindPublications(room: RoomState, participant: Participant): void {
  const link = participant.publisher;
  if (!link?.opened) return;
  const changes = link.machine.bindPublications(publicationsOf(participant));
  if (changes.published.length === 0 && changes.closed.length === 0) return;
  setReceivers(room, participant, link, link.machine.plan.receivers);
  applyPublications(room, participant, changes);
}

/** What the SDP has bound and closed becomes what the room shows. */
export function applyPublications(room: RoomState, participant: Participant, changes: PublicationChanges): void {
  let freed = false;
  for (const sid of changes.closed) {
    const track = participant.tracks.get(sid);
    if (!track) {
      participant.awaitingPacket.delete(sid);
      forgetTrack(room, participant, sid);
      continue;
    }
    unpublish(room, participant, track);
    freed = releaseQueued(room, participant, track.cid) || freed;
  }
  for (const media of changes.published) bindMedia(room, participant, media);
  if (freed) bindPublications(room, participant);
}

/** First packet of a track that is published only then: its codec is known now. */
export function publishStarted(room: RoomState, participant: Participant, sid: TrackSid, mime: string): void {
  const media = participant.awaitingPacket.get(sid);
  if (!media) return;
  participant.awaitingPacket.delete(sid);
  publishBound(room, participant, { ...media, mime });
}

/** Ends a track: nobody receives it, everybody reads of it. */
export function unpublish(room: RoomState, participant: Participant, track: PublishedTrack): void {
  const { sid } = track.info;
  participant.tracks.delete(sid);
  participant.unheard.withdrawMute(sid);
  room.tracks.delete(sid);
  participant.touch();
  announce(room, participant);
  withdrawTrack(room, track);
  forgetTrack(room, participant, sid);
  room.event("trackUnpublished", participant, "", track.info);
}

/** All tracks of a participant that leaves; its last update tells it. */
export function unpublishAll(room: RoomState, participant: Participant): void {
  for (const track of participant.tracks.values()) {
    room.tracks.delete(track.info.sid);
    withdrawTrack(room, track);
    room.event("trackUnpublished", participant, "", track.info);
  }
  forgetTracks(room, participant);
  participant.tracks.clear();
  participant.pending.clear();
  participant.awaitingPacket.clear();
}

/** Replaces the info of a published track and tells everybody. */
export function updateTrack(room: RoomState, participant: Participant, track: PublishedTrack, next: TrackInfo): void {
  next.version = room.nextVersion();
  track.info = next;
  tellTrack(room, participant, next.sid);
  participant.touch();
  announce(room, participant, { self: true, paced: true });
}

/** The answer to an AddTrack; a client sends the media after it. */
export function sendTrackPublished(room: RoomState, participant: Participant, cid: string, track: TrackInfo): void {
  room.send(participant, { case: "trackPublished", value: new TrackPublishedResponse({ cid, track }) });
}

function bindMedia(room: RoomState, participant: Participant, media: PublishedMedia): void {
  const track = participant.tracks.get(media.sid);
  if (track) {
    // A backup codec, or a new m-line, of a track that is published already.
    updateTrack(room, participant, track, withMedia(track.info, media));
    considerRegression(room, participant, track, media.codecIndex);
    reapplySettings(room, track);
    return;
  }
  const pending = pendingBySid(participant, media.sid);
  // Without a codec that both sides have there will be no media: it stays announced.
  if (!pending || media.mime === "") return;
  const late = participant.features.publishAtFirstPacket && pending.infos[0]!.type === TrackType.VIDEO;
  if (late) participant.awaitingPacket.set(media.sid, media);
  else publishBound(room, participant, media);
}

function publishBound(room: RoomState, participant: Participant, media: PublishedMedia): void {
  const pending = pendingBySid(participant, media.sid);
  const announced = pending?.infos.shift();
  if (!pending || !announced) return;
  if (pending.infos.length === 0) participant.pending.delete(pending.cid);
  else pending.queued = true;

  const info = withMedia(announced, media);
  info.version = room.nextVersion();
  const track: PublishedTrack = {
    info,
    publisher: participant.sid,
    cid: pending.cid,
    subscribers: new Set(),
    everSubscribed: false,
    regressedTo: -1,
    demand: newDemand(),
  };
  participant.tracks.set(info.sid, track);
  room.tracks.set(info.sid, track);
  tellTrack(room, participant, info.sid);
  if (info.muted) room.media({ type: "muteTrack", track: info.sid, muted: true });
  participant.setPublisher(true);
  participant.touch();
  announce(room, participant);
  room.event("trackPublished", participant, "", info);
  roomChanged(room);
  startDynacast(room, track);
  offerTrack(room, track);
}

/** The info with what the SDP says about one of its codecs. */
function withMedia(info: TrackInfo, media: PublishedMedia): TrackInfo {
  const next = info.clone();
  const mimeType = trackMime(info.type === TrackType.VIDEO ? "video" : "audio", media.mime) ?? media.mime;
  const codec = next.codecs[media.codecIndex];
  if (codec) {
    codec.mid = media.mid;
    if (codec.mimeType === "") codec.mimeType = mimeType;
    if (media.sdpCid !== codec.cid) codec.sdpCid = media.sdpCid;
    nameLayers(codec, media.rids);
  }
  if (media.codecIndex === 0) {
    next.mid = media.mid;
    next.mimeType = mimeType;
    nameLayers(next, media.rids);
  }
  return next;
}

/** Layers are sorted by quality, as are the RIDs. */
function nameLayers(of: TrackInfo | SimulcastCodecInfo, rids: readonly string[]): void {
  of.layers.forEach((layer, i) => {
    layer.spatialLayer = i;
    layer.rid = rids[i] ?? "";
  });
}

/** The published track of this cid ended: the next announcement of it may be published. */
function releaseQueued(room: RoomState, participant: Participant, cid: string): boolean {
  const pending = participant.pending.get(cid);
  if (!pending?.queued) return false;
  pending.queued = false;
  sendTrackPublished(room, participant, cid, pending.infos[0]!);
  return true;
}

function pendingBySid(participant: Participant, sid: TrackSid): PendingTrack | undefined {
  for (const pending of participant.pending.values()) {
    if (!pending.queued && pending.infos[0]!.sid === sid) return pending;
  }
  return undefined;
}

function declaredSsrcs(info: TrackInfo): { ssrc: number; rtxSsrc: number }[] {
  return info.layers
    .filter((layer) => layer.ssrc !== 0)
    .map((layer) => ({ ssrc: layer.ssrc, rtxSsrc: layer.repairSsrc }));
}
