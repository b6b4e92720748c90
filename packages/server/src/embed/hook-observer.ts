/**
 * Tells the embedding program what happens in the rooms. Invariant: a hook runs after the input that it tells of, never
 * inside of it, and its failure is a line in the log.
 */
import { DataPacket, type ParticipantInfo, type Room as RoomInfo } from "@livekit/protocol";
import type { MediaEvent } from "@stoa/core/engine/events";
import type { Effect } from "@stoa/core/room/effects";
import type { Log } from "@stoa/io/log";
import type { RoomObserver } from "../rooms/effects.ts";
import type { EventHooks } from "./hooks.ts";

type ParticipantEffect = Extract<Effect, { type: "participantEvent" }>;

export class HookObserver implements RoomObserver {
  readonly #hooks: EventHooks;
  readonly #log: Log;
  /** Identity by SID, for data. */
  readonly #identities = new Map<string, string>();
  /** SIDs of those whose media is, or was, connected. */
  readonly #active = new Set<string>();

  constructor(hooks: EventHooks, log: Log) {
    this.#hooks = hooks;
    this.#log = log;
  }

  onRoomCreated({ room }: { room: RoomInfo }): void {
    this.#tell("roomStarted", { room });
  }

  onRoomClosed({ room }: { room: RoomInfo }): void {
    this.#tell("roomFinished", { room });
  }

  onParticipant(room: string, { kind, participant, track, detail }: ParticipantEffect): void {
    const event = { room, participant };
    switch (kind) {
      case "joined":
        this.#identities.set(participant.sid, participant.identity);
        return;
      case "active":
        this.#active.add(participant.sid);
        return this.#tell("participantJoined", event);
      case "left":
        return this.#left(room, participant, detail);
      case "trackPublished":
        if (track) this.#tell("trackPublished", { ...event, track });
        return;
      case "trackUnpublished":
        if (track) this.#tell("trackUnpublished", { ...event, track });
        return;
      default:
    }
  }

  onMedia(room: string, event: MediaEvent): void {
    if (event.type !== "data" || !this.#hooks.data) return;
    const { participant: participantSid, reliable } = event;
    const packet = DataPacket.fromBinary(event.packet);
    const user = packet.value.case === "user" ? packet.value.value : undefined;
    this.#tell("data", {
      room,
      identity: this.#identities.get(participantSid) ?? "",
      participantSid,
      reliable,
      topic: user?.topic ?? "",
      payload: user?.payload,
      packet,
    });
  }

  /** One who was never seen by anybody did not leave either. */
  #left(room: string, participant: ParticipantInfo, detail: string): void {
    this.#identities.delete(participant.sid);
    if (this.#active.delete(participant.sid)) this.#tell("participantLeft", { room, participant, detail });
  }

  #tell<K extends keyof EventHooks>(name: K, event: Parameters<NonNullable<EventHooks[K]>>[0]): void {
    const hook = this.#hooks[name] as ((event: unknown) => unknown) | undefined;
    if (!hook) return;
    queueMicrotask(() => {
      void this.#run(name, async () => hook.call(this.#hooks, event));
    });
  }

  async #run(name: string, hook: () => Promise<unknown>): Promise<void> {
    try {
      await hook();
    } catch (error) {
      this.#log.error("a hook failed", { hook: name, error });
    }
  }
}
