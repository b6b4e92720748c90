/**
 * Who is told about whom, and when (livekit.md 1.18): publishers and wanted changes at once, comings and goings of mere
 * subscribers in batches, and what somebody changes all the time at a pace that others can read. Invariants: nobody receives a version twice or out of order, nobody hears of a hidden
 * participant or of the leaving of somebody it never knew.
 *
 * No table per recipient is kept: infos carry a room-wide revision, and a recipient remembers up to which revision its
 * JoinResponse or resume snapshot was complete.
 */
import {
  ParticipantInfo_State,
  ParticipantUpdate,
  RoomUpdate,
  SignalResponse,
  type ParticipantInfo,
} from "@livekit/protocol";
import { tellForwards } from "./forwards.ts";
import type { Participant } from "./participant.ts";
import type { QueuedUpdate, RoomState } from "./state.ts";

/**
 * A join of a mere subscriber costs one message to everybody, so in a big room they are gathered: LiveKit waits 3 s always; here the
 * wait grows with the room and ends there, since two people who wait 3 s for each other gain nothing by it.
 */
const BATCH_MS_PER_PARTICIPANT = 10;
const MIN_BATCH_INTERVAL_MS = 50;
const MAX_BATCH_INTERVAL_MS = 3000;
const ROOM_UPDATE_INTERVAL_MS = 5000;
/** Messages about many participants are cut around this size. */
const CHUNK_BYTES = 128 * 1024;
/** Departures remembered for clients that resume: at least these, and more as long as somebody may have missed them. */
const KEPT_DEPARTURES = 128;
const MAX_DEPARTURES = 2000;

/**
 * What changes of one participant cost its pace: a dozen small ones go at once, then ten a second; of long infos, everybody is
 * sent about 128 KiB a second at most, so that nobody's link is filled with them.
 */
const PACED_MS = 100;
const PACED_BYTES_PER_MS = 128;

/** How a change is told. */
export interface AnnounceOptions {
  /** Not batched, although the participant publishes nothing. */
  readonly immediate?: boolean;
  /** The participant itself hears of it, and at once. */
  readonly self?: boolean;
  /** The client may do it as often as it likes: those that follow each other fast are told as one (timer `pacedUpdate`). */
  readonly paced?: boolean;
  /** It left because its identity came back. */
  readonly replaced?: boolean;
}

/** Tells the room that the info of `participant` has changed. */
export function announce(room: RoomState, participant: Participant, options: AnnounceOptions = {}): void {
  // A hidden one hears of itself by no broadcast.
  if (options.self || participant.hidden) tellSelf(room, participant);
  if (options.paced && isHeldBack(room, participant)) return;
  tellForwards(room, participant);
  if (participant.hidden || participant.lastBroadcast === participant.revision) return;
  const update: QueuedUpdate = { participant, replaced: options.replaced ?? false };
  if (hasLeft(participant)) rememberDeparture(room, update);
  const queued = room.queuedUpdates.get(participant.identity);
  // The former instance of the identity waits: it goes first, so that old clients see it leave before the new one comes.
  const former = queued && queued.participant !== participant ? queued : undefined;
  if (options.immediate || participant.isPublisher || former) {
    room.queuedUpdates.delete(participant.identity);
    broadcast(room, former ? [{ ...former, replaced: true }, update] : [update]);
    return;
  }
  room.queuedUpdates.set(participant.identity, update);
  if (!room.timers.isSet("batchedUpdates", ""))
    room.timers.set("batchedUpdates", "", room.nowMs + batchIntervalMs(room));
}

/** Whether the change has to wait for its timer; if not, it is paid for. */
function isHeldBack(room: RoomState, participant: Participant): boolean {
  const { sid, updatePace } = participant;
  const dueMs = updatePace.dueMs(room.nowMs);
  if (dueMs <= room.nowMs) {
    updatePace.spend(room.nowMs, PACED_MS + roughBytes(participant.info()) / PACED_BYTES_PER_MS);
    return false;
  }
  if (!isPaced(room, participant)) room.timers.set("pacedUpdate", sid, dueMs);
  return true;
}

/** Whether a change of the participant waits to be told. */
export function isPaced(room: RoomState, { sid }: Participant): boolean {
  return room.timers.isSet("pacedUpdate", sid);
}

