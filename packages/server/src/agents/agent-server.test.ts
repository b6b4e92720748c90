/** `/agent` over real WebSockets: a worker of paper, a server with a media worker of paper. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, afterEach, before, describe, test } from "node:test";
import {
  AvailabilityResponse,
  JobStatus,
  JobType,
  ParticipantInfo_Kind,
  ParticipantPermission,
  RegisterWorkerRequest,
  ServerMessage,
  UpdateJobStatus,
  WorkerMessage,
  WorkerPing,
} from "@livekit/protocol";
import { until } from "@stoa/testkit/until";
import { WebSocket } from "ws";
import { isRefused, verifyToken } from "../auth/verify.ts";
import {
  handmadeToken,
  joinClaims,
  KEY,
  KEYS,
  PAPER_WORKER,
  recordingLog,
  SECRET,
  testConfig,
} from "../fixtures.test.ts";
import { loadConfig } from "../config/load.ts";
import { createServer, type StoaServer } from "../main.ts";

let stoa: StoaServer;
let base: string;
const log = recordingLog();
const sockets: WebSocket[] = [];

before(async () => {
  const loaded = testConfig("port: 0", { bind: ["127.0.0.1"] });
  stoa = createServer({ loaded, log, parts: { workerEntry: PAPER_WORKER, cores: 1 } });
  base = `127.0.0.1:${(await stoa.start()).port}`;
});
after(() => stoa.close());
afterEach(async () => {
  for (const ws of sockets.splice(0)) ws.terminate();
});

const token = (video: Record<string, unknown>, key = KEY) => {
  return handmadeToken(joinClaims(Date.now(), { video, iss: key }));
};

function open(video: Record<string, unknown> = { agent: true }, key = KEY): WebSocket {
  const headers = { authorization: `Bearer ${token(video, key)}` };
  const ws = new WebSocket(`ws://${base}/agent?protocol=1`, { headers });
  sockets.push(ws);
  ws.on("error", () => {});
  return ws;
}

/** A worker that has registered; it takes whatever it is offered. */
async function worker(register: Partial<RegisterWorkerRequest> = {}, json = false, key = KEY) {
  const ws = open({ agent: true }, key);
  const messages: ServerMessage["message"][] = [];
  const send = (message: WorkerMessage["message"]) => {
    const bytes = new WorkerMessage({ message });
    ws.send(json ? bytes.toJsonString() : bytes.toBinary());
  };
  ws.on("message", (data: Buffer, binary) => {
    const { message } = binary ? ServerMessage.fromBinary(data) : ServerMessage.fromJsonString(String(data));
    messages.push(message);
    if (message.case !== "availability") return;
    const jobId = message.value.job!.id;
    const who = { participantIdentity: `agent-${jobId}`, participantName: "Helper", participantAttributes: { a: "1" } };
    send({ case: "availability", value: new AvailabilityResponse({ jobId, available: true, ...who }) });
  });
  await once(ws, "open");
  const type = JobType.JT_ROOM;
  send({ case: "register", value: new RegisterWorkerRequest({ type, agentName: "helper", ...register }) });
  const message = async <C extends ServerMessage["message"]["case"]>(wanted: C, nth = 0) => {
    const found = () => messages.filter((one) => one.case === wanted)[nth];
    await until(() => found() !== undefined, 5000, `a ${wanted} message`);
    return found() as Extract<ServerMessage["message"], { case: C }>;
  };
  await message("register");
  return { ws, send, message, messages };
}

/** A call of the API. */
async function api(method: string, room: string, body: Record<string, unknown>) {
  const service = method.endsWith("Dispatch") ? "AgentDispatchService" : "RoomService";
  const grant = { roomAdmin: true, roomCreate: true, room };
  const response = await fetch(`http://${base}/twirp/livekit.${service}/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token(grant)}` },
    body: JSON.stringify(body),
  });
  return (await response.json()) as Record<string, any>;
}

describe("/agent", () => {
  test("takes tokens with the agent grant only", async () => {
    const ws = open({ roomJoin: true, room: "lobby" });
    const [, response] = (await once(ws, "unexpected-response")) as [unknown, { statusCode: number }];
    assert.equal(response.statusCode, 401);
    assert.equal((await fetch(`http://${base}/agent`)).status, 404);
  });

  test("registers a worker, binary or JSON, and answers its pings", async () => {
    for (const json of [false, true]) {
      const { send, message } = await worker({}, json);
      const { value } = await message("register");
      assert.match(value.workerId, /^AW_\w{12}$/);
      assert.equal(value.serverInfo!.agentProtocol, 1);
      send({ case: "ping", value: new WorkerPing({ timestamp: 77n }) });
      assert.equal((await message("pong")).value.lastTimestamp, 77n);
    }
  });

  test("ends a connection on which something else comes, or that does not register first", async () => {
    const bad: WorkerMessage["message"][] = [
      { case: "availability", value: new AvailabilityResponse() },
      { case: "register", value: new RegisterWorkerRequest({ type: 9 as JobType }) },
      { case: "register", value: new RegisterWorkerRequest({ deployment: "a_b" }) },
    ];
    for (const frame of [
      Buffer.from([255, 255]),
      "no JSON",
      ...bad.map((message) => new WorkerMessage({ message }).toBinary()),
    ]) {
      const ws = open();
      await once(ws, "open");
      ws.send(frame);
      const [code] = (await once(ws, "close")) as [number];
      assert.equal(code, 1002);
    }
    await until(
      () => log.lines.some((line) => line === "warn agent worker did not register"),
      1000,
      "a word in the log",
    );
  });
});

