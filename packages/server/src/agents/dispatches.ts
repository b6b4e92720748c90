/**
 * Which rooms want which agents (livekit.md 8): follows the rooms and asks for jobs: a ROOM job for each dispatch, a PUBLISHER
 * job when somebody first publishes, a PARTICIPANT job when somebody joins. Agents and recorders are nobody here.
 * Invariants: what was asked for is taken back when its reason is gone; what is done to a room is an effect, done later.
 */
import {
  Job,
  JobRestartPolicy,
  JobType,
  ParticipantInfo_Kind,
  type AgentDispatch,
  type ParticipantInfo,
  type Room as RoomInfo,
} from "@livekit/protocol";
import { NEVER } from "@stoa/core/clock";
import type { Random } from "@stoa/core/crypto";
import type { Effect } from "@stoa/core/room/effects";
import { newSid } from "@stoa/core/room/sid";
import { isEnded } from "./job-state.ts";
import type { JobScheduler, SchedulerEffect } from "./scheduler.ts";

/** How long an agent may take to leave after its dispatch was deleted. */
const LEAVE_WITHIN_MS = 3000;
/** Jobs of one dispatch that are started anew because their worker was lost. */
const MAX_RESTARTS = 5;

/** What is to be done to rooms. */
export type DispatchEffect =
  | { readonly type: "noteJob"; readonly room: string; readonly dispatch: string; readonly job: Job }
  | { readonly type: "removeAgent"; readonly room: string; readonly identity: string };

type EffectOf<T extends Effect["type"]> = Extract<Effect, { type: T }>;

interface Dispatch {
  readonly dispatch: AgentDispatch;
  /** Jobs that run. */
  readonly jobs: Map<string, Job>;
  /** Lost jobs whose agent is still in the room: they are started anew when it leaves. */
  readonly lost: Map<string, Job>;
  restarts: number;
}

interface Person {
  info: ParticipantInfo;
  published: boolean;
}

interface RoomEntry {
  info: RoomInfo;
  readonly dispatches: Map<string, Dispatch>;
  /** Participants for whom jobs are wanted, by SID. */
  readonly people: Map<string, Person>;
  /** SID of everybody by identity. */
  readonly present: Map<string, string>;
}

interface Removal {
  readonly room: string;
  readonly identity: string;
  readonly sid: string;
  readonly atMs: number;
}

/** What the dispatches are followed with. */
export interface DispatchOptions {
  readonly scheduler: JobScheduler;
  readonly random: Random;
  readonly nowMs: () => number;
  readonly enableRecording: boolean;
  readonly enableRedaction: boolean;
}

export class Dispatches {
  readonly #options: DispatchOptions;
  readonly #rooms = new Map<string, RoomEntry>();
  #removals: Removal[] = [];
  #effects: DispatchEffect[] = [];

  constructor(options: DispatchOptions) {
    this.#options = options;
  }

  takeEffects(): DispatchEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  onRoomCreated({ room: info }: { room: RoomInfo }): void {
    this.#rooms.set(info.name, { info, dispatches: new Map(), people: new Map(), present: new Map() });
  }

  onRoomUpdated({ room: info }: { room: RoomInfo }): void {
    const room = this.#rooms.get(info.name);
    if (room?.info.sid === info.sid) room.info = info;
  }

  onRoomClosed({ room: info }: { room: RoomInfo }): void {
    const room = this.#rooms.get(info.name);
    if (room?.info.sid !== info.sid) return;
    this.#rooms.delete(info.name);
    this.#options.scheduler.cancelSearches((job) => job.room?.sid === info.sid, this.#options.nowMs());
    for (const { jobs } of room.dispatches.values()) {
      for (const id of jobs.keys()) this.#options.scheduler.terminate(id, "roomClosed", this.#options.nowMs());
    }
  }

  onDispatch(name: string, { type, dispatch }: EffectOf<"dispatchCreated" | "dispatchDeleted">): void {
    const room = this.#rooms.get(name);
    if (!room) return;
    if (type === "dispatchDeleted") return this.#withdraw(room, dispatch.id);
    const entry: Dispatch = { dispatch, jobs: new Map(), lost: new Map(), restarts: 0 };
    room.dispatches.set(dispatch.id, entry);
    this.#launch(room, entry, JobType.JT_ROOM, undefined);
    for (const { info, published } of room.people.values()) {
      if (published) this.#launch(room, entry, JobType.JT_PUBLISHER, info);
      this.#launch(room, entry, JobType.JT_PARTICIPANT, info);
    }
  }

  onParticipant(name: string, { kind, participant }: EffectOf<"participantEvent">): void {
    const room = this.#rooms.get(name);
    if (!room) return;
    const { sid, identity } = participant;
    const person = room.people.get(sid);
    if (person) person.info = participant;
    if (kind === "joined") {
      room.present.set(identity, sid);
      if (isHelper(participant)) return;
      room.people.set(sid, { info: participant, published: false });
      this.#launchAll(room, JobType.JT_PARTICIPANT, participant);
    } else if (kind === "trackPublished" && person && !person.published) {
      person.published = true;
      this.#launchAll(room, JobType.JT_PUBLISHER, participant);
    } else if (kind === "left") this.#leave(room, sid, identity);
  }