function batchIntervalMs(room: RoomState): number {
  const wanted = room.participants.size * BATCH_MS_PER_PARTICIPANT;
  return Math.min(MAX_BATCH_INTERVAL_MS, Math.max(MIN_BATCH_INTERVAL_MS, wanted));
}

/** The timer of the batch. */
export function flushBatchedUpdates(room: RoomState): void {
  const updates = [...room.queuedUpdates.values()];
  room.queuedUpdates.clear();
  broadcast(room, updates);
}

/** The participant is hidden from now on: to those who know it, it leaves. */
export function conceal(room: RoomState, participant: Participant): void {
  const farewell = participant.info().clone();
  farewell.state = ParticipantInfo_State.DISCONNECTED;
  farewell.tracks = [];
  farewell.dataTracks = [];
  const message = updateMessage([farewell]);
  for (const recipient of room.participants.values()) {
    if (recipient !== participant && knows(recipient, participant)) room.deliver(recipient, message);
  }
  room.queuedUpdates.delete(participant.identity);
  rememberDeparture(room, { participant, replaced: false, farewell });
  participant.lastBroadcastMs = room.nowMs;
}

/** The participant is not hidden any more: to the others, it comes. */
export function reveal(room: RoomState, participant: Participant): void {
  const former = room.departures.findIndex((update) => update.participant === participant);
  if (former >= 0) room.departures.splice(former, 1);
  participant.joinRevision = participant.revision;
  participant.lastBroadcast = 0;
  participant.predecessor = undefined;
  announce(room, participant, { immediate: true });
}

/** Everybody whom `recipient` may see, itself included; what it is sent from now on is newer. */
export function snapshot(room: RoomState, recipient: Participant): ParticipantInfo[] {
  const infos: ParticipantInfo[] = [];
  for (const other of room.participants.values()) {
    if (other === recipient || !other.hidden) infos.push(other.info());
  }
  recipient.seenRevision = room.revision;
  return infos;
}

/** The whole snapshot as messages: a client that resumes drops whoever is missing in them. */
export function sendSnapshot(room: RoomState, recipient: Participant): void {
  for (const chunk of chunks(snapshot(room, recipient))) room.deliver(recipient, updateMessage(chunk));
}

/** Of whose leaving the client may not have heard, or who is in the batch: its snapshot lacks them. Gives their number. */
export function sendMissedDepartures(room: RoomState, recipient: Participant): number {
  const missed = room.departures.filter((update) => {
    const { participant, replaced, farewell } = update;
    if (replaced && recipient.features.identityReconnection) return false;
    return (
      mayBeMissed(update, recipient.unsureSinceMs) &&
      (farewell ? participant !== recipient : knows(recipient, participant))
    );
  });
  if (missed.length === 0) return 0;
  room.deliver(recipient, updateMessage(missed.map(({ participant, farewell }) => farewell ?? participant.info())));
  return missed.length;
}

/** Told since then, or not yet. */
function mayBeMissed({ participant, farewell }: QueuedUpdate, sinceMs: number): boolean {
  const queued = !farewell && participant.lastBroadcast !== participant.revision;
  return queued || participant.lastBroadcastMs >= sinceMs;
}

/** Counters of the room changed: they go out together with others that follow within 5 s. */
export function roomChanged(room: RoomState): void {
  if (!room.timers.isSet("roomUpdate", "")) room.timers.set("roomUpdate", "", room.nowMs + ROOM_UPDATE_INTERVAL_MS);
}

/** Metadata or the recording flag changed, or the timer of the counters is due. */
export function sendRoomUpdate(room: RoomState): void {
  room.timers.clear("roomUpdate", "");
  const info = room.info();
  room.emit({ type: "roomUpdated", room: info });
  const message = new SignalResponse({ message: { case: "roomUpdate", value: new RoomUpdate({ room: info }) } });
  for (const participant of room.participants.values()) room.deliver(participant, message);
}

/** A hidden participant, or one whose update is batched, sees its own changes at once as well. */
function tellSelf(room: RoomState, participant: Participant): void {
  if (participant.lastToldSelf === participant.revision) return;
  participant.lastToldSelf = participant.revision;
  room.deliver(participant, updateMessage([participant.info()]));
}

