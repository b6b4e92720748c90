/**
 * RoomService.ForwardParticipant, in the room where the participant is and in the one where it is shown. There it is a
 * participant of kind detail FORWARDED with the same identity and the same tracks, without a connection of its own.
 * It follows every change, and ends with its source or by RemoveParticipant. Invariant: it keeps no room open.
 */
import { ClientInfo, ParticipantInfo_KindDetail, ParticipantInfo_State, type TrackInfo } from "@livekit/protocol";
import { reapplySettings } from "../downlinks.ts";
import { newDemand, takeForeignWishes, unmuteDynacast } from "../dynacast.ts";
import { forwardedOf, tellForwards, type Forwarded, type ForwardSource } from "../forwards.ts";
import { removeParticipant } from "../leave.ts";
import { Participant } from "../participant.ts";
import { newSid, type ParticipantSid, type TrackSid } from "../sid.ts";
import type { RoomState } from "../state.ts";
import { offerTrack, reconsiderEverybody, withdrawTrack } from "../subscriptions.ts";
import type { PublishedTrack } from "../track.ts";
import { announce, roomChanged } from "../updates.ts";
import { participantOf, Refusal, type Action } from "./action.ts";

/** More than that would make every change of it expensive. */
const MAX_DESTINATIONS = 100;

/** What the other room is to show. */
export function readForwardable(identity: string): Action<Forwarded> {
  return (room) => {
    const participant = participantOf(room, identity);
    if (participant instanceof Refusal) return participant;
    if (participant.forwardedFrom) {
      return new Refusal(
        "failed_precondition",
        "the participant is forwarded from another room; forward it from there",
      );
    }
    if (participant.forwardedTo.size >= MAX_DESTINATIONS) {
      return new Refusal("resource_exhausted", `the participant is forwarded to ${MAX_DESTINATIONS} rooms already`);
    }
    return forwardedOf(room, participant);
  };
}

/** From now on the other room hears of every change; at first, of how things are. */
export function startForwarding(sid: ParticipantSid, destination: string): Action<true> {
  return (room) => {
    const participant = room.participants.get(sid);
    if (!participant) return new Refusal("not_found", "participant does not exist");
    participant.forwardedTo.add(destination);
    tellForwards(room, participant);
    return true;
  };
}

/** The other room does not show it any more. */
export function stopForwarding(sid: ParticipantSid, destination: string): Action<true> {
  return (room) => {
    const participant = room.participants.get(sid);
    participant?.forwardedTo.delete(destination);
    for (const track of participant?.tracks.values() ?? []) takeForeignWishes(room, track, destination, []);
    return true;
  };
}

/** What is wanted of a track in the other room: a level for each codec (`core/room/dynacast.ts`). */
export function wantForwarded(
  sid: ParticipantSid,
  destination: string,
  trackSid: TrackSid,
  levels: readonly number[],
): Action<true> {
  return (room) => {
    const participant = room.participants.get(sid);
    const track = participant?.tracks.get(trackSid);
    if (track && participant?.forwardedTo.has(destination)) takeForeignWishes(room, track, destination, levels);
    return true;
  };
}

/** As whom it is shown here; undefined when it is not. */
export function readShown({ room: name, participant: sid }: ForwardSource): Action<ParticipantSid | undefined> {
  return (room) => {
    for (const { sid: shownSid, forwardedFrom } of room.participants.values()) {
      if (forwardedFrom?.room === name && forwardedFrom.participant === sid) return shownSid;
    }
    return undefined;
  };
}

/** Shows a participant of another room, as it is now; drops one that has left there. */
export function receiveForwarded(forwarded: Forwarded): Action<true> {
  return (room) => {
    const { source, claims, info } = forwarded;
    const known = room.identities.get(claims.identity);
    const same = known?.forwardedFrom?.room === source.room && known.forwardedFrom.participant === source.participant;
    if (info.state === ParticipantInfo_State.DISCONNECTED) {
      if (same) removeParticipant(room, known, info.disconnectReason, "silent", `left room ${source.room}`);
      return true;
    }
    if (known && !same) {
      return new Refusal("already_exists", "the destination room has a participant of that identity", "identity");
    }
    const participant = known ?? enter(room, forwarded);
    follow(room, participant, forwarded);
    return true;
  };
}

function enter(room: RoomState, { source, claims }: Forwarded): Participant {
  const participant = new Participant({
    sid: newSid(room.options.random, "PA_"),
    claims: shown(claims),
    client: new ClientInfo(),
    options: {
      peerConnections: "dual",
      autoSubscribe: false,
      autoSubscribeDataTrack: false,
      adaptiveStream: false,
      subscriberAllowPause: false,
    },
    connection: undefined,
    region: room.options.server.region,
    codecs: { publish: [], subscribe: [] },
    joinedAtMs: room.nowMs,
    nextRevision: room.nextRevision,
  });
  participant.forwardedFrom = source;
  participant.advance(ParticipantInfo_State.ACTIVE);
  room.participants.set(participant.sid, participant);
  room.identities.set(participant.identity, participant);
  participant.joinRevision = participant.revision;
  room.event("joined", participant, `forwarded from room ${source.room}`);
  room.event("active", participant);
  return participant;
}

function follow(room: RoomState, participant: Participant, { claims, info, trackPermissions }: Forwarded): void {
  const sids = new Set(info.tracks.map(({ sid }) => sid));
  const before = participant.revision;
  // Often it is only its media that has changed, which is nothing to those who see it here.
  if (!shows(participant, claims)) participant.setClaims(shown(claims));
  const permissionsChanged = participant.trackPermissions !== trackPermissions;
  participant.trackPermissions = trackPermissions;
  for (const track of participant.tracks.values()) {
    if (sids.has(track.info.sid)) continue;
    participant.tracks.delete(track.info.sid);
    participant.touch();
    room.tracks.delete(track.info.sid);
    withdrawTrack(room, track);
    room.event("trackUnpublished", participant, "", track.info);
  }
  const added = info.tracks.filter((track) => !take(room, participant, track));
  participant.setPublisher(info.isPublisher);
  if (participant.revision !== before) announce(room, participant, { immediate: true });
  // Others read of a track before they are offered its media.
  for (const track of added) {
    room.event("trackPublished", participant, "", track);
    offerTrack(room, room.tracks.get(track.sid)!);
  }
  if (permissionsChanged) {
    for (const track of participant.tracks.values()) reconsiderEverybody(room, track);
  }
  roomChanged(room);
}

/** Notes a track; false when it is new. */
function take(room: RoomState, participant: Participant, info: TrackInfo): boolean {
  const track = participant.tracks.get(info.sid);
  if (track) {
    const unmuted = track.info.muted && !info.muted;
    if (track.info === info) return true;
    track.info = info;
    participant.touch();
    if (unmuted) unmuteDynacast(room, track);
    reapplySettings(room, track);
    return true;
  }
  const added: PublishedTrack = {
    info,
    publisher: participant.sid,
    cid: "",
    subscribers: new Set(),
    everSubscribed: true,
    regressedTo: -1,
    demand: newDemand(),
  };
  participant.tracks.set(info.sid, added);
  participant.touch();
  room.tracks.set(info.sid, added);
  return false;
}

function shows({ claims: now }: Participant, claims: Forwarded["claims"]): boolean {
  const keys = Object.keys(claims) as (keyof Forwarded["claims"])[];
  return keys.every((key) => key === "kindDetails" || now[key] === claims[key]);
}

function shown(claims: Forwarded["claims"]): Forwarded["claims"] {
  return { ...claims, kindDetails: [...claims.kindDetails, ParticipantInfo_KindDetail.FORWARDED] };
}
