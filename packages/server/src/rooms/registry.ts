/**
 * All rooms of this process by name: made on the first join, forgotten when they close. The door for everybody who connects.
 * Invariant: a room that closed while somebody was at the door is replaced by a new one, never entered.
 */
import {
  DisconnectReason,
  LeaveRequest,
  LeaveRequest_Action,
  SignalResponse,
  type RoomConfiguration,
} from "@livekit/protocol";
import type { Random } from "@stoa/core/crypto";
import type { PeerId } from "@stoa/core/engine/specs";
import type { SignalId } from "@stoa/core/room/effects";
import type { Claims, ServerFacts } from "@stoa/core/room/options";
import { newSid, type ParticipantSid } from "@stoa/core/room/sid";
import { limitsOf, type Limits } from "../config/limits.ts";
import type { Config } from "../config/schema.ts";
import type { Log } from "@stoa/io/log";
import type { MediaListener, MediaPort } from "../media/media-port.ts";
import type { ConnectRequest } from "../signal/connect-request.ts";
import { httpFailure, type HttpFailure } from "../signal/http-failure.ts";
import type { SignalSocket } from "../signal/socket.ts";
import type { SignalDoor } from "../signal/upgrade.ts";
import { NODE_FULL } from "../metrics/node-usage.ts";
import { Connections } from "./connections.ts";
import { EffectPerformer, type RoomObserver, type SignalTrouble } from "./effects.ts";
import { Forwards } from "./forwards.ts";
import type { RoomFactory } from "./machine.ts";
import { signRefreshed } from "./refreshed-token.ts";
import { canRelay } from "./relay.ts";
import { newRoomConfig, type RoomPresets } from "./room-config.ts";
import { RpcWaiters } from "./rpc-waiters.ts";
import { RoomRunner } from "./runner.ts";
import type { KeyPair } from "../auth/create.ts";

/** Protocol number from which a Leave has an `action`. */
const LEAVE_ACTION_PROTOCOL = 13;

/** What the registry works on. */
export interface RegistryDeps {
  readonly config: Config;
  readonly presets: RoomPresets;
  readonly facts: ServerFacts;
  readonly createRoom: RoomFactory;
  readonly media: MediaPort;
  readonly signer: KeyPair;
  /** Whether this node carries as much as it may. */
  readonly isFull: () => boolean;
  readonly observers: readonly RoomObserver[];
  readonly random: Random;
  readonly log: Log;
  readonly nowMs: () => number;
}

export class RoomRegistry implements SignalDoor, MediaListener {
  readonly #deps: RegistryDeps;
  readonly #rooms = new Map<string, RoomRunner>();
  readonly #connections = new Connections();
  readonly #forwards: Forwards;
  readonly #performer: EffectPerformer;
  readonly #nextPeer = (): PeerId => ++this.#lastPeer;
  /** Waits for the outcome of calls to participants. */
  readonly rpcs = new RpcWaiters();
  #lastPeer: PeerId = 0;
  #closing = false;

