/**
 * What follows when the rights of a participant change while it is in the room (livekit.md 4.3): tracks that it may not
 * publish end at the packet, subscriptions stop or come true, data stops at the worker, others see it or do not.
 * The caller announces the new info.
 */
import { MuteTrackRequest, ParticipantPermission, TrackUnpublishedResponse } from "@livekit/protocol";
import { reconsiderData, reconsiderDataOf } from "./data-subscriptions.ts";
import { revokeDataTracks } from "./data-track.ts";
import { armEmptyTimer, disarmEmptyTimer } from "./empty.ts";
import { setMember } from "./members.ts";
import type { Grants } from "./options.ts";
import type { Participant } from "./participant.ts";
import { applyPublications, publicationsOf, unpublish } from "./publish.ts";
import type { TrackSid } from "./sid.ts";
import type { RoomState } from "./state.ts";
import { offerTrack, reconsiderAll, reconsiderEverybody } from "./subscriptions.ts";
import { forgetTrack, setReceivers } from "./track-facts.ts";
import { conceal, reveal, roomChanged, sendRoomUpdate } from "./updates.ts";

/** The grants that a permission message stands for: it says all of them. */
export function grantsOf(permission: ParticipantPermission): Grants {
  return {
    canSubscribe: permission.canSubscribe,
    canPublish: permission.canPublish,
    canPublishData: permission.canPublishData,
    canPublishSources: [...permission.canPublishSources],
    hidden: permission.hidden,
    recorder: permission.recorder,
    agent: permission.agent,
    canUpdateOwnMetadata: permission.canUpdateMetadata,
    canSubscribeMetrics: permission.canSubscribeMetrics,
    canManageAgentSession: permission.canManageAgentSession,
  };
}

/** Puts other grants into force; false when they are the same. */
export function changeGrants(room: RoomState, participant: Participant, grants: Grants): boolean {
  const before = participant.grants;
  if (sameGrants(before, grants)) return false;
  const wasDependent = participant.dependent;
  const wasRecorder = participant.recorder;
  participant.setClaims({ ...participant.claims, grants });
  setMember(room, participant);
  withdrawPublications(room, participant);
  if (!grants.canPublishData) revokeDataTracks(room, participant);
  if (!grants.canPublish) participant.setPublisher(false);
  if (grants.hidden !== before.hidden) changeVisibility(room, participant);
  reconsiderAll(room, participant);
  reconsiderData(room, participant);
  if (participant.dependent !== wasDependent) changeDependence(room, participant);
  if (participant.recorder === wasRecorder) roomChanged(room);
  else sendRoomUpdate(room);
  return true;
}

function sameGrants(a: Grants, b: Grants): boolean {
  const keys = Object.keys(a) as (keyof Grants)[];
  return keys.every((key) => key === "canPublishSources" || a[key] === b[key]) && sameSources(a, b);
}

function sameSources({ canPublishSources: a }: Grants, { canPublishSources: b }: Grants): boolean {
  return a.length === b.length && a.every((source, i) => source === b[i]);
}

/** Ends announced and published tracks of sources that are not allowed (any more). A client that sends on is not heard. */
function withdrawPublications(room: RoomState, participant: Participant): void {
  const withdrawn: TrackSid[] = [];
  for (const [cid, pending] of participant.pending) {
    const { sid, source } = pending.infos[0]!;
    if (participant.canPublishSource(source)) {
      pending.infos = pending.infos.filter((info) => participant.canPublishSource(info.source));
      continue;
    }
    participant.pending.delete(cid);
    participant.awaitingPacket.delete(sid);
    forgetTrack(room, participant, sid);
    withdrawn.push(sid);
  }
  for (const track of participant.tracks.values()) {
    if (participant.canPublishSource(track.info.source)) continue;
    unpublish(room, participant, track);
    withdrawn.push(track.info.sid);
  }
  if (withdrawn.length === 0) return;
  const link = participant.publisher;
  if (link?.opened) {
    const changes = link.machine.bindPublications(publicationsOf(participant));
    setReceivers(room, participant, link, link.machine.plan.receivers);
    applyPublications(room, participant, changes);
  }
  for (const sid of withdrawn) tellUnpublished(room, participant, sid);
}

/** Clients from before protocol 7 know no unpublishing by the server; to them the track is muted. */
function tellUnpublished(room: RoomState, participant: Participant, trackSid: TrackSid): void {
  if (participant.features.trackUnpublished) {
    room.send(participant, { case: "trackUnpublished", value: new TrackUnpublishedResponse({ trackSid }) });
  } else {
    room.send(participant, { case: "mute", value: new MuteTrackRequest({ sid: trackSid, muted: true }) });
  }
}

function changeVisibility(room: RoomState, participant: Participant): void {
  if (participant.hidden) {
    conceal(room, participant);
    for (const track of participant.tracks.values()) reconsiderEverybody(room, track);
    reconsiderDataOf(room, participant);
    return;
  }
  reveal(room, participant);
  for (const track of participant.tracks.values()) {
    offerTrack(room, track);
    reconsiderEverybody(room, track);
  }
  reconsiderDataOf(room, participant);
}

function changeDependence(room: RoomState, participant: Participant): void {
  if (participant.dependent) return armEmptyTimer(room);
  room.everJoined = true;
  disarmEmptyTimer(room);
}
