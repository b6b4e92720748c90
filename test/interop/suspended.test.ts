/**
 * Clients that are stopped as by a closed lid, and go on: what they missed, and what the others saw of it. Asks for more speed than the
 * original has, whose messages have not reached the browser five seconds after its return.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium, openPage } from "@stoa/testkit/browser";
import { type CallPage, SMALL } from "@stoa/testkit/call-page";
import { NodeProcess } from "@stoa/testkit/node-process";
import { openStage, type Stage } from "@stoa/testkit/stage";
import { startedBy, suspend } from "@stoa/testkit/suspend";
import { until } from "@stoa/testkit/until";

const ROOM = "lid";
const EVERY_MS = 100;
/** Short enough to be a resume for sure, and as long as the server waits for one that is silent. */
const SHORT_MS = 10_000;
const LONG_MS = 20_000;

type Browser = Awaited<ReturnType<typeof launchChromium>>;

let stage: Stage;
let laptop: { readonly started: Browser; readonly pid: number };
let ada: CallPage;
let bob: CallPage;
const nora = new NodeProcess("nora");

before(async () => {
  stage = await openStage();
  laptop = await startedBy(() => launchChromium());
  ada = await stage.enter(ROOM, "ada");
  bob = await openPage(laptop.started, stage.server, "bob");
  await Promise.all([bob.join({ room: ROOM }), nora.join(stage.server, ROOM)]);
  await Promise.all([ada.publishCamera(SMALL), bob.publishCamera(SMALL), nora.call("publishPicture")]);
  await Promise.all([ada.sees("bob"), ada.sees("nora"), bob.sees("ada")]);
  await until(async () => (await seenByNora()) >= 0, 10_000, "nora to see ada");
});
after(async () => {
  nora.close();
  await laptop?.started.close();
  await stage?.close();
});

async function seenByNora(): Promise<number> {
  return (await nora.call<{ number: number } | undefined>("seen", "ada"))?.number ?? -1;
}

test("a suspended Node program resumes, a suspended browser resumes or starts anew: nobody stays away, nothing comes twice", async (t) => {
  let sent = 0;
  let talking = true;
  const talk = (async () => {
    const beganMs = performance.now();
    for (; talking; await until(() => performance.now() - beganMs >= sent * EVERY_MS, 5000, "the next beat"))
      await ada.call("send", `${++sent}`, { reliable: true });
  })();
  try {
    await until(() => sent >= 10, 5000, "messages");
    const beganMs = performance.now();
    const [wakeBob, wakeNora] = [suspend(laptop.pid), suspend(nora.pid)];
    await until(() => performance.now() - beganMs >= SHORT_MS, SHORT_MS + 1000, "the short while");
    wakeNora();
    await until(() => performance.now() - beganMs >= LONG_MS, LONG_MS, "the long while");
    wakeBob();
    const wokeMs = performance.now();
    await Promise.all([
      bob.sees("ada", { steps: 10 }),
      ada.sees("bob", { steps: 10 }),
      ada.sees("nora", { steps: 10 }),
    ]);
    t.diagnostic(`the browser is back after ${Math.round(performance.now() - wokeMs)} ms`);
    await nora.call("send", "nora is back");
    // Again and again: what the browser's SDK takes while it starts anew is lost with its former session.
    let tries = 0;
    await until(
      async () => {
        await bob.call("send", `bob is back ${++tries}`, { reliable: true });
        return (await heardOf("bob")).length > 0;
      },
      8000,
      "a message of bob's",
    );
  } finally {
    talking = false;
    await talk;
  }
  await until(async () => (await heardOf("nora")).length > 0, 5000, "nora's message");
  const numbers = {
    bob: await numbersOf("bob", () => bob.data(), sent),
    nora: await numbersOf("nora", () => nora.call("messages"), sent),
  };

  // The Node program was away for ten seconds: nobody saw anything of it, and it has missed nothing.
  assert.deepEqual(await visits("nora"), { left: 0, joined: 0 });
  assert.deepEqual(numbers.nora, upTo(sent));
  // The browser has missed nothing either, or what was said in the one absence that the others saw, too.
  const { left, joined } = await visits("bob");
  assert.ok(left === joined && left <= 1, `${left} leaves, ${joined} joins`);
  const jumps = numbers.bob.filter((number, i) => number !== (numbers.bob[i - 1] ?? 0) + 1);
  assert.ok(
    numbers.bob.every((number, i) => i === 0 || number > numbers.bob[i - 1]!),
    numbers.bob.join(),
  );
  assert.equal(jumps.length, left, jumps.join());
  assert.deepEqual(await heardOf("nora"), ["nora is back"]);
  const fromBob = await heardOf("bob");
  assert.equal(new Set(fromBob).size, fromBob.length, fromBob.join());
});

/** What ada has of somebody's messages. */
async function heardOf(identity: string): Promise<string[]> {
  return (await ada.data()).filter(({ from }) => from === identity).map(({ text }) => text);
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

async function numbersOf(
  identity: string,
  messages: () => Promise<{ text: string }[]>,
  last: number,
): Promise<number[]> {
  const numbers = async () =>
    (await messages()).map(({ text }) => Number(text)).filter((number) => !Number.isNaN(number));
  await until(async () => (await numbers()).at(-1) === last, 5000, `message ${last} at ${identity}`);
  return numbers();
}

/** How often ada saw somebody leave, and join again. */
async function visits(identity: string): Promise<{ left: number; joined: number }> {
  const events = await ada.events();
  const count = (name: string) =>
    events.filter((event) => event.name === name && event.about.includes(identity)).length;
  return { left: count("participantDisconnected"), joined: count("participantConnected") - 1 };
}
