/** Connection quality as the client is told it: excellent on a clean link, worse under loss, good again; a mute is no loss. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { launchChromium } from "@stoa/testkit/browser";
import type { CallPage } from "@stoa/testkit/call-page";
import { LinkedHost } from "@stoa/testkit/linked-host";
import { inNamespace, NAMESPACE_ADDRESS, rerunInNamespace } from "@stoa/testkit/namespace";
import { startServer } from "@stoa/testkit/server-process";
import { Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";

const SMALL = { width: 320, height: 180 };
const LOSS_PERCENT = 30;

type Browser = Awaited<ReturnType<typeof launchChromium>>;

if (!inNamespace()) {
  test("the connection quality of a participant follows the link", () => rerunInNamespace(import.meta.url));
} else {
  let stage: Stage;
  let host: LinkedHost;
  let far: Browser;

  before(async () => {
    stage = new Stage(await startServer({ address: NAMESPACE_ADDRESS }), await launchChromium());
    host = await LinkedHost.create(2);
    far = await host.launchChromium();
  });
  afterEach(() => stage.clear());
  after(async () => {
    await Promise.allSettled([far?.close(), stage?.close()]);
    host?.close();
  });

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
    const [a, b] = await Promise.all([
      stage.enter("quality", "ada", { browser: far }),
      stage.enter("quality", "bob", {}),
    ]);
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
