/** Connection quality as the client is told it: excellent on a clean link, worse under loss, good again; a mute is no loss. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { type CallPage, SMALL } from "@stoa/testkit/call-page";
import { type FarStage, openFarStage } from "@stoa/testkit/far-stage";
import { inNamespace, rerunInNamespace } from "@stoa/testkit/namespace";
import { until } from "@stoa/testkit/until";

const LOSS_PERCENT = 30;

if (!inNamespace()) {
  test("the connection quality of a participant follows the link", () => rerunInNamespace(import.meta.url));
} else {
  let world: FarStage;

  before(async () => {
    world = await openFarStage();
  });
  afterEach(() => world.clear());
  after(() => world?.close());

  async function qualityOf(page: CallPage, identity: string): Promise<string> {
    const all = await page.call<[string, string][]>("qualities");
    return all.find(([who]) => who === identity)?.[1] ?? "";
  }

  function becomes(page: CallPage, identity: string, wanted: readonly string[], timeoutMs: number): Promise<number> {
    let last = "";
    return until(
      async () => wanted.includes((last = await qualityOf(page, identity))),
      timeoutMs,
      () => `${page.identity} to see ${identity} as ${wanted.join(" or ")} (now ${last})`,
    );
  }

  const EXCELLENT = ["excellent"];
  const WORSE = ["good", "poor", "lost"];

  test("excellent on a clean link and through a mute, worse under loss, excellent again", async (t) => {
    const { stage, host, far } = world;
    const [a, b] = await Promise.all([stage.enter("quality", "ada", { browser: far }), stage.enter("quality", "bob")]);
    await Promise.all([a.publishCamera(SMALL), a.publishTone(440), b.publishTone(660)]);
    await Promise.all([b.sees("ada"), b.hears("ada", 440), a.hears("bob", 660)]);
    const took = [
      await Promise.all([
        becomes(b, "ada", EXCELLENT, 15_000),
        becomes(a, "ada", EXCELLENT, 15_000),
        becomes(b, "bob", EXCELLENT, 15_000),
      ]).then((all) => Math.max(...all)),
    ];

    // Longer than two rounds of scoring.
    const muted = (await b.events()).length;
    await Promise.all([a.call("mute", "camera", true), a.call("mute", "microphone", true)]);
    await new Promise((resolve) => setTimeout(resolve, 12_000));
    const told = (await b.events()).slice(muted).filter(({ name }) => name === "connectionQualityChanged");
    assert.ok(!told.some(({ about }) => about.startsWith("lost")), told.map(({ about }) => about).join(", "));
    assert.equal(await qualityOf(b, "ada"), "excellent");
    await Promise.all([a.call("mute", "camera", false), a.call("mute", "microphone", false)]);
    await Promise.all([b.sees("ada"), b.hears("ada", 440)]);

    host.lose("up", LOSS_PERCENT);
    took.push(await becomes(b, "ada", WORSE, 20_000));
    assert.equal(await qualityOf(b, "bob"), "excellent");
    host.lose("up", 0);
    took.push(await becomes(b, "ada", EXCELLENT, 40_000));
    t.diagnostic(`excellent, worse, excellent after ${took.map(Math.round).join(", ")} ms`);
  });
}
