/** A simulcast publisher and viewers who ask for one layer or another: switches nobody notices, joiners who cost the publisher little. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { CallPage } from "@stoa/testkit/call-page";
import { openStage, type Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";

const HD = { width: 1280, height: 720 };
const SWITCHES = [
  ["LOW", 320],
  ["MEDIUM", 640],
  ["HIGH", 1280],
  ["LOW", 320],
  ["HIGH", 1280],
] as const;

let stage: Stage;

before(async () => {
  stage = await openStage();
});
afterEach(() => stage.clear());
after(() => stage?.close());

test("a viewer switches between the layers: each is there within 3 s, nothing freezes or steps back, the other viewer sees nothing of it", async (t) => {
  const [a, b, c] = await Promise.all(["ada", "bob", "cleo"].map((name) => stage.enter("switch", name)));
  await a!.publishCamera({ ...HD, noise: 0.25 });
  await Promise.all([b!.shows("ada", 1280, { timeoutMs: 30_000 }), c!.shows("ada", 1280, { timeoutMs: 30_000 })]);
  await b!.sees("ada", { steps: 20 });
  await Promise.all([b!.forget("ada"), c!.forget("ada")]);
  const took: string[] = [];
  for (const [quality, width] of SWITCHES) {
    await b!.quality("ada", quality);
    const ms = await b!.shows("ada", width, { timeoutMs: 8000 });
    took.push(`${quality} ${Math.round(ms)} ms`);
    assert.ok(ms < 3000, took.join(", "));
    await b!.sees("ada", { steps: 15 });
  }
  const [seen, others] = [(await b!.seen("ada"))!, (await c!.seen("ada"))!];
  t.diagnostic(
    `${took.join(", ")}; longest gap ${Math.round(seen.longestGapMs)} ms, the other's ${Math.round(others.longestGapMs)} ms`,
  );
  assert.ok(seen.longestGapMs < 500, `a gap of ${seen.longestGapMs} ms`);
  assert.equal(seen.backwards, 0);
  assert.deepEqual(seen.widths, [1280, 320, 640, 1280, 320, 1280]);
  assert.ok(others.longestGapMs < 500, `a gap of ${others.longestGapMs} ms for the other viewer`);
  assert.deepEqual([others.backwards, others.widths], [0, [1280]]);
});

test("eight late joiners on each other's heels see a picture within 2 s each and cost the publisher a handful of key frames", async (t) => {
  const a = await stage.enter("joiners", "ada");
  await a.publishCamera();
  const first = await stage.enter("joiners", "first");
  await first.shows("ada", 640, { timeoutMs: 20_000 });
  const joiners = await Promise.all(Array.from({ length: 8 }, (_, i) => stage.open(`joiner-${i}`)));
  await first.forget("ada");
  const before = await keyFrames(a);
  const started = performance.now();
  const waits = await Promise.all(
    joiners.map(async (joiner) => {
      await joiner.join({ room: "joiners" });
      return joiner.sees("ada", { steps: 1 });
    }),
  );
  const tookMs = performance.now() - started;
  const cost = (await keyFrames(a)).map((count, layer) => count - before[layer]!);
  t.diagnostic(
    `first pictures after ${waits.map(Math.round).join(", ")} ms, all in ${Math.round(tookMs)} ms; key frames per layer ${cost.join(", ")}`,
  );
  assert.ok(Math.max(...waits) < 2000, `first pictures after ${waits.join(", ")} ms`);
  assert.ok(Math.max(...cost) <= 5, `key frames per layer: ${cost.join(", ")}`);
  assert.equal((await first.seen("ada"))?.backwards, 0);
});

test("a viewer who asks for few frames gets few, of the same picture, and all of them again", async (t) => {
  const [a, b, c] = await Promise.all(["ada", "bob", "cleo"].map((name) => stage.enter("rate", name)));
  await a!.publishCamera();
  await Promise.all([b!.shows("ada", 640, { timeoutMs: 20_000 }), c!.shows("ada", 640, { timeoutMs: 20_000 })]);
  await b!.wish("ada", "setVideoFPS", 4);
  await until(async () => (await framesPerSecond(b!)) < 9, 6000, "fewer frames");
  await b!.forget("ada");
  const [slow, full] = await Promise.all([framesPerSecond(b!), framesPerSecond(c!)]);
  await b!.wish("ada", "setVideoFPS", 30);
  await until(async () => (await framesPerSecond(b!)) > 12, 6000, "all frames again");
  t.diagnostic(`${slow} frames a second of ${full}`);
  assert.ok(slow >= 3 && full > 12, `${slow} frames a second of ${full}`);
  const { backwards, widths, longestGapMs } = (await b!.seen("ada"))!;
  assert.deepEqual({ backwards, widths }, { backwards: 0, widths: [640] });
  assert.ok(longestGapMs < 500, `a gap of ${longestGapMs} ms`);
});

async function framesPerSecond(page: CallPage): Promise<number> {
  const before = (await page.inbound("ada")).framesDecoded!;
  await new Promise((resolve) => setTimeout(resolve, 2000));
  return ((await page.inbound("ada")).framesDecoded! - before) / 2;
}

async function keyFrames(page: CallPage): Promise<number[]> {
  return (await page.outbound()).map((layer) => layer.keyFramesEncoded ?? 0);
}