describe("a dispatch through the API", () => {
  test("brings a job with a token that lets the agent in as what it registered", async () => {
    const allowedPermissions = new ParticipantPermission({ canSubscribe: true, canPublish: true, hidden: true });
    const { message, send } = await worker({ allowedPermissions });
    const metadata = '{"topic":"weather"}';
    const dispatch = await api("CreateDispatch", "one", { room: "one", agent_name: "helper", metadata });
    const { job } = (await message("availability")).value;
    assert.deepEqual(
      [job!.room!.name, job!.metadata, job!.dispatchId, job!.type],
      ["one", metadata, dispatch["id"], JobType.JT_ROOM],
    );
    const assignment = (await message("assignment")).value;
    assert.equal(assignment.job!.id, job!.id);
    const verified = await verifyToken(KEYS, assignment.token, Date.now());
    assert.ok(verified && !isRefused(verified));
    const { grants } = verified;
    assert.deepEqual(
      [grants.identity, grants.name, grants.kind],
      [`agent-${job!.id}`, "Helper", ParticipantInfo_Kind.AGENT],
    );
    assert.deepEqual(grants.attributes, { a: "1", "lk.agent_name": "helper" });
    const { roomJoin, agent, room, canSubscribe, canPublish, canPublishData, hidden } = grants.video!;
    assert.deepEqual(
      [roomJoin, agent, room, canSubscribe, canPublish, canPublishData, hidden],
      [true, true, "one", true, true, false, true],
    );

    const listed = async () => (await api("ListDispatch", "one", { room: "one" }))["agent_dispatches"];
    const [first, ...others] = await listed();
    assert.equal(others.length, 0);
    assert.equal(first.state.jobs[0].state.participant_identity, `agent-${job!.id}`);
    send({ case: "updateJob", value: new UpdateJobStatus({ jobId: job!.id, status: JobStatus.JS_SUCCESS }) });
    await until(
      async () => (await listed())[0].state.jobs[0].state.status === "JS_SUCCESS",
      2000,
      "the job to be done",
    );
  });

  test("is ended by deleting it", async () => {
    const { message } = await worker();
    const { id } = await api("CreateDispatch", "two", { room: "two", agent_name: "helper" });
    const { job } = (await message("assignment")).value;
    await api("DeleteDispatch", "two", { room: "two", dispatch_id: id });
    assert.equal((await message("termination")).value.jobId, job!.id);
    assert.deepEqual(await api("ListDispatch", "two", { room: "two" }), { agent_dispatches: [] });
  });

  test("waits for a worker of that name; a room's own agents come by themselves", async () => {
    await api("CreateRoom", "three", { name: "three", agents: [{ agent_name: "late", metadata: "x" }] });
    const { message } = await worker({ agentName: "late" });
    assert.equal((await message("assignment")).value.job!.metadata, "x");
  });

  test("goes to another worker when the key of the one that takes it was reloaded away, or waits for one", async () => {
    const keys = (...names: string[]) => {
      const text = names.map((name) => `${name}: ${SECRET}`).join("\n");
      return loadConfig({ flags: { "config-body": "port: 0", keys: text, bind: ["127.0.0.1"] } });
    };
    stoa.reload(keys(KEY, "APIold"));
    const old = await worker({ agentName: "keyed" }, false, "APIold");
    stoa.reload(keys(KEY));
    await api("CreateDispatch", "seven", { room: "seven", agent_name: "keyed" });
    const state = async () => {
      const [dispatch] = (await api("ListDispatch", "seven", { room: "seven" }))["agent_dispatches"];
      return dispatch.state.jobs[0]?.state;
    };
    await until(async () => (await state())?.status === "JS_PENDING", 5000, "the job to wait");
    assert.equal((await state()).error, "the API key of its worker is not valid any more");
    const reason = "agent job goes to another worker: the API key of its worker is not valid any more";
    assert.ok(log.lines.includes(`warn ${reason}`));
    const { message } = await worker({ agentName: "keyed" });
    assert.equal((await message("assignment")).value.job!.room!.name, "seven");
    assert.equal((await state()).status, "JS_RUNNING");
    assert.ok(!old.messages.some((one) => one.case === "assignment"));
  });

  test("a worker without a name serves every room that calls nobody else", async () => {
    const { message, messages } = await worker({ agentName: "" });
    await api("CreateRoom", "four", { name: "four" });
    assert.equal((await message("assignment")).value.job!.room!.name, "four");
    await api("CreateRoom", "five", { name: "five", agents: [{ agent_name: "nobody" }] });
    await api("DeleteRoom", "four", { room: "four" });
    await message("termination");
    assert.equal(messages.filter((one) => one.case === "assignment").length, 1);
  });
});
