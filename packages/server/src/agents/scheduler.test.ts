/** Jobs and workers on a virtual clock: who is asked, who gets it, and what becomes of it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  AvailabilityResponse,
  Job,
  JobStatus,
  JobType,
  ParticipantPermission,
  UpdateJobStatus,
  UpdateWorkerStatus,
  WorkerStatus,
} from "@livekit/protocol";
import fc from "fast-check";
import { isEnded } from "./job-state.ts";
import { JobScheduler, type SchedulerEffect } from "./scheduler.ts";
import type { Registration } from "./workers.ts";

function setUp(lots: () => number = () => 0) {
  const scheduler = new JobScheduler({ random: { bytes: () => new Uint8Array(), uint32: lots }, targetLoad: 0.7 });
  let nowMs = 1000;
  let lastId = 0;
  const register = (id: string, more: Partial<Registration> = {}) => {
    const registration = { id, agentName: "helper", namespace: "", type: JobType.JT_ROOM, deployment: "", ...more };
    scheduler.register({ ...registration, permissions: new ParticipantPermission() }, nowMs);
  };
  const request = (patient = true, more: Partial<Job> = {}) => {
    scheduler.request(new Job({ agentName: "helper", ...more }), patient, () => `AJ_${++lastId}`, nowMs);
  };
  const answer = (worker: string, jobId: string, available = true, more: Partial<AvailabilityResponse> = {}) => {
    const participantIdentity = `agent-${jobId}`;
    scheduler.answer(worker, new AvailabilityResponse({ jobId, available, participantIdentity, ...more }), nowMs);
  };
  const load = (worker: string, value: number, status?: WorkerStatus) => {
    scheduler.updateWorker(
      worker,
      new UpdateWorkerStatus({ load: value, ...(status !== undefined && { status }) }),
      nowMs,
    );
  };
  const report = (worker: string, jobId: string, status: JobStatus) => {
    scheduler.updateJob(worker, new UpdateJobStatus({ jobId, status }), nowMs);
  };
  const pass = (ms: number) => {
    nowMs += ms;
    if (scheduler.nextTimeoutMs() <= nowMs) scheduler.handleTimeout(nowMs);
  };
  /** Effects in short: "ask AW_1 AJ_1", "assign AW_1 AJ_1", "job AJ_1 RUNNING", "end AW_1 AJ_1", "unserved AJ_1". */
  const news = () => scheduler.takeEffects().map(short);
  return { scheduler, register, request, answer, load, report, pass, news, now: () => nowMs };
}

function short(effect: SchedulerEffect): string {
  switch (effect.type) {
    case "send": {
      const { message } = effect.message;
      if (message.case === "availability") return `ask ${effect.worker} ${message.value.job!.id}`;
      return message.case === "termination" ? `end ${effect.worker} ${message.value.jobId}` : `${message.case}`;
    }
    case "assign":
      return `assign ${effect.worker.id} ${effect.job.id}`;
    case "job":
      return `job ${effect.job.id} ${JobStatus[effect.job.state!.status].slice(3)}${effect.lost ? " lost" : ""}`;
    case "unserved":
      return `unserved ${effect.job.id}: ${effect.reason}`;
  }
}

