/** Unmodified livekit-client in Chromium against a server process: the first call in all its parts. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { type CallPage, SMALL } from "@stoa/testkit/call-page";
import { openStage, type Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";

let stage: Stage;

before(async () => {
  stage = await openStage();
});
afterEach(() => stage.clear());
after(() => stage?.close());

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
  const [a, b] = await stage.enterAll("default", ["ada", "bob"]);
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
});

test("a late joiner gets everything that is there, and a leave is seen by the others", async () => {
  const a = await stage.enter("late", "ada");
  await Promise.all([a.publishCamera(), a.publishTone(500)]);
  const b = await stage.enter("late", "bob");
  await Promise.all([b.sees("ada"), b.hears("ada", 500)]);
  // One who only watches is announced in batches, seconds later.
  await until(async () => (await a.participants()).join() === "bob", 6000, "bob to be announced");
  await b.call("leave");
  await a.waitEvent("participantDisconnected", "bob");
  assert.deepEqual(await a.participants(), []);
});

test("mute, unmute and unpublish reach the other side", async () => {
  const [a, b] = await stage.enterAll("mute", ["ada", "bob"]);
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
});

test("a page forced to two peer connections calls one with a single one", async () => {
  const a = await stage.enter("dual", "ada", { roomOptions: { singlePeerConnection: false } });
  const b = await stage.enter("dual", "bob");
  await Promise.all([a.publishCamera(), b.publishCamera(), a.publishTone(440), b.publishTone(660)]);
  await Promise.all([a.sees("bob"), b.sees("ada"), a.hears("bob", 660), b.hears("ada", 440)]);
  assert.equal(await connectedPeers(a), 2);
  await a.call("send", "to bob", { reliable: true });
  await b.call("send", "to ada", { reliable: false });
  await until(async () => (await a.data()).length + (await b.data()).length === 2, 5000, "a message each way");
});

test("three people in one room, each sees and hears the two others", async () => {
  const names = ["ada", "bob", "cleo"] as const;
  const all = await stage.enterAll("three", names);
  await Promise.all(all.flatMap((page, i) => [page.publishCamera(SMALL), page.publishTone(400 + 150 * i)]));
  await Promise.all(
    all.flatMap((page) =>
      names.flatMap((other, i) =>
        other === page.identity ? [] : [page.sees(other, { timeoutMs: 25_000 }), page.hears(other, 400 + 150 * i)],
      ),
    ),
  );
});
