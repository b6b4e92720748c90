/**
 * Every accident that livekit-client can ask for, to test itself, ends as it should. Asks for more than the original gives in three:
 * a migration without another node is a new session there, "leave-full-reconnect" does nothing, and messages of a page whose resume is
 * broken off are lost.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type CallPage, SMALL } from "@stoa/testkit/call-page";
import { openStage, type Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";

const BACK_WITHIN_MS = 15_000;

let stage: Stage;

before(async () => {
  stage = await openStage();
});
afterEach(() => stage.clear());
after(() => stage?.close());

async function call(room: string): Promise<readonly [CallPage, CallPage]> {
  const [a, b] = await stage.enterAll(room, ["ada", "bob"]);
  await Promise.all([a.publishCamera(SMALL), b.publishTone(660), a.publishTone(440)]);
  await Promise.all([b.sees("ada"), a.hears("bob", 660)]);
  return [a, b];
}

/** Sends messages, 1, 2, 3 …, until `end`, which gives the last number. */
function talk(page: CallPage): { end: () => Promise<number> } {
  let goesOn = true;
  const talking = (async () => {
    let number = 0;
    while (goesOn) {
      await page.call("send", String(++number), { reliable: true });
      await pause(40);
    }
    return number;
  })();
  return {
    end: () => {
      goesOn = false;
      return talking;
    },
  };
}

/** Each once, in order. */
async function hasAll(page: CallPage, sent: number): Promise<void> {
  const texts = async () => (await page.data()).map(({ text }) => text);
  await until(async () => (await texts()).length >= sent, 5000, `${page.identity} to have ${sent} messages`).catch(
    () => {}, // The comparison says which ones are missing.
  );
  assert.deepEqual(
    await texts(),
    Array.from({ length: sent }, (_, i) => String(i + 1)),
  );
}

for (const [scenario, session] of [
  ["signal-reconnect", "same"],
  ["migration", "same"],
  ["disconnect-signal-on-resume", "same"],
  ["disconnect-signal-on-resume-no-messages", "same"],
  ["resume-reconnect", "new"],
  ["full-reconnect", "new"],
  ["leave-full-reconnect", "new"],
  ["node-failure", "new"],
  ["force-tcp", "new"],
] as const) {
  test(`${scenario}: the page comes back, in the ${session} session`, async () => {
    const [a, b] = await call(scenario);
    const before = await a.call<string>("sid");
    const talks = session === "same" ? [talk(a), talk(b)] : [];
    await a.call("simulate", scenario);
    await a.waitEvent("reconnected", "", BACK_WITHIN_MS);
    await Promise.all([b.sees("ada", { steps: 10 }), a.hears("bob", 660), b.hears("ada", 440)]);
    assert.equal((await a.call<string>("sid")) === before, session === "same");
    assert.deepEqual(await b.participants(), ["ada"]);
    if (session === "same") {
      const seen = (await b.events()).map(({ name }) => name);
      assert.ok(!seen.includes("participantDisconnected") && !seen.includes("trackUnsubscribed"), seen.join());
      const [sentByA, sentByB] = await Promise.all(talks.map(({ end }) => end()));
      await Promise.all([hasAll(b, sentByA!), hasAll(a, sentByB!)]);
    }
  });
}

test("speaker: the others are told that the page speaks, and then that it does not", async () => {
  const [a, b] = await call("speaker");
  const speaks = async (): Promise<boolean> => (await b.speakers()).at(-1)?.who.includes("ada") === true;
  await a.call("volume", 0);
  await until(async () => !(await speaks()), 8000, "ada to be silent");
  await a.call("simulate", "speaker");
  await until(speaks, 2000, "ada to speak");
  await until(async () => !(await speaks()), 6000, "ada to be silent again");
});

test("server-leave: the page is sent away and stays away", async () => {
  const [a, b] = await call("server-leave");
  await a.call("simulate", "server-leave");
  await a.waitEvent("disconnected");
  await b.waitEvent("participantDisconnected", "ada");
});
