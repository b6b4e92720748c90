/**
 * Figures of rooms, participants, tracks and streams, from what the rooms do and the media workers report.
 * Invariant: a gauge goes down exactly once for everything that it went up for.
 */
import { ConnectionQuality, ParticipantInfo, TrackSource, TrackType, type Room as RoomInfo } from "@livekit/protocol";
import type { MediaCommand, MediaEvent, MediaKind, PeerId, StreamStats } from "@stoa/core/engine/protocol";
import type { Effect } from "@stoa/core/room/effects";
import type { RoomObserver } from "../rooms/effects.ts";
import type { Instruments } from "./instruments.ts";

type EffectOf<T extends Effect["type"]> = Extract<Effect, { type: T }>;

interface Published {
  readonly kind: "AUDIO" | "VIDEO";
  readonly source: string;
}

interface Peer {
  /** By SID of the track that is sent on it. */
  senders: ReadonlyMap<string, MediaKind>;
  readonly transport: "PUBLISHER" | "SUBSCRIBER";
}

/** Undefined: not a rating of a connection that is there. */
const RATINGS: Readonly<Record<ConnectionQuality, number | undefined>> = {
  [ConnectionQuality.POOR]: 0,
  [ConnectionQuality.GOOD]: 1,
  [ConnectionQuality.EXCELLENT]: 2,
  [ConnectionQuality.LOST]: undefined,
};

export class RoomFigures implements RoomObserver {
  readonly #to: Instruments;
  readonly #nowMs: () => number;
  readonly #joinedMs = new Map<string, number>();
  readonly #published = new Map<string, Published>();
  readonly #peers = new Map<PeerId, Peer>();
  /** The first peer of a participant is the publisher (or the only one). */
  readonly #firstPeer = new Map<string, PeerId>();
  #forwarded = 0;

  constructor(instruments: Instruments, nowMs: () => number) {
    this.#to = instruments;
    this.#nowMs = nowMs;
  }

  /** Tracks that are published, and each of them once more for everybody who gets it. */
  get tracks(): number {
    return this.#published.size + this.#forwarded;
  }

  onRoomCreated(): void {
    this.#to.rooms.inc();
  }

  onRoomClosed({ room }: { room: RoomInfo }): void {
    this.#to.rooms.dec();
    this.#to.roomSeconds.observe(Math.max(0, (this.#nowMs() - Number(room.creationTimeMs)) / 1000));
  }

