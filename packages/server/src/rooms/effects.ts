/**
 * Performs what a room asks for (`core/room/effects.ts`), in order: responses to their socket, commands to the room's
 * worker, tokens signed and sent, the end of the room to the registry. Nothing here decides anything.
 */
import { DisconnectReason, SignalResponse, type SignalRequest } from "@livekit/protocol";
import type { MediaCommand } from "@stoa/core/engine/commands";
import type { MediaEvent } from "@stoa/core/engine/events";
import type { Effect } from "@stoa/core/room/effects";
import type { ParticipantSid } from "@stoa/core/room/sid";
import type { KeyPair } from "../auth/create.ts";
import type { Log } from "@stoa/io/log";
import type { MediaPort } from "../media/media-port.ts";
import { PacedLines } from "../paced-lines.ts";
import type { Connections } from "./connections.ts";
import type { Forwards } from "./forwards.ts";
import { signRefreshed } from "./refreshed-token.ts";
import type { RpcWaiters } from "./rpc-waiters.ts";
import type { RoomRunner } from "./runner.ts";

type EffectOf<T extends Effect["type"]> = Extract<Effect, { type: T }>;

/** What a client does to its signal connection that the server does not put up with. */
export interface SignalTrouble {
  /** It is read slowly, or was ended without a word. */
  readonly kind: "slowed" | "cut";
  /** For people. */
  readonly text: string;
}

/** Who wants to hear of the life of rooms: stores, webhooks, figures, timelines. `room` is a name. */
export interface RoomObserver {
  onRoomCreated?(event: EffectOf<"roomCreated">): void;
  onParticipant?(room: string, event: EffectOf<"participantEvent">): void;
  /** An agent is wanted, or not wanted any more. */
  onDispatch?(room: string, event: EffectOf<"dispatchCreated" | "dispatchDeleted">): void;
  /** Somebody is to be sent a track, or cannot be. */
  onSubscription?(room: string, event: EffectOf<"subscription">): void;
  onSignalTrouble?(room: string, participant: ParticipantSid, trouble: SignalTrouble): void;
  onRoomUpdated?(event: EffectOf<"roomUpdated">): void;
  onRoomClosed?(event: EffectOf<"roomClosed">): void;
  /** Each message to a client, each request of one, each word to and from the media worker: be quick. */
  onSend?(room: string, event: EffectOf<"send">): void;
  onRequest?(room: string, from: ParticipantSid, request: SignalRequest): void;
  onCommand?(room: string, command: MediaCommand): void;
  onMedia?(room: string, event: MediaEvent): void;
}

/** What the performer works with. */
export interface EffectDeps {
  readonly connections: Connections;
  readonly media: MediaPort;
  /** Signs refreshed tokens. */
  readonly signer: KeyPair;
  readonly observers: readonly RoomObserver[];
  /** Who waits for the outcome of a call to a participant. */
  readonly rpcs: RpcWaiters;
  readonly forwards: Forwards;
  readonly log: Log;
  readonly nowMs: () => number;
  readonly forget: (runner: RoomRunner) => void;
}

/** Performs the effects of one room. */
export class EffectPerformer {
  readonly #deps: EffectDeps;
  readonly #lines: PacedLines;
  /** Who hears of each message: of one to a thousand participants there are a thousand. */
  readonly #sendObservers: readonly RoomObserver[];

  constructor(deps: EffectDeps) {
    this.#deps = deps;
    this.#lines = new PacedLines(deps.log, deps.nowMs);
    this.#sendObservers = deps.observers.filter((observer) => "onSend" in observer);
  }

  /** One that fails is logged; the others are performed all the same. */
  perform(runner: RoomRunner, effects: readonly Effect[]): void {
    for (const effect of effects) {
      try {
        this.#one(runner, effect);
      } catch (error) {
        this.#deps.log.error("effect of a room failed", { room: runner.name, effect: effect.type, error });
      }
    }
  }

  /** Tells every observer; one that fails is logged. */
  tell(what: (observer: RoomObserver) => void): void {
    for (const observer of this.#deps.observers) {
      try {
        what(observer);
      } catch (error) {
        this.#deps.log.error("an observer of rooms failed", { error });
      }
    }
  }

  #one(runner: RoomRunner, effect: Effect): void {
    const { connections, media, log } = this.#deps;
    switch (effect.type) {
      case "send":
        connections.get(effect.connection)?.socket.send(effect.message);
        for (const observer of this.#sendObservers) observer.onSend?.(runner.name, effect);
        break;
      case "endSignal":
        connections.get(effect.connection)?.socket.end(effect.afterFlush);
        break;
      case "media":
        media.post(runner.worker, runner.name, effect.command);
        this.tell((observer) => observer.onCommand?.(runner.name, effect.command));
        break;
      case "refreshToken":
        this.#refresh(runner, effect).catch((error: unknown) => {
          log.error("token could not be refreshed", { room: runner.name, error });
        });
        break;
      case "participantEvent":
        this.#participant(runner, effect);
        break;
      case "subscription":
        this.tell((observer) => observer.onSubscription?.(runner.name, effect));
        break;
      case "roomCreated":
        this.tell((observer) => observer.onRoomCreated?.(effect));
        break;
      case "forwarded":
        this.#deps.forwards.tell(runner, effect.destination, effect.forwarded);
        break;
      case "forwardWanted":
        this.#deps.forwards.want(runner, effect);
        break;
      case "forwardEnded":
        this.#deps.forwards.end(runner, effect.source);
        break;
      case "rpcDone":
        this.#deps.rpcs.settle(effect.id, effect.outcome);
        break;
      case "dispatchCreated":
      case "dispatchDeleted":
        this.tell((observer) => observer.onDispatch?.(runner.name, effect));
        break;
      case "roomUpdated":
        this.tell((observer) => observer.onRoomUpdated?.(effect));
        break;
      case "roomClosed":
        this.#deps.forget(runner);
        log.info("room closed", { room: runner.name, sid: effect.room.sid, reason: DisconnectReason[effect.reason] });
        this.tell((observer) => observer.onRoomClosed?.(effect));
        break;
    }
  }

  #participant(runner: RoomRunner, effect: EffectOf<"participantEvent">): void {
    const { kind, detail, participant, track } = effect;
    const who = { room: runner.name, participant: participant.identity, sid: participant.sid };
    const fields = { ...who, ...(track && { track: track.sid }), ...(detail && { detail }) };
    if (kind === "left") this.#lines.end(participant.sid, who);
    if (kind === "joined" || kind === "left") this.#deps.log.info(`participant ${kind}`, fields);
    else this.#lines.debug(participant.sid, `participant ${kind}`, fields);
    this.tell((observer) => observer.onParticipant?.(runner.name, effect));
  }

  async #refresh(runner: RoomRunner, effect: EffectOf<"refreshToken">): Promise<void> {
    const { connections, signer, nowMs } = this.#deps;
    const connection = connections.get(effect.connection);
    if (!connection) return;
    const token = await signRefreshed(signer, connection.request, effect.claims, runner.name, nowMs());
    connections
      .get(effect.connection)
      ?.socket.send(new SignalResponse({ message: { case: "refreshToken", value: token } }));
  }
}
