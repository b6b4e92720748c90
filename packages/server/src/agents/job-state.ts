/** The state of a job, as the protocol has it: times are nanoseconds. */
import { Job, JobState, JobStatus } from "@livekit/protocol";

/** Whether the job is over. */
export function isEnded(status: JobStatus): boolean {
  return status === JobStatus.JS_SUCCESS || status === JobStatus.JS_FAILED;
}

/** Changes the state of a job; whoever has a copy of it keeps that. */
export function setState(job: Job, change: Partial<JobState>, nowMs: number): void {
  job.state = Object.assign(job.state?.clone() ?? new JobState(), change, { updatedAt: ns(nowMs) });
}

/** Milliseconds as the protocol counts. */
export function ns(ms: number): bigint {
  return BigInt(Math.floor(ms)) * 1_000_000n;
}
