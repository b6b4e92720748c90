/** What README and docs show works as shown: commands run, configurations load, links lead somewhere, the reference is in step. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { AccessToken, RoomServiceClient } from "livekit-server-sdk";
import { freeTcpPort, freeUdpPort } from "@stoa/testkit/free-ports";
import { until } from "@stoa/testkit/until";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const STOA = join(ROOT, "packages", "cli", "bin", "stoa.mjs");
const DOCS = ["README.md", "CONTRIBUTING.md", ...markdownIn("docs")];

/** Run for long, or are this very test run: `npm start` has a test below, the benchmarks are run by whoever changes a packet's way. */
const RUN_ELSEWHERE = ["npm start", "npm test", ".ci/run"];
const isBenchmark = (command: string): boolean => /^npm run bench\b/.test(command);

const folder = mkdtempSync(join(tmpdir(), "stoa-docs-"));
after(() => rmSync(folder, { recursive: true }));

function markdownIn(name: string): string[] {
  return readdirSync(join(ROOT, name), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .map((file) => join(name, file))
    .sort();
}

function blocks(file: string, language: string): string[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  return [...text.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].filter((m) => m[1] === language).map((m) => m[2]!);
}

function commandsOf(block: string): string[] {
  const lines = block.replaceAll("\\\n", " ").split("\n");
  return lines.map((line) => line.replace(/(^|\s)#.*$/, "").trim()).filter((line) => line !== "");
}

/** A server is up when HTTP answers; then it is told to end. */
async function startsAndEnds(child: ChildProcess, port: number, log: () => string): Promise<void> {
  const answers = () =>
    fetch(`http://127.0.0.1:${port}`).then(
      (response) => response.ok,
      () => false,
    );
  await until(
    async () => child.exitCode !== null || (await answers()),
    60_000,
    () => `the server to answer:\n${log()}`,
  );
  assert.equal(child.exitCode, null, log());
  child.kill("SIGTERM");
  const [code] = (await once(child, "exit")) as [number];
  assert.equal(code, 0, log());
}

function start(command: string, args: readonly string[]): { child: ChildProcess; log: () => string } {
  const child = spawn(command, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout!, child.stderr!]) stream.on("data", (chunk) => (text += String(chunk)));
  return { child, log: () => text };
}

/** A configuration that is shown, moved to free ports so that it can run beside others. */
async function asFreePorts(yaml: string): Promise<{ file: string; port: number }> {
  const file = join(folder, "stoa.yaml");
  const port = await freeTcpPort();
  const moved = yaml
    .replace(/^port: \d+/m, `port: ${port}`)
    .replace(/^( +udp_port:) \d+/m, `$1 ${await freeUdpPort()}`)
    .replace(/^( +tcp_port:) \d+/m, `$1 ${await freeTcpPort()}`)
    .replace(/^(prometheus:\n +port:) \d+/m, `$1 ${await freeTcpPort()}`);
  writeFileSync(file, moved);
  return { file, port };
}

/** The fuzzer takes as long as it is told to; the last word counts. */
function briefly(command: string): string {
  const given = command.replace(/^npm run fuzz(?: --)?/, "");
  return `"${process.execPath}" "${join(ROOT, "tools", "run-built.mjs")}" fuzz${given} --seconds 1`;
}

for (const file of DOCS) {
  const commands = blocks(file, "sh").flatMap(commandsOf);
  const configs = blocks(file, "yaml");
  if (commands.length + configs.length === 0) continue;

  test(`${file}: commands and configurations work as shown`, async () => {
    for (const yaml of configs) {
      const { file: config, port } = await asFreePorts(yaml);
      const { child, log } = start(process.execPath, [STOA, "serve", "--config", config]);
      await startsAndEnds(child, port, log);
      assert.doesNotMatch(log(), /without effect/, "an example shows what works");
    }
    for (const command of commands) {
      if (RUN_ELSEWHERE.includes(command) || isBenchmark(command)) continue;
      if (command === "npx stoa serve --config stoa.yaml") {
        assert.ok(configs.length > 0, `${file} shows no configuration to serve`);
        continue; // just done
      }
      const fuzzes = command.startsWith("npm run fuzz");
      assert.ok(fuzzes || command.startsWith("npx stoa "), `${file}: "${command}" is run by no test`);
      const words = fuzzes ? briefly(command) : command.replace("npx stoa", `"${process.execPath}" "${STOA}"`);
      const { status, stderr } = spawnSync("sh", ["-c", words], { cwd: folder, encoding: "utf8", timeout: 20_000 });
      assert.equal(status, 0, `${command}\n${stderr}`);
    }
  });
}

test("links lead somewhere", () => {
  const dead = DOCS.flatMap((file) => {
    const text = readFileSync(join(ROOT, file), "utf8");
    const targets = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map((match) => match[1]!);
    return targets
      .filter((target) => !/^https?:/.test(target) && !existsSync(join(ROOT, dirname(file), target)))
      .map((target) => `${file}: ${target}`);
  });
  assert.deepEqual(dead, []);
});

test("docs/3-reference/cli.md says what --help says", () => {
  const { stdout } = spawnSync(process.execPath, [join(ROOT, "tools", "cli-reference.mjs")], { encoding: "utf8" });
  const file = join(ROOT, "docs", "3-reference", "cli.md");
  assert.equal(readFileSync(file, "utf8"), stdout, `type: node tools/cli-reference.mjs > ${relative(ROOT, file)}`);
});

test("docs/2-guides/webhooks.md: the receiver prints what happens, and takes nothing that is not signed", async () => {
  const page = "docs/2-guides/webhooks.md";
  const port = await freeTcpPort();
  const program = join(folder, "receiver.mjs");
  writeFileSync(program, blocks(page, "js")[0]!);
  const receiver = spawn(process.execPath, [program], { env: { ...process.env, PORT: String(port) } });
  let printed = "";
  receiver.stdout.on("data", (chunk) => (printed += String(chunk)));
  const server = await asFreePorts(blocks(page, "yaml")[0]!.replace("127.0.0.1:8080", `127.0.0.1:${port}`));
  const { child, log } = start(process.execPath, [STOA, "serve", "--config", server.file]);
  const ended = [once(receiver, "exit"), once(child, "exit")];
  try {
    const api = new RoomServiceClient(`http://127.0.0.1:${server.port}`, ...exampleKey(page));
    const answers = () => api.listRooms().then(Boolean, () => false);
    await until(async () => printed.includes("waiting for events") && (await answers()), 30_000, log);
    const hook = `http://127.0.0.1:${port}/hook`;
    const forged = '{"event":"room_started","id":"EV_forged","room":{"name":"forged"}}';
    for (const authorization of ["", "a.b.c", await tokenOfAnother(forged)]) {
      const { status } = await fetch(hook, { method: "POST", body: forged, headers: { authorization } });
      assert.equal(status, 401);
    }
    await api.createRoom({ name: "lobby" });
    await api.deleteRoom("lobby");
    await until(
      () => printed.includes("room_finished"),
      10_000,
      () => printed + log(),
    );
    assert.equal(printed.replaceAll(/ +$/gm, ""), "waiting for events\nroom_started lobby\nroom_finished lobby\n");
  } finally {
    receiver.kill();
    child.kill("SIGTERM");
    await Promise.all(ended);
  }
});

/** The key pair of the configuration that a page shows. */
function exampleKey(page: string): [string, string] {
  const [, key, secret] = /^keys:\n {2}(\w+): (\S+)/m.exec(blocks(page, "yaml")[0]!)!;
  return [key!, secret!];
}

/** Signed as an event is, by somebody who knows the name of the key only. */
async function tokenOfAnother(body: string): Promise<string> {
  const token = new AccessToken("APIexample", "some other secret of more than 32 characters");
  token.sha256 = createHash("sha256").update(body).digest("base64");
  return token.toJwt();
}

test("npm start: banner, demo page, a token that lets in, and an end", async () => {
  const port = await freeTcpPort();
  const rtc = { udp_port: await freeUdpPort(), tcp_port: await freeTcpPort() };
  const args = ["--prefix", ROOT, "start", "--", "--config-body", JSON.stringify({ port, rtc })];
  const { child, log } = start("npm", args);
  await until(
    () => child.exitCode !== null || /Token {2,}\S+\n/.test(log()),
    60_000,
    () => `the banner:\n${log()}`,
  );
  const shown = (label: string): string => new RegExp(`${label} {2,}(\\S+)`).exec(log())?.[1] ?? "";
  const page = await fetch(shown("Demo call"));
  assert.equal(page.status, 200);
  assert.match(await page.text(), /<title>Stoa<\/title>/);
  const socket = new URL(shown("WebSocket URL"));
  const check = await fetch(`http://${socket.host}/rtc/validate?access_token=${shown("Token")}`);
  assert.equal(await check.text(), "success");
  for (const label of ["API key", "API secret"]) assert.notEqual(shown(label), "");
  for (const line of blocks("docs/1-start/first-call.md", "")[0]!.matchAll(/^ {2}(\w[\w ]*?) {2,}/gm))
    assert.ok(log().includes(`  ${line[1]} `), `docs/1-start/first-call.md shows a line "${line[1]}"`);
  child.kill("SIGTERM");
  const [code] = (await once(child, "exit")) as [number | null];
  assert.ok(code === 0 || code === null || code === 143, `${code}`);
  await until(
    () =>
      fetch(`http://127.0.0.1:${port}`).then(
        () => false,
        () => true,
      ),
    6000,
    "the port to be free",
  );
});
