/**
 * Who may receive which track (livekit.md 1.14, 4.3): the subscriber's own right, and what the publisher allows whom.
 * Pure questions; what follows from a change is in `permission-changes.ts`. Invariant: what cannot be decided is forbidden.
 */
import type { SubscriptionPermission } from "@livekit/protocol";
import type { Participant } from "./participant.ts";
import type { ParticipantSid, TrackSid } from "./sid.ts";
import type { RoomState } from "./state.ts";

/** More people than a room has; what is beyond is not allowed. */
const MAX_ENTRIES = 10_000;

/** What can be received: a track of media or of data. */
export interface Receivable {
  readonly publisher: ParticipantSid;
  readonly info: { readonly sid: TrackSid };
}

/** What a publisher allows one identity. */
interface Allowance {
  readonly allTracks: boolean;
  readonly tracks: ReadonlySet<TrackSid>;
}

/** What a publisher allows, by identity, so that it outlasts a reconnect of the subscriber; undefined = everything to all. */
export type TrackPermissions = ReadonlyMap<string, Allowance> | undefined;

/**
 * Reads a message; it replaces everything that was allowed before. An entry that names its participant by SID only is
 * for whoever has that SID now. "invalid" when an entry names nobody: then nothing changes.
 */
export function readTrackPermissions(room: RoomState, message: SubscriptionPermission): TrackPermissions | "invalid" {
  if (message.allParticipants) return undefined;
  const permissions = new Map<string, Allowance>();
  for (const entry of message.trackPermissions.slice(0, MAX_ENTRIES)) {
    if (entry.participantIdentity === "" && entry.participantSid === "") return "invalid";
    const identity = entry.participantIdentity || room.participants.get(entry.participantSid)?.identity;
    if (identity === undefined) continue;
    permissions.set(identity, { allTracks: entry.allTracks, tracks: new Set(entry.trackSids) });
  }
  return permissions;
}

/** Whether the publisher of a track allows it to this subscriber; recorders are exempt. */
export function publisherAllows(publisher: Participant, subscriber: Participant, sid: TrackSid): boolean {
  const { trackPermissions } = publisher;
  if (!trackPermissions || subscriber.recorder) return true;
  const allowance = trackPermissions.get(subscriber.identity);
  return allowance !== undefined && (allowance.allTracks || allowance.tracks.has(sid));
}

/** Whether the track may be forwarded to this subscriber. */
export function mayReceive(room: RoomState, subscriber: Participant, track: Receivable): boolean {
  const publisher = room.participants.get(track.publisher);
  // Clients cannot attach a track whose publisher they were never told about.
  if (!publisher || publisher.hidden || publisher === subscriber) return false;
  return subscriber.grants.canSubscribe && publisherAllows(publisher, subscriber, track.info.sid);
}
