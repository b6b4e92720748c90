/** The programs that the guides show do what the guides say. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { after, afterEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { AgentDispatchClient } from "livekit-server-sdk";
import { AgentWorker } from "@stoa/testkit/agent-worker";
import { NodeClient, shutdownNodeClients } from "@stoa/testkit/node-client";
import { freeTcpPort, freeUdpPort } from "@stoa/testkit/free-ports";
import { startServer } from "@stoa/testkit/server-process";
import { until } from "@stoa/testkit/until";

const GUIDES = new URL("../../../docs/2-guides/", import.meta.url);

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});
after(() => shutdownNodeClients());

function programsOf(guide: string): string[] {
  const text = readFileSync(new URL(guide, GUIDES), "utf8");
  return [...text.matchAll(/^```js\n([^]*?)^```$/gm)].map((match) => match[1]!);
}

/** Written where it finds the packages of this repository. */
function write(name: string, program: string): string {
  const file = fileURLToPath(new URL(`./${name}`, import.meta.url));
  writeFileSync(file, program);
  open.push(() => rmSync(file));
  return file;
}

for (const [index, program] of programsOf("embed.md").entries()) {
  test(`embed.md, program ${index + 1}: serves clients, and ends on SIGTERM with its ports free`, async () => {
    const port = await freeTcpPort();
    const [udp, tcp] = [await freeUdpPort(), await freeTcpPort()];
    const moved = program
      .replace(/\bport: 7880/, `port: ${port}`)
      .replace(/udp_port: \d+/, `udp_port: ${udp}`)
      .replace(/tcp_port: \d+/, `tcp_port: ${tcp}`);
    const file = write(`embed-${index}.mjs`, moved);
    const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "pipe"] });
    open.push(() => child.kill("SIGKILL"));
    let printed = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (printed += String(chunk)));
    await until(
      () => child.exitCode !== null || /^listening/m.test(printed),
      20_000,
      () => `"listening"; it printed:\n${printed}`,
    );
    // The token endpoint of the third program; the others show what LiveKit's server shows there.
    const own = await (await fetch(`http://127.0.0.1:${port}/?identity=ada`)).text();
    const check = await fetch(`http://127.0.0.1:${port}/rtc/validate?access_token=${own}`);
    assert.equal(check.status, own === "OK" ? 401 : 200, own);
    child.kill("SIGTERM");
    assert.deepEqual(await once(child, "exit"), [0, null], printed);
  });
}

test("agents.md: the worker registers, is called by name, and says what it is told to", async () => {
  const [program, ...others] = programsOf("agents.md");
  assert.equal(others.length, 0);
  const server = await startServer();
  open.push(() => server.stop());
  const worker = await AgentWorker.start(server, "greeter", write("agent-guide.mjs", program!));
  open.push(() => worker.kill());
  const ada = new NodeClient("ada");
  await ada.join(server, "lobby");
  open.push(() => ada.close());
  const dispatches = new AgentDispatchClient(server.http, server.key, server.secret);
  await dispatches.createDispatch("lobby", "greeter", { metadata: "in English" });
  const greeted = () => ada.messages.some(({ text }) => text === "hello, lobby: in English");
  await until(greeted, 20_000, () => `the greeting; the worker printed:\n${worker.log().slice(-2000)}`);
  assert.equal(ada.agents[0]!.attributes["lk.agent_name"], "greeter");
});
