/** A session over time: sockets that break, tracks that come and go, settings, sources, destinations, permissions. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { SMALL } from "@stoa/testkit/call-page";
import { openStage, type Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";

let stage: Stage;

before(async () => {
  stage = await openStage();
});
afterEach(() => stage.clear());
after(() => stage?.close());

test("a page whose signal socket breaks resumes the same session: media and data go on both ways", async () => {
  const [a, b] = await stage.enterAll("resume", ["ada", "bob"]);
  await Promise.all([a.publishCamera(SMALL), b.publishCamera(SMALL), a.publishTone(440)]);
  await Promise.all([a.sees("bob"), b.sees("ada"), b.hears("ada", 440)]);
  await a.call("breakSignal");
  await a.waitEvent("signalReconnecting");
  await a.waitEvent("reconnected");
  await Promise.all([a.sees("bob", { steps: 10 }), b.sees("ada", { steps: 10 }), b.hears("ada", 440)]);
  await b.call("send", "after", { reliable: true });
  await until(async () => (await a.data()).some((message) => message.text === "after"), 5000, "data after the resume");
  assert.ok(!(await b.events()).some(({ name }) => name === "participantDisconnected" || name === "trackUnsubscribed"));
});

test("one who leaves and joins again and again is seen each time, and nothing of the earlier sessions stays", async () => {
  const b = await stage.enter("again", "bob");
  await b.publishCamera(SMALL);
  const a = await stage.open("ada");
  for (let i = 0; i < 6; i++) {
    await a.join({ room: "again" });
    await a.publishCamera(SMALL);
    await Promise.all([a.sees("bob", { steps: 2 }), b.sees("ada", { steps: 2 })]);
    await a.call("leave");
    const left = until(async () => (await b.participants()).length === 0, 5000, "ada to be gone");
    await left.catch(async ({ message }) =>
      assert.fail(`${message}, round ${i}: ${await stage.server.timeline("again", "ada")}`),
    );
  }
  assert.equal(await b.seen("ada"), undefined);
});

test("tracks published and unpublished again and again reach the other side each time", async () => {
  const [a, b] = await stage.enterAll("republish", ["ada", "bob"]);
  for (let i = 0; i < 6; i++) {
    await Promise.all([a.publishCamera(SMALL), a.publishTone(440 + 60 * i)]);
    await Promise.all([b.sees("ada", { steps: 3 }), b.hears("ada", 440 + 60 * i)]);
    await Promise.all([a.call("unpublish", "camera"), a.call("unpublish", "microphone")]);
    await until(async () => (await b.seen("ada")) === undefined, 5000, "the picture to go");
  }
});

test("a simulcast publisher: whatever is asked for, the picture stays clean; it stops and starts as asked", async () => {
  const [a, b] = await stage.enterAll("quality", ["ada", "bob"]);
  await a.publishCamera({ width: 1280, height: 720, options: { simulcast: true } });
  await b.sees("ada");
  for (const quality of ["LOW", "HIGH", "MEDIUM"] as const) {
    await b.quality("ada", quality);
    await b.sees("ada", { steps: 20 });
  }
  await b.wish("ada", "setEnabled", false);
  let frames = -1;
  await until(
    async () => frames === (frames = (await b.seen("ada"))!.frames) && frames > 0,
    5000,
    "the picture to stand still",
  );
  await b.wish("ada", "setEnabled", true);
  await b.sees("ada", { steps: 10 });
  assert.equal((await b.seen("ada"))?.backwards, 0);
  await b.wish("ada", "setSubscribed", false);
  await b.waitEvent("trackUnsubscribed");
  await b.wish("ada", "setSubscribed", true);
  await b.sees("ada", { steps: 10 });
});

test("a microphone that joins muted, RED, and a shared screen with sound", async () => {
  const [a, b] = await stage.enterAll("sources", ["ada", "bob"]);
  await a.publishTone(600, { dtx: true, red: true });
  await a.call("mute", "microphone", true);
  await b.waitEvent("trackMuted");
  await a.call("mute", "microphone", false);
  await b.hears("ada", 600);
  await a.publishCamera({ ...SMALL, options: { source: "screen_share" } });
  await a.publishTone(900, { source: "screen_share_audio", red: false });
  await Promise.all([
    b.sees("ada", { source: "screen_share" }),
    b.hears("ada", 900, { source: "screen_share_audio" }),
    b.hears("ada", 600),
  ]);
  // The browser calls both opus; RED shows in that each packet carries the one before it, too.
  const heard = await b.call<{ kind: string; bytesReceived: number; packetsReceived: number }[]>(
    "stats",
    "inbound-rtp",
  );
  const sizes = heard
    .filter(({ kind }) => kind === "audio")
    .map(({ bytesReceived, packetsReceived }) => bytesReceived / packetsReceived)
    .sort((x, y) => y - x);
  assert.ok(sizes.length === 2 && sizes[0]! > 1.5 * sizes[1]!, `bytes per packet: ${sizes.join(", ")}`);
});

test("data goes to those it is for", async () => {
  const [a, b, c] = await stage.enterAll("data", ["ada", "bob", "cleo"]);
  await a.knows(2);
  await a.call("send", "for bob", { reliable: true, destinationIdentities: ["bob"], topic: "note" });
  await a.call("send", "for nobody here", { reliable: true, destinationIdentities: ["zed"] });
  await a.call("send", "for all", { reliable: true });
  await a.call("send", "for all, perhaps", { reliable: false });
  await until(async () => (await b.data()).length === 3 && (await c.data()).length === 2, 5000, "the messages");
  assert.deepEqual((await b.data())[0], { text: "for bob", from: "ada", topic: "note" });
  assert.deepEqual((await c.data()).map(({ text }) => text).sort(), ["for all", "for all, perhaps"]);
  assert.deepEqual(await a.data(), []);
});

test("the token's permissions hold", async () => {
  const room = "permissions";
  const ada = await stage.enter(room, "ada");
  const [watcher, deaf, ghost, radio] = await Promise.all([
    stage.enter(room, "watcher", { grants: { canPublish: false, canPublishData: false } }),
    stage.enter(room, "deaf", { grants: { canSubscribe: false } }),
    stage.enter(room, "ghost", { grants: { hidden: true } }),
    stage.enter(room, "radio", { grants: { canPublishSources: ["microphone"] } }),
  ]);
  await ada.knows(3); // all but the hidden one
  assert.deepEqual(await ada.participants(), ["deaf", "radio", "watcher"]);

  await assert.rejects(watcher.publishCamera(SMALL), /insufficient permissions/);
  await assert.rejects(radio.publishCamera(SMALL), /insufficient permissions/);
  await Promise.all([radio.publishTone(800), ada.publishCamera(SMALL), deaf.publishCamera(SMALL)]);
  await Promise.all([ada.hears("radio", 800), ada.sees("deaf"), watcher.sees("ada"), ghost.sees("ada")]);
  assert.equal(await deaf.seen("ada"), undefined);

  await watcher.call("send", "not allowed", { reliable: true });
  await ada.call("send", "allowed", { reliable: true });
  await until(async () => (await deaf.data()).some(({ text }) => text === "allowed"), 5000, "what ada may send");
  assert.ok(!(await ada.data()).some(({ text }) => text === "not allowed"));
});
