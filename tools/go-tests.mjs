// npm run interop:go-tests: runs the integration tests of a checkout of livekit/livekit against Stoa, or another server. Those tests make
// a server inside their own process; the compiler is shown files in which the two names that do so stand for go-tests/outside_server.go,
// which starts a program instead. Nothing is written into the checkout. Ends with a table and 0 when none failed.
import { spawn } from "node:child_process";
import {
  cpSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { readArguments, refuse } from "./arguments.mjs";
import { ReportReader } from "./go-tests/report.mjs";
import { build, installDependencies, root, run, which } from "./prepare.mjs";
import { printTable } from "./results.mjs";

const TEST_LIMIT_S = 180;
const STAND_IN = join(root, "tools", "go-tests", "outside_server.go");
const SERVER_PORT = 7880;
/** Tests that no server outside of their process can be asked: what marks them in their source, and why. */
const CANNOT_RUN = [
  { mark: /\bs2\.Stop\(/, why: "ends one of two nodes" },
  { mark: /\.OnStatsUpdate\(/, why: "puts its own functions into the server's memory" },
];

const HELP = `npm run interop:go-tests -- FOLDER [options]

Runs the integration tests of a checkout of livekit/livekit, which is FOLDER, against Stoa, each with a server of its own on the ports that
the tests expect: ${SERVER_PORT} and those above it. Needs Go. Ends with a table.

  --only=TEXT     tests with TEXT in their name
  --sut=PROGRAM   a server to test in Stoa's place (or the variable SUT_CMD)
  --logs=FOLDER   where to keep what tests and servers print`;

const { values, positionals } = readArguments(HELP, {
  allowPositionals: true,
  options: { only: { type: "string" }, sut: { type: "string" }, logs: { type: "string" } },
});
const checkout = resolve(positionals[0] ?? "");
const testFolder = join(checkout, "test");
if (positionals.length !== 1) refuse("Say where a checkout of livekit/livekit is.", HELP);
if (!existsSync(join(testFolder, "integration_helpers.go"))) refuse(`${checkout} is no checkout of livekit/livekit.`);
if (!which("go")) {
  refuse(`The tests need Go, of the version that ${join(checkout, "go.mod")} names: see https://go.dev/doc/install`);
}
if (await isTaken(SERVER_PORT)) {
  refuse(`Port ${SERVER_PORT} is in use, and the tests want their server there. End that program first.`);
}

const sut = values.sut ?? process.env.SUT_CMD;
if (!sut) {
  installDependencies();
  build();
}
// The tests receive webhooks on this machine, which Stoa has to be allowed.
const stoa = [join(root, "packages", "cli", "bin", "stoa.mjs"), "serve", "--webhook.allow_private_targets"];
const command = sut ? [resolve(sut)] : [process.execPath, ...stoa];
const sources = readdirSync(testFolder)
  .filter((name) => name.endsWith(".go"))
  .sort()
  .map((name) => ({ name, text: readFileSync(join(testFolder, name), "utf8") }));
const temporary = mkdtempSync(join(tmpdir(), "stoa-go-"));
const logs = resolve(values.logs ?? join(temporary, "logs"));
mkdirSync(logs, { recursive: true });
/** Leads the group of the test that runs. */
let running;
process.once("exit", () => {
  if (running) endGroup(running);
  rmSync(temporary, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

const results = [];
const program = compile();
for (const { name, cannotRun } of selectedTests()) {
  if (cannotRun) results.push({ name, result: "skipped", seconds: 0, detail: cannotRun });
  else results.push(...(await runTest(program, name)));
}
printTable(results);
process.exit(results.length === 0 || results.some(({ result }) => result === "failed") ? 1 : 0);

/** Compiles the tests with the stand-in; the path of the program. */
function compile() {
  const replaced = { [join(testFolder, "outside_server.go")]: STAND_IN };
  for (const { name, text } of sources) {
    const bent = bend(text);
    if (bent === text) continue;
    replaced[join(testFolder, name)] = join(temporary, name);
    writeFileSync(join(temporary, name), bent);
  }
  const overlay = join(temporary, "overlay.json");
  writeFileSync(overlay, JSON.stringify({ Replace: replaced }));
  // A copy, because the compiler may complete the lists of modules.
  for (const name of ["go.mod", "go.sum"]) cpSync(join(checkout, name), join(temporary, name));
  const program = join(temporary, "tests");
  console.log("Compiling the tests …");
  const modules = ["-mod=mod", `-modfile=${join(temporary, "go.mod")}`];
  run("go", ["test", "-c", ...modules, "-overlay", overlay, "-o", program, "./test"], { cwd: checkout });
  return program;
}

function bend(text) {
  const bent = text
    .replaceAll("*service.LivekitServer", "*outsideServer")
    .replaceAll("service.InitializeServer(", "initializeOutsideServer(");
  // Go refuses an import that is no longer used.
  return bent === text ? text : `${bent}\nvar _ *service.LivekitServer\n`;
}

function selectedTests() {
  const tests = sources
    .filter(({ name }) => name.endsWith("_test.go"))
    .flatMap(({ text }) => [...text.matchAll(/^func (Test\w+)\(t \*testing\.T\) \{\n(.*?)^\}/gms)])
    .map(([, name, body]) => ({ name, cannotRun: CANNOT_RUN.find(({ mark }) => mark.test(body))?.why }));
  return tests.filter(({ name }) => name.includes(values.only ?? ""));
}

/** Runs one test in a process of its own: one that hangs or panics spoils no other. Gives a result per innermost part of the test. */
async function runTest(program, name) {
  const env = {
    ...process.env,
    GO_TESTS_SERVER: JSON.stringify(command),
    GO_TESTS_SERVER_LOG: join(logs, `${name}.server.log`),
  };
  const args = ["-test.v", `-test.timeout=${TEST_LIMIT_S}s`, `-test.run=^${name}$`];
  // A group of its own, so that no server outlives its test.
  const child = spawn(program, args, { cwd: testFolder, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  running = child.pid;
  const started = performance.now();
  const log = createWriteStream(join(logs, `${name}.log`));
  const reader = new ReportReader();
  const read = (line) => {
    log.write(`${line}\n`);
    const part = reader.read(line);
    if (part) console.log(`${part.result.padEnd(7)}  ${part.name}`);
  };
  for (const output of [child.stdout, child.stderr]) createInterface({ input: output }).on("line", read);
  // Its server may hold the output open when the test has fallen over.
  child.once("exit", () => {
    endGroup(child.pid);
    running = undefined;
  });
  const code = await new Promise((closed) => child.once("close", closed));
  await new Promise((written) => log.end(written));
  return reader.finish(name, code === 0, (performance.now() - started) / 1000);
}

function endGroup(leader) {
  try {
    process.kill(-leader, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error; // nobody is left, as it should be
  }
}

function isTaken(port) {
  return new Promise((answer) => {
    const probe = createServer().once("error", () => answer(true));
    probe.listen(port, () => probe.close(() => answer(false)));
  });
}
