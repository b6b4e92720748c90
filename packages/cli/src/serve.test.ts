/** The server as a process: what it prints, how it ends, and what it says when a port is taken. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { freeTcpPort, freeUdpPort } from "@stoa/testkit/free-ports";
import { until } from "@stoa/testkit/until";

const STOA = fileURLToPath(new URL("../bin/stoa.mjs", import.meta.url));

class Run {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  stdout = "";
  stderr = "";

  constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, [STOA, ...args], { env: { PATH: process.env["PATH"] } });
    this.child.stdout!.on("data", (chunk) => (this.stdout += String(chunk)));
    this.child.stderr!.on("data", (chunk) => (this.stderr += String(chunk)));
    this.ended = once(this.child, "close").then(([code]) => code as number | null);
  }

  /** Waits for a pattern on standard output. */
  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    for (let i = 0; i < 2000; i++) {
      const match = pattern.exec(this.stdout);
      if (match) return match;
      assert.equal(this.child.exitCode, null, this.stderr);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return assert.fail(`not printed: ${pattern}\n${this.stdout}\n${this.stderr}`);
  }
}

async function freePorts() {
  return { http: await freeTcpPort(), tcp: await freeTcpPort(), udp: await freeUdpPort() };
}

function flags(ports: { http: number; tcp: number; udp: number }): string[] {
  return [
    "--bind",
    "127.0.0.1",
    "--port",
    `${ports.http}`,
    "--rtc.tcp_port",
    `${ports.tcp}`,
    "--udp-port",
    `${ports.udp}`,
  ];
}

describe("stoa dev", () => {
  test("prints a demo page, a URL, a pair and a token that work; SIGTERM ends it with 0 and frees the ports", async () => {
    const ports = await freePorts();
    const run = new Run(["dev", ...flags(ports)]);
    const demo = (await run.prints(/Demo call +(\S+)/))[1]!;
    const token = (await run.prints(/Token +(\S+)/))[1]!;
    await run.prints(/API key +devkey\n +API secret +secret\n/);
    assert.equal((await run.prints(/WebSocket URL +(\S+)/))[1], `ws://127.0.0.1:${ports.http}`);
    assert.match(await (await fetch(demo)).text(), /<title>Stoa/);
    assert.equal((await fetch(`http://127.0.0.1:${ports.http}/rtc/validate?access_token=${token}`)).status, 200);

    const began = performance.now();
    run.child.kill("SIGTERM");
    assert.equal(await run.ended, 0, run.stderr);
    assert.ok(performance.now() - began < 5000);
    for (const port of [ports.http, ports.tcp]) {
      const again = createServer();
      await new Promise<void>((resolve, reject) => again.once("error", reject).listen(port, "127.0.0.1", resolve));
      again.close();
    }
  });
});

describe("SIGHUP", () => {
  test("loads the configuration again: new keys hold, the process goes on", async () => {
    const ports = await freePorts();
    const folder = mkdtempSync(join(tmpdir(), "stoa-hup-"));
    const keys = join(folder, "keys.yaml");
    const pair = (key: string) => writeFileSync(keys, `${key}: ${"s".repeat(40)}\n`, { mode: 0o600 });
    pair("APIfirst");
    const run = new Run(["serve", "--key-file", keys, ...flags(ports)]);
    const listening = async () =>
      (await fetch(`http://127.0.0.1:${ports.http}/`).catch(() => undefined))?.status === 200;
    await until(listening, 10_000, "the server");
    const claims = Buffer.from(JSON.stringify({ iss: "APIsecond", exp: 1 })).toString("base64url");
    const token = `${Buffer.from('{"alg":"HS256"}').toString("base64url")}.${claims}.x`;
    const refusal = async () => (await fetch(`http://127.0.0.1:${ports.http}/?access_token=${token}`)).text();
    assert.equal(await refusal(), "invalid API key");
    pair("APIsecond");
    run.child.kill("SIGHUP");
    await until(async () => (await refusal()) !== "invalid API key", 5000, "the new key");
    assert.match(run.stderr, /configuration reloaded/);
    run.child.kill("SIGTERM");
    assert.equal(await run.ended, 0);
    rmSync(folder, { recursive: true });
  });
});

describe("a port in use is one sentence that names it and says how to choose another, and exit code 1", () => {
  const check = async (ports: { http: number; tcp: number; udp: number }, taken: number, how: RegExp) => {
    const run = new Run(["serve", "--dev", "--logging.level", "error", ...flags(ports)]);
    assert.equal(await run.ended, 1);
    assert.equal(run.stdout, "");
    const lines = run.stderr.trimEnd().split("\n");
    assert.equal(lines.length, 1, run.stderr);
    assert.match(lines[0]!, new RegExp(`\\b${taken}\\b.*in use`));
    assert.match(lines[0]!, how);
  };

  test("HTTP", async () => {
    const ports = await freePorts();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(ports.http, "127.0.0.1", resolve));
    await check(ports, ports.http, /--port/);
    other.close();
  });

  test("ICE-TCP", async () => {
    const ports = await freePorts();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(ports.tcp, "0.0.0.0", resolve));
    await check(ports, ports.tcp, /rtc\.tcp_port/);
    other.close();
  });

  test("UDP", async () => {
    const ports = await freePorts();
    const other = createSocket("udp4");
    await new Promise<void>((resolve) => other.bind(ports.udp, "0.0.0.0", resolve));
    await check(ports, ports.udp, /--udp-port/);
    other.close();
  });
});
