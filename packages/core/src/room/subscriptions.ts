/**
 * Who receives which track (livekit.md 1.13). A wish is kept apart from its fulfilment: it may name a track that does not
 * exist yet, and comes true when track, permission and a place are there. Invariants: a track is forwarded only to
 * participants that may subscribe, never to its publisher; wishes are bounded; nobody receives more tracks than it may.
 */
import { SubscriptionError, SubscriptionPermissionUpdate, TrackType } from "@livekit/protocol";
import { sendSubscriptionError, unbindSender } from "./downlinks.ts";
import { stopDynacast, unwish } from "./dynacast.ts";
import { scheduleNegotiation } from "./negotiate.ts";
import type { Participant } from "./participant.ts";
import type { Subscription } from "./subscription.ts";
import { mayReceive, publisherAllows, type Receivable } from "./permissions.ts";
import type { TrackSid } from "./sid.ts";
import { dropSpeaker, tellSpeakers } from "./speakers.ts";
import type { RoomState } from "./state.ts";
import type { PublishedTrack } from "./track.ts";

/** How long a wish for an unknown track is kept. */
const NOT_FOUND_AFTER_MS = 60_000;
/** Wishes and settings for unknown tracks per participant; more are ignored, as are names that no track can have. */
const MAX_UNKNOWN = 1000;
const MAX_SID_LENGTH = 64;

/** The participant wants a track, by its own word. */
export function subscribe(room: RoomState, participant: Participant, sid: TrackSid): void {
  const track = room.tracks.get(sid);
  if (track?.publisher === participant.sid) return;
  const subscription = subscriptionOf(room, participant, sid);
  if (!subscription) return;
  subscription.desired = true;
  if (track) activate(room, participant, track);
  else waitFor(room, participant, sid);
}

/** The participant does not want a track; auto-subscription respects that. */
export function unsubscribe(room: RoomState, participant: Participant, sid: TrackSid): void {
  const track = room.tracks.get(sid);
  if (!track) {
    forget(room, participant, sid);
    return;
  }
  const subscription = subscriptionOf(room, participant, sid);
  if (!subscription) return;
  subscription.desired = false;
  subscription.refused = false;
  deactivate(room, participant, track);
}

/** Subscribes to all that is published, as far as the participant does so by itself. */
export function subscribeToExisting(room: RoomState, participant: Participant): void {
  for (const track of room.tracks.values()) autoSubscribe(room, participant, track);
}

/** A track was published: those who take everything get it, and those who waited for it. */
export function offerTrack(room: RoomState, track: PublishedTrack): void {
  for (const participant of room.participants.values()) {
    if (participant.active) autoSubscribe(room, participant, track);
  }
  const sid = track.info.sid;
  const waiting = room.awaitedTracks.get(sid);
  room.awaitedTracks.delete(sid);
  for (const participant of waiting ?? []) {
    room.timers.clear("trackNotFound", waitSubject(participant, sid));
    activate(room, participant, track);
  }
}

/** A right has changed: the wish for the track comes true, or the track stops and the wish stays. */
function reconsider(room: RoomState, participant: Participant, track: PublishedTrack): void {
  if (!participant.subscriptions.get(track.info.sid)?.desired) return;
  activate(room, participant, track);
  if (!mayReceive(room, participant, track)) deactivate(room, participant, track);
}

/** What a publisher allows, or whether it is seen, has changed. */
export function reconsiderEverybody(room: RoomState, track: PublishedTrack): void {
  for (const participant of room.participants.values()) reconsider(room, participant, track);
}

/** What a participant may receive has changed, or it could not be told of a change while it was away. */
export function reconsiderAll(room: RoomState, participant: Participant): void {
  for (const track of room.tracks.values()) reconsider(room, participant, track);
}

/** A track ended: nobody receives it, and nobody keeps a wish for it. */
export function withdrawTrack(room: RoomState, track: PublishedTrack): void {
  const { sid } = track.info;
  for (const participant of room.participants.values()) {
    participant.subscriptions.delete(sid);
    participant.changedSettings.delete(sid);
    if (!participant.activeTracks.delete(sid)) continue;
    scheduleNegotiation(room, participant);
    fillPlace(room, participant, track.info.type);
  }
  track.subscribers.clear();
  dropSpeaker(room, sid);
  stopDynacast(room, track);
}

/** The timer of a wish for a track that never came. */
export function giveUpTrack(room: RoomState, participant: Participant, sid: TrackSid): void {
  forget(room, participant, sid);
  sendSubscriptionError(room, participant, sid, SubscriptionError.SE_TRACK_NOTFOUND);
}

/** The participant is gone. */
export function dropSubscriptions(room: RoomState, participant: Participant): void {
  for (const sid of participant.subscriptions.keys()) {
    const track = room.tracks.get(sid);
    if (track?.subscribers.delete(participant.sid)) unwish(room, track, participant.sid);
    stopWaiting(room, participant, sid);
  }
  participant.subscriptions.clear();
  participant.activeTracks.clear();
}

