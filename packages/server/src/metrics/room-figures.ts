/**
 * Figures of rooms and participants, from what the rooms do and the media workers report; those of tracks and streams are
 * kept in files of their own. Invariant: a gauge goes down exactly once for everything that it went up for.
 */
import { DisconnectReason, type ClientInfo, type ParticipantInfo, type Room as RoomInfo } from "@livekit/protocol";
import type { MediaCommand } from "@stoa/core/engine/commands";
import type { MediaEvent } from "@stoa/core/engine/events";
import type { Effect } from "@stoa/core/room/effects";
import type { RoomObserver, SignalTrouble } from "../rooms/effects.ts";
import type { Instruments } from "./instruments.ts";
import { Known, type Person } from "./known.ts";
import { StreamFigures } from "./stream-figures.ts";
import { TrackFigures } from "./track-figures.ts";

type EffectOf<T extends Effect["type"]> = Extract<Effect, { type: T }>;

/** Whoever leaves for one of these before media is up has not failed. */
const CANCELS: ReadonlySet<DisconnectReason> = new Set([
  DisconnectReason.CLIENT_INITIATED,
  DisconnectReason.DUPLICATE_IDENTITY,
  DisconnectReason.ROOM_CLOSED,
  DisconnectReason.ROOM_DELETED,
  DisconnectReason.MIGRATION,
]);

export class RoomFigures implements RoomObserver {
  readonly #to: Instruments;
  readonly #nowMs: () => number;
  readonly #known = new Known();
  readonly #tracks: TrackFigures;
  readonly #streams: StreamFigures;

  constructor(instruments: Instruments, nowMs: () => number) {
    this.#to = instruments;
    this.#nowMs = nowMs;
    this.#tracks = new TrackFigures(instruments, this.#known, nowMs);
    this.#streams = new StreamFigures(instruments, this.#known);
  }

  /** Tracks that are published, and each of them once more for everybody who gets it. */
  get tracks(): number {
    return this.#known.publishedTracks + this.#tracks.forwarded;
  }

  onRoomCreated(): void {
    this.#to.rooms.inc();
  }

  onRoomClosed({ room }: { room: RoomInfo }): void {
    this.#to.rooms.dec();
    this.#to.roomSeconds.observe(Math.max(0, (this.#nowMs() - Number(room.creationTimeMs)) / 1000));
  }

  onParticipant(room: string, { kind, participant, track, client, atMs }: EffectOf<"participantEvent">): void {
    const { sid } = participant;
    switch (kind) {
      case "joined":
        return this.#joined(participant, client, atMs);
      case "active":
        return this.#active(this.#known.person(sid), atMs);
      case "left":
        return this.#left(participant, atMs);
      case "negotiationFailed":
        this.#to.operations.inc({ type: "answer", status: "error", error_type: "remote_description" });
        return;
      case "trackPublished":
        if (track) this.#tracks.published(room, sid, track, atMs);
        return;
      case "trackUnpublished":
        this.#tracks.unpublished(room, sid, track?.sid ?? "");
        return;
      default:
    }
  }

  onSubscription(room: string, event: EffectOf<"subscription">): void {
    this.#tracks.subscription(room, event);
  }

  onSignalTrouble(_room: string, _sid: string, { kind }: SignalTrouble): void {
    this.#to.signalTroubles.inc({ type: kind });
  }

  onCommand(room: string, command: MediaCommand): void {
    switch (command.type) {
      case "openPeer": {
        const { transport } = this.#known.open(command);
        this.#to.operations.inc({ type: "peer_connection", status: "success", error_type: "" });
        this.#to.peerStates.inc({ transport, state: "started" });
        return;
      }
      case "closePeer":
        this.#tracks.sent(room, command.peer, []);
        this.#known.close(command.peer);
        return;
      case "setSenders":
        this.#tracks.sent(room, command.peer, command.senders);
        return;
      default:
    }
  }

  onMedia(room: string, event: MediaEvent): void {
    if (event.type === "peerState") this.#peerState(event);
    else if (event.type === "channelOpen") this.#established(event.peer);
    else if (event.type === "downlinkStarted") this.#tracks.started(room, event);
    else if (event.type === "stats") this.#streams.statistics(room, event.peer, event.stats);
  }

  onSend(_: string, { to, message }: EffectOf<"send">): void {
    this.#to.messageCounts.response++;
    const type = message.message.case;
    if (type === "answer" || type === "offer") this.#to.operations.inc({ type, status: "success", error_type: "" });
    this.#streams.told(to, message);
    this.#tracks.told(to, message);
  }

  onRequest(): void {
    this.#to.messageCounts.request++;
  }

  #joined({ sid, kind }: ParticipantInfo, client: ClientInfo | undefined, atMs: number): void {
    this.#known.join(sid, kind, client, atMs);
    this.#to.participants.inc();
    this.#to.joins.inc({ state: "signal_connected", warp: "" });
    this.#to.joins.inc({ state: "rtc_init", warp: "" });
    this.#to.operations.inc({ type: "participant_join", status: "success", error_type: "" });
  }

  #active(person: Person | undefined, atMs: number): void {
    this.#to.joins.inc({ state: "rtc_active", warp: "false" });
    if (!person || person.activeMs !== undefined) return;
    person.activeMs = atMs;
    this.#to.joins.inc({ state: "rtc_success", warp: "false" });
    const labels = { protocol_version: person.protocol, warp: "false" };
    this.#to.sessionStartMs.observe(labels, Math.max(0, atMs - person.joinedMs));
  }

  #left({ sid, disconnectReason }: ParticipantInfo, atMs: number): void {
    this.#tracks.left(sid);
    const person = this.#known.leave(sid);
    if (!person) return;
    this.#to.participants.dec();
    const { protocol, activeMs } = person;
    if (activeMs !== undefined) {
      this.#to.sessionMs.observe({ protocol_version: protocol }, Math.max(0, atMs - activeMs));
      return;
    }
    this.#to.joins.inc({ state: CANCELS.has(disconnectReason) ? "rtc_canceled" : "rtc_failure", warp: "false" });
  }

  #peerState({ peer: id, state }: Extract<MediaEvent, { type: "peerState" }>): void {
    const peer = this.#known.peer(id);
    if (!peer) return;
    const { transport } = peer;
    const first = state === "connected" && !peer.connected;
    // Connected means both, ICE and DTLS.
    if (first) this.#to.peerStates.inc({ transport, state: "ice_connected" });
    if (first || state !== "connected") this.#to.peerStates.inc({ transport, state });
    if (first && transport === "PUBLISHER") this.#to.joins.inc({ state: "rtc_connected", warp: "" });
    peer.connected = state === "connected";
  }

  /** With its first data channel a peer connection is all there. */
  #established(id: number): void {
    const peer = this.#known.peer(id);
    if (!peer || peer.established) return;
    peer.established = true;
    this.#to.peerStates.inc({ transport: peer.transport, state: "fully_established" });
  }
}
