/** Unmodified livekit-client in Chromium against a server process: the first call in all its parts. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium, openPage } from "@stoa/testkit/browser";
import type { CallPage } from "@stoa/testkit/call-page";
import { type ServerProcess, startServer } from "@stoa/testkit/server-process";
import { until } from "@stoa/testkit/until";

type Browser = Awaited<ReturnType<typeof launchChromium>>;

let server: ServerProcess;
let browser: Browser;

before(async () => {
  server = await startServer();
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function pages(
  names: readonly string[],
  room: string,
  roomOptions: Record<string, unknown> = {},
): Promise<CallPage[]> {
  const opened = await Promise.all(names.map((name) => openPage(browser, server, name)));
  await Promise.all(opened.map((page) => page.join({ room, roomOptions })));
  return opened;
}

async function close(...opened: CallPage[]): Promise<void> {
  await Promise.all(opened.map((page) => page.close()));
}

/** How many peer connections of a page are up. */
async function connectedPeers(page: CallPage): Promise<number> {
  return page.page.evaluate(
    () =>
      (globalThis as unknown as { harness: { peers: { connectionState: string }[] } }).harness.peers.filter(
        (p) => p.connectionState === "connected",
      ).length,
    undefined,
  );
}

test("two pages with default settings see, hear and message each other on one peer connection each", async () => {
  const [a, b] = (await pages(["ada", "bob"], "default")) as [CallPage, CallPage];
  await Promise.all([a.publishCamera(), b.publishCamera(), a.publishTone(440), b.publishTone(660)]);
  await Promise.all([a.sees("bob"), b.sees("ada"), a.hears("bob", 660), b.hears("ada", 440)]);
  assert.equal(await connectedPeers(a), 1);

  for (let i = 0; i < 50; i++) await a.call("send", `m${i}`, { reliable: true, topic: "chat" });
  await until(async () => (await b.data()).length >= 50, 5000, "50 messages");
  const got = await b.data();
  assert.deepEqual(
    got.map((m) => m.text),
    Array.from({ length: 50 }, (_, i) => `m${i}`),
  );
  assert.ok(got.every((m) => m.from === "ada" && m.topic === "chat"));

  const seen = await b.seen("ada");
  assert.equal(seen?.backwards, 0);
  await close(a, b);
});

test("a late joiner gets everything that is there, and a leave is seen by the others", async () => {
  const [a] = (await pages(["ada"], "late")) as [CallPage];
  await Promise.all([a.publishCamera(), a.publishTone(500)]);
  const [b] = (await pages(["bob"], "late")) as [CallPage];
  await Promise.all([b.sees("ada"), b.hears("ada", 500)]);
  // One who only watches is announced in batches, seconds later.
  await until(async () => (await a.participants()).join() === "bob", 6000, "bob to be announced");
  await b.call("leave");
  await a.waitEvent("participantDisconnected", "bob");
  assert.deepEqual(await a.participants(), []);
  await close(a, b);
});

test("mute, unmute and unpublish reach the other side", async () => {
  const [a, b] = (await pages(["ada", "bob"], "mute")) as [CallPage, CallPage];
  await Promise.all([a.publishCamera(), a.publishTone(700)]);
  await Promise.all([b.sees("ada"), b.hears("ada", 700)]);
  await a.call("mute", "camera", true);
  await b.waitEvent("trackMuted", "");
  const still = (await b.seen("ada"))!.number;
  await a.call("mute", "camera", false);
  await b.waitEvent("trackUnmuted", "");
  await until(async () => (await b.seen("ada"))?.number !== still, 5000, "the picture to move again");
  await b.sees("ada");
  await a.call("unpublish", "camera");
  await b.waitEvent("trackUnsubscribed", "");
  await b.hears("ada", 700);
  await close(a, b);
});

test("a page forced to two peer connections calls one with a single one", async () => {
  const [a] = (await pages(["ada"], "dual", { singlePeerConnection: false })) as [CallPage];
  const [b] = (await pages(["bob"], "dual")) as [CallPage];
  await Promise.all([a.publishCamera(), b.publishCamera(), a.publishTone(440), b.publishTone(660)]);
  await Promise.all([a.sees("bob"), b.sees("ada"), a.hears("bob", 660), b.hears("ada", 440)]);
  assert.equal(await connectedPeers(a), 2);
  await a.call("send", "to bob", { reliable: true });
  await b.call("send", "to ada", { reliable: false });
  await until(async () => (await a.data()).length + (await b.data()).length === 2, 5000, "a message each way");
  await close(a, b);
});

test("three people in one room, each sees and hears the two others", async () => {
  const names = ["ada", "bob", "cleo"];
  const all = await pages(names, "three");
  await Promise.all(
    all.flatMap((page, i) => [page.publishCamera({ width: 320, height: 180 }), page.publishTone(400 + 150 * i)]),
  );
  await Promise.all(
    all.flatMap((page) =>
      names.flatMap((other, i) =>
        other === page.identity ? [] : [page.sees(other, { timeoutMs: 25_000 }), page.hears(other, 400 + 150 * i)],
      ),
    ),
  );
  await close(...all);
});
