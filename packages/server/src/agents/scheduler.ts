/**
 * Who does which job (livekit.md 8): the workers with their load, and every job from the search for a worker to its end.
 * Pure: time and randomness come in, messages to workers and news of jobs come out as effects.
 * Invariants: a job is with one worker at most; every question has a deadline; every job that started ends exactly once.
 */
import {
  AvailabilityRequest,
  Job,
  JobState,
  JobStatus,
  JobTermination,
  ServerMessage,
  WorkerStatus,
  type AvailabilityResponse,
  type UpdateJobStatus,
  type UpdateWorkerStatus,
} from "@livekit/protocol";
import { NEVER } from "@stoa/core/clock";
import { ns, setState, isEnded } from "./job-state.ts";
import { chooseWorker, matches, type ChoiceOptions, type Registration, type Worker } from "./workers.ts";

/** How long a worker may take to say whether it takes a job. */
const ANSWER_WITHIN_MS = 10_000;
/** How long the job of a worker whose connection broke waits for it to come back. */
const LOST_AFTER_MS = 10_000;

/** Why a job is ended from here. */
export type EndReason = "requested" | "agentLeft" | "roomClosed";

export type SchedulerEffect =
  | { readonly type: "send"; readonly worker: string; readonly message: ServerMessage }
  /** The worker takes the job: send it the assignment, with a token for this participant. */
  | { readonly type: "assign"; readonly worker: Registration; readonly job: Job; readonly answer: AvailabilityResponse }
  /** A job that has a worker, or had one, changed its state; `lost`: its worker is gone. */
  | { readonly type: "job"; readonly job: Job; readonly lost: boolean }
  /** Nobody takes the job; it is forgotten. */
  | { readonly type: "unserved"; readonly job: Job; readonly reason: string };

interface Search {
  readonly job: Job;
  /** Until a worker comes, rather than give up when there is none. */
  readonly patient: boolean;
  readonly tried: Set<string>;
  /** Why the worker that took the job did not get it: from then on its dispatch is told what becomes of it. */
  failure: string | undefined;
  /** The worker that was asked. */
  asked: string | undefined;
  dueMs: number;
}

interface Running {
  readonly job: Job;
  /** How its worker was found. */
  readonly search: Search;
  /** Undefined while its worker is gone. */
  worker: string | undefined;
  lostAtMs: number;
}

export class JobScheduler {
  readonly #options: ChoiceOptions;
  readonly #workers = new Map<string, Worker>();
  readonly #searches = new Map<string, Search>();
  readonly #running = new Map<string, Running>();
  #effects: SchedulerEffect[] = [];

  constructor(options: ChoiceOptions) {
    this.#options = options;
  }

  get workers(): number {
    return this.#workers.size;
  }

  /** Jobs that a worker has. */
  get jobs(): number {
    return this.#running.size;
  }

  takeEffects(): SchedulerEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** A worker is there; jobs that waited for one are offered to it. */
  register(registration: Registration, nowMs: number): void {
    const status = WorkerStatus.WS_AVAILABLE;
    this.#workers.set(registration.id, { registration, status, load: 0, unreported: 0 });
    this.#searchWaiting(nowMs);
  }

  updateWorker(id: string, { status, load }: UpdateWorkerStatus, nowMs: number): void {
    const worker = this.#workers.get(id);
    if (!worker) return;
    if (status !== undefined) worker.status = status;
    worker.load = Number.isFinite(load) ? Math.min(1, Math.max(0, load)) : 1;
    worker.unreported = 0;
    this.#searchWaiting(nowMs);
  }

