/**
 * The data tracks of a participant, from its request to their end (livekit.md 2.6). Their packets never come here: the worker
 * knows them by the publisher's handles. Invariants: handle and name are unique among the tracks of one participant; others
 * read of a track before they are given a handle for it.
 */
import {
  DataTrackInfo,
  PublishDataTrackResponse,
  TrackInfo,
  TrackType,
  UnpublishDataTrackResponse,
} from "@livekit/protocol";
import { offerDataTracks, withdrawDataTracks } from "./data-subscriptions.ts";
import type { Participant } from "./participant.ts";
import type { ParticipantSid } from "./sid.ts";
import type { RoomState } from "./state.ts";
import { announce, isPaced, roomChanged } from "./updates.ts";

/** Of one participant, for a client that resumes; of older ones it must have heard. */
const MAX_ENDED = 64;

export interface PublishedDataTrack {
  /** Never changed: it stands in infos that were handed out. */
  readonly info: DataTrackInfo;
  /** Of the info in messages. */
  readonly infoBytes: number;
  readonly publisher: ParticipantSid;
  readonly publisherIdentity: string;
}

/** The track exists from now on; everybody reads of it, and those who take everything get it. */
export function publishDataTrack(
  room: RoomState,
  participant: Participant,
  info: DataTrackInfo,
  infoBytes: number,
): void {
  const { sid: publisher, identity: publisherIdentity } = participant;
  const track: PublishedDataTrack = { info, infoBytes, publisher, publisherIdentity };
  participant.dataTracks.set(info.pubHandle, track);
  participant.dataPublication.names.add(info.name);
  participant.dataPublication.infoBytes += infoBytes;
  room.dataTracks.set(info.sid, track);
  room.media({ type: "setDataTrack", participant: publisher, track: info.sid, handle: info.pubHandle });
  const first = !participant.isPublisher;
  participant.setPublisher(true);
  participant.touch();
  announce(room, participant, { immediate: true, paced: !first });
  room.event("dataTrackPublished", participant, "", trackInfo(info));
  roomChanged(room);
  if (isPaced(room, participant)) participant.dataPublication.unoffered.push(track);
  else offerDataTracks(room, [track]);
}

/** Changes that were held back are due: everybody reads of them, and then gets the data tracks among them. */
export function tellHeldBack(room: RoomState, participant: Participant): void {
  announce(room, participant, { immediate: true, paced: true });
  if (isPaced(room, participant)) return;
  const tracks = participant.dataPublication.unoffered;
  participant.dataPublication.unoffered = [];
  offerDataTracks(room, tracks);
}

/** The publisher ends a track. */
export function unpublishDataTrack(room: RoomState, participant: Participant, track: PublishedDataTrack): void {
  end(room, participant, [track]);
  announce(room, participant, { immediate: true, paced: true });
  withdrawDataTracks(room, [track]);
}

/** It may not publish data any more: its tracks end, and it is told. The caller announces the new info. */
export function revokeDataTracks(room: RoomState, participant: Participant): void {
  const tracks = [...participant.dataTracks.values()];
  endDataTracks(room, participant);
  for (const { info } of tracks) sendDataTrackUnpublished(room, participant, info);
}

/** All data tracks of a participant, which leaves. */
export function endDataTracks(room: RoomState, participant: Participant): void {
  const tracks = [...participant.dataTracks.values()];
  end(room, participant, tracks);
  withdrawDataTracks(room, tracks);
}

/** The answer to the request: the client may send packets from now on. */
export function sendDataTrackPublished(room: RoomState, participant: Participant, info: DataTrackInfo): void {
  room.send(participant, { case: "publishDataTrackResponse", value: new PublishDataTrackResponse({ info }) });
}

/** The track has ended, at the publisher's wish or without it. */
export function sendDataTrackUnpublished(room: RoomState, participant: Participant, info: DataTrackInfo): void {
  room.send(participant, { case: "unpublishDataTrackResponse", value: new UnpublishDataTrackResponse({ info }) });
}

function end(room: RoomState, participant: Participant, tracks: readonly PublishedDataTrack[]): void {
  for (const { info, infoBytes } of tracks) {
    participant.dataTracks.delete(info.pubHandle);
    participant.dataPublication.names.delete(info.name);
    participant.dataPublication.infoBytes -= infoBytes;
    participant.endedDataTracks.push(shortInfo(info));
    if (participant.endedDataTracks.length > MAX_ENDED) participant.endedDataTracks.shift();
    room.dataTracks.delete(info.sid);
    room.media({ type: "removeDataTrack", track: info.sid });
    participant.touch();
    room.event("dataTrackUnpublished", participant, "", trackInfo(info));
  }
  const unoffered = participant.dataPublication.unoffered;
  if (unoffered.length > 0)
    participant.dataPublication.unoffered = unoffered.filter(({ info }) => room.dataTracks.has(info.sid));
}

/** Without what a client may have made long. */
function shortInfo({ sid, pubHandle, name, encryption }: DataTrackInfo): DataTrackInfo {
  return new DataTrackInfo({ sid, pubHandle, name, encryption });
}

function trackInfo({ sid, name }: DataTrackInfo): TrackInfo {
  return new TrackInfo({ sid, name, type: TrackType.DATA });
}