describe("a job", () => {
  test("goes to a worker that takes it, and ends when the worker says so", () => {
    const { register, request, answer, report, news, scheduler } = setUp();
    register("AW_1");
    request();
    assert.deepEqual(news(), ["ask AW_1 AJ_1"]);
    answer("AW_1", "AJ_1");
    assert.deepEqual(news(), ["assign AW_1 AJ_1", "job AJ_1 RUNNING"]);
    assert.equal(scheduler.jobs, 1);
    report("AW_1", "AJ_1", JobStatus.JS_SUCCESS);
    assert.deepEqual(news(), ["job AJ_1 SUCCESS"]);
    assert.equal(scheduler.jobs, 0);
  });

  test("is offered to another when one refuses, or does not answer, and to nobody twice", () => {
    const { register, request, answer, pass, news } = setUp();
    for (const id of ["AW_1", "AW_2", "AW_3"]) register(id);
    request();
    assert.deepEqual(news(), ["ask AW_1 AJ_1"]);
    answer("AW_1", "AJ_1", false);
    assert.deepEqual(news(), ["ask AW_2 AJ_1"]);
    pass(10_000);
    assert.deepEqual(news(), ["ask AW_3 AJ_1"]);
    answer("AW_2", "AJ_1"); // too late
    assert.deepEqual(news(), []);
    answer("AW_3", "AJ_1", false);
    assert.deepEqual(news(), ["unserved AJ_1: no worker took it"]);
  });

  test("that its worker cannot be given goes to another, waits for one if called by name, or has failed", () => {
    const { scheduler, register, request, answer, news, now } = setUp();
    for (const id of ["AW_1", "AW_2"]) register(id);
    request();
    answer("AW_1", "AJ_1");
    assert.deepEqual(news(), ["ask AW_1 AJ_1", "assign AW_1 AJ_1", "job AJ_1 RUNNING"]);
    scheduler.reassign("AJ_1", "no key", now());
    assert.deepEqual(news(), ["job AJ_1 PENDING", "ask AW_2 AJ_1"]);
    answer("AW_2", "AJ_1", false);
    assert.deepEqual([news(), scheduler.jobs], [[], 0]);
    register("AW_3");
    answer("AW_3", "AJ_1");
    assert.deepEqual(news(), ["ask AW_3 AJ_1", "assign AW_3 AJ_1", "job AJ_1 RUNNING"]);
    scheduler.reassign("AJ_none", "no such job", now());

    request(false);
    answer("AW_1", "AJ_2");
    scheduler.unregister("AW_2", now());
    scheduler.unregister("AW_3", now());
    news();
    scheduler.reassign("AJ_2", "no key", now());
    assert.deepEqual(news(), ["job AJ_2 PENDING", "unserved AJ_2: no worker took it", "job AJ_2 FAILED"]);
  });

  test("an agent that was called by name is waited for, others are not", () => {
    const { register, request, load, news } = setUp();
    request(false);
    assert.deepEqual(news(), ["unserved AJ_1: no worker of that name is available"]);
    request(true);
    assert.deepEqual(news(), []);
    register("AW_other", { agentName: "other" });
    assert.deepEqual(news(), []);
    register("AW_1");
    assert.deepEqual(news(), ["ask AW_1 AJ_2"]);
    load("AW_1", 1, WorkerStatus.WS_FULL);
    request(true);
    assert.deepEqual(news(), []);
    load("AW_1", 0.1, WorkerStatus.WS_AVAILABLE);
    assert.deepEqual(news(), ["ask AW_1 AJ_3"]);
  });

  test("is for workers of its name, type and deployment, one in each namespace", () => {
    const { register, request, news } = setUp();
    register("AW_publisher", { type: JobType.JT_PUBLISHER });
    register("AW_deployed", { deployment: "blue" });
    register("AW_a", { namespace: "a" });
    register("AW_b", { namespace: "b" });
    request();
    assert.deepEqual(news(), ["ask AW_a AJ_1", "ask AW_b AJ_2"]);
    request(true, { deployment: "blue" });
    assert.deepEqual(news(), ["ask AW_deployed AJ_3"]);
    request(true, { type: JobType.JT_PUBLISHER });
    assert.deepEqual(news(), ["ask AW_publisher AJ_4"]);
  });

  test("a worker may say that the job is done already", () => {
    const { register, request, answer, news, scheduler } = setUp();
    register("AW_1");
    request();
    answer("AW_1", "AJ_1", false, { terminate: true });
    assert.deepEqual(news().slice(1), ["job AJ_1 SUCCESS"]);
    assert.equal(scheduler.jobs, 0);
  });

  test("is ended from here with a word to the worker", () => {
    const { register, request, answer, news, scheduler, now } = setUp();
    register("AW_1");
    for (const id of ["AJ_1", "AJ_2", "AJ_3"]) {
      request();
      if (id !== "AJ_3") answer("AW_1", id);
    }
    news();
    scheduler.terminate("AJ_1", "requested", now());
    scheduler.terminate("AJ_2", "agentLeft", now());
    scheduler.terminate("AJ_3", "requested", now()); // was only asked for
    answer("AW_1", "AJ_3");
    assert.deepEqual(news(), ["end AW_1 AJ_1", "job AJ_1 SUCCESS", "end AW_1 AJ_2", "job AJ_2 FAILED"]);
  });
});

describe("the choice of a worker", () => {
  test("prefers who is below the target load, by what it has left", () => {
    let lot = 0;
    const { register, request, load, news } = setUp(() => lot);
    for (const id of ["AW_free", "AW_half", "AW_busy"]) register(id);
    load("AW_free", 0.1);
    load("AW_half", 0.5);
    load("AW_busy", 0.9);
    const counts: Record<string, number> = {};
    for (let i = 0; i < 100; i++) {
      lot = (i / 100) * 2 ** 32;
      request();
      for (const line of news()) counts[line.split(" ")[1]!] = (counts[line.split(" ")[1]!] ?? 0) + 1;
    }
    assert.deepEqual(counts, { AW_free: 75, AW_half: 25 });
    load("AW_free", 0.8);
    load("AW_half", 1);
    lot = 0;
    request();
    assert.deepEqual(news(), ["ask AW_free AJ_101"]);
    lot = 2 ** 32 - 1;
    request();
    assert.deepEqual(news(), ["ask AW_busy AJ_102"]);
  });

  test("counts what a worker took since it last told its load", () => {
    const { register, request, answer, news } = setUp(() => 0);
    register("AW_1");
    register("AW_2");
    for (let i = 1; i <= 60; i++) {
      request();
      answer("AW_1", `AJ_${i}`);
      answer("AW_2", `AJ_${i}`);
    }
    const taken = news().filter((line) => line.startsWith("assign AW_2"));
    assert.ok(taken.length > 10, `the second worker got ${taken.length}`);
  });
});

