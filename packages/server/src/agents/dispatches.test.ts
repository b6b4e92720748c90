/** Which jobs the rooms ask for, and what is done to agents that have to go. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  AgentDispatch,
  AvailabilityResponse,
  JobRestartPolicy,
  JobType,
  ParticipantInfo,
  ParticipantInfo_Kind,
  ParticipantPermission,
  Room as RoomInfo,
  TrackInfo,
} from "@livekit/protocol";
import type { ParticipantEventKind } from "@stoa/core/room/effects";
import { createRandom } from "@stoa/io/random";
import { Dispatches } from "./dispatches.ts";
import { JobScheduler } from "./scheduler.ts";

function setUp(types: readonly JobType[] = [JobType.JT_ROOM, JobType.JT_PUBLISHER, JobType.JT_PARTICIPANT]) {
  let nowMs = 0;
  const random = createRandom();
  const scheduler = new JobScheduler({ random, targetLoad: 0.7 });
  const options = { scheduler, random, nowMs: () => nowMs, enableRecording: true, enableRedaction: false };
  const dispatches = new Dispatches(options);
  const room = new RoomInfo({ sid: "RM_1", name: "lobby", metadata: "m" });
  const register = (id = "") => {
    for (const type of types) {
      const permissions = new ParticipantPermission();
      const registration = { agentName: "helper", namespace: "", type, deployment: "", permissions };
      scheduler.register({ id: `AW_${JobType[type]}${id}`, ...registration }, nowMs);
    }
  };
  register();
  dispatches.onRoomCreated({ room });
  const asked: { type: JobType; participant: string; metadata: string; id: string; worker: string }[] = [];
  const log: string[] = [];
  /** Every worker takes every job. */
  const settle = () => {
    for (let again = true; again;) {
      again = false;
      for (const effect of scheduler.takeEffects()) {
        again = true;
        if (effect.type === "job") dispatches.handleJob(effect);
        if (effect.type !== "send") continue;
        const { message } = effect.message;
        if (message.case === "termination") log.push(`end ${message.value.jobId}`);
        if (message.case !== "availability") continue;
        const job = message.value.job!;
        const participant = job.participant?.identity ?? "";
        asked.push({ type: job.type, participant, metadata: job.metadata, id: job.id, worker: effect.worker });
        const participantIdentity = `agent-${job.id}`;
        const answer = new AvailabilityResponse({ jobId: job.id, available: true, participantIdentity });
        scheduler.answer(effect.worker, answer, nowMs);
      }
      for (const effect of dispatches.takeEffects()) {
        log.push(
          effect.type === "removeAgent"
            ? `remove ${effect.identity}`
            : `note ${effect.job.id} ${effect.job.state!.status}`,
        );
      }
    }
  };
  const happen = (kind: ParticipantEventKind, identity: string, more: Partial<ParticipantInfo> = {}) => {
    const participant = new ParticipantInfo({ sid: `PA_${identity}`, identity, ...more });
    const track = kind === "trackPublished" ? new TrackInfo({ sid: "TR_1" }) : undefined;
    dispatches.onParticipant("lobby", { type: "participantEvent", kind, participant, track, detail: "", atMs: nowMs });
    settle();
  };
  const dispatch = (type: "dispatchCreated" | "dispatchDeleted", more: Partial<AgentDispatch> = {}) => {
    const wanted = new AgentDispatch({ id: "AD_1", agentName: "helper", room: "lobby", metadata: "md", ...more });
    dispatches.onDispatch("lobby", { type, dispatch: wanted });
    settle();
  };
  const close = () => {
    dispatches.onRoomClosed({ room });
    settle();
  };
  const pass = (ms: number) => {
    nowMs += ms;
    scheduler.handleTimeout(nowMs);
    dispatches.handleTimeout(nowMs);
    settle();
  };
  const jobs = () => asked.splice(0).map(({ type, participant }) => `${JobType[type].slice(3)} ${participant}`.trim());
  return { scheduler, dispatches, register, happen, dispatch, close, pass, jobs, asked, log, settle, now: () => nowMs };
}

const AGENT = { kind: ParticipantInfo_Kind.AGENT };

