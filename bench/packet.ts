/**
 * What one packet costs inside the server, without network and handshakes: unprotect, and the whole way out to N subscribers.
 * Each combination of back ends runs in a process of its own, so that the compiler sees one implementation, as in a server.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { fail, readArguments, readCounts } from "./lib/arguments.ts";
import { formatTable, type Row, round } from "./lib/table.ts";
import { forwardIteration } from "./packet/forward.bench.ts";
import { type Cost, type Iteration, measureCost } from "./packet/measurement.ts";
import type { Kind } from "./packet/publisher-packet.ts";
import { protectIteration, sendIteration } from "./packet/send.bench.ts";
import { unprotectIteration } from "./packet/unprotect.bench.ts";
import { BACK_ENDS, type BackEnd, World } from "./packet/world.ts";

const HELP = `npm run bench -- [options]

CPU microseconds (user and system) and heap bytes per packet: unprotect, protect, send, and forward (rewrite, protect and
send) of one packet to N subscribers, each with keys and an address of its own, to a socket that drops. Medians of mitata's
samples. "send" is the machine's own floor: compare it before comparing anything else with the design's machine.

  --path fast,mixed,portable   only these back ends (default all)
  --subscribers N,…            default 100,1000

"design" is what the design measured for the same work, "budget" is meant for the whole server at 1 to 1000.`;

const VIDEO_BYTES = 1100;
const SHAPES: readonly { kind: Kind; bytes: number }[] = [
  { kind: "video", bytes: VIDEO_BYTES },
  { kind: "audio", bytes: 160 },
];
type Work = "unprotect" | "protect" | "send" | "forward";
/** Microseconds of the design for 1,100 bytes. */
const DESIGN: Record<BackEnd, Record<Work, string>> = {
  fast: { unprotect: "0.88 ¹", protect: "0.65", send: "0.70 ²", forward: "1.3" },
  mixed: { unprotect: "0.88 ¹", protect: "0.65", send: "–", forward: "–" },
  portable: { unprotect: "6.3 ³", protect: "–", send: "–", forward: "3.4–3.8" },
};
const BUDGET: Record<BackEnd, Record<Kind, string>> = {
  fast: { video: "2.5", audio: "2.0" },
  mixed: { video: "–", audio: "–" },
  portable: { video: "6", audio: "6" },
};

/** One measurement, as the child process prints it. */
interface Result extends Cost {
  readonly work: Work;
  readonly kind: Kind;
  readonly bytes: number;
  readonly subscribers: number;
}

const given = readArguments(HELP, { path: "string", subscribers: "string", child: "string" });
const subscribers = readCounts("subscribers", given.subscribers ?? "100,1000");
if (given.child) await runChild(given.child as BackEnd);
else runAll();

function runAll(): void {
  const paths = (given.path ?? "fast,mixed,portable").split(",");
  const rows: Row[] = [];
  for (const path of paths) {
    if (!(path in BACK_ENDS)) fail(`--path: there is no "${path}"; known are ${Object.keys(BACK_ENDS).join(", ")}`);
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${path} …`);
    const args = [
      "--expose-gc",
      fileURLToPath(import.meta.url),
      "--child",
      path,
      "--subscribers",
      subscribers.join(","),
    ];
    const done = spawnSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
    if (done.status !== 0) fail(`the measurement of ${path} failed`);
    for (const result of JSON.parse(done.stdout) as Result[]) rows.push(rowOf(path as BackEnd, result));
  }
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[2K");
  console.log(
    formatTable(["path", "back ends", "work", "payload", "µs/packet", "heap B/packet", "design µs", "budget µs"], rows),
  );
  console.log("\n¹ recvmmsg included   ² in C   ³ node:dgram and createDecipheriv, receiving included");
}

function rowOf(path: BackEnd, { work, kind, bytes, subscribers: count, us, heapBytes }: Result): Row {
  const forward = work === "forward";
  return [
    path,
    BACK_ENDS[path].title,
    work === "unprotect" ? work : `${work} 1→${count}`,
    `${bytes} ${kind}`,
    round(us, 2),
    round(heapBytes, 1),
    bytes === VIDEO_BYTES ? DESIGN[path][work] : "–",
    forward ? BUDGET[path][kind] : "–",
  ];
}

async function runChild(path: BackEnd): Promise<void> {
  const world = await World.open(path);
  const results: Result[] = [];
  const note = async (work: Work, kind: Kind, bytes: number, count: number, iteration: Iteration): Promise<void> => {
    results.push({ work, kind, bytes, subscribers: count, ...(await measureCost(iteration)) });
  };
  for (const { kind, bytes } of SHAPES) await note("unprotect", kind, bytes, 1, unprotectIteration(world, bytes));
  for (const count of subscribers) {
    await note("protect", "video", VIDEO_BYTES, count, protectIteration(world, VIDEO_BYTES, count));
    await note("send", "video", VIDEO_BYTES, count, sendIteration(world, VIDEO_BYTES, count));
    for (const { kind, bytes } of SHAPES) {
      await note("forward", kind, bytes, count, forwardIteration(world, kind, bytes, count));
    }
  }
  world.close();
  console.log(JSON.stringify(results));
}
