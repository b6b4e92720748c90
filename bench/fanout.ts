/**
 * One publisher, many subscribers: what a forwarded packet costs the server process, and how long it takes.
 * The subscribers run in this process, the server in its own; every packet is authenticated on arrival.
 */
import { setTimeout as pause } from "node:timers/promises";
import { fail, readArguments, readCount, readCounts } from "./lib/arguments.ts";
import { Load, type LoadShape } from "./fanout/load.ts";
import { cpuMs, machineCpuMs, residentBytes } from "./lib/process-usage.ts";
import { formatTable, type Row, round } from "./lib/table.ts";
import { openTarget, type Target } from "./lib/target.ts";

const HELP = `npm run bench:fanout -- [options]

Starts a server, one publisher and N subscribers, and prints per forwarded packet the CPU time of the server process
(user and system, all threads), the delay from the publisher's send to the subscriber's read, and the loss.
Every subscriber has an address of its own on the loopback interface; this process reads for all of them.

  --subscribers N,…        default 100,500,1000: one row each
  --packets-per-second N   of the publisher; default 50
  --size BYTES             of the RTP payload; default 1100. Up to 200 it is sent as opus, above as VP8
  --burst N                packets of a frame, back to back; default 1. More is cheaper (one batch, one GSO message)
  --seconds N              of measurement; default 10
  --path fast|portable     only this one; default both (the server's STOA_ACCEL)
  --portable               the same as --path portable
  --url URL --pid PID      a LiveKit server that runs already on this machine, and its process
  --key, --secret          its API key (default devkey, secret)

Linux only. It needs two cores: one for the server's media thread, one for the load.`;

/** For what SUT_CMD names: LiveKit's server uses loopback only when told so, and logs much in development. */
const REFERENCE_CONFIG = {
  rtc: { enable_loopback_candidate: true, interfaces: { includes: ["lo"] } },
  logging: { level: "warn" },
};
const WARM_UP_MS = 3000;
const SETTLE_MS = 1000;
const AUDIO_BYTES = 200;
const BUSY_PERCENT = 85;
const OTHERS_PERCENT = 20;
const COLUMNS = ["subscribers", "path", "packets/s", "server CPU %", "µs/packet", "loss %", "delay p50 ms", "p99 ms"];
const MORE_COLUMNS = ["RSS MB", "KB/subscriber", "load CPU %", "join s"];

const given = readArguments(HELP, {
  subscribers: "string",
  "packets-per-second": "string",
  size: "string",
  burst: "string",
  seconds: "string",
  path: "string",
  portable: "boolean",
  url: "string",
  pid: "string",
  key: "string",
  secret: "string",
});
const subscribers = readCounts("subscribers", given.subscribers ?? "100,500,1000");
const seconds = readCount("seconds", given.seconds, 10);
const shape = readShape();
const paths = given.url ? ["–"] : readPaths();
if (process.platform !== "linux") fail("this benchmark reads /proc and plays many addresses on one socket: Linux only");
if (given.url && !given.pid) fail("--url needs --pid, the process whose CPU time is measured");

const rows: Row[] = [];
const remarks: string[] = [];
for (const path of paths) for (const count of subscribers) rows.push(await measureRow(path, count));
const burst = shape.burst > 1 ? ` in bursts of ${shape.burst}` : "";
console.log(
  `\n1 publisher, ${shape.packetsPerSecond} ${shape.kind} packets/s of ${shape.payloadBytes} bytes${burst}, ${seconds} s each\n`,
);
console.log(formatTable([...COLUMNS, ...MORE_COLUMNS], rows));
for (const remark of remarks) console.log(remark);

function readShape(): LoadShape {
  const payloadBytes = readCount("size", given.size, 1100, 32);
  if (payloadBytes > 1200) fail("--size: at most 1200 bytes fit a packet");
  return {
    kind: payloadBytes <= AUDIO_BYTES ? "audio" : "video",
    packetsPerSecond: readCount("packets-per-second", given["packets-per-second"], 50),
    burst: readCount("burst", given.burst, 1),
    payloadBytes,
  };
}

function readPaths(): string[] {
  const path = given.portable ? "portable" : given.path;
  if (path === undefined) return process.env.SUT_CMD ? ["–"] : ["fast", "portable"];
  if (path !== "fast" && path !== "portable") fail(`--path must be fast or portable, not "${path}"`);
  return [path];
}

async function measureRow(path: string, count: number): Promise<Row> {
  process.env.STOA_ACCEL = path === "portable" ? "portable" : "";
  const config = process.env.SUT_CMD ? REFERENCE_CONFIG : {};
  const target = await openTarget(given, { config });
  const load = new Load(target);
  try {
    return await measure(path, count, target, load);
  } catch (error) {
    return fail(`${path}, ${count} subscribers: ${(error as Error).message}`);
  } finally {
    progress("");
    load.close();
    await target.stop();
  }
}

async function measure(path: string, count: number, target: Target, load: Load): Promise<Row> {
  const pid = target.pid!;
  progress(`${path}, ${count} subscribers: publishing`);
  await load.publish(shape);
  await pause(SETTLE_MS);
  const emptyBytes = residentBytes(pid);
  const joinedMs = performance.now();
  await load.subscribe(count, (joined) => progress(`${path}, ${count} subscribers: ${joined} joined`));
  const joinS = round((performance.now() - joinedMs) / 1000, 1);
  progress(`${path}, ${count} subscribers: warming up`);
  await pause(WARM_UP_MS);
  progress(`${path}, ${count} subscribers: measuring for ${seconds} s`);
  load.delays.clear();
  const before = load.counts();
  const cpuBefore = cpuMs(pid);
  const ownBefore = process.cpuUsage();
  const machineBefore = machineCpuMs();
  const startedMs = performance.now();
  await pause(seconds * 1000);
  const tookMs = performance.now() - startedMs;
  const serverMs = cpuMs(pid) - cpuBefore;
  const own = process.cpuUsage(ownBefore);
  const ownMs = (own.user + own.system) / 1000;
  const othersPercent = round(((machineCpuMs() - machineBefore - ownMs - serverMs) * 100) / tookMs);
  const after = load.counts();
  load.checkAll();

  const expected = after.expected - before.expected;
  const lost = expected - (after.received - before.received);
  const loadPercent = round((ownMs * 100) / tookMs);
  const name = `${path}, ${count} subscribers`;
  const dropped = after.socketDrops - before.socketDrops;
  if (loadPercent > BUSY_PERCENT)
    remarks.push(`${name}: the load process was the bottleneck; delay and loss are its own.`);
  if (othersPercent > OTHERS_PERCENT) {
    remarks.push(`${name}: other programs used ${othersPercent} % of a core meanwhile; measure on an idle machine.`);
  }
  if (dropped > 0) remarks.push(`${name}: ${dropped} of the lost packets had arrived, and were not read in time.`);
  const forged = after.unauthentic - before.unauthentic;
  if (forged > 0) remarks.push(`${name}: ${forged} packets did not authenticate.`);
  const bytes = residentBytes(pid);
  return [
    count,
    path,
    round((expected * 1000) / tookMs),
    round((serverMs * 100) / tookMs),
    round((serverMs * 1000) / expected, 2),
    round((lost * 100) / expected, 2),
    round(load.delays.quantileMs(0.5), 2),
    round(load.delays.quantileMs(0.99), 2),
    round(bytes / 1e6),
    round((bytes - emptyBytes) / 1e3 / count),
    loadPercent,
    joinS,
  ];
}

/** One line that is written over; nothing where nobody looks. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${text}`);
}