describe("a worker whose connection broke", () => {
  function withJob() {
    const set = setUp();
    set.register("AW_1");
    set.request();
    set.answer("AW_1", "AJ_1");
    set.news();
    set.scheduler.unregister("AW_1", set.now());
    return set;
  }

  test("keeps its jobs when it comes back in time", () => {
    const { register, report, pass, news, scheduler } = withJob();
    pass(5000);
    register("AW_2");
    report("AW_2", "AJ_1", JobStatus.JS_RUNNING);
    pass(60_000);
    assert.deepEqual(news(), ["job AJ_1 RUNNING"]);
    scheduler.unregister("AW_2", 0);
  });

  test("loses them when it does not", () => {
    const { pass, news, scheduler } = withJob();
    pass(9_999);
    assert.deepEqual(news(), []);
    pass(1);
    assert.deepEqual(news(), ["job AJ_1 FAILED lost"]);
    assert.equal(scheduler.jobs, 0);
  });

  test("a question to it goes to another", () => {
    const { register, request, news, scheduler, now } = setUp();
    register("AW_1");
    register("AW_2");
    request();
    assert.deepEqual(news(), ["ask AW_1 AJ_1"]);
    scheduler.unregister("AW_1", now());
    assert.deepEqual(news(), ["ask AW_2 AJ_1"]);
  });

  test("another worker cannot end the job of one that is there", () => {
    const { register, request, answer, report, news } = setUp();
    register("AW_1");
    request();
    answer("AW_1", "AJ_1");
    register("AW_2");
    news();
    report("AW_2", "AJ_1", JobStatus.JS_FAILED);
    assert.deepEqual(news(), []);
  });
});

test("whatever workers do, a job has one worker at most and ends once", () => {
  const worker = fc.constantFrom("AW_1", "AW_2", "AW_3");
  const job = fc.integer({ min: 1, max: 12 }).map((number) => `AJ_${number}`);
  const step = fc.oneof(
    fc.record({ do: fc.constant("register" as const), worker }),
    fc.record({ do: fc.constant("unregister" as const), worker }),
    fc.record({ do: fc.constant("request" as const), patient: fc.boolean() }),
    fc.record({ do: fc.constant("answer" as const), worker, job, available: fc.boolean(), terminate: fc.boolean() }),
    fc.record({ do: fc.constant("report" as const), worker, job, status: fc.constantFrom(1, 2, 3) }),
    fc.record({ do: fc.constant("load" as const), worker, load: fc.double(), status: fc.constantFrom(0, 1) }),
    fc.record({ do: fc.constant("terminate" as const), job }),
    fc.record({ do: fc.constant("pass" as const), ms: fc.nat(15_000) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      let lot = 1;
      const set = setUp(() => (lot = (lot * 1_103_515_245 + 12_345) % 2 ** 32));
      const assigned = new Set<string>();
      const ended = new Set<string>();
      const check = () => {
        for (const effect of set.scheduler.takeEffects()) {
          if (effect.type === "assign") {
            assert.ok(!assigned.has(effect.job.id), "assigned twice");
            assigned.add(effect.job.id);
          }
          if (effect.type === "job" && isEnded(effect.job.state!.status)) {
            assert.ok(!ended.has(effect.job.id), "ended twice");
            ended.add(effect.job.id);
          }
        }
      };
      for (const each of steps) {
        if (each.do === "register") set.register(each.worker);
        else if (each.do === "unregister") set.scheduler.unregister(each.worker, set.now());
        else if (each.do === "request") set.request(each.patient);
        else if (each.do === "answer") set.answer(each.worker, each.job, each.available, { terminate: each.terminate });
        else if (each.do === "report") set.report(each.worker, each.job, each.status);
        else if (each.do === "load") set.load(each.worker, each.load, each.status);
        else if (each.do === "terminate") set.scheduler.terminate(each.job, "requested", set.now());
        else set.pass(each.ms);
        check();
      }
      for (const id of ["AW_1", "AW_2", "AW_3"]) set.scheduler.unregister(id, set.now());
      for (let i = 0; i < 5; i++) set.pass(15_000);
      check();
      assert.equal(set.scheduler.jobs, 0);
      for (const id of assigned) assert.ok(ended.has(id), `${id} never ended`);
    }),
    { numRuns: 200 },
  );
});
