/** The workers that there are, and which one is asked next: by lot, weighted by what each has left. Pure. */
import { WorkerStatus, type Job, type JobType, type ParticipantPermission } from "@livekit/protocol";
import type { Random } from "@stoa/core/crypto";

/** What one job more is taken to weigh until the worker reports its load. */
const JOB_LOAD = 0.02;

/** What a worker said when it registered. */
export interface Registration {
  /** "AW_…" */
  readonly id: string;
  readonly agentName: string;
  readonly namespace: string;
  readonly type: JobType;
  readonly deployment: string;
  readonly permissions: ParticipantPermission;
}

/** A worker with what it reports. */
export interface Worker {
  readonly registration: Registration;
  status: WorkerStatus;
  load: number;
  /** Jobs taken since the last report of the load. */
  unreported: number;
}

/** How one is chosen. */
export interface ChoiceOptions {
  readonly random: Random;
  /** Workers below this load are taken first. */
  readonly targetLoad: number;
}

/** A worker for a job, none of those that were tried: up to the target load while anybody is below it, else up to 1. */
export function chooseWorker(
  workers: Iterable<Worker>,
  job: Job,
  tried: ReadonlySet<string>,
  { random, targetLoad }: ChoiceOptions,
): Worker | undefined {
  const able = [...workers].filter(({ registration, status }) => {
    return (
      status === WorkerStatus.WS_AVAILABLE && !tried.has(registration.id) && matches(registration, job, job.namespace)
    );
  });
  const left = (worker: Worker, limit: number) => Math.max(0, limit - worker.load - JOB_LOAD * worker.unreported);
  for (const limit of [targetLoad, 1]) {
    const sum = able.reduce((total, worker) => total + left(worker, limit), 0);
    if (sum <= 0) continue;
    let lot = (random.uint32() / 2 ** 32) * sum;
    for (const worker of able) {
      lot -= left(worker, limit);
      if (lot < 0) return worker;
    }
  }
  return undefined;
}

/** Whether a worker is one for this job, in this namespace. */
export function matches(registration: Registration, job: Job, namespace: string): boolean {
  const { agentName, type, deployment } = registration;
  const same = agentName === job.agentName && type === job.type && deployment === job.deployment;
  return same && registration.namespace === namespace;
}
