/**
 * The worker's side of a participant's peer connections: opened before they are named, closed once.
 * What is sent on them is told as complete lists.
 */
import type { ChannelSpec, PlayoutDelaySpec, SenderSpec } from "../engine/specs.ts";
import type { IceCredentials } from "../negotiation/types.ts";
import { setMember } from "./members.ts";
import type { Participant } from "./participant.ts";
import { SERVER_CHANNELS, type PeerLink } from "./peer-link.ts";
import type { RoomState } from "./state.ts";

/**
 * What the room says of playout delay. Firefox cannot play the streams of a participant in step otherwise, so where that is
 * wanted it is left alone.
 */
export function playoutDelayFor(room: RoomState, { features }: Participant): PlayoutDelaySpec | undefined {
  const { minPlayoutDelay: minMs, maxPlayoutDelay: maxMs, syncStreams } = room.options.config;
  if ((minMs === 0 && maxMs === 0) || (syncStreams && !features.syncStreams)) return undefined;
  return { minMs, maxMs };
}

/** Lets the worker know the peer; the first description of ours is about to go out. */
export function openLink(room: RoomState, participant: Participant, link: PeerLink): void {
  if (link.opened) return;
  link.opened = true;
  const { congestion } = room.options.server.media;
  room.peers.set(link.peer, { participant, link });
  room.media({
    type: "openPeer",
    peer: link.peer,
    room: room.options.sid,
    participant: participant.sid,
    ufrag: link.credentials.ufrag,
    pwd: link.credentials.pwd,
    channels: link === participant.subscriber && participant.subscriberPrimary ? channelsOf(room) : [],
    congestion: {
      ...congestion,
      allowPause: participant.options.subscriberAllowPause ?? congestion.allowPause,
    },
    playoutDelay: playoutDelayFor(room, participant),
    stripsTrailers: !participant.features.readsTrailers,
    tcpOnly: participant.way.transports === "tcp",
  });
  if (link === participant.primary) setMember(room, participant);
}

function channelsOf({ options }: RoomState): readonly ChannelSpec[] {
  if (options.server.dataTracks) return SERVER_CHANNELS;
  return SERVER_CHANNELS.filter(({ label }) => label !== "_data_track");
}

/** New ICE credentials of ours on this peer, for descriptions that list what the participant's way allows. */
export function restartLink(
  room: RoomState,
  participant: Participant,
  link: PeerLink,
  credentials: IceCredentials,
): void {
  const up = link.state === "connected";
  link.connectedMs = up ? room.nowMs : undefined;
  if (!up) link.protocol = undefined;
  const { ufrag, pwd } = credentials;
  room.media({ type: "restartIce", peer: link.peer, ufrag, pwd, tcpOnly: participant.way.transports === "tcp" });
}

/**
 * Closes what is open; the events of these peers find nobody any more. The SDP machines are let go of: who left is remembered
 * for a while, and they are the heaviest part of it.
 */
export function closeLinks(room: RoomState, participant: Participant): void {
  for (const link of [participant.publisher, participant.subscriber]) {
    if (!link?.opened) continue;
    link.opened = false;
    room.peers.delete(link.peer);
    room.media({ type: "closePeer", peer: link.peer });
  }
  participant.publisher = undefined;
  participant.subscriber = undefined;
}

/** What the worker forwards on this peer from now on. */
export function setSenders(room: RoomState, link: PeerLink, senders: readonly SenderSpec[]): void {
  link.senders = senders;
  room.media({ type: "setSenders", peer: link.peer, senders });
}
