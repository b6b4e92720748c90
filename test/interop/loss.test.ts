/** Five packets of a hundred are lost, on the way to a viewer or from a publisher: nobody sees or hears much of it. */
import assert from "node:assert/strict";
import { after, afterEach, before, test, type TestContext } from "node:test";
import type { CallPage } from "@stoa/testkit/call-page";
import { type FarStage, openFarStage } from "@stoa/testkit/far-stage";
import type { LinkDirection } from "@stoa/testkit/linked-host";
import { inNamespace, rerunInNamespace } from "@stoa/testkit/namespace";
import { until } from "@stoa/testkit/until";

const LOSS_PERCENT = 5;
const SECONDS = 10;

if (!inNamespace()) {
  test("with 5 % loss downstream or upstream, picture and sound go on", () => rerunInNamespace(import.meta.url));
} else {
  let world: FarStage;

  before(async () => {
    world = await openFarStage();
  });
  afterEach(() => world.clear());
  after(() => world?.close());

  interface Counts {
    readonly sent: number;
    readonly decoded: number;
    readonly concealed: number;
    readonly samples: number;
  }

  async function count(from: CallPage, to: CallPage): Promise<Counts> {
    const [layers, video, audio] = [
      await from.outbound(),
      await to.inbound("ada"),
      await to.inbound("ada", "microphone"),
    ];
    return {
      sent: layers.at(-1)!.framesSent!,
      decoded: video.framesDecoded!,
      concealed: audio.concealedSamples!,
      samples: audio.totalSamplesReceived!,
    };
  }

  /** What one who looks and listens would notice over some seconds. */
  async function isFine(t: TestContext, from: CallPage, to: CallPage): Promise<void> {
    await to.forget("ada");
    const before = await count(from, to);
    await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
    const now = await count(from, to);
    const seen = (await to.seen("ada"))!;
    const frames = (now.decoded - before.decoded) / (now.sent - before.sent);
    const concealed = (now.concealed - before.concealed) / (now.samples - before.samples);
    const figures = `${(frames * 100).toFixed(0)} % of the frames, longest gap ${Math.round(seen.longestGapMs)} ms, ${(concealed * 100).toFixed(1)} % concealed`;
    t.diagnostic(figures);
    assert.ok(frames >= 0.8, figures);
    assert.ok(seen.longestGapMs < 1000, figures);
    assert.ok(concealed < 0.03, figures);
    assert.equal(seen.backwards, 0, figures);
    const widths = seen.widths.join(" ");
    if (widths !== "640") assert.fail(`widths ${widths}, ${await world.stage.server.timeline("lossy", "bob")}`);
    await to.hears("ada", 440, { timeoutMs: 1000 });
  }

  async function call(t: TestContext, direction: LinkDirection, simulcast: boolean): Promise<void> {
    const { stage, host, far } = world;
    const [a, b] = await Promise.all([
      stage.enter("lossy", "ada", direction === "up" ? { browser: far } : {}),
      stage.enter("lossy", "bob", direction === "down" ? { browser: far } : {}),
    ]);
    await Promise.all([a.publishCamera({ noise: 0.25, options: { simulcast } }), a.publishTone(440, { red: true })]);
    await Promise.all([b.shows("ada", 640), b.hears("ada", 440)]);
    await b.sees("ada", { steps: 60 }); // the publisher's bit rate has risen
    host.lose(direction, LOSS_PERCENT);
    const lossy = direction === "down" ? b : a;
    await until(async () => (await losses(lossy)) > 3, 10_000, "the loss to be felt");
    await b.sees("ada", { steps: 30 });
    await isFine(t, a, b);
  }

  test("5 % loss on the way to a viewer", (t) => call(t, "down", true));
  test("5 % loss on the way from a publisher of one layer", (t) => call(t, "up", false));
  // More than the original gives: of a simulcast publisher's retransmissions it uses few, and a tenth of the frames is seen.
  test("5 % loss on the way from a simulcast publisher", (t) => call(t, "up", true));

  /** Packets that the page misses or was asked for again. */
  async function losses(page: CallPage): Promise<number> {
    const [sent, received] = [await page.outbound(), await page.inbound("ada")];
    return sent.reduce((sum, { nackCount }) => sum + (nackCount ?? 0), received.nackCount ?? 0);
  }
}