/** The record of a participant's wishes for a track; undefined when it is not to be kept. */
export function subscriptionOf(room: RoomState, participant: Participant, sid: TrackSid): Subscription | undefined {
  const known = participant.subscriptions.get(sid);
  if (known) return known;
  if (!room.tracks.has(sid)) {
    const full = participant.subscriptions.size >= room.tracks.size + MAX_UNKNOWN;
    if (full || sid.length > MAX_SID_LENGTH) return undefined;
  }
  const subscription: Subscription = {
    desired: undefined,
    settings: undefined,
    refused: false,
    denied: false,
    inForce: undefined,
  };
  participant.subscriptions.set(sid, subscription);
  return subscription;
}

function autoSubscribe(room: RoomState, participant: Participant, track: PublishedTrack): void {
  if (!participant.options.autoSubscribe || track.publisher === participant.sid) return;
  // Clients cannot attach a track whose publisher they were never told about.
  if (room.participants.get(track.publisher)?.hidden) return;
  const subscription = subscriptionOf(room, participant, track.info.sid);
  if (!subscription || subscription.desired === false) return;
  subscription.desired = true;
  activate(room, participant, track);
}

function activate(room: RoomState, participant: Participant, track: PublishedTrack): void {
  const sid = track.info.sid;
  const subscription = participant.subscriptions.get(sid);
  if (subscription) tellPermission(room, participant, track, subscription);
  if (participant.activeTracks.has(sid) || !mayReceive(room, participant, track)) return;
  if (!hasPlace(room, participant, track.info.type)) return; // without a word, as in LiveKit: the wish waits
  participant.activeTracks.add(sid);
  room.emit({ type: "subscription", subscriber: participant.sid, track: sid, error: undefined });
  track.subscribers.add(participant.sid);
  tellSpeakers(room, participant);
  scheduleNegotiation(room, participant);
}

function deactivate(room: RoomState, participant: Participant, track: PublishedTrack): void {
  const sid = track.info.sid;
  if (!participant.activeTracks.delete(sid)) return;
  track.subscribers.delete(participant.sid);
  unbindSender(room, participant, sid);
  tellSpeakers(room, participant);
  scheduleNegotiation(room, participant);
  fillPlace(room, participant, track.info.type);
}

/** Whether the participant may receive one more track of this kind. */
function hasPlace(room: RoomState, participant: Participant, kind: TrackType): boolean {
  const most = placesFor(room, kind);
  if (most <= 0) return true;
  let taken = 0;
  for (const sid of participant.activeTracks) if (room.tracks.get(sid)?.info.type === kind) taken++;
  return taken < most;
}

/** A track of this kind stopped: the oldest wish that waited for its place comes true. */
function fillPlace(room: RoomState, participant: Participant, kind: TrackType): void {
  if (placesFor(room, kind) <= 0) return;
  for (const [sid, { desired }] of participant.subscriptions) {
    const track = desired && !participant.activeTracks.has(sid) ? room.tracks.get(sid) : undefined;
    if (track?.info.type !== kind) continue;
    if (!hasPlace(room, participant, kind)) return;
    activate(room, participant, track);
  }
}

/** 0 = as many as there are. */
function placesFor({ options }: RoomState, kind: TrackType): number {
  const { videoSubscriptions, audioSubscriptions } = options.server.limits;
  if (kind === TrackType.VIDEO) return videoSubscriptions;
  return kind === TrackType.AUDIO ? audioSubscriptions : 0;
}

/** The client hears when the publisher does not allow what it wishes for, and when that changes. */
export function tellPermission(
  room: RoomState,
  participant: Participant,
  track: Receivable,
  subscription: Pick<Subscription, "denied">,
): void {
  const { sid } = track.info;
  const publisher = room.participants.get(track.publisher);
  if (!publisher || participant.connection === undefined) return;
  const allowed = publisherAllows(publisher, participant, sid);
  if (subscription.denied !== allowed) return;
  subscription.denied = !allowed;
  const value = new SubscriptionPermissionUpdate({ participantSid: publisher.sid, trackSid: sid, allowed });
  room.send(participant, { case: "subscriptionPermissionUpdate", value });
}

/** Waits for a track that does not exist yet. */
function waitFor(room: RoomState, participant: Participant, sid: TrackSid): void {
  const waiting = room.awaitedTracks.get(sid);
  if (waiting) waiting.add(participant);
  else room.awaitedTracks.set(sid, new Set([participant]));
  const subject = waitSubject(participant, sid);
  if (!room.timers.isSet("trackNotFound", subject)) {
    room.timers.set("trackNotFound", subject, room.nowMs + NOT_FOUND_AFTER_MS);
  }
}

/** Drops a wish for a track that does not exist, with the settings for it. */
function forget(room: RoomState, participant: Participant, sid: TrackSid): void {
  participant.subscriptions.delete(sid);
  stopWaiting(room, participant, sid);
}

function stopWaiting(room: RoomState, participant: Participant, sid: TrackSid): void {
  const waiting = room.awaitedTracks.get(sid);
  if (!waiting?.delete(participant)) return;
  if (waiting.size === 0) room.awaitedTracks.delete(sid);
  room.timers.clear("trackNotFound", waitSubject(participant, sid));
}

/** A participant SID has no blank, so the subject can be taken apart again. */
function waitSubject(participant: Participant, sid: TrackSid): string {
  return `${participant.sid} ${sid}`;
}