  onParticipant(_: string, { kind, participant, track, atMs }: EffectOf<"participantEvent">): void {
    switch (kind) {
      case "joined":
        this.#joinedMs.set(participant.sid, atMs);
        this.#to.participants.inc();
        this.#to.joins.inc({ state: "signal_connected", warp: "" });
        this.#to.joins.inc({ state: "rtc_init", warp: "" });
        return;
      case "active":
        this.#to.joins.inc({ state: "rtc_active", warp: "" });
        this.#observeSince(this.#to.sessionStartMs, { protocol_version: "", warp: "" }, participant, atMs);
        return;
      case "left":
        this.#observeSince(this.#to.sessionMs, { protocol_version: "" }, participant, atMs);
        if (!this.#joinedMs.delete(participant.sid)) return;
        this.#firstPeer.delete(participant.sid);
        this.#to.participants.dec();
        return;
      case "trackPublished":
        if (track)
          this.#publish(track.sid, { kind: TrackType[track.type] as "AUDIO", source: TrackSource[track.source] });
        return;
      case "trackUnpublished":
        this.#unpublish(track?.sid ?? "");
        return;
      default:
    }
  }

  onCommand(_: string, command: MediaCommand): void {
    switch (command.type) {
      case "openPeer": {
        const first = !this.#firstPeer.has(command.participant);
        if (first) this.#firstPeer.set(command.participant, command.peer);
        const channels = command.channels.length > 0; // only a subscriber peer has channels that we open
        const transport = first && !channels ? "PUBLISHER" : "SUBSCRIBER";
        this.#peers.set(command.peer, { senders: new Map(), transport });
        this.#to.operations.inc({ type: "peer_connection", status: "success", error_type: "" });
        return;
      }
      case "closePeer":
        this.#setSenders(command.peer, new Map());
        this.#peers.delete(command.peer);
        return;
      case "setSenders":
        this.#setSenders(command.peer, new Map(command.senders.map(({ track, kind }) => [track, kind])));
        return;
      default:
    }
  }

  onMedia(_: string, event: MediaEvent): void {
    if (event.type === "peerState") {
      const transport = this.#peers.get(event.peer)?.transport;
      if (!transport) return;
      this.#to.peerStates.inc({ transport, state: event.state });
      if (event.state === "connected" && transport === "PUBLISHER")
        this.#to.joins.inc({ state: "rtc_connected", warp: "" });
    } else if (event.type === "stats") {
      const { receivers, senders, rttMs } = event.stats;
      for (const stream of receivers) this.#noteStream("incoming", stream, 0);
      for (const stream of senders) this.#noteStream("outgoing", stream, rttMs);
    }
  }

  onSend(_: string, { to, message: { message } }: EffectOf<"send">): void {
    this.#to.messageCounts.response++;
    if (message.case !== "connectionQuality") return;
    for (const { participantSid, quality, score } of message.value.updates) {
      const rating = RATINGS[quality];
      // everybody of the room is told; it counts once
      if (participantSid !== to || rating === undefined) continue;
      this.#to.qualityRating.observe(rating);
      this.#to.qualityScore.observe(score);
    }
  }

  onRequest(): void {
    this.#to.messageCounts.request++;
  }

  #publish(sid: string, published: Published): void {
    if (this.#published.has(sid)) return;
    this.#published.set(sid, published);
    this.#to.tracksPublished.inc({ kind: published.kind });
    this.#to.publications.inc({ kind: published.kind, state: "success" });
  }

  #unpublish(sid: string): void {
    const published = this.#published.get(sid);
    if (!published) return;
    this.#published.delete(sid);
    this.#to.tracksPublished.dec({ kind: published.kind });
  }

  #setSenders(id: PeerId, senders: ReadonlyMap<string, MediaKind>): void {
    const peer = this.#peers.get(id);
    if (!peer) return;
    this.#forwarded += senders.size - peer.senders.size;
    for (const [track, kind] of senders) {
      if (peer.senders.has(track)) continue;
      this.#to.tracksSubscribed.inc({ kind: kind.toUpperCase() });
      this.#to.subscriptions.inc({ state: "success", error: "" });
    }
    for (const [track, kind] of peer.senders) {
      if (!senders.has(track)) this.#to.tracksSubscribed.dec({ kind: kind.toUpperCase() });
    }
    peer.senders = senders;
  }

  #noteStream(direction: "incoming" | "outgoing", stream: StreamStats, rttMs: number): void {
    const { kind, source } = this.#published.get(stream.track) ?? { kind: "", source: "" };
    const labels = { direction, source, type: kind, country: "" };
    if (stream.nacks > 0) this.#to.nacks.inc({ direction, country: "" }, stream.nacks);
    if (stream.keyFrameRequests > 0) this.#to.plis.inc({ direction, country: "" }, stream.keyFrameRequests);
    if (stream.lost > 0) this.#to.lossTotal.inc(labels, stream.lost);
    if (stream.packets > 0) this.#to.lossPercent.observe(labels, (100 * Math.max(0, stream.lost)) / stream.packets);
    if (stream.jitterMs > 0) this.#to.jitterUs.observe(labels, stream.jitterMs * 1000);
    if (rttMs > 0) this.#to.rttMs.observe(labels, rttMs);
  }

  #observeSince<L extends string>(
    histogram: { observe(labels: Partial<Record<L, string>>, value: number): void },
    labels: Partial<Record<L, string>>,
    { sid }: ParticipantInfo,
    atMs: number,
  ): void {
    const joinedMs = this.#joinedMs.get(sid);
    if (joinedMs !== undefined) histogram.observe(labels, Math.max(0, atMs - joinedMs));
  }
}
