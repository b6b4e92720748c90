/**
 * What happens in the rooms as webhook events (livekit.md 7). Invariants: `participant_joined` (at ACTIVE) comes before
 * `participant_left` of the same instance, and one who never became active gives `participant_connection_aborted`;
 * events name the room as it was then. Ids are drawn once per event.
 */
import { ParticipantInfo, Room as RoomInfo, WebhookEvent, type TrackInfo } from "@livekit/protocol";
import type { Random } from "@stoa/core/crypto";
import type { Effect } from "@stoa/core/room/effects";
import { newSid } from "@stoa/core/room/sid";
import type { RoomObserver } from "../rooms/effects.ts";

/** Names of the events that come from rooms. */
export type WebhookEventName =
  | "room_started"
  | "room_finished"
  | "participant_joined"
  | "participant_left"
  | "participant_connection_aborted"
  | "track_published"
  | "track_unpublished";

/** An event with what its order depends on. */
export interface RoomEvent {
  readonly event: WebhookEvent;
  readonly name: WebhookEventName;
  readonly room: string;
  /** SID of the instance whose stay begins or ends. */
  readonly opens?: string;
  readonly needs?: string;
}

/** What the events are made with. */
export interface EventSourceOptions {
  readonly random: Random;
  readonly nowMs: () => number;
  /** `room.enable_full_room_in_webhooks`: track events carry the whole room. */
  readonly fullRoom: () => boolean;
  readonly emit: (event: RoomEvent) => void;
}

interface KnownRoom {
  info: RoomInfo;
  /** SIDs that were announced by `participant_joined`. */
  readonly active: Set<string>;
}

type ParticipantEffect = Extract<Effect, { type: "participantEvent" }>;

/** Watches the rooms of a server. */
export class WebhookEvents implements RoomObserver {
  readonly #options: EventSourceOptions;
  readonly #rooms = new Map<string, KnownRoom>();

  constructor(options: EventSourceOptions) {
    this.#options = options;
  }

  onRoomCreated({ room }: { room: RoomInfo }): void {
    this.#rooms.set(room.name, { info: room, active: new Set() });
    this.#emit("room_started", room.name, { room: publicRoom(room) });
  }

  onRoomUpdated({ room }: { room: RoomInfo }): void {
    const known = this.#rooms.get(room.name);
    if (known?.info.sid === room.sid) known.info = room;
  }

  onRoomClosed({ room }: { room: RoomInfo }): void {
    if (this.#rooms.get(room.name)?.info.sid !== room.sid) return;
    this.#rooms.delete(room.name);
    this.#emit("room_finished", room.name, { room: publicRoom(room) });
  }

  onParticipant(name: string, { kind, participant, track }: ParticipantEffect): void {
    const known = this.#rooms.get(name);
    if (!known) return;
    const { sid } = participant;
    switch (kind) {
      case "active":
        known.active.add(sid);
        this.#emit("participant_joined", name, { room: publicRoom(known.info), participant }, { opens: sid });
        return;
      case "left": {
        const fields = { room: publicRoom(known.info), participant };
        if (known.active.delete(sid)) this.#emit("participant_left", name, fields, { needs: sid });
        else this.#emit("participant_connection_aborted", name, fields);
        return;
      }
      case "trackPublished":
        return this.#emitTrack("track_published", known, participant, track);
      case "trackUnpublished":
        return this.#emitTrack("track_unpublished", known, participant, track);
      default:
    }
  }

  #emitTrack(
    name: "track_published" | "track_unpublished",
    { info }: KnownRoom,
    { sid, identity, kind }: ParticipantInfo,
    track: TrackInfo | undefined,
  ): void {
    const room = this.#options.fullRoom() ? publicRoom(info) : new RoomInfo({ sid: info.sid, name: info.name });
    this.#emit(name, info.name, { room, participant: new ParticipantInfo({ sid, identity, kind }), track });
  }

  #emit(
    name: WebhookEventName,
    room: string,
    fields: Pick<Partial<WebhookEvent>, "room" | "participant"> & { track?: TrackInfo | undefined },
    order: Pick<RoomEvent, "opens" | "needs"> = {},
  ): void {
    const { random, nowMs, emit } = this.#options;
    const event = new WebhookEvent({ event: name, id: newSid(random, "EV_"), createdAt: BigInt(seconds(nowMs())) });
    if (fields.room) event.room = fields.room;
    if (fields.participant) event.participant = fields.participant;
    if (fields.track) event.track = fields.track;
    emit({ event, name, room, ...order });
  }
}

/** Without the secret that only members of the room are told. */
function publicRoom(room: RoomInfo): RoomInfo {
  const copy = room.clone();
  copy.turnPassword = "";
  delete copy.version;
  return copy;
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}
