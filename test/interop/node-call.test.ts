/** `@livekit/rtc-node` against a page in Chromium and against itself. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { NodeClient, shutdownNodeClients } from "@stoa/testkit/node-client";
import { openStage, type Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";

let stage: Stage;

before(async () => {
  stage = await openStage();
});
afterEach(() => stage.clear());
after(async () => {
  await stage?.close();
  await shutdownNodeClients();
});

test("a browser and a Node program see, hear and message each other", async () => {
  const node = stage.keep(new NodeClient("nora"));
  const [page] = await Promise.all([stage.enter("mixed", "ada"), node.join(stage.server, "mixed")]);
  await Promise.all([page.publishCamera(), page.publishTone(440), node.publishPicture(), node.publishTone(700)]);
  await Promise.all([node.sees("ada"), node.hears("ada", 440), page.hears("nora", 700)]);
  await until(async () => ((await page.seen("nora"))?.frames ?? 0) > 10, 10_000, "frames of the Node program");
  await node.send("from node");
  await page.call("send", "from page", { reliable: true, topic: "t" });
  await until(async () => (await page.data()).length === 1 && node.messages.length === 1, 5000, "a message each way");
  assert.deepEqual(await page.data(), [{ text: "from node", from: "nora", topic: "t" }]);
  assert.deepEqual(node.messages, [{ text: "from page", from: "ada", topic: "t" }]);
  await node.close();
  await page.waitEvent("participantDisconnected", "nora");
});

test("two Node programs call each other, the second joins late", async () => {
  const a = stage.keep(new NodeClient("a"));
  await a.join(stage.server, "nodes");
  await Promise.all([a.publishPicture(), a.publishTone(500)]);
  const b = stage.keep(new NodeClient("b"));
  await b.join(stage.server, "nodes");
  await b.publishTone(800);
  await Promise.all([b.sees("a"), b.hears("a", 500), a.hears("b", 800)]);
  await a.close();
  await until(() => b.room.remoteParticipants.size === 0, 5000, "the leave to be seen");
});