  /** Its connection is gone: questions to it go to others, its jobs wait for it for a while. */
  unregister(id: string, nowMs: number): void {
    if (!this.#workers.delete(id)) return;
    for (const running of this.#running.values()) {
      if (running.worker !== id) continue;
      running.worker = undefined;
      running.lostAtMs = nowMs + LOST_AFTER_MS;
    }
    for (const search of this.#searches.values()) if (search.asked === id) this.#search(search, nowMs);
  }

  /** Finds workers for a job: one for each namespace that workers of this agent have. */
  request(job: Job, patient: boolean, nextId: () => string, nowMs: number): void {
    const namespaces = new Set<string>();
    for (const { registration } of this.#workers.values()) {
      if (matches(registration, job, registration.namespace)) namespaces.add(registration.namespace);
    }
    if (namespaces.size === 0) namespaces.add("");
    for (const namespace of namespaces) {
      const own = job.clone();
      own.id = nextId();
      own.namespace = namespace;
      const search: Search = {
        job: own,
        patient,
        tried: new Set(),
        failure: undefined,
        asked: undefined,
        dueMs: NEVER,
      };
      this.#searches.set(own.id, search);
      this.#search(search, nowMs);
    }
  }

  /** The answer of a worker that was asked; others have nothing to say. */
  answer(id: string, answer: AvailabilityResponse, nowMs: number): void {
    const search = this.#searches.get(answer.jobId);
    const worker = this.#workers.get(id);
    if (!search || !worker || search.asked !== id) return;
    const { job } = search;
    if (answer.terminate) {
      this.#searches.delete(job.id);
      setState(job, { status: JobStatus.JS_SUCCESS, endedAt: ns(nowMs) }, nowMs);
      this.#tell(job);
    } else if (answer.available) {
      this.#searches.delete(job.id);
      worker.unreported++;
      setState(job, { participantIdentity: answer.participantIdentity }, nowMs);
      this.#running.set(job.id, { job, search, worker: id, lostAtMs: NEVER });
      this.#effects.push({ type: "assign", worker: worker.registration, job: job.clone(), answer });
      this.#tell(job);
    } else this.#search(search, nowMs);
  }

  /** The worker that took a job cannot be given it: others are asked, and an agent that was called by name is waited for. */
  reassign(jobId: string, reason: string, nowMs: number): void {
    const running = this.#running.get(jobId);
    if (!running) return;
    const { job, search } = running;
    this.#running.delete(jobId);
    search.failure = reason;
    this.#searches.set(jobId, search);
    setState(job, { status: JobStatus.JS_PENDING, error: reason, participantIdentity: "", workerId: "" }, nowMs);
    this.#tell(job);
    this.#search(search, nowMs);
  }

  /** A worker says how far a job is; one that came back gets its jobs back by that. */
  updateJob(id: string, { jobId, status, error }: UpdateJobStatus, nowMs: number): void {
    const running = this.#running.get(jobId);
    if (!running || !this.#workers.has(id) || (running.worker !== undefined && running.worker !== id)) return;
    running.worker = id;
    running.lostAtMs = NEVER;
    if (isEnded(status)) this.#end(running, status, error, nowMs);
    else {
      setState(running.job, { status, error, workerId: id }, nowMs);
      this.#tell(running.job);
    }
  }

  /** Ends a job, or the search for a worker. */
  terminate(jobId: string, reason: EndReason, nowMs: number): void {
    const search = this.#searches.get(jobId);
    if (search) return this.#giveUp(search, "", nowMs);
    const running = this.#running.get(jobId);
    if (!running) return;
    if (running.worker !== undefined) {
      const value = new JobTermination({ jobId });
      this.#send(running.worker, new ServerMessage({ message: { case: "termination", value } }));
    }
    if (reason === "agentLeft") this.#end(running, JobStatus.JS_FAILED, "agent worker left the room", nowMs);
    else this.#end(running, JobStatus.JS_SUCCESS, "", nowMs);
  }

  /** Ends searches for jobs that nobody wants any more. */
  cancelSearches(isUnwanted: (job: Job) => boolean, nowMs: number): void {
    for (const search of this.#searches.values()) if (isUnwanted(search.job)) this.#giveUp(search, "", nowMs);
  }

  nextTimeoutMs(): number {
    let earliestMs = NEVER;
    for (const { dueMs } of this.#searches.values()) earliestMs = Math.min(earliestMs, dueMs);
    for (const { lostAtMs } of this.#running.values()) earliestMs = Math.min(earliestMs, lostAtMs);
    return earliestMs;
  }

  handleTimeout(nowMs: number): void {
    for (const search of this.#searches.values()) if (search.dueMs <= nowMs) this.#search(search, nowMs);
    for (const running of this.#running.values()) {
      if (running.lostAtMs > nowMs) continue;
      this.#end(running, JobStatus.JS_FAILED, "agent worker was lost", nowMs, true);
    }
  }

  #searchWaiting(nowMs: number): void {
    for (const search of this.#searches.values()) if (search.asked === undefined) this.#search(search, nowMs);
  }

  /** Asks the next worker; without one the search waits or ends. */
  #search(search: Search, nowMs: number): void {
    const { job, tried } = search;
    search.asked = undefined;
    search.dueMs = NEVER;
    const worker = chooseWorker(this.#workers.values(), job, tried, this.#options);
    if (worker) {
      const { id } = worker.registration;
      tried.add(id);
      search.asked = id;
      search.dueMs = nowMs + ANSWER_WITHIN_MS;
      job.state = new JobState({
        status: JobStatus.JS_RUNNING,
        workerId: id,
        startedAt: ns(nowMs),
        updatedAt: ns(nowMs),
      });
      const value = new AvailabilityRequest({ job: job.clone() });
      this.#send(id, new ServerMessage({ message: { case: "availability", value } }));
    } else if (!search.patient || (tried.size > 0 && search.failure === undefined)) {
      this.#giveUp(search, tried.size > 0 ? "no worker took it" : "no worker of that name is available", nowMs);
    }
  }

  /** Ends a search; `reason`: why nobody does a job that is still wanted, or "". */
  #giveUp({ job, failure }: Search, reason: string, nowMs: number): void {
    this.#searches.delete(job.id);
    if (reason !== "") this.#effects.push({ type: "unserved", job, reason });
    if (failure === undefined) return;
    setState(job, { status: JobStatus.JS_FAILED, error: failure, endedAt: ns(nowMs) }, nowMs);
    this.#tell(job);
  }

  #end(running: Running, status: JobStatus, error: string, nowMs: number, lost = false): void {
    const { job } = running;
    this.#running.delete(job.id);
    setState(job, { status, error, endedAt: ns(nowMs) }, nowMs);
    this.#tell(job, lost);
  }

  #tell(job: Job, lost = false): void {
    this.#effects.push({ type: "job", job: job.clone(), lost });
  }

  #send(worker: string, message: ServerMessage): void {
    this.#effects.push({ type: "send", worker, message });
  }
}
