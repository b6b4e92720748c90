/**
 * Brings changes of what a participant receives into SDP (livekit.md 1.17): in dual mode we offer on the subscriber
 * peer, in single mode we ask the client to offer. Invariants: at most one offer waits for its answer; changes that
 * follow each other share one negotiation; without a signal connection nothing is sent, the resume does it then.
 */
import { MediaSectionsRequirement, SessionDescription } from "@livekit/protocol";
import { sendCandidates } from "./candidates.ts";
import { bindSenders, downTracks } from "./downlinks.ts";
import { openLink, restartLink } from "./links.ts";
import type { Participant } from "./participant.ts";
import type { PeerLink, SubscriberLink } from "./peer-link.ts";
import type { RoomState } from "./state.ts";

/** Negotiations of one participant start at most this often. */
const NEGOTIATE_EVERY_MS = 150;
/** Wait when none happened lately: the rest of a burst comes within it. */
const NEGOTIATE_SOON_MS = 10;
/** A client that leaves an offer unanswered for so long is out of step. */
const ANSWER_TIMEOUT_MS = 15_000;

/** The set of tracks to send has changed: negotiates soon. */
export function scheduleNegotiation(room: RoomState, participant: Participant): void {
  if (participant.connection === undefined || room.timers.isSet("negotiate", participant.sid)) return;
  const idle = room.nowMs - participant.lastNegotiationMs > NEGOTIATE_EVERY_MS;
  room.timers.set("negotiate", participant.sid, room.nowMs + (idle ? NEGOTIATE_SOON_MS : NEGOTIATE_EVERY_MS));
}

/**
 * The timer of it: offers, or asks for an offer, if the set really is another one. A client in single mode is asked only
 * after its first offer, which has room for some tracks already.
 */
export function negotiate(room: RoomState, participant: Participant): void {
  room.timers.clear("negotiate", participant.sid);
  if (participant.connection === undefined) return;
  participant.lastNegotiationMs = room.nowMs;
  const link = participant.downLink;
  if (!link || (participant.singlePeer && !link.opened)) return;
  if (!link.machine.setDownTracks(downTracks(room, participant))) restoreSenders(room, participant, link);
  else if (participant.subscriber) offerUnlessOffering(room, participant, participant.subscriber);
  else requireSections(room, participant);
}

/** Tracks that were taken off and wanted again before anything was negotiated: only the worker knows of that. */
function restoreSenders(room: RoomState, participant: Participant, link: PeerLink): void {
  const { senders } = link.machine.plan;
  if (senders.length !== link.senders.length) bindSenders(room, participant, link, senders);
}

/** While an offer is out, its answer will say that another one is due. */
function offerUnlessOffering(room: RoomState, participant: Participant, link: SubscriberLink): void {
  if (!link.machine.offering) offer(room, participant, link);
}

/** Offers what is wanted now, also without any track: for the connection, the data channels, an ICE restart. */
export function offerNow(room: RoomState, participant: Participant): void {
  const link = participant.subscriber;
  if (!link) return;
  room.timers.clear("negotiate", participant.sid);
  participant.lastNegotiationMs = room.nowMs;
  link.machine.setDownTracks(downTracks(room, participant));
  offer(room, participant, link);
}

/**
 * New ICE credentials for the subscriber peer, after a resume; supersedes an offer that is out. The client restarts the
 * peers on which it offers.
 */
export function restartIce(room: RoomState, participant: Participant): void {
  const link = participant.subscriber;
  if (!link?.opened) {
    scheduleNegotiation(room, participant);
    return;
  }
  restartLink(room, participant, link, link.machine.restartIce());
  offerNow(room, participant);
}

/** Single mode: how many m-lines the client is to add before it offers again. */
export function requireSections(room: RoomState, participant: Participant): void {
  const requirement = participant.publisher?.machine.takeRequirement();
  if (!requirement) return;
  room.send(participant, {
    case: "mediaSectionsRequirement",
    value: new MediaSectionsRequirement({ numAudios: requirement.audios, numVideos: requirement.videos }),
  });
}

function offer(room: RoomState, participant: Participant, link: SubscriberLink): void {
  openLink(room, participant, link);
  const { offer: sdp, midToTrackId, candidateSection } = link.machine.createOffer();
  link.offerId = (link.offerId + 1) >>> 0;
  room.send(participant, {
    case: "offer",
    value: new SessionDescription({ type: "offer", sdp, id: link.offerId, midToTrackId }),
  });
  sendCandidates(room, participant, link, candidateSection);
  room.timers.set("answerTimeout", participant.sid, room.nowMs + ANSWER_TIMEOUT_MS);
}
