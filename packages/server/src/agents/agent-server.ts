/**
 * `/agent` and what follows from it: the connections of agent workers, the scheduler and the dispatches, driven by the
 * clock, and the rooms to which they do something. Invariant: a room is never acted on inside of another input of it.
 */
import { ServerInfo, ServerMessage, JobAssignment, type SimulateJobRequest, Job, JobType } from "@livekit/protocol";
import { NEVER } from "@stoa/core/clock";
import type { Random } from "@stoa/core/crypto";
import { newSid } from "@stoa/core/room/sid";
import type { Log } from "@stoa/io/log";
import { WebSocketServer, type WebSocket } from "ws";
import type { KeyProvider, VerifiedToken } from "../auth/verify.ts";
import type { RoomObserver } from "../rooms/effects.ts";
import type { UpgradeRoute } from "../signal/upgrade.ts";
import { httpFailure } from "../signal/http-failure.ts";
import { AgentConnection } from "./connection.ts";
import { Dispatches, type DispatchEffect } from "./dispatches.ts";
import { JobScheduler, type SchedulerEffect } from "./scheduler.ts";
import { agentToken } from "./token.ts";
import type { Registration } from "./workers.ts";

const MAX_WORKERS = 5000;

/** What is done to rooms for agents. */
export interface AgentRooms {
  noteJob(room: string, dispatch: string, job: Job): void;
  removeAgent(room: string, identity: string): void;
}

/** What agents are served with. */
export interface AgentDeps {
  readonly keys: KeyProvider;
  readonly info: ServerInfo;
  readonly settings: {
    readonly targetLoad: number;
    readonly enableRecording: boolean;
    readonly enableRedaction: boolean;
    /** 0 = no limit. */
    readonly maxMessageBytes: number;
  };
  readonly random: Random;
  readonly log: Log;
  readonly nowMs: () => number;
  /** How many workers there are and how many jobs they have, whenever it changes. */
  readonly onLoad?: (workers: number, jobs: number) => void;
}

type Assignment = Extract<SchedulerEffect, { type: "assign" }>;

interface Peer {
  readonly connection: AgentConnection;
  readonly apiKey: string;
  registration: Registration | undefined;
}

export class AgentServer {
  readonly observer: RoomObserver;
  readonly #dispatches: Dispatches;
  readonly #deps: AgentDeps;
  readonly #scheduler: JobScheduler;
  readonly #peers = new Map<string, Peer>();
  readonly #ws: WebSocketServer;
  #rooms: AgentRooms | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = NEVER;
  #settling = false;

  constructor(deps: AgentDeps) {
    this.#deps = deps;
    const { random, nowMs, settings } = deps;
    const { targetLoad, enableRecording, enableRedaction, maxMessageBytes } = settings;
    this.#scheduler = new JobScheduler({ random, targetLoad });
    const scheduler = this.#scheduler;
    const dispatches = new Dispatches({ scheduler, random, nowMs, enableRecording, enableRedaction });
    this.#dispatches = dispatches;
    this.observer = {
      onRoomCreated: (event) => dispatches.onRoomCreated(event),
      onRoomUpdated: (event) => dispatches.onRoomUpdated(event),
      onRoomClosed: (event) => this.#after(() => dispatches.onRoomClosed(event)),
      onDispatch: (room, event) => this.#after(() => dispatches.onDispatch(room, event)),
      onParticipant: (room, event) => this.#after(() => dispatches.onParticipant(room, event)),
    };
    this.#ws = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload: maxMessageBytes });
  }

  /** The rooms, once there are some. */
  serve(rooms: AgentRooms): void {
    this.#rooms = rooms;
  }

