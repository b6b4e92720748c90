/**
 * Every accident that livekit-client can ask for, to test itself, ends as it should. Asks for more than the original gives in two:
 * a migration without another node is a new session there, and "leave-full-reconnect" does nothing.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium, openPage } from "@stoa/testkit/browser";
import type { CallPage } from "@stoa/testkit/call-page";
import { type ServerProcess, startServer } from "@stoa/testkit/server-process";
import { until } from "@stoa/testkit/until";

const SMALL = { width: 320, height: 180 };
const BACK_WITHIN_MS = 15_000;

let server: ServerProcess;
let browser: Awaited<ReturnType<typeof launchChromium>>;

before(async () => {
  server = await startServer();
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function call(room: string): Promise<[CallPage, CallPage]> {
  const [a, b] = await Promise.all([openPage(browser, server, "ada"), openPage(browser, server, "bob")]);
  await Promise.all([a.join({ room }), b.join({ room })]);
  await Promise.all([a.publishCamera(SMALL), b.publishTone(660), a.publishTone(440)]);
  await Promise.all([b.sees("ada"), a.hears("bob", 660)]);
  return [a, b];
}

/** Its own sid, which a resume keeps. */
const sid = (page: CallPage): Promise<string> =>
  page.page.evaluate(
    () =>
      (globalThis as unknown as { harness: { room: { localParticipant: { sid: string } } } }).harness.room
        .localParticipant.sid,
    undefined,
  );

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
    const before = await sid(a);
    await a.call("simulate", scenario);
    await a.waitEvent("reconnected", "", BACK_WITHIN_MS);
    await Promise.all([b.sees("ada", { steps: 10 }), a.hears("bob", 660), b.hears("ada", 440)]);
    assert.equal((await sid(a)) === before, session === "same");
    assert.deepEqual(await b.participants(), ["ada"]);
    if (session === "same") {
      const seen = (await b.events()).map(({ name }) => name);
      assert.ok(!seen.includes("participantDisconnected") && !seen.includes("trackUnsubscribed"), seen.join());
    }
    await Promise.all([a.close(), b.close()]);
  });
}

test("speaker: the others are told that the page speaks, and then that it does not", async () => {
  const [a, b] = await call("speaker");
  type Speakers = { who: string[] }[];
  const heard = () =>
    b.page.evaluate(() => (globalThis as unknown as { harness: { speakers: Speakers } }).harness.speakers, undefined);
  await a.call("volume", 0);
  await until(async () => !(await heard()).at(-1)?.who.includes("ada"), 8000, "ada to be silent");
  await a.call("simulate", "speaker");
  await until(async () => (await heard()).at(-1)?.who.includes("ada") === true, 2000, "ada to speak");
  await until(async () => !(await heard()).at(-1)?.who.includes("ada"), 6000, "ada to be silent again");
  await Promise.all([a.close(), b.close()]);
});

test("server-leave: the page is sent away and stays away", async () => {
  const [a, b] = await call("server-leave");
  await a.call("simulate", "server-leave");
  await a.waitEvent("disconnected");
  await b.waitEvent("participantDisconnected", "ada");
  await Promise.all([a.close(), b.close()]);
});
