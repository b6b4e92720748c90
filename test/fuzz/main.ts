/** The command line of the fuzzer: the work is done in a thread, so that a case without end is noticed here. */
import { randomInt } from "node:crypto";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { Fuzzer, minimised } from "./engine.ts";
import type { Case, Target } from "./engine.ts";
import { TARGETS } from "./targets.ts";

const PROGRESS_MS = 5000;
/** No case takes longer unless it never ends. */
const HANG_MS = 20_000;

const HELP = `npm run fuzz -- [options]

Feeds what hostile and unlucky peers might send to the protocol machines, until the time is over or something breaks. A failure is
printed with its seed and as short as it can be made; the process then ends with status 1.

  --seconds N     for all targets together (default 60)
  --seed N        the same seed gives the same cases (default: random, printed)
  --target NAME   only this one; may be given several times
  --replay JSON   runs one case, as a failure prints it; needs --target

Targets:
${TARGETS.map((target) => `  ${target.name.padEnd(18)}${target.about}`).join("\n")}`;

interface Job {
  readonly target: string;
  readonly seed: number;
  readonly untilMs: number;
  /** Cases that were begun; written by the worker, watched by the main thread. */
  readonly begun: Int32Array;
}

interface Report {
  readonly runs: number;
  readonly outcomes: number;
  readonly slowestMs: number;
  readonly failure?: string;
}

if (isMainThread) await main();
else work(workerData as Job);

async function main(): Promise<void> {
  const given = readArguments();
  if (given.replay) return replay(given.targets[0]!, given.replay);
  console.log(`seed ${given.seed}`);
  let broken = false;
  for (const target of given.targets) {
    const ok = await fuzz(target, given.seed, (given.seconds * 1000) / given.targets.length);
    broken ||= !ok;
  }
  process.exit(broken ? 1 : 0);
}

function readArguments(): { seconds: number; seed: number; targets: Target[]; replay: Case | undefined } {
  const options = {
    help: { type: "boolean" },
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(randomInt(2 ** 32)) },
    target: { type: "string", multiple: true },
    replay: { type: "string" },
  } as const;
  try {
    const { values } = parseArgs({ options });
    if (values.help) {
      console.log(HELP);
      process.exit(0);
    }
    const targets = values.target ? values.target.map(targetNamed) : [...TARGETS];
    const replay = values.replay === undefined ? undefined : (JSON.parse(values.replay) as Case);
    if (replay && targets.length !== 1) throw new Error("--replay needs exactly one --target");
    const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
    if (!(seconds > 0)) throw new Error(`--seconds must be more than 0, not "${values.seconds}"`);
    if (!Number.isInteger(seed) || seed < 0) throw new Error(`--seed must be a whole number, not "${values.seed}"`);
    return { seconds, seed, targets, replay };
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    process.exit(1);
  }
}

function targetNamed(name: string): Target {
  const target = TARGETS.find((one) => one.name === name);
  if (!target) throw new Error(`There is no target "${name}".`);
  return target;
}

function replay(target: Target, steps: Case): void {
  console.log(target.run(steps));
}

/** False when the target broke. */
async function fuzz(target: Target, seed: number, forMs: number): Promise<boolean> {
  const begun = new Int32Array(new SharedArrayBuffer(4));
  const startMs = Date.now();
  const job: Job = { target: target.name, seed, untilMs: startMs + forMs, begun };
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: job });
  let seen = 0;
  let seenMs = startMs;
  return new Promise((resolve) => {
    const end = (ok: boolean): void => {
      clearInterval(watch);
      void worker.terminate();
      resolve(ok);
    };
    const watch = setInterval(() => {
      const now = Atomics.load(begun, 0);
      if (now !== seen) seenMs = Date.now();
      else if (Date.now() - seenMs > HANG_MS) {
        console.error(`${target.name}: case ${now} of seed ${seed} does not end`);
        end(false);
      }
      seen = now;
    }, 1000);
    worker.on("error", (error) => {
      console.error(error);
      end(false);
    });
    worker.on("message", (report: Report & { done: boolean }) => {
      const seconds = Math.round((Date.now() - startMs) / 1000);
      const { runs, outcomes, slowestMs } = report;
      console.log(
        `${target.name.padEnd(18)}${seconds} s, ${runs} cases, ${outcomes} outcomes, slowest ${slowestMs.toFixed(0)} ms`,
      );
      if (report.failure) console.error(report.failure);
      if (report.done) end(!report.failure);
    });
  });
}

/** In the thread. */
function work(job: Job): void {
  const target = targetNamed(job.target);
  const fuzzer = new Fuzzer(target, job.seed);
  let slowestMs = 0;
  let nextReportMs = Date.now() + PROGRESS_MS;
  const report = (done: boolean, failure?: string): void => {
    const { runs, outcomes } = fuzzer;
    parentPort!.postMessage({ runs, outcomes, slowestMs, done, ...(failure && { failure }) });
  };
  for (let nowMs = Date.now(); nowMs < job.untilMs; nowMs = Date.now()) {
    Atomics.store(job.begun, 0, fuzzer.runs + 1);
    const fromMs = performance.now();
    const failure = fuzzer.next();
    slowestMs = Math.max(slowestMs, performance.now() - fromMs);
    if (failure) {
      const steps = minimised(target, failure.steps);
      report(true, describe(target, job.seed, fuzzer.runs, steps, failure.error));
      return;
    }
    if (nowMs >= nextReportMs) {
      report(false);
      nextReportMs = nowMs + PROGRESS_MS;
    }
  }
  report(true);
}

function describe(target: Target, seed: number, run: number, steps: Case, first: unknown): string {
  let error = first;
  try {
    target.run(steps);
  } catch (again) {
    error = again;
  }
  const replayed = `npm run fuzz -- --target ${target.name} --replay '${JSON.stringify(steps)}'`;
  return `\n${target.name}: case ${run} of seed ${seed} breaks it\n\n  ${replayed}\n\n${(error as Error)?.stack ?? String(error)}`;
}