  /** The upgrade of `/agent`: a token with the agent grant. */
  readonly upgrade: UpgradeRoute = (request, socket, head, token) => {
    if (!token?.grants.video?.agent) return httpFailure("unauthenticated", "no permissions to access the room");
    if (this.#peers.size >= MAX_WORKERS) return httpFailure("unavailable", "too many agent workers");
    this.#ws.handleUpgrade(request, socket, head, (ws) => this.#open(ws, token));
    return undefined;
  };

  /** Another limit for connections that come from now on; 0 = none. */
  limitMessages(bytes: number): void {
    this.#ws.options.maxPayload = bytes;
  }

  /** Workers connect elsewhere; jobs that run go on. */
  close(): void {
    clearTimeout(this.#timer);
    for (const { connection } of this.#peers.values()) connection.close();
  }

  #open(ws: WebSocket, { apiKey }: VerifiedToken): void {
    const { info, nowMs, log } = this.#deps;
    const id = newSid(this.#deps.random, "AW_");
    const connection = new AgentConnection(id, ws, info, nowMs, {
      onRegistered: (registration) => {
        peer.registration = registration;
        const { agentName, type, namespace, deployment } = registration;
        log.info("agent worker registered", { worker: id, agentName, type: JobType[type], namespace, deployment });
        this.#scheduler.register(registration, nowMs());
        this.#settle();
      },
      onMessage: (message) => this.#handle(id, message),
      onClosed: (reason) => {
        this.#peers.delete(id);
        if (peer.registration) log.info("agent worker is gone", { worker: id, reason });
        else log.warn("agent worker did not register", { worker: id, reason });
        this.#scheduler.unregister(id, nowMs());
        this.#settle();
      },
    });
    const peer: Peer = { connection, apiKey, registration: undefined };
    this.#peers.set(id, peer);
  }

  #handle(id: string, message: Parameters<ConstructorParameters<typeof AgentConnection>[4]["onMessage"]>[0]): void {
    const nowMs = this.#deps.nowMs();
    switch (message.case) {
      case "availability":
        this.#scheduler.answer(id, message.value, nowMs);
        break;
      case "updateWorker":
        this.#scheduler.updateWorker(id, message.value, nowMs);
        break;
      case "updateJob":
        this.#scheduler.updateJob(id, message.value, nowMs);
        break;
      case "simulateJob":
        this.#simulate(id, message.value);
        break;
      default: // a second registration, jobs that were migrated: nothing to do
    }
    this.#settle();
  }

  /** A job without a dispatch, for somebody who tries out an agent. */
  #simulate(id: string, { room, participant }: SimulateJobRequest): void {
    const registration = this.#peers.get(id)?.registration;
    if (!registration || !room) return;
    const type = participant ? JobType.JT_PUBLISHER : JobType.JT_ROOM;
    const job = new Job({ type, agentName: registration.agentName, deployment: registration.deployment, room });
    if (participant) job.participant = participant;
    this.#scheduler.request(job, false, () => newSid(this.#deps.random, "AJ_"), this.#deps.nowMs());
  }

  #after(input: () => void): void {
    input();
    this.#settle();
  }

  /** Performs what has come up, after the input that it came from. */
  #settle(): void {
    if (this.#settling) return;
    this.#settling = true;
    queueMicrotask(() => {
      this.#settling = false;
      this.#perform();
    });
  }

  #perform(): void {
    for (const effect of this.#scheduler.takeEffects()) this.#performOne(effect);
    for (const effect of this.#dispatches.takeEffects()) this.#actOnRoom(effect);
    this.#deps.onLoad?.(this.#scheduler.workers, this.#scheduler.jobs);
    this.#arm();
  }

  #performOne(effect: SchedulerEffect): void {
    const { log } = this.#deps;
    switch (effect.type) {
      case "send":
        this.#peers.get(effect.worker)?.connection.send(effect.message);
        return;
      case "assign":
        this.#assign(effect).catch((error: unknown) => {
          log.error("agent job could not be assigned", { error });
          this.#reassign(effect, "the server could not assign it");
        });
        return;
      case "job": {
        const { id, agentName, room, state } = effect.job;
        const fields = { job: id, agentName, room: room?.name, worker: state?.workerId, error: state?.error };
        log.info(`agent job is ${WORDS[state?.status ?? 0]}`, fields);
        this.#dispatches.handleJob(effect);
        this.#settle();
        return;
      }
      case "unserved": {
        const { agentName, room } = effect.job;
        // rooms without agents are the rule, an agent that was called by name and does not come is none
        log[agentName === "" ? "debug" : "warn"](`agent job was dropped: ${effect.reason}`, {
          agentName,
          room: room?.name,
        });
      }
    }
  }

  async #assign(assignment: Assignment): Promise<void> {
    const { worker, job, answer } = assignment;
    const peer = this.#peers.get(worker.id);
    if (!peer) return this.#reassign(assignment, "its worker is gone");
    const secret = this.#deps.keys.get(peer.apiKey);
    if (secret === undefined) return this.#reassign(assignment, "the API key of its worker is not valid any more");
    const pair = { key: peer.apiKey, secret };
    const token = await agentToken(pair, job, answer, worker.permissions, this.#deps.nowMs());
    const value = new JobAssignment({ job, token });
    peer.connection.send(new ServerMessage({ message: { case: "assignment", value } }));
  }

  /** Somebody else is to do it. */
  #reassign({ worker, job }: Assignment, reason: string): void {
    const fields = { job: job.id, agentName: job.agentName, room: job.room?.name, worker: worker.id };
    this.#deps.log.warn(`agent job goes to another worker: ${reason}`, fields);
    this.#scheduler.reassign(job.id, reason, this.#deps.nowMs());
    this.#settle();
  }

  #actOnRoom(effect: DispatchEffect): void {
    if (effect.type === "noteJob") this.#rooms?.noteJob(effect.room, effect.dispatch, effect.job);
    else this.#rooms?.removeAgent(effect.room, effect.identity);
  }

  #arm(): void {
    const atMs = Math.min(this.#scheduler.nextTimeoutMs(), this.#dispatches.nextTimeoutMs());
    if (atMs === this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    if (atMs === NEVER) return;
    const delayMs = Math.max(0, Math.ceil(atMs - this.#deps.nowMs()));
    this.#timer = setTimeout(() => {
      this.#timerAtMs = NEVER;
      const nowMs = this.#deps.nowMs();
      this.#scheduler.handleTimeout(nowMs);
      this.#dispatches.handleTimeout(nowMs);
      this.#settle();
    }, delayMs);
    this.#timer.unref();
  }
}

const WORDS = ["pending", "running", "done", "failed"] as const;
