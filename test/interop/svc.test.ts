/** One stream that holds all layers (VP9, AV1): two viewers get different parts of it, and change their minds. */
import assert from "node:assert/strict";
import { after, afterEach, before, test, type TestContext } from "node:test";
import type { CallPage } from "@stoa/testkit/call-page";
import { openStage, type Stage } from "@stoa/testkit/stage";

const HD = { width: 1280, height: 720, noise: 0.25 };
const SECONDS = 4;

let stage: Stage;

before(async () => {
  stage = await openStage();
});
afterEach(() => stage.clear());
after(() => stage?.close());

async function bytes(...pages: CallPage[]): Promise<number[]> {
  return Promise.all(pages.map(async (page) => (await page.inbound("ada")).bytesReceived!));
}

async function viewers(room: string, codec: string, scalabilityMode: string): Promise<[CallPage, CallPage, CallPage]> {
  const [a, b, c] = await Promise.all(["ada", "bob", "cleo"].map((name) => stage.enter(room, name)));
  await a!.publishCamera({
    ...HD,
    options: { videoCodec: codec, scalabilityMode, simulcast: true, backupCodec: false },
  });
  await Promise.all([b!.shows("ada", 1280, { timeoutMs: 30_000 }), c!.shows("ada", 1280, { timeoutMs: 30_000 })]);
  return [a!, b!, c!];
}

async function lowestAndHighest(t: TestContext, codec: string): Promise<void> {
  const [a, b, c] = await viewers(`svc-${codec}`, codec, "L3T3_KEY");
  await Promise.all([b.forget("ada"), c.forget("ada")]);
  await b.quality("ada", "LOW");
  const took = [await b.shows("ada", 320, { timeoutMs: 4000 })];
  const sent = await a.outbound();
  assert.equal(sent.length, 1);
  assert.equal(sent[0]!.scalabilityMode, "L3T3_KEY");
  await b.sees("ada", { steps: 10 });

  const before = await bytes(b, c);
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
  const now = await bytes(b, c);
  const share = (now[0]! - before[0]!) / (now[1]! - before[1]!);
  for (const [quality, width] of [
    ["HIGH", 1280],
    ["LOW", 320],
    ["MEDIUM", 640],
    ["HIGH", 1280],
  ] as const) {
    await b.quality("ada", quality);
    took.push(await b.shows("ada", width, { timeoutMs: 4000 }));
    await b.sees("ada", { steps: 10 });
  }
  const [low, high] = [(await b.seen("ada"))!, (await c.seen("ada"))!];
  t.diagnostic(
    `switches ${took.map(Math.round).join(", ")} ms, ${(share * 100).toFixed(0)} % of the bytes, gaps ${Math.round(low.longestGapMs)} and ${Math.round(high.longestGapMs)} ms`,
  );
  assert.ok(share < 0.35, `the lowest layer took ${(share * 100).toFixed(0)} % of the bytes of the highest`);
  assert.deepEqual([low.backwards, low.widths], [0, [1280, 320, 1280, 320, 640, 1280]]);
  assert.deepEqual([high.backwards, high.widths], [0, [1280]]);
  assert.ok(
    low.longestGapMs < 700 && high.longestGapMs < 700,
    `gaps of ${low.longestGapMs} and ${high.longestGapMs} ms`,
  );
}

test("VP9 L3T3_KEY: a viewer at the lowest layer and one at the highest, and the way between", (t) =>
  lowestAndHighest(t, "vp9"));

test("AV1 L3T3_KEY: a viewer at the lowest layer and one at the highest, and the way between", (t) =>
  lowestAndHighest(t, "av1"));

// More than the original at hand gives: the client publishes VP9 as simulcast to servers that call themselves newer than 1.13.5.
test("VP9 L1T3 is simulcast: three streams of one layer each, switched like any other", async () => {
  const [a, b, c] = await viewers("vp9-simulcast", "vp9", "L1T3");
  assert.deepEqual(
    (await a.outbound()).map(({ rid, scalabilityMode }) => `${rid} ${scalabilityMode}`),
    ["q L1T3", "h L1T3", "f L1T3"],
  );
  await Promise.all([b.forget("ada"), c.forget("ada")]);
  for (const [quality, width] of [
    ["LOW", 320],
    ["MEDIUM", 640],
    ["HIGH", 1280],
  ] as const) {
    await b.quality("ada", quality);
    await b.shows("ada", width, { timeoutMs: 4000 });
    await b.sees("ada", { steps: 10 });
  }
  const [switching, steady] = [(await b.seen("ada"))!, (await c.seen("ada"))!];
  assert.deepEqual([switching.backwards, switching.widths], [0, [1280, 320, 640, 1280]]);
  assert.deepEqual([steady.backwards, steady.widths], [0, [1280]]);
  assert.ok(switching.longestGapMs < 700 && steady.longestGapMs < 700);
});
