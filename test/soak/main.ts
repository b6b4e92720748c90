/** The command line of the soak: real pages come and go, break and come back, for as long as one likes. */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { launchChromium, openPage } from "@stoa/testkit/browser";
import { SeededRandom } from "@stoa/testkit/node-crypto";
import { type ServerProcess, startServer } from "@stoa/testkit/server-process";
import { Guest } from "./guest.ts";
import { playRound, type Story } from "./round.ts";

const ROOM = "soak";
const NAMES = ["ada", "bob", "cleo", "dan", "eve", "finn", "gil", "hana"];
const PROGRESS_MS = 10_000;
/** How much of a guest's timeline a failure shows. */
const SHOWN_LINES = 40;

const HELP = `npm run soak -- [options]

Real browser pages join, leave, publish, mute, break off and come back in one room, at once and at random, and talk all the time. After
each round everybody must see the same, and every message must have arrived once and in order. Ends with status 1 at the first thing that is
wrong, with what was done and what the server knows of everybody.

  --minutes N     how long (default 5)
  --guests N      pages, 2 to ${NAMES.length} (default 4)
  --busy N        threads that keep the machine busy half of the time (default 0)
  --seed N        who does what and when (default: random, printed); the machine's timing stays its own

SUT_CMD=/path/to/livekit-server puts the original in Stoa's place.`;

interface Arguments {
  readonly minutes: number;
  readonly guests: number;
  readonly busy: number;
  readonly seed: number;
}

function readArguments(): Arguments {
  const options = {
    help: { type: "boolean" },
    minutes: { type: "string", default: "5" },
    guests: { type: "string", default: "4" },
    busy: { type: "string", default: "0" },
    seed: { type: "string", default: String(randomInt(2 ** 32)) },
  } as const;
  try {
    const { values } = parseArgs({ options });
    if (values.help) {
      console.log(HELP);
      process.exit(0);
    }
    return {
      minutes: readNumber("minutes", values.minutes, 0.01),
      guests: readNumber("guests", values.guests, 2, NAMES.length),
      busy: readNumber("busy", values.busy, 0),
      seed: readNumber("seed", values.seed, 0),
    };
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    process.exit(1);
  }
}

function readNumber(name: string, text: string, least: number, most = Number.POSITIVE_INFINITY): number {
  const value = Number(text);
  if (value >= least && value <= most && (name === "minutes" || Number.isInteger(value))) return value;
  throw new Error(`--${name} cannot be "${text}"`);
}

/** Threads that work for 15 ms of every 30. */
function keepBusy(count: number): Worker[] {
  const work = "setInterval(() => { const end = Date.now() + 15; while (Date.now() < end); }, 30)";
  return Array.from({ length: count }, () => new Worker(work, { eval: true }));
}

async function main(): Promise<number> {
  const given = readArguments();
  console.log(`seed ${given.seed}, ${given.guests} guests, ${given.minutes} min`);
  const threads = keepBusy(given.busy);
  const server = await startServer();
  const browser = await launchChromium();
  try {
    const names = NAMES.slice(0, given.guests);
    const guests = await Promise.all(names.map(async (name) => new Guest(await openPage(browser, server, name), ROOM)));
    return await soak(guests, server, given);
  } finally {
    await browser.close();
    await server.stop();
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}

/** The exit status. */
async function soak(guests: readonly Guest[], server: ServerProcess, { minutes, seed }: Arguments): Promise<number> {
  const random = new SeededRandom(seed);
  const startMs = performance.now();
  const totals = { rounds: 0, deeds: 0, messages: 0, settledMs: 0, settledAfterBreakMs: 0 };
  let toldMs = startMs;
  const tell = (): void => {
    const seconds = Math.round((performance.now() - startMs) / 1000);
    console.log(
      `${seconds} s: ${totals.rounds} rounds, ${totals.deeds} deeds, ${totals.messages} messages; settled within ` +
        `${totals.settledMs.toFixed(0)} ms, after breaks within ${totals.settledAfterBreakMs.toFixed(0)} ms`,
    );
    toldMs = performance.now();
  };
  while (performance.now() - startMs < minutes * 60_000) {
    const story: Story = [];
    try {
      const result = await playRound(guests, random, story);
      totals.rounds++;
      totals.deeds += result.deeds;
      totals.messages += result.messages;
      const kind = result.broke ? "settledAfterBreakMs" : "settledMs";
      totals[kind] = Math.max(totals[kind], result.settledMs);
    } catch (error) {
      tell();
      await explain(error, story, guests, server);
      return 1;
    }
    if (performance.now() - toldMs > PROGRESS_MS) tell();
  }
  tell();
  return 0;
}

async function explain(error: unknown, story: Story, guests: readonly Guest[], server: ServerProcess): Promise<void> {
  console.error(`\n${(error as Error).stack}\n\nThis round:\n${story.map((line) => `  ${line}`).join("\n")}`);
  for (const { identity } of guests) {
    const lines = (await server.timeline(ROOM, identity)).split("\n").slice(-SHOWN_LINES);
    console.error(`\n${identity}, to the server:\n${lines.map((line) => `  ${line}`).join("\n")}`);
  }
}

process.exit(await main());
