/**
 * Who and what the figures are about: participants, their peer connections, and tracks, which go by room and SID, for a
 * forwarded track has the same SID in two rooms. Bounded by what the rooms hold: everything goes with its participant.
 */
import {
  ClientInfo_SDK,
  ParticipantInfo_Kind,
  TrackSource,
  TrackType,
  type ClientInfo,
  type TrackInfo,
} from "@livekit/protocol";
import type { MediaCommand } from "@stoa/core/engine/commands";
import type { PeerId } from "@stoa/core/engine/specs";

/** One participant in one room. */
export interface Person {
  readonly joinedMs: number;
  readonly kind: string;
  /** "" of one that is forwarded from another room. */
  readonly protocol: string;
  readonly sdk: string;
  /** When its media was connected. */
  activeMs: number | undefined;
  /** Milliseconds, 0 when unknown. */
  rttMs: number;
  /** Of its connection, as last told: rating 0 to 2 and score; `observed`: since the last statistics. */
  quality: { readonly rating: number; readonly score: number; observed: boolean } | undefined;
  readonly peers: PeerId[];
}

/** One peer connection. */
export interface KnownPeer {
  readonly participant: string;
  readonly transport: "PUBLISHER" | "SUBSCRIBER";
  /** The participant's first one. */
  readonly first: boolean;
  established: boolean;
  connected: boolean;
}

/** A published track, in the words of labels. */
export interface KnownTrack {
  readonly kind: "AUDIO" | "VIDEO";
  readonly source: string;
}

/** What a label says of a track that is not known any more. */
const NO_TRACK = { kind: "", source: "" } as const;

/** Of one without a client here. */
const NO_CLIENT = { protocol: "", sdk: "" } as const;

export class Known {
  readonly #people = new Map<string, Person>();
  readonly #peers = new Map<PeerId, KnownPeer>();
  readonly #tracks = new Map<string, KnownTrack>();

  join(sid: string, kind: ParticipantInfo_Kind, client: ClientInfo | undefined, atMs: number): void {
    const words = client ? { protocol: String(client.protocol), sdk: ClientInfo_SDK[client.sdk] ?? "" } : NO_CLIENT;
    const empty = { activeMs: undefined, rttMs: 0, quality: undefined, peers: [] };
    this.#people.set(sid, { joinedMs: atMs, kind: ParticipantInfo_Kind[kind] ?? "", ...words, ...empty });
  }

  person(sid: string): Person | undefined {
    return this.#people.get(sid);
  }

  /** It is gone; undefined if it was not there. */
  leave(sid: string): Person | undefined {
    const person = this.#people.get(sid);
    this.#people.delete(sid);
    return person;
  }

  /** The first peer of a participant is the publisher, or the only one; only a subscriber peer has channels that we open. */
  open({ peer, participant, channels }: Extract<MediaCommand, { type: "openPeer" }>): KnownPeer {
    const peers = this.#people.get(participant)?.peers ?? this.#peersOf(participant);
    const first = peers.length === 0;
    peers.push(peer);
    const transport = first && channels.length === 0 ? "PUBLISHER" : "SUBSCRIBER";
    const known: KnownPeer = { participant, transport, first, established: false, connected: false };
    this.#peers.set(peer, known);
    return known;
  }

  peer(id: PeerId): KnownPeer | undefined {
    return this.#peers.get(id);
  }

  close(id: PeerId): void {
    this.#peers.delete(id);
  }

  get publishedTracks(): number {
    return this.#tracks.size;
  }

  /** False when it is known already. */
  publish(room: string, { sid, type, source }: TrackInfo): boolean {
    const key = `${room} ${sid}`;
    if (this.#tracks.has(key)) return false;
    this.#tracks.set(key, { kind: TrackType[type] as "AUDIO", source: TrackSource[source] ?? "" });
    return true;
  }

  track(room: string, sid: string): KnownTrack | typeof NO_TRACK {
    return this.#tracks.get(`${room} ${sid}`) ?? NO_TRACK;
  }

  /** It is published no longer; undefined if it was not. */
  unpublish(room: string, sid: string): KnownTrack | undefined {
    const track = this.#tracks.get(`${room} ${sid}`);
    this.#tracks.delete(`${room} ${sid}`);
    return track;
  }

  /** Of somebody whose join was not told. */
  #peersOf(participant: string): PeerId[] {
    return [...this.#peers].filter(([, known]) => known.participant === participant).map(([id]) => id);
  }
}
