// npm test: installs and builds what is missing, runs the suites one after the other, and ends with one line of totals.
// Nothing is skipped: a skipped test counts as failed.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { run as runTests } from "node:test";
import { spec } from "node:test/reporters";
import { readArguments, refuse } from "./arguments.mjs";
import { build, installDependencies, needPrograms, root } from "./prepare.mjs";

const BROWSERS = [
  { commands: ["chromium", "chromium-browser", "google-chrome"], debian: "chromium" },
  { commands: ["firefox-esr", "firefox"], debian: "firefox-esr" },
  { commands: ["ip"], debian: "iproute2" },
  { commands: ["nft"], debian: "nftables" },
];
const SUITES = {
  unit: { folder: "packages", concurrency: 2, timeoutMs: 120_000 },
  scenario: { folder: join("test", "dist", "scenario"), concurrency: 2, timeoutMs: 180_000 },
  // Media tests share two cores: never two at once.
  interop: { folder: join("test", "dist", "interop"), concurrency: 1, timeoutMs: 180_000 },
};

const HELP = `npm test -- [SUITE …] [options]

Runs the tests, all of them or those of the suites named: ${Object.keys(SUITES).join(", ")}. Ends with one line of totals.

  --only=TEXT   files with TEXT in their path

SUT_CMD=/path/to/livekit-server points the interop tests at another server.`;

const { values, positionals: named } = readArguments(HELP, {
  allowPositionals: true,
  options: { only: { type: "string" } },
});
const { only } = values;
const unknown = named.find((name) => !(name in SUITES));
if (unknown) refuse(`There is no suite "${unknown}".`, HELP);

installDependencies();
const suites = Object.entries(SUITES).filter(([name]) => named.length === 0 || named.includes(name));
if (suites.some(([name]) => name === "interop")) needPrograms(BROWSERS);
build();

const totals = { passed: 0, failed: 0, skipped: 0 };
for (const [name, suite] of suites) {
  const files = testFiles(join(root, suite.folder)).filter((f) => !only || f.includes(only));
  if (files.length === 0) continue;
  console.log(`\n── ${name}: ${files.length} files`);
  await runSuite(files, suite);
}
if (totals.passed + totals.failed === 0) totals.failed = 1;
console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exit(totals.failed + totals.skipped > 0 ? 1 : 0);

function testFiles(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((f) => f.isFile() && f.name.endsWith(".test.js"))
    .map((f) => join(f.parentPath ?? f.path, f.name))
    .filter((f) => !f.includes("node_modules") && hasSource(f))
    .sort();
}

// The compiler leaves behind what it made of files that are gone.
function hasSource(file) {
  const source = file.replace(/\.js$/, ".ts");
  return ["/src/", "/"].some((folder) => existsSync(source.replace("/dist/", folder)));
}

async function runSuite(files, { concurrency, timeoutMs }) {
  const events = runTests({ files, concurrency, timeout: timeoutMs });
  events.on("test:pass", (t) => {
    if (isFileOrSuite(t)) return;
    if (t.skip !== undefined || t.todo !== undefined) totals.skipped++;
    else totals.passed++;
  });
  events.on("test:fail", (t) => {
    if (t.details?.type !== "suite") totals.failed++;
  });
  const report = events.compose(new spec());
  report.pipe(process.stdout);
  await new Promise((resolve) => report.on("end", resolve));
}

// A file without tests of its own is reported as one test named by its path.
function isFileOrSuite(t) {
  return t.details?.type === "suite" || (t.nesting === 0 && t.name.endsWith(".test.js"));
}
