/**
 * Who receives which data track, and under which handle (livekit.md 2.6). As with media, a wish is kept apart from its
 * fulfilment, and rights decide; but there is nothing to negotiate: the worker forwards from the moment a handle is given.
 * Invariants: handles of one subscriber are unique, and one that was taken back is not given again before all others were;
 * whoever receives anything is told all of its handles after each change, once per input, and changes that follow each
 * other fast in one message.
 */
import { DataTrackSubscriberHandles, DataTrackSubscriberHandles_PublishedDataTrack } from "@livekit/protocol";
import { takeHandle, type DataSubscription } from "./data-reception.ts";
import type { PublishedDataTrack } from "./data-track.ts";
import type { Participant } from "./participant.ts";
import { mayReceive } from "./permissions.ts";
import type { TrackSid } from "./sid.ts";
import type { RoomState } from "./state.ts";
import { tellPermission } from "./subscriptions.ts";

/** What a list of handles costs the pace of whoever is told: of long ones it is sent some 128 KiB a second. */
const TOLD_MS = 50;
const TOLD_MS_PER_HANDLE = 0.6;

/**
 * The participant wants a data track, or does not want it any more; false when nothing is to be told. One that does not exist
 * has ended: its SID came from us, and none is used twice.
 */
export function wishForDataTrack(room: RoomState, participant: Participant, sid: TrackSid, desired: boolean): boolean {
  const track = room.dataTracks.get(sid);
  if (!track || track.publisher === participant.sid) return false;
  wish(participant, sid).desired = desired;
  const changed = settle(room, participant, track);
  // A client that asks for what it has does not know that it has it.
  return changed || desired;
}

/** Subscribes to all that is published, as far as the participant does so by itself. */
export function subscribeToExistingData(room: RoomState, participant: Participant): void {
  if (!participant.options.autoSubscribeDataTrack) return;
  let changed = false;
  for (const track of room.dataTracks.values()) changed = autoSubscribe(room, participant, track) || changed;
  if (changed) tellHandles(room, participant);
}

/** Tracks were published: those who take everything get them. */
export function offerDataTracks(room: RoomState, tracks: readonly PublishedDataTrack[]): void {
  if (tracks.length === 0) return;
  for (const participant of room.participants.values()) {
    if (!participant.active || !participant.options.autoSubscribeDataTrack) continue;
    let changed = false;
    for (const track of tracks) changed = autoSubscribe(room, participant, track) || changed;
    if (changed) tellHandles(room, participant);
  }
}

/** These tracks have ended; the worker knows. */
export function withdrawDataTracks(room: RoomState, tracks: readonly PublishedDataTrack[]): void {
  if (tracks.length === 0) return;
  for (const participant of room.participants.values()) {
    const { subscriptions, handles } = participant.dataReception;
    let changed = false;
    for (const { info } of tracks) {
      const subscription = subscriptions.get(info.sid);
      subscriptions.delete(info.sid);
      if (subscription && handles.delete(subscription.handle)) changed = true;
    }
    if (changed) tellHandles(room, participant);
  }
}

/** What a publisher allows, or whether it is seen, has changed. */
export function reconsiderDataOf(room: RoomState, publisher: Participant): void {
  if (publisher.dataTracks.size === 0) return;
  for (const participant of room.participants.values()) {
    let changed = false;
    for (const track of publisher.dataTracks.values()) changed = settle(room, participant, track) || changed;
    if (changed) tellHandles(room, participant);
  }
}

/** What a participant may receive has changed. */
export function reconsiderData(room: RoomState, participant: Participant): void {
  if (settleAll(room, participant)) tellHandles(room, participant);
}

/** The client is back, and may have missed any of it. */
export function repeatData(room: RoomState, participant: Participant): void {
  settleAll(room, participant);
  sendHandles(room, participant);
}

/** All handles under which the participant receives something, at once or, when they change all the time, soon. */
export function tellHandles(room: RoomState, participant: Participant): void {
  if (room.timers.isSet("dataHandles", participant.sid)) return;
  const dueMs = participant.dataReception.pace.dueMs(room.nowMs);
  if (dueMs <= room.nowMs) sendHandles(room, participant);
  else room.timers.set("dataHandles", participant.sid, dueMs);
}

/** Nothing as long as it never received anything. */
function sendHandles(room: RoomState, participant: Participant): void {
  const { handles, lastHandle, pace } = participant.dataReception;
  if (participant.connection === undefined || lastHandle === undefined) return;
  pace.spend(room.nowMs, TOLD_MS + handles.size * TOLD_MS_PER_HANDLE);
  const value = new DataTrackSubscriberHandles();
  for (const [handle, { info, publisher, publisherIdentity }] of handles) {
    value.subHandles[handle] = new DataTrackSubscriberHandles_PublishedDataTrack({
      publisherIdentity,
      publisherSid: publisher,
      trackSid: info.sid,
    });
  }
  room.send(participant, { case: "dataTrackSubscriberHandles", value });
}

function settleAll(room: RoomState, participant: Participant): boolean {
  let changed = false;
  for (const sid of participant.dataReception.subscriptions.keys()) {
    const track = room.dataTracks.get(sid);
    if (track) changed = settle(room, participant, track) || changed;
  }
  return changed;
}

function autoSubscribe(room: RoomState, participant: Participant, track: PublishedDataTrack): boolean {
  if (track.publisher === participant.sid) return false;
  if (!participant.dataReception.subscriptions.has(track.info.sid)) wish(participant, track.info.sid).desired = true;
  return settle(room, participant, track);
}

function wish({ dataReception }: Participant, sid: TrackSid): DataSubscription {
  const known = dataReception.subscriptions.get(sid);
  if (known) return known;
  const subscription: DataSubscription = { desired: false, denied: false, handle: 0 };
  dataReception.subscriptions.set(sid, subscription);
  return subscription;
}

/** Gives or takes back a handle, as wish and rights say; false when all is as it should be. */
function settle(room: RoomState, participant: Participant, track: PublishedDataTrack): boolean {
  const { sid } = track.info;
  const reception = participant.dataReception;
  const subscription = reception.subscriptions.get(sid);
  if (!subscription) return false;
  // Of one that is hidden nothing is said.
  const hidden = room.participants.get(track.publisher)?.hidden;
  if (subscription.desired && !hidden) tellPermission(room, participant, track, subscription);
  const due = subscription.desired && mayReceive(room, participant, track);
  if (due === (subscription.handle !== 0)) return false;
  const handle = due ? takeHandle(reception, room.options.random) : 0;
  if (handle === subscription.handle) return false;
  if (handle === 0) reception.handles.delete(subscription.handle);
  else reception.handles.set(handle, track);
  subscription.handle = handle;
  room.media({ type: "setDataSubscription", participant: participant.sid, track: sid, handle });
  return true;
}