describe("dispatches", () => {
  test("ask for a job for the room, for each that joins, and for each that first publishes", () => {
    const { happen, dispatch, jobs } = setUp();
    dispatch("dispatchCreated");
    assert.deepEqual(jobs(), ["ROOM"]);
    happen("joined", "ada");
    assert.deepEqual(jobs(), ["PARTICIPANT ada"]);
    happen("trackPublished", "ada");
    happen("trackPublished", "ada");
    assert.deepEqual(jobs(), ["PUBLISHER ada"]);
  });

  test("agents and recorders call no agents", () => {
    const { happen, dispatch, jobs } = setUp();
    dispatch("dispatchCreated");
    jobs();
    happen("joined", "agent", AGENT);
    happen("trackPublished", "agent", AGENT);
    happen("joined", "recorder", { permission: new ParticipantPermission({ recorder: true }) });
    assert.deepEqual(jobs(), []);
  });

  test("a later dispatch finds who is there already", () => {
    const { happen, dispatch, jobs } = setUp();
    happen("joined", "ada");
    happen("trackPublished", "ada");
    happen("joined", "bob");
    happen("joined", "gone");
    happen("left", "gone");
    dispatch("dispatchCreated");
    assert.deepEqual(jobs(), ["ROOM", "PUBLISHER ada", "PARTICIPANT ada", "PARTICIPANT bob"]);
  });

  test("the room hears of its jobs", () => {
    const { dispatch, asked, log } = setUp([JobType.JT_ROOM]);
    dispatch("dispatchCreated");
    assert.equal(asked[0]!.metadata, "md");
    assert.deepEqual(log, [`note ${asked[0]!.id} 1`]);
  });

  test("an agent that leaves ends its job", () => {
    const { dispatch, happen, asked, log } = setUp([JobType.JT_ROOM]);
    dispatch("dispatchCreated");
    const { id } = asked[0]!;
    happen("joined", `agent-${id}`, AGENT);
    happen("left", `agent-${id}`, AGENT);
    assert.deepEqual(log.slice(1), [`end ${id}`, `note ${id} 3`]);
  });

  test("a deleted dispatch ends its jobs; an agent that stays is removed after three seconds", () => {
    const { dispatch, happen, asked, log, pass } = setUp([JobType.JT_ROOM]);
    dispatch("dispatchCreated");
    const { id } = asked[0]!;
    happen("joined", `agent-${id}`, AGENT);
    dispatch("dispatchDeleted");
    assert.deepEqual(log.slice(1), [`end ${id}`]);
    pass(2999);
    assert.equal(log.length, 2);
    pass(1);
    assert.deepEqual(log.slice(2), [`remove agent-${id}`]);
  });

  test("nobody is removed in the place of an agent that left by itself", () => {
    const { dispatch, happen, asked, log, pass } = setUp([JobType.JT_ROOM]);
    dispatch("dispatchCreated");
    const { id } = asked[0]!;
    happen("joined", `agent-${id}`, AGENT);
    dispatch("dispatchDeleted");
    happen("left", `agent-${id}`, AGENT);
    happen("joined", `agent-${id}`, { ...AGENT, sid: "PA_another" });
    pass(3000);
    assert.ok(!log.some((line) => line.startsWith("remove")));
  });

  test("the end of a room ends its jobs and its wishes", () => {
    const { dispatch, close, asked, log, register, scheduler } = setUp([JobType.JT_ROOM]);
    dispatch("dispatchCreated");
    dispatch("dispatchCreated", { id: "AD_2", agentName: "absent" });
    close();
    assert.ok(log.includes(`end ${asked[0]!.id}`));
    const permissions = new ParticipantPermission();
    scheduler.register(
      { id: "AW_late", agentName: "absent", namespace: "", type: JobType.JT_ROOM, deployment: "", permissions },
      0,
    );
    register("again");
    assert.deepEqual(scheduler.takeEffects(), []);
    assert.equal(scheduler.jobs, 0);
  });
});

describe("the loss of a worker", () => {
  test("another gets the job, once the agent is out of the room", () => {
    const { dispatch, happen, jobs, asked, scheduler, register, pass, now } = setUp([JobType.JT_ROOM]);
    dispatch("dispatchCreated");
    const { id } = asked[0]!;
    happen("joined", `agent-${id}`, AGENT);
    jobs();
    scheduler.unregister("AW_JT_ROOM", now());
    register("2");
    pass(10_000);
    assert.deepEqual(jobs(), []); // it may still work
    happen("left", `agent-${id}`, AGENT);
    assert.deepEqual(jobs(), ["ROOM"]);
  });

  test("at once when the agent never came, and not for ever", () => {
    const { dispatch, jobs, scheduler, register, pass, now, asked } = setUp([JobType.JT_ROOM]);
    dispatch("dispatchCreated");
    for (let i = 0; i < 10; i++) {
      const worker = asked.at(-1)!.worker;
      register(`${i}`);
      scheduler.unregister(worker, now());
      pass(10_000);
    }
    assert.equal(jobs().length, 6);
  });

  test("unless the dispatch says never", () => {
    const { dispatch, jobs, scheduler, register, pass, now } = setUp([JobType.JT_ROOM]);
    dispatch("dispatchCreated", { restartPolicy: JobRestartPolicy.JRP_NEVER });
    jobs();
    scheduler.unregister("AW_JT_ROOM", now());
    register("2");
    pass(10_000);
    assert.deepEqual(jobs(), []);
  });

  test("a job for somebody who left meanwhile is not done again", () => {
    const { dispatch, happen, jobs, scheduler, register, pass, now } = setUp([JobType.JT_PARTICIPANT]);
    dispatch("dispatchCreated");
    happen("joined", "ada");
    assert.deepEqual(jobs(), ["PARTICIPANT ada"]);
    scheduler.unregister("AW_JT_PARTICIPANT", now());
    happen("left", "ada");
    register("2");
    pass(10_000);
    assert.deepEqual(jobs(), []);
  });
});
