// npm run interop:python-sdks: runs the room tests of a checkout of livekit/python-sdks against Stoa, or another server. The tests are read
// from the checkout and stay there; the client is the published wheel of the checkout's version, in a virtual environment that is made in a
// temporary folder for the run. Ends with a table and 0 when none failed.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { readArguments, refuse } from "./arguments.mjs";
import { build, installDependencies, needPrograms, root, run } from "./prepare.mjs";
import { printTable } from "./results.mjs";

/** Folders of a checkout that hold tests of the room client; older and newer checkouts have one or both. */
const TEST_FOLDERS = ["tests/rtc", "livekit-rtc/tests"];
const TEST_LIMIT_S = 120;
/** What pytest ends with when `--only` left nothing of a file. */
const NOTHING_SELECTED = 5;

const HELP = `npm run interop:python-sdks -- FOLDER [options]

Runs the room tests of a checkout of livekit/python-sdks, which is FOLDER, against Stoa, with the published client of the checkout's
version. Needs Python 3. Ends with a table.

  --only=TEXT   tests with TEXT in their name, as pytest's -k takes it
  --url=URL     a server that runs already, with the keys in LIVEKIT_API_KEY and LIVEKIT_API_SECRET (default devkey and secret)

SUT_CMD=/path/to/livekit-server starts the original in Stoa's place.`;

const { values, positionals } = readArguments(HELP, {
  allowPositionals: true,
  options: { url: { type: "string" }, only: { type: "string" } },
});
const checkout = resolve(positionals[0] ?? "");
const folders = TEST_FOLDERS.map((folder) => join(checkout, folder)).filter((folder) => existsSync(folder));
if (positionals.length !== 1) refuse("Say where a checkout of livekit/python-sdks is.", HELP);
if (folders.length === 0) refuse(`${checkout} is no checkout of livekit/python-sdks.`);

needPrograms([{ commands: ["python3"], debian: "python3-venv" }]);
installDependencies();
build();
const temporary = mkdtempSync(join(tmpdir(), "stoa-python-"));
let failed = true;
try {
  const python = createEnvironment();
  failed = await withServer((server) => runTests(python, server));
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);

function createEnvironment() {
  const folder = join(temporary, "venv");
  run("python3", ["-m", "venv", folder]);
  const python = join(folder, "bin", "python");
  const versionFile = join(checkout, "livekit-rtc", "livekit", "rtc", "version.py");
  const version = existsSync(versionFile) ? /"([\w.]+)"/.exec(readFileSync(versionFile, "utf8"))?.[1] : undefined;
  const client = version ? `livekit==${version}` : "livekit";
  console.log(`Installing ${client}, pytest …`);
  const packages = [client, "livekit-api", "numpy", "pytest", "pytest-asyncio", "pytest-timeout"];
  run(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages]);
  return python;
}

async function withServer(use) {
  if (values.url) {
    const { LIVEKIT_API_KEY: key = "devkey", LIVEKIT_API_SECRET: secret = "secret" } = process.env;
    return use({ url: values.url, key, secret });
  }
  const { startServer } = await import(join(root, "packages", "testkit", "dist", "server-process.js"));
  const server = await startServer();
  try {
    return await use(server);
  } finally {
    await server.stop();
  }
}

/** Runs pytest, which prints as it goes, then the table; whether something failed. A process per file: one that hangs spoils no other. */
async function runTests(python, { url, key, secret }) {
  const env = {
    ...process.env,
    PYTHONDONTWRITEBYTECODE: "1",
    LIVEKIT_URL: url,
    LIVEKIT_API_KEY: key,
    LIVEKIT_API_SECRET: secret,
  };
  const options = ["-v", "--tb=short", `--timeout=${TEST_LIMIT_S}`, "-p", "no:cacheprovider"];
  if (values.only) options.push("-k", values.only);
  const results = [];
  let failed = false;
  for (const file of folders.flatMap(testFiles)) {
    const report = join(temporary, `${results.length}.xml`);
    // Not spawnSync: the server's output must be read meanwhile, or the server stands still.
    const args = ["-m", "pytest", ...options, `--junitxml=${report}`, file];
    const pytest = spawn(python, args, { cwd: checkout, env, stdio: "inherit" });
    const code = await new Promise((ended) => pytest.once("exit", ended));
    if (code !== 0 && code !== NOTHING_SELECTED) failed = true;
    if (existsSync(report)) results.push(...readReport(readFileSync(report, "utf8")));
  }
  printTable(results);
  return failed || results.length === 0;
}

function testFiles(folder) {
  return readdirSync(folder)
    .filter((name) => /^test_.*\.py$/.test(name))
    .sort()
    .map((name) => join(folder, name));
}

/** The cases of a JUnit report: `{ name, result, seconds, detail }`. */
function readReport(xml) {
  const cases = [...xml.matchAll(/<testcase ([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)];
  return cases.map(([, attributes, body = ""]) => {
    const of = (name) => unescape(new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? "");
    const [, kind, message = ""] = /<(failure|error|skipped)[^>]*?message="([^"]*)"/.exec(body) ?? [];
    const result = kind === "skipped" ? "skipped" : kind ? "failed" : "passed";
    const name = `${of("classname").split(".").at(-1)}: ${of("name")}`;
    return { name, result, seconds: Number(of("time")), detail: unescape(message).split("\n")[0] };
  });
}

function unescape(text) {
  const entities = { "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&#10;": "\n", "&amp;": "&" };
  return text.replace(/&(?:lt|gt|quot|apos|#10|amp);/g, (entity) => entities[entity]);
}
