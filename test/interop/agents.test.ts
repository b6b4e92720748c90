/** A published @livekit/agents worker serves a room (P13): called by name with metadata, seen as an agent, sent away, replaced. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { AgentDispatchClient, RoomServiceClient } from "livekit-server-sdk";
import { AgentWorker } from "@stoa/testkit/agent-worker";
import { NodeClient, shutdownNodeClients } from "@stoa/testkit/node-client";
import { type ServerProcess, startServer } from "@stoa/testkit/server-process";
import { until } from "@stoa/testkit/until";

const isReference = process.env.SUT_CMD !== undefined;

let server: ServerProcess;
let dispatches: AgentDispatchClient;
let rooms: RoomServiceClient;
const workers: AgentWorker[] = [];

async function startWorker(name: string): Promise<AgentWorker> {
  const worker = await AgentWorker.start(server, name);
  workers.push(worker);
  return worker;
}

before(async () => {
  server = await startServer();
  dispatches = new AgentDispatchClient(server.http, server.key, server.secret);
  rooms = new RoomServiceClient(server.http, server.key, server.secret);
});
after(async () => {
  for (const worker of workers) worker.kill();
  await server?.stop();
  await shutdownNodeClients();
});

const hears = (client: NodeClient, text: string, withinMs = 10_000) => {
  return until(() => client.messages.some((message) => message.text === text), withinMs, `"${text}" of the agent`);
};

test("an agent is called by name with metadata, and leaves when its dispatch is deleted", async () => {
  const worker = await startWorker("helper");
  const ada = new NodeClient("ada");
  await ada.join(server, "called");
  assert.equal(ada.agents.length, 0);
  const dispatch = await dispatches.createDispatch("called", "helper", { metadata: "md-1" });
  const tookMs = await until(() => ada.agents.length === 1, 10_000, "the agent");
  if (!isReference) assert.ok(tookMs < 5000, `${tookMs} ms`);
  await hears(ada, "agent:md-1");
  assert.match(worker.log(), /JOB .*"room":"called","metadata":"md-1"/);
  assert.equal(ada.agents[0]!.attributes["lk.agent_name"], "helper");

  if (!isReference) {
    // LiveKit lists the dispatch of workers without a name too, and no jobs
    const listed = await dispatches.listDispatch("called");
    assert.deepEqual(
      listed.map(({ id, agentName, state }) => [id, agentName, state?.jobs.length]),
      [[dispatch.id, "helper", 1]],
    );
  }
  await dispatches.deleteDispatch(dispatch.id, "called");
  await until(() => ada.agents.length === 0, 10_000, "the agent to leave");
  await ada.close();
});

test("the configuration of a room calls agents; workers with a name stay out of other rooms", async () => {
  await rooms.createRoom({ name: "configured", agents: [{ agentName: "helper", metadata: "md-2" }] as never });
  const [ada, bob] = [new NodeClient("ada"), new NodeClient("bob")];
  await Promise.all([ada.join(server, "configured"), bob.join(server, "plain")]);
  await hears(ada, "agent:md-2");
  assert.equal(bob.agents.length, 0);
  await Promise.all([ada.close(), bob.close()]);
});

// LiveKit forgets the job of a worker that died: there nobody comes.
test("when a worker dies, another one takes its job", async () => {
  for (const worker of workers.splice(0)) worker.kill();
  const first = await startWorker("resilient");
  const ada = new NodeClient("ada");
  await ada.join(server, "resilient");
  await dispatches.createDispatch("resilient", "resilient", { metadata: "md-3" });
  await hears(ada, "agent:md-3");
  const [before_] = ada.agents;
  first.kill();
  await startWorker("resilient");
  const replaced = () => ada.agents.some(({ sid }) => sid !== before_!.sid);
  await until(replaced, 60_000, "another agent");
  ada.messages.splice(0);
  await hears(ada, "agent:md-3");
  await ada.close();
});
