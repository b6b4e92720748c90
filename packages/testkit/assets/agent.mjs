// The agent that interop tests run with @livekit/agents: it says its job's metadata to everybody in the room, again and again.
import { fileURLToPath } from "node:url";
import { cli, defineAgent, ServerOptions } from "@livekit/agents";

// oxlint-disable-next-line import/no-default-export -- that is how the framework finds an agent
export default defineAgent({
  entry: async (job) => {
    await job.connect();
    console.log(`JOB ${JSON.stringify({ id: job.job.id, room: job.job.room?.name, metadata: job.job.metadata })}`);
    const text = new TextEncoder().encode(`agent:${job.job.metadata}`);
    const say = () =>
      void job.room.localParticipant?.publishData(text, { reliable: true, topic: "agent" }).catch(() => {});
    const timer = setInterval(say, 300);
    job.addShutdownCallback(async () => clearInterval(timer));
  },
});

const me = fileURLToPath(import.meta.url);
if (process.argv[1] === me) {
  const { AGENT_NAME, AGENT_PORT } = process.env;
  const options = {
    agent: me,
    agentName: AGENT_NAME,
    numIdleProcesses: 1,
    host: "127.0.0.1",
    port: Number(AGENT_PORT),
  };
  cli.runApp(new ServerOptions({ ...options, loadFunc: async () => 0.1 }));
}
