/**
 * The way into a room: a new session, or back into the one whose signal connection broke (livekit.md 1.5, 1.11).
 * Invariants: Join is the first message of a session; an identity has one instance, the newer one wins.
 */
import { ClientInfo_SDK, DisconnectReason, ParticipantInfo_State } from "@livekit/protocol";
import { drawIceCredentials } from "../negotiation/ice-credentials.ts";
import { clientTraits, enabledCodecsFor } from "../negotiation/client-traits.ts";
import type { ClientTraits, NegotiationOptions } from "../negotiation/types.ts";
import { isDependent } from "./claims.ts";
import { clientFeatures } from "./client.ts";
import { disarmEmptyTimer } from "./empty.ts";
import { joinResponse } from "./join-response.ts";
import { playoutDelayFor } from "./links.ts";
import { leaveMessage, removeParticipant } from "./leave.ts";
import { setMember } from "./members.ts";
import { offerNow } from "./negotiate.ts";
import type { JoinFailure, JoinInput, JoinResult } from "./options.ts";
import { Participant } from "./participant.ts";
import { publisherLink, subscriberLink, type NegotiationFactory } from "./peer-link.ts";
import { handleAddTrack } from "./requests/add-track.ts";
import { handleOffer } from "./requests/offer.ts";
import { resume } from "./resume.ts";
import { newSid } from "./sid.ts";
import type { RoomState } from "./state.ts";
import { subscribeToExisting } from "./subscriptions.ts";
import { refreshToken } from "./token.ts";
import { announce, roomChanged, sendRoomUpdate } from "./updates.ts";
import { localTransport, rememberedTransports } from "./way.ts";

const JOIN_TIMEOUT_MS = 60_000;

/** Lets a participant in, or says why not. */
export function join(room: RoomState, input: JoinInput, negotiation: NegotiationFactory): JoinResult {
  if (room.closed) return { failure: "room_closed", message: "room is closed", leave: undefined };
  const existing = room.identities.get(input.claims.identity);
  if (input.resume) {
    const { participantSid } = input.resume;
    const same = existing !== undefined && (participantSid === "" || participantSid === existing.sid);
    if (!same) return stateMismatch(input);
    resume(room, existing, input);
    return { participant: existing.sid };
  }
  if (isFull(room, input, existing)) {
    return { failure: "room_full", message: "room has exceeded its max participants", leave: undefined };
  }
  if (existing) {
    const detail = "the same identity joined again";
    const replaced = !input.claims.grants.hidden;
    removeParticipant(room, existing, DisconnectReason.DUPLICATE_IDENTITY, "disconnect", detail, replaced);
  }
  const participant = enter(room, input, negotiation, existing);
  for (const request of input.addTracks) handleAddTrack(room, participant, request);
  if (input.publisherOffer) handleOffer(room, participant, input.publisherOffer);
  return { participant: participant.sid };
}

function enter(
  room: RoomState,
  input: JoinInput,
  negotiation: NegotiationFactory,
  existing: Participant | undefined,
): Participant {
  const { random, server } = room.options;
  const participant = new Participant({
    sid: newSid(random, "PA_"),
    claims: input.claims,
    client: input.client,
    options: input.options,
    connection: input.connection,
    region: server.region,
    codecs: enabledCodecsFor(input.client, server.enabledCodecs),
    joinedAtMs: room.nowMs,
    nextRevision: room.nextRevision,
  });
  participant.predecessor = existing?.hidden ? undefined : existing;
  participant.way.transports = rememberedTransports(room.ways, participant.identity, room.nowMs);
  connect(room, participant, negotiation);
  room.participants.set(participant.sid, participant);
  room.identities.set(participant.identity, participant);
  participant.joinRevision = participant.revision;
  if (!participant.dependent) {
    room.everJoined = true;
    disarmEmptyTimer(room);
  }
  room.timers.set("joinTimeout", participant.sid, room.nowMs + JOIN_TIMEOUT_MS);

  setMember(room, participant);
  room.send(participant, { case: "join", value: joinResponse(room, participant) });
  participant.advance(ParticipantInfo_State.JOINED);
  announce(room, participant);
  room.event("joined", participant, clientInWords(input));
  refreshToken(room, participant);
  if (participant.recorder) sendRoomUpdate(room);
  else roomChanged(room);

  // Existing tracks belong in the first description, so that their media starts with the connection.
  if (participant.singlePeer || participant.features.fastStart) subscribeToExisting(room, participant);
  if (participant.subscriberPrimary) offerNow(room, participant);
  return participant;
}

/** The SDP machines; the worker hears of a peer when its first description goes out. */
function connect(room: RoomState, participant: Participant, negotiation: NegotiationFactory): void {
  const { random, nextPeerId, server } = room.options;
  const local = localTransport(room.options.media, participant.way);
  const options = (): NegotiationOptions => ({
    local,
    random,
    credentials: drawIceCredentials(random),
    codecs: participant.codecs,
    client: traitsOf(room, participant),
    bandwidthFeedback: server.transport.bandwidthFeedback,
    playoutDelay: playoutDelayFor(room, participant) !== undefined,
  });
  const publisher = { ...options(), role: participant.singlePeer ? ("single" as const) : ("publisher" as const) };
  participant.publisher = publisherLink(nextPeerId(), publisher.credentials, negotiation.answerer(publisher));
  if (participant.singlePeer) return;
  const subscriber = { ...options(), dataChannels: participant.subscriberPrimary };
  const machine = negotiation.offerer(subscriber);
  participant.subscriber = subscriberLink(nextPeerId(), subscriber.credentials, machine, random.uint32());
}

/** Tracks that share a stream do not share m-lines: players would take one for the other. */
function traitsOf(room: RoomState, { client, features }: Participant): ClientTraits {
  const traits = clientTraits(client);
  const shared = features.transceiverReuse && !(room.options.config.syncStreams && features.syncStreams);
  const reusesTransceivers = traits.reusesTransceivers && shared;
  return { ...traits, reusesTransceivers, endsIdleReceivers: features.endsIdleReceivers };
}

/** "JS 2.23.0, Chrome 156 on Linux, one peer connection, protocol 16", for the timeline. */
function clientInWords({ client, options }: JoinInput): string {
  const { sdk, version, browser, browserVersion, os, osVersion, protocol } = client;
  const program = `${ClientInfo_SDK[sdk] ?? "unknown SDK"} ${version}`.trim();
  const system = [`${browser} ${browserVersion}`.trim(), `${os} ${osVersion}`.trim()].filter((part) => part !== "");
  const peers = options.peerConnections === "single" ? "one peer connection" : "two peer connections";
  return [program, ...(system.length > 0 ? [system.join(" on ")] : []), peers, `protocol ${protocol}`].join(", ");
}

/** Agents and recorders are let in beyond the limit, and so is the successor of somebody who is in already. */
function isFull(room: RoomState, input: JoinInput, existing: Participant | undefined): boolean {
  if (room.maxParticipants === 0) return false;
  let people = 0;
  for (const participant of room.participants.values()) {
    if (!participant.dependent && participant !== existing) people++;
  }
  return people >= room.maxParticipants && !isDependent(input.claims);
}

function stateMismatch(input: JoinInput): JoinFailure {
  const features = clientFeatures(input.client);
  return {
    failure: "state_mismatch",
    message: "no such session to resume",
    leave: leaveMessage(features, DisconnectReason.STATE_MISMATCH, "reconnect"),
  };
}