  /** What the scheduler says of a job. */
  handleJob({ job, lost }: Extract<SchedulerEffect, { type: "job" }>): void {
    const room = this.#rooms.get(job.room?.name ?? "");
    const entry = room?.dispatches.get(job.dispatchId);
    if (!room || !entry || room.info.sid !== job.room?.sid) return;
    const ended = isEnded(job.state!.status);
    if (ended) entry.jobs.delete(job.id);
    else entry.jobs.set(job.id, job);
    this.#effects.push({ type: "noteJob", room: room.info.name, dispatch: entry.dispatch.id, job });
    if (!lost) return;
    if (room.present.has(job.state!.participantIdentity)) entry.lost.set(job.id, job);
    else this.#restart(room, entry, job);
  }

  nextTimeoutMs(): number {
    return this.#removals.reduce((earliestMs, { atMs }) => Math.min(earliestMs, atMs), NEVER);
  }

  handleTimeout(nowMs: number): void {
    const due = this.#removals.filter(({ atMs }) => atMs <= nowMs);
    this.#removals = this.#removals.filter(({ atMs }) => atMs > nowMs);
    for (const { room, identity, sid } of due) {
      const stays = this.#rooms.get(room)?.present.get(identity) === sid;
      if (stays) this.#effects.push({ type: "removeAgent", room, identity });
    }
  }

  #leave(room: RoomEntry, sid: string, identity: string): void {
    if (room.present.get(identity) === sid) room.present.delete(identity);
    if (room.people.delete(sid)) {
      this.#options.scheduler.cancelSearches((job) => job.participant?.sid === sid, this.#options.nowMs());
      return;
    }
    for (const entry of room.dispatches.values()) {
      for (const [id, job] of entry.jobs) {
        if (job.state?.participantIdentity !== identity) continue;
        this.#options.scheduler.terminate(id, "agentLeft", this.#options.nowMs());
      }
      for (const [id, job] of entry.lost) {
        if (job.state?.participantIdentity !== identity) continue;
        entry.lost.delete(id);
        this.#restart(room, entry, job);
      }
    }
  }

  /** The dispatch was deleted: its jobs end, and agents that stay are removed. */
  #withdraw(room: RoomEntry, id: string): void {
    const entry = room.dispatches.get(id);
    if (!entry) return;
    room.dispatches.delete(id);
    const { scheduler, nowMs } = this.#options;
    scheduler.cancelSearches((job) => job.dispatchId === id, nowMs());
    for (const [jobId, job] of [...entry.jobs, ...entry.lost]) {
      scheduler.terminate(jobId, "requested", nowMs());
      const identity = job.state?.participantIdentity ?? "";
      const sid = room.present.get(identity);
      const atMs = nowMs() + LEAVE_WITHIN_MS;
      if (sid !== undefined) this.#removals.push({ room: room.info.name, identity, sid, atMs });
    }
  }

  #restart(room: RoomEntry, entry: Dispatch, job: Job): void {
    if (entry.dispatch.restartPolicy === JobRestartPolicy.JRP_NEVER || entry.restarts >= MAX_RESTARTS) return;
    const sid = job.participant?.sid;
    const person = sid === undefined ? undefined : room.people.get(sid);
    if (sid !== undefined && !person) return; // the one for whom it was has left
    entry.restarts++;
    this.#launch(room, entry, job.type, person?.info, true);
  }

  #launchAll(room: RoomEntry, type: JobType, participant: ParticipantInfo): void {
    for (const entry of room.dispatches.values()) this.#launch(room, entry, type, participant);
  }

  /** Agents that were called by name are waited for; those that take every room are taken if they are there. */
  #launch(
    room: RoomEntry,
    { dispatch }: Dispatch,
    type: JobType,
    participant: ParticipantInfo | undefined,
    again = false,
  ): void {
    const { scheduler, random, nowMs, enableRecording, enableRedaction } = this.#options;
    const { id: dispatchId, agentName, metadata, deployment, attributes } = dispatch;
    const job = new Job({
      dispatchId,
      type,
      agentName,
      metadata,
      deployment,
      attributes,
      enableRecording,
      enableRedaction,
    });
    job.room = room.info;
    if (participant) job.participant = participant;
    scheduler.request(job, agentName !== "" || again, () => newSid(random, "AJ_"), nowMs());
  }
}

/** Agents and recorders call no agents. */
function isHelper({ kind, permission }: ParticipantInfo): boolean {
  const helper = kind === ParticipantInfo_Kind.AGENT || kind === ParticipantInfo_Kind.EGRESS;
  return helper || permission?.agent === true || permission?.recorder === true;
}
