/**
 * How long a join takes in Chromium with livekit-client's default options, stage by stage.
 * A publisher's page stays; every run is a fresh page (its own context) that subscribes and leaves again.
 */
import { launchChromium } from "@stoa/testkit/browser";
import { openBenchPage } from "./connect/browser-page.ts";
import { fail, readArguments, readCount } from "./lib/arguments.ts";
import { median, quantile } from "./lib/quantile.ts";
import { formatTable, round } from "./lib/table.ts";
import { openTarget } from "./lib/target.ts";

const HELP = `npm run bench:connect -- [options]

Time from new WebSocket to the first decoded video frame, in headless Chromium on this machine.
The publisher sends 640x360 at 30 frames per second with livekit-client's default options (simulcast).

  --runs N        fresh pages (default 20); one more goes first and is not counted
  --url URL       a LiveKit server that runs already (default: starts Stoa)
  --key, --secret its API key (default devkey, secret)
  --json          the runs as JSON instead of a table`;

const STAGES = [
  ["open", "WebSocket open"],
  ["join", "join message"],
  ["ice", "ICE connected"],
  ["dtls", "DTLS connected"],
  ["subscribed", "track subscribed"],
  ["frame", "first decoded frame"],
] as const;
const BUDGET_MS = 300;
const TIMEOUT_MS = 15_000;

type Marks = Record<string, number>;

const given = readArguments(HELP, { runs: "string", url: "string", key: "string", secret: "string", json: "boolean" });
const runs = readCount("runs", given.runs, 20);
const target = await openTarget(given);
try {
  const results = await measure();
  if (given.json) console.log(JSON.stringify(results));
  else report(results);
} catch (error) {
  await target.stop();
  fail((error as Error).message);
}
await target.stop();

async function measure(): Promise<Marks[]> {
  const browser = await launchChromium();
  try {
    const room = `connect-${Date.now()}`;
    const publisher = await openBenchPage(browser);
    await publisher.call("harness.connect", target.url, target.token("publisher", room));
    await publisher.call("harness.publishCamera", { width: 640, height: 360, fps: 30 });
    const results: Marks[] = [];
    for (let run = 0; run <= runs; run++) {
      const page = await openBenchPage(browser);
      const token = target.token(`subscriber-${run}`, room);
      const marks = await page.call<Marks>("measureConnect", target.url, token, TIMEOUT_MS);
      if (run > 0) results.push(marks);
      await page.close();
      if (process.stderr.isTTY) process.stderr.write(`\r${run} of ${runs} `);
    }
    if (process.stderr.isTTY) process.stderr.write("\r            \r");
    return results;
  } finally {
    await browser.close();
  }
}

function report(results: readonly Marks[]): void {
  let before = "start";
  const rows = STAGES.map(([name, title]) => {
    const since = results.map((marks) => marks[name]!);
    const step = results.map((marks) => marks[name]! - (marks[before] ?? 0));
    before = name;
    return [
      title,
      ...[median(since), quantile(since, 0.9), median(step), quantile(step, 0.9)].map((ms) => round(ms, 1)),
    ];
  });
  console.log(`${target.name}: ${results.length} joins in Chromium, milliseconds since new WebSocket\n`);
  console.log(formatTable(["stage", "median", "p90", "step median", "step p90"], rows));
  const total = median(results.map((marks) => marks.frame!));
  const verdict = total <= BUDGET_MS ? "within" : "above";
  console.log(`\nfirst decoded frame after ${Math.round(total)} ms, ${verdict} the budget of ${BUDGET_MS} ms`);
}
