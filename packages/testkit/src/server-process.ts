/**
 * Starts the server under test as a process of its own on free ports: Stoa's command, or any livekit-server
 * named by the variable SUT_CMD, so that every interop test can be pointed at the reference first.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createAccessToken, type TestGrants } from "./access-token.ts";
import { freeTcpPort, freeUdpPort } from "./free-ports.ts";
import { until } from "./until.ts";

const STOA = fileURLToPath(new URL("../../cli/bin/stoa.mjs", import.meta.url));

/** What a test may ask of the server. */
export interface ServerOptions {
  /** More configuration keys (LiveKit's YAML, as an object), merged over the defaults. */
  readonly config?: Record<string, unknown>;
  /** Address to listen on and to announce; default 127.0.0.1. */
  readonly address?: string;
  /** In the place of this one, which has ended: the same ports and keys. */
  readonly like?: ServerProcess;
  /** More arguments on the command line. */
  readonly args?: readonly string[];
  /** More environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** A program to run instead, with the same arguments; `SUT_CMD` does not change it. */
  readonly program?: readonly string[];
  /** Put before the command, such as `ip netns exec NAME`. */
  readonly prefix?: readonly string[];
}

/** A running server. */
export class ServerProcess {
  readonly url: string;
  readonly http: string;
  readonly ports: { readonly http: number; readonly tcp: number; readonly udp: number };
  readonly key: string;
  readonly secret: string;
  readonly child: ChildProcess;
  readonly #log: string[];

  constructor(parts: Pick<ServerProcess, "ports" | "key" | "secret" | "child"> & { address: string; log: string[] }) {
    this.ports = parts.ports;
    this.key = parts.key;
    this.secret = parts.secret;
    this.child = parts.child;
    this.url = `ws://${parts.address}:${parts.ports.http}`;
    this.http = `http://${parts.address}:${parts.ports.http}`;
    this.#log = parts.log;
  }

  /** A token for a room; `grants` over "may join, publish and subscribe". */
  token(identity: string, room: string, grants: TestGrants = {}): string {
    return createAccessToken(this.key, this.secret, identity, { roomJoin: true, room, ...grants });
  }

  /** What the server wrote down about somebody, a line each: for the message of a test that fails. The reference has nothing to say. */
  async timeline(room: string, identity: string): Promise<string> {
    const path = `/stoa/v1/rooms/${encodeURIComponent(room)}/participants/${encodeURIComponent(identity)}/timeline`;
    const authorization = `Bearer ${createAccessToken(this.key, this.secret, "test", { room, roomAdmin: true })}`;
    const answer = await fetch(this.http + path, { headers: { authorization } });
    if (!answer.ok) return `no timeline: ${answer.status}`;
    const { sessions } = (await answer.json()) as { sessions: { entries: { at: string; text: string }[] }[] };
    return sessions.flatMap(({ entries }) => entries.map(({ at, text }) => `${at} ${text}`)).join("\n");
  }

  /** What the server printed so far. */
  log(): string {
    return this.#log.join("");
  }

  /** Memory of the process that is not swapped out, in MB. */
  residentMb(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
  }

  /** Ends the server and waits for it; gives the milliseconds it took. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number> {
    const started = performance.now();
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const ended = new Promise((resolve) => this.child.once("exit", resolve));
      this.child.kill(signal);
      const hard = setTimeout(() => this.child.kill("SIGKILL"), 8000);
      await ended;
      clearTimeout(hard);
    }
    return performance.now() - started;
  }
}

/** Starts a server and waits until it answers. Throws with the end of its log when it does not. */
export async function startServer(options: ServerOptions = {}): Promise<ServerProcess> {
  const address = options.address ?? "127.0.0.1";
  const ports = options.like?.ports ?? {
    http: await freeTcpPort(),
    tcp: await freeTcpPort(),
    udp: await freeUdpPort(),
  };
  const key = options.like?.key ?? `API${randomBytes(5).toString("hex")}`;
  const secret = options.like?.secret ?? randomBytes(24).toString("hex");
  const config = merge(
    {
      port: ports.http,
      keys: { [key]: secret },
      rtc: { udp_port: ports.udp, tcp_port: ports.tcp, use_external_ip: false, stun_servers: ["127.0.0.1:3479"] },
    },
    options.config ?? {},
  );
  const args = [
    "--dev",
    "--bind",
    address,
    "--node-ip",
    address,
    "--config-body",
    JSON.stringify(config),
    ...(options.args ?? []),
  ];
  const standard = process.env.SUT_CMD ? [process.env.SUT_CMD] : [process.execPath, STOA, "serve"];
  const command = options.program ?? standard;
  const [program, ...rest] = [...(options.prefix ?? []), ...command, ...args];
  const env = { ...process.env, ...options.env };
  const child = spawn(program!, rest, { env, stdio: ["ignore", "pipe", "pipe"] });
  const log: string[] = [];
  child.stdout.on("data", (chunk) => log.push(String(chunk)));
  child.stderr.on("data", (chunk) => log.push(String(chunk)));
  const server = new ServerProcess({ address, ports, key, secret, child, log });
  if (options.prefix)
    await until(
      () => /listening|starting LiveKit server/i.test(server.log()),
      15_000,
      "the server's log to say that it listens",
    );
  else
    await until(
      () => answers(server),
      15_000,
      () => `the server to answer; it printed:\n${server.log().slice(-2000)}`,
    );
  return server;
}

async function answers(server: ServerProcess): Promise<boolean> {
  if (server.child.exitCode !== null)
    throw new Error(`the server ended with code ${server.child.exitCode}:\n${server.log().slice(-2000)}`);
  const response = await fetch(server.http).catch(() => undefined);
  return response?.status === 200;
}

function merge(base: Record<string, unknown>, over: Record<string, unknown>): Record<string, unknown> {
  const out = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = out[key];
    out[key] = isPlain(below) && isPlain(value) ? merge(below, value) : value;
  }
  return out;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
