/**
 * One peer connection of a participant as the room sees it: the SDP machine on this side, the peer in the worker on the
 * other. Invariant: the worker learns of a peer (`openPeer`) before any other command names it.
 */
import { SignalTarget } from "@livekit/protocol";
import type { ChannelSpec, PeerId, SenderSpec } from "../engine/specs.ts";
import type { AnswererApi, AnswererOptions, IceCredentials, OffererApi, OffererOptions } from "../negotiation/types.ts";

interface LinkState {
  readonly peer: PeerId;
  readonly target: SignalTarget;
  /** Announced in our first description, and given to the worker. */
  readonly credentials: IceCredentials;
  /** The worker knows the peer. */
  opened: boolean;
  state: "new" | "connected" | "disconnected" | "failed";
  /** When it came up since ICE (re)started; undefined before that. */
  connectedMs: number | undefined;
  /** What the path in use is over, once it is up. */
  protocol: "udp" | "tcp" | undefined;
  /** Our candidates went out. */
  trickled: boolean;
  /** What the worker sends on it, as last told. */
  senders: readonly SenderSpec[];
}

/** The client offers on it: the publisher of the dual mode, or the only one. */
export interface PublisherLink extends LinkState {
  readonly machine: AnswererApi;
}

/** We offer on it: the subscriber of the dual mode. */
export interface SubscriberLink extends LinkState {
  readonly machine: OffererApi;
  /** Id of the last offer; the first one is random, so that an answer of an earlier session does not fit. */
  offerId: number;
  readonly firstOfferId: number;
}

export type PeerLink = PublisherLink | SubscriberLink;

/** Makes the SDP machines. */
export interface NegotiationFactory {
  answerer(options: AnswererOptions): AnswererApi;
  offerer(options: OffererOptions): OffererApi;
}

/** A link on which the client offers. */
export function publisherLink(peer: PeerId, credentials: IceCredentials, machine: AnswererApi): PublisherLink {
  return { ...freshState(peer, SignalTarget.PUBLISHER, credentials), machine };
}

/** A link on which we offer; `random` is any 32-bit number. */
export function subscriberLink(
  peer: PeerId,
  credentials: IceCredentials,
  machine: OffererApi,
  random: number,
): SubscriberLink {
  const offerId = (random % 256) + 1;
  return { ...freshState(peer, SignalTarget.SUBSCRIBER, credentials), machine, offerId, firstOfferId: offerId };
}

function freshState(peer: PeerId, target: SignalTarget, credentials: IceCredentials): LinkState {
  const path = { connectedMs: undefined, protocol: undefined };
  return { peer, target, credentials, opened: false, state: "new", ...path, trickled: false, senders: [] };
}

/** What the server opens on a subscriber peer (livekit.md 2.1); in single mode the client opens the same three. */
export const SERVER_CHANNELS: readonly ChannelSpec[] = [
  { label: "_reliable", ordered: true, maxRetransmits: undefined },
  { label: "_lossy", ordered: false, maxRetransmits: 0 },
  { label: "_data_track", ordered: false, maxRetransmits: 0 },
];
