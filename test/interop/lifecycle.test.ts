/** Start and end of the server process, as an operator sees them. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { launchChromium, openPage } from "@stoa/testkit/browser";
import { freeTcpPort, freeUdpPort } from "@stoa/testkit/free-ports";
import { startServer } from "@stoa/testkit/server-process";

const STOA = fileURLToPath(new URL("../../../packages/cli/bin/stoa.mjs", import.meta.url));

function stoa(...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [STOA, ...args], { timeout: 10_000 }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? -1) : 0, output: stdout + stderr });
    });
  });
}

test("SIGTERM: clients are told to leave, the process ends in under 5 s, the ports are free", async () => {
  const server = await startServer();
  const browser = await launchChromium();
  try {
    const page = await openPage(browser, server, "ada");
    await page.join({ room: "end" });
    const took = server.stop("SIGTERM");
    await page.waitEvent("disconnected", "", 5000);
    assert.ok((await took) < 5000, `it took ${await took} ms`);
    assert.equal(server.child.exitCode, 0);
    const again = createServer();
    await new Promise<void>((resolve, reject) =>
      again.once("error", reject).listen(server.ports.http, "127.0.0.1", resolve),
    );
    await new Promise((resolve) => again.close(resolve));
  } finally {
    await browser.close();
  }
});

test("a port in use is one sentence that names the port and how to choose another", async () => {
  const other = createServer();
  const taken = await freeTcpPort();
  await new Promise<void>((resolve) => other.listen(taken, "127.0.0.1", resolve));
  const { code, output } = await stoa(
    "serve",
    "--dev",
    "--bind",
    "127.0.0.1",
    "--config-body",
    JSON.stringify({ port: taken, rtc: { udp_port: await freeUdpPort(), tcp_port: await freeTcpPort() } }),
  );
  other.close();
  assert.equal(code, 1, output);
  assert.match(output, new RegExp(`\\b${taken}\\b.*in use`));
  assert.match(output, /--port|port:/);
});

test("a mistake in the configuration is one sentence with the key, the line and the nearest known key", async () => {
  const { code, output } = await stoa(
    "serve",
    "--config-body",
    "port: 7880\nrtc:\n  udp_prt: 7882\nkeys:\n  devkey: secretsecretsecretsecretsecretsecret\n",
  );
  assert.equal(code, 1, output);
  assert.match(output, /line 3.*udp_prt.*udp_port/);
});
