/** SignalRequest.add_track: announces a track, before or after the offer that has its m-line (livekit.md 1.10). */
import { RequestResponse_Reason, TrackSource, TrackType, type AddTrackRequest } from "@livekit/protocol";
import { reapplySettings } from "../downlinks.ts";
import { publishCodecs } from "../join-response.ts";
import { scheduleNegotiation } from "../negotiate.ts";
import type { Participant } from "../participant.ts";
import { bindPublications, sendTrackPublished, updateTrack } from "../publish.ts";
import { newTrackSid, type TrackSid } from "../sid.ts";
import type { RoomState } from "../state.ts";
import { addBackupCodecs, describeTrack, hasCid, type PublishedTrack, type TrackContext } from "../track.ts";
import { respond } from "./respond.ts";

const MAX_PENDING = 20;
/** Every change of one is told to everybody with all of them. */
const MAX_PUBLISHED = 256;
const MAX_QUEUED = 3;
/** Longer names would be told to everybody with each update. */
const MAX_TEXT = 4096;

/** Announces it, queues it behind the track that has its cid, or says why not. */
export function handleAddTrack(room: RoomState, participant: Participant, request: AddTrackRequest): void {
  const refuse = (reason: RequestResponse_Reason, message = "") =>
    respond(room, participant, { reason, message, request: { case: "addTrack", value: request } });

  if (!participant.canPublishSource(request.source)) return refuse(RequestResponse_Reason.NOT_ALLOWED);
  // Whoever may publish a microphone only does not get a picture through by calling it one.
  if (participant.grants.canPublishSources.length > 0 && !isOfSource(request)) {
    return refuse(RequestResponse_Reason.NOT_ALLOWED, "type and source of the track do not belong together");
  }
  if (request.type !== TrackType.AUDIO && request.type !== TrackType.VIDEO) {
    return refuse(RequestResponse_Reason.UNSUPPORTED_TYPE);
  }
  const texts = [request.cid, request.name, request.stream, ...request.simulcastCodecs.map(({ cid }) => cid)];
  if (texts.some((text) => text.length > MAX_TEXT)) {
    return refuse(
      RequestResponse_Reason.LIMIT_EXCEEDED,
      `a cid, name or stream must not exceed ${MAX_TEXT} characters`,
    );
  }
  if (request.sid !== "") {
    if (!addCodecs(room, participant, request)) refuse(RequestResponse_Reason.NOT_FOUND);
    return;
  }
  const pending = participant.pending.get(request.cid);
  if (!pending && participant.pending.size >= MAX_PENDING) {
    return refuse(RequestResponse_Reason.LIMIT_EXCEEDED, `${MAX_PENDING} tracks wait for their media already`);
  }
  if (participant.tracks.size >= MAX_PUBLISHED) {
    return refuse(RequestResponse_Reason.LIMIT_EXCEEDED, `${MAX_PUBLISHED} tracks are published already`);
  }
  if (pending && pending.infos.length >= MAX_QUEUED) {
    return refuse(RequestResponse_Reason.LIMIT_EXCEEDED, `${MAX_QUEUED} tracks wait for the same cid already`);
  }
  const sid = pending?.infos[0]?.sid ?? newTrackSid(room.options.random, request.type, request.source);
  const info = describeTrack(request, trackContext(participant, sid));
  if (pending) pending.infos.push(info);
  const queued = pending !== undefined || cidInUse(participant, request.cid);
  if (!pending) participant.pending.set(request.cid, { cid: request.cid, infos: [info], queued });
  if (queued) return refuse(RequestResponse_Reason.QUEUED);

  sendTrackPublished(room, participant, request.cid, info);
  bindPublications(room, participant);
}

/** A second AddTrack for a published track brings the cid of a backup codec. */
function addCodecs(room: RoomState, participant: Participant, request: AddTrackRequest): boolean {
  const track = participant.tracks.get(request.sid);
  if (!track) return false;
  const next = addBackupCodecs(track.info, request, trackContext(participant, request.sid));
  const more = next.codecs.length > track.info.codecs.length;
  updateTrack(room, participant, track, next);
  reapplySettings(room, track);
  if (more) renegotiate(room, track);
  sendTrackPublished(room, participant, request.cid, next);
  bindPublications(room, participant);
  return true;
}

/** Who could not take the track before may be able to now. */
function renegotiate(room: RoomState, track: PublishedTrack): void {
  for (const sid of track.subscribers) {
    const subscriber = room.participants.get(sid);
    if (subscriber) scheduleNegotiation(room, subscriber);
  }
}

function isOfSource({ type, source }: AddTrackRequest): boolean {
  if (source === TrackSource.UNKNOWN) return true;
  const video = source === TrackSource.CAMERA || source === TrackSource.SCREEN_SHARE;
  return video === (type === TrackType.VIDEO);
}

function trackContext(participant: Participant, sid: TrackSid): TrackContext {
  return { sid, client: participant.features, codecs: publishCodecs(participant) };
}

function cidInUse(participant: Participant, cid: string): boolean {
  for (const track of participant.tracks.values()) {
    if (track.cid === cid || hasCid(track.info, cid)) return true;
  }
  return false;
}
