/** Who speaks, as the browser SDK shows it: named within a second, dropped within two; and what is heard after a mute. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium, openPage } from "@stoa/testkit/browser";
import type { CallPage } from "@stoa/testkit/browser";
import { type ServerProcess, startServer } from "@stoa/testkit/server-process";
import { until } from "@stoa/testkit/until";

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

/** What these tests need of the page. */
interface Page {
  readonly harness: {
    readonly room: {
      readonly activeSpeakers: readonly { readonly identity: string }[];
      readonly localParticipant: {
        getTrackPublication(source: string): { readonly track: { readonly mediaStreamTrack: { enabled: boolean } } };
      };
    };
  };
}

/** How long a page takes to show this list of speakers. */
async function speakers(page: CallPage, expected: string, timeoutMs: number): Promise<number> {
  const started = performance.now();
  const list = () =>
    page.page.evaluate(
      () => (globalThis as unknown as Page).harness.room.activeSpeakers.map((who) => who.identity).join(" "),
      undefined,
    );
  await until(async () => (await list()) === expected, timeoutMs, `speakers "${expected}"`);
  return performance.now() - started;
}

/** The microphone goes on sending, and hears nothing. */
function hush(page: CallPage, quiet: boolean): Promise<void> {
  return page.page.evaluate((off) => {
    const { room } = (globalThis as unknown as Page).harness;
    room.localParticipant.getTrackPublication("microphone").track.mediaStreamTrack.enabled = !off;
  }, quiet);
}

test("a speaker is named within a second and dropped within two, at both ends", async () => {
  const [ada, bob] = await Promise.all([openPage(browser, server, "ada"), openPage(browser, server, "bob")]);
  await Promise.all([ada.join({ room: "speakers" }), bob.join({ room: "speakers" })]);
  await ada.publishTone(440);
  await bob.hears("ada", 440);
  for (const page of [ada, bob]) await speakers(page, "ada", 5000);
  for (const page of [ada, bob]) {
    await hush(ada, true);
    const droppedMs = await speakers(page, "", 5000);
    assert.ok(droppedMs < 2000, `dropped after ${droppedMs} ms`);
    await hush(ada, false);
    const namedMs = await speakers(page, "ada", 5000);
    assert.ok(namedMs < 1000, `named after ${namedMs} ms`);
  }
  await ada.call("mute", "microphone", true);
  const mutedMs = await speakers(bob, "", 5000);
  assert.ok(mutedMs < 500, `a mute was seen after ${mutedMs} ms`);
  await until(async () => (await bob.call<{ db: number }>("heard", "ada")).db < -90, 5000, "silence in a mute");
  await ada.call("mute", "microphone", false);
  await bob.hears("ada", 440);
  await speakers(bob, "ada", 5000);
  await ada.call("leave");
  await speakers(bob, "", 2000);
  await Promise.all([ada.close(), bob.close()]);
});