  constructor(deps: RegistryDeps) {
    this.#deps = deps;
    const { media, random } = deps;
    this.#forwards = new Forwards((name) => this.#rooms.get(name), { media, random, nextPeer: this.#nextPeer });
    this.#performer = new EffectPerformer({
      connections: this.#connections,
      media: deps.media,
      signer: deps.signer,
      observers: deps.observers,
      rpcs: this.rpcs,
      forwards: this.#forwards,
      log: deps.log,
      nowMs: deps.nowMs,
      forget: (runner) => this.#forget(runner),
    });
    deps.media.listen(this);
  }

  /** Names of the rooms that are open. */
  get names(): string[] {
    return [...this.#rooms.keys()];
  }

  /** Open rooms. */
  get rooms(): RoomRunner[] {
    return [...this.#rooms.values()];
  }

  /** The open room of this name. */
  find(name: string): RoomRunner | undefined {
    return this.#rooms.get(name);
  }

  /** The presets that a request may name. */
  get presets(): RoomPresets {
    return this.#deps.presets;
  }

  /** Whether this node carries as much as it may: who is here stays, nobody more comes. */
  get isFull(): boolean {
    return this.#deps.isFull();
  }

  get nodeId(): string {
    return this.#deps.facts.nodeId;
  }

  /**
   * The room of this name, made with `config` if there is none, on this worker or the one with the least to do; undefined
   * while no media worker is up or the server ends.
   */
  open(name: string, config: () => RoomConfiguration, worker?: number): RoomRunner | undefined {
    return this.#rooms.get(name) ?? (this.#closing ? undefined : this.#create(name, config(), worker));
  }

  /** Whether a participant of the one room can be shown in the other. */
  canForward(from: RoomRunner, to: RoomRunner): boolean {
    return from.worker === to.worker || canRelay(this.#deps.media, to.worker);
  }

  /** A token for this connection of somebody that is good for another room. */
  async tokenFor(connection: SignalId, claims: Claims, room: string): Promise<string | undefined> {
    const { signer, nowMs } = this.#deps;
    const request = this.#connections.get(connection)?.request;
    return request && signRefreshed(signer, request, claims, room, nowMs());
  }

  get limits(): Limits {
    return limitsOf(this.#deps.config);
  }

  findRoom(room: string, mayCreate: boolean): HttpFailure | undefined {
    if (this.#closing) return httpFailure("unavailable", "server is shutting down");
    if (this.#rooms.has(room) || mayCreate || this.#deps.config.room.auto_create) return undefined;
    // livekit-client tells this text from a server without /rtc/v1
    return httpFailure("not_found", "requested room does not exist");
  }

  admit({ room, roomPreset, resume }: ConnectRequest): HttpFailure | undefined {
    if (!resume && this.isFull) return httpFailure("unavailable", NODE_FULL);
    if (roomPreset === "" || this.#rooms.has(room) || this.#deps.presets.has(roomPreset)) return undefined;
    return httpFailure("invalid_argument", "unknown room configuration in create room request");
  }

  join(request: ConnectRequest, socket: SignalSocket): HttpFailure | undefined {
    if (this.#closing) return httpFailure("unavailable", "server is shutting down");
    if (request.resume && !this.#rooms.has(request.room)) {
      socket.send(startAnew(request));
      socket.end(true);
      return undefined;
    }
    for (let attempt = 0; attempt < 2; attempt++) {
      const { config, presets } = this.#deps;
      const { room, roomPreset, roomConfig } = request;
      const runner = this.open(room, () => newRoomConfig(config, presets.get(roomPreset), roomConfig));
      if (!runner) return httpFailure("unavailable", "media worker is not available");
      const answer = this.#enter(runner, request, socket);
      if (answer !== "again") return answer;
      this.#forget(runner);
    }
    return httpFailure("internal", "room is closing");
  }

  /** Closes every room: its participants get a Leave with this reason. */
  closeAll(reason: DisconnectReason): void {
    this.#closing = true;
    for (const runner of this.#rooms.values()) runner.close(reason);
  }

  onMedia(room: string, event: Parameters<MediaListener["onMedia"]>[1]): void {
    if (this.#forwards.handleMedia(event)) return;
    this.#performer.tell((observer) => observer.onMedia?.(room, event));
    this.#rooms.get(room)?.handleMedia(event);
  }

  /** Its peers are lost: everybody of its rooms starts anew, elsewhere. */
  onWorkerLost(worker: number): void {
    for (const runner of [...this.#rooms.values()].filter((room) => room.worker === worker)) {
      this.#forget(runner);
      for (const { socket, request } of this.#connections.of(runner)) {
        this.#connections.delete(socket.id);
        socket.send(startAnew(request));
        socket.end(true);
      }
      runner.close(DisconnectReason.STATE_MISMATCH);
      runner.stop();
    }
  }

  #create(name: string, config: RoomConfiguration, wanted: number | undefined): RoomRunner | undefined {
    const { facts, createRoom, media, random, log, nowMs } = this.#deps;
    const worker = wanted ?? media.choose();
    if (worker === undefined) return undefined;
    const sid = newSid(random, "RM_");
    const machine = createRoom({
      sid,
      name,
      createdAtMs: nowMs(),
      config,
      server: facts,
      media: media.address(worker),
      random,
      nextPeerId: this.#nextPeer,
    });
    const runner = new RoomRunner({ name, sid, worker, machine, performer: this.#performer, log, nowMs });
    this.#rooms.set(name, runner);
    log.info("room created", { room: name, sid, worker });
    return runner;
  }

  #enter(runner: RoomRunner, request: ConnectRequest, socket: SignalSocket): HttpFailure | undefined | "again" {
    const connection = { socket, request, runner, participant: undefined as string | undefined };
    this.#connections.add(connection);
    const { claims, client, options, resume, addTracks, publisherOffer } = request;
    const result = runner.join({ connection: socket.id, claims, client, options, resume, addTracks, publisherOffer });
    if (!result) {
      this.#connections.delete(socket.id);
      return httpFailure("internal", "internal error");
    }
    if ("participant" in result) {
      const sid = (connection.participant = result.participant);
      socket.listen({
        onRequest: (message) => {
          this.#performer.tell((observer) => observer.onRequest?.(runner.name, sid, message));
          runner.handleRequest(sid, socket.id, message);
        },
        onClosed: (cut) => {
          this.#connections.delete(socket.id);
          const why = cut && `this server cut the signal connection: ${cut}`;
          if (cut) this.#tellTrouble(runner, request, sid, { kind: "cut", text: why });
          runner.handleSignalClosed(sid, socket.id, why);
        },
        onSlowed: (perSecond) => {
          const text = `sends more than ${perSecond} signal messages a second; they wait`;
          this.#tellTrouble(runner, request, sid, { kind: "slowed", text });
        },
      });
      return undefined;
    }
    this.#connections.delete(socket.id);
    if (result.failure === "room_closed") return "again";
    if (!result.leave) return httpFailure("resource_exhausted", result.message);
    socket.send(result.leave);
    socket.end(true);
    return undefined;
  }

  #tellTrouble(runner: RoomRunner, { claims }: ConnectRequest, sid: ParticipantSid, trouble: SignalTrouble): void {
    this.#deps.log.warn(`participant: ${trouble.text}`, { room: runner.name, participant: claims.identity, sid });
    this.#performer.tell((observer) => observer.onSignalTrouble?.(runner.name, sid, trouble));
  }

  #forget(runner: RoomRunner): void {
    if (this.#rooms.get(runner.name) !== runner) return;
    this.#rooms.delete(runner.name);
    runner.stop();
    this.#deps.media.release(runner.worker, runner.name);
  }
}

/** "Your session is gone, join again", in the words of the client's protocol version. */
function startAnew({ client }: ConnectRequest): SignalResponse {
  const reason = DisconnectReason.STATE_MISMATCH;
  const value =
    client.protocol >= LEAVE_ACTION_PROTOCOL
      ? new LeaveRequest({ reason, action: LeaveRequest_Action.RECONNECT })
      : new LeaveRequest({ reason, canReconnect: true });
  return new SignalResponse({ message: { case: "leave", value } });
}
