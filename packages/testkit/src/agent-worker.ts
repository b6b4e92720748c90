/** Runs an unmodified `@livekit/agents` worker (`assets/agent.mjs`) against the server under test. */
import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { freeTcpPort } from "./free-ports.ts";
import { type ServerProcess } from "./server-process.ts";
import { until } from "./until.ts";

const AGENT = fileURLToPath(new URL("../assets/agent.mjs", import.meta.url));

/** A worker process with the processes of its jobs. */
export class AgentWorker {
  readonly #child: ChildProcess;
  readonly #log: string[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on("data", (chunk) => this.#log.push(String(chunk)));
    child.stderr?.on("data", (chunk) => this.#log.push(String(chunk)));
  }

  /** Starts one, of `program`; resolves when it has registered. */
  static async start(server: ServerProcess, agentName: string, program = AGENT): Promise<AgentWorker> {
    const env = {
      ...process.env,
      AGENT_NAME: agentName,
      AGENT_PORT: String(await freeTcpPort()),
      LIVEKIT_URL: server.url,
      LIVEKIT_API_KEY: server.key,
      LIVEKIT_API_SECRET: server.secret,
    };
    const options = { env, detached: true, stdio: ["ignore", "pipe", "pipe"] as ["ignore", "pipe", "pipe"] };
    const worker = new AgentWorker(spawn(process.execPath, [program, "start"], options));
    const registered = () => {
      if (worker.#child.exitCode !== null) throw new Error(`the agent worker ended:\n${worker.log().slice(-2000)}`);
      return /registered worker/i.test(worker.log());
    };
    await until(registered, 30_000, () => `the agent worker to register; it printed:\n${worker.log().slice(-2000)}`);
    return worker;
  }

  /** What it and its jobs printed. */
  log(): string {
    return this.#log.join("");
  }

  /** Ends it at once, with everything that it started. */
  kill(): void {
    try {
      process.kill(-this.#child.pid!, "SIGKILL");
    } catch {
      // it has ended by itself
    }
  }
}