function broadcast(room: RoomState, updates: readonly QueuedUpdate[]): void {
  if (updates.length === 0) return;
  let oldest = Number.POSITIVE_INFINITY;
  let forAll = true;
  for (const { participant } of updates) {
    oldest = Math.min(oldest, participant.revision);
    if (hasLeft(participant)) forAll = false;
  }
  const selves = new Set(updates.map((update) => update.participant));
  const shared = new Map<boolean, SignalResponse[]>();
  for (const recipient of room.participants.values()) {
    if (recipient.connection === undefined) continue;
    if (!forAll || recipient.seenRevision >= oldest || selves.has(recipient)) {
      for (const message of pack(updates.filter((update) => concerns(recipient, update)))) {
        room.deliver(recipient, message);
      }
      continue;
    }
    const modern = recipient.features.identityReconnection;
    let messages = shared.get(modern);
    if (!messages) {
      messages = pack(modern ? updates.filter((update) => !update.replaced) : updates);
      shared.set(modern, messages);
    }
    for (const message of messages) room.deliver(recipient, message);
  }
  for (const { participant } of updates) {
    participant.lastBroadcast = participant.revision;
    participant.lastBroadcastMs = room.nowMs;
    participant.predecessor = undefined;
  }
}

function concerns(recipient: Participant, { participant, replaced }: QueuedUpdate): boolean {
  if (replaced && recipient.features.identityReconnection) return false;
  if (participant.revision <= recipient.seenRevision) return false;
  if (participant === recipient && participant.lastToldSelf === participant.revision) return false;
  return !hasLeft(participant) || knows(recipient, participant);
}

/**
 * Whether `recipient` was ever told about `other`: in its snapshot, or by a broadcast since. A client that follows
 * identities still shows the instance that `other` replaced, as long as it was not told of `other`.
 */
function knows(recipient: Participant, other: Participant): boolean {
  if (other.joinRevision <= recipient.seenRevision || other.lastBroadcast > 0) return true;
  const { predecessor } = other;
  return recipient.features.identityReconnection && predecessor !== undefined && knows(recipient, predecessor);
}

function hasLeft(participant: Participant): boolean {
  return participant.state === ParticipantInfo_State.DISCONNECTED;
}

/** From now on, not from the batch on: who resumes before that gets a snapshot without it. */
function rememberDeparture(room: RoomState, update: QueuedUpdate): void {
  const { departures } = room;
  departures.push(update);
  if (departures.length > KEPT_DEPARTURES && departures.length % KEPT_DEPARTURES === 0) forgetDepartures(room);
  if (departures.length > MAX_DEPARTURES) departures.shift();
}

/** Forgets those of whose leaving everybody has heard. */
function forgetDepartures(room: RoomState): void {
  let sinceMs = room.nowMs;
  for (const { forwardedFrom, unsureSinceMs } of room.participants.values()) {
    if (!forwardedFrom) sinceMs = Math.min(sinceMs, unsureSinceMs);
  }
  const { departures } = room;
  const young = departures.findIndex((update) => mayBeMissed(update, sinceMs));
  departures.splice(0, Math.min(young < 0 ? departures.length : young, departures.length - KEPT_DEPARTURES));
}

function pack(updates: readonly QueuedUpdate[]): SignalResponse[] {
  return chunks(updates.map((update) => update.participant.info())).map(updateMessage);
}

function updateMessage(participants: ParticipantInfo[]): SignalResponse {
  const value = new ParticipantUpdate();
  // Not by the constructor: it looks at each one.
  value.participants = participants;
  return new SignalResponse({ message: { case: "update", value } });
}

function chunks(infos: readonly ParticipantInfo[]): ParticipantInfo[][] {
  const result: ParticipantInfo[][] = [];
  let size = CHUNK_BYTES;
  for (const info of infos) {
    const bytes = roughBytes(info);
    if (size + bytes > CHUNK_BYTES) {
      result.push([]);
      size = 0;
    }
    result.at(-1)!.push(info);
    size += bytes;
  }
  return result;
}

/** Near enough to cut messages: the long fields by their length, the rest by a guess. */
function roughBytes(info: ParticipantInfo): number {
  let bytes = 200 + info.metadata.length + info.name.length + 300 * info.tracks.length;
  for (const { name } of info.dataTracks) bytes += 100 + name.length;
  for (const [name, value] of Object.entries(info.attributes)) bytes += name.length + value.length;
  return bytes;
}
