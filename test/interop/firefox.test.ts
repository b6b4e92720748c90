/** Firefox ESR and Chromium in one room, inside a network namespace because Firefox never connects to loopback. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { launchChromium } from "@stoa/testkit/browser";
import { type CallPage, SMALL } from "@stoa/testkit/call-page";
import { Firefox, FIREFOX_TONE_HZ } from "@stoa/testkit/firefox";
import { inNamespace, NAMESPACE_ADDRESS, rerunInNamespace } from "@stoa/testkit/namespace";
import { startServer } from "@stoa/testkit/server-process";
import { Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";

const FIRST_FRAME = { steps: 1, timeoutMs: 10_000 };

if (!inNamespace()) {
  test("Firefox and Chromium see and hear each other, in a codec that both have", () =>
    rerunInNamespace(import.meta.url));
} else {
  let stage: Stage;
  let firefox: Firefox;

  before(async () => {
    const [server, chromium] = await Promise.all([startServer({ address: NAMESPACE_ADDRESS }), launchChromium()]);
    stage = new Stage(server, chromium);
    firefox = await Firefox.launch();
  });
  afterEach(() => stage.clear());
  after(() => Promise.allSettled([firefox?.close(), stage?.close()]));

  async function enterFirefox(room: string, identity: string): Promise<CallPage> {
    const page = await firefox.open(stage.server, identity);
    await page.join({ room });
    return page;
  }

  /** Level of the audio that Firefox decodes; Web Audio, which would tell the pitch, does not run there without an audio device. */
  async function loudness(page: CallPage): Promise<number> {
    const inbound = await page.call<{ kind: string; audioLevel?: number }[]>("stats", "inbound-rtp");
    return Math.max(0, ...inbound.filter((s) => s.kind === "audio").map((s) => s.audioLevel ?? 0));
  }

  test("both ways: VP8 within 10 s, sound, and again after a mute", async (t) => {
    const [a, b] = await Promise.all([stage.enter("mixed", "ada"), enterFirefox("mixed", "finn")]);
    await Promise.all([a.publishCamera(), b.publishCamera(), a.publishTone(440), b.call("publishFakeMicrophone")]);
    const took = await Promise.all([a.sees("finn", FIRST_FRAME), b.sees("ada", FIRST_FRAME)]);
    t.diagnostic(`first frames after ${took.map(Math.round).join(", ")} ms`);
    await Promise.all([a.sees("finn"), b.sees("ada"), a.hears("finn", FIREFOX_TONE_HZ)]);
    await until(async () => (await loudness(b)) > 0.1, 10_000, "Firefox to play a loud tone");
    assert.equal(await a.call("codecOf", "finn"), "video/VP8");
    assert.equal(await b.call("codecOf", "ada"), "video/VP8");
    await Promise.all([a.call("mute", "camera", true), b.call("mute", "camera", true)]);
    await Promise.all([a.waitEvent("trackMuted"), b.waitEvent("trackMuted")]);
    await Promise.all([a.call("mute", "camera", false), b.call("mute", "camera", false)]);
    await Promise.all([a.sees("finn"), b.sees("ada")]);
    for (const [page, other] of [
      [a, "finn"],
      [b, "ada"],
    ] as const)
      assert.equal((await page.seen(other))?.backwards, 0);
    await b.close();
  });

  test("Firefox gets the layers that it asks for of a simulcast publisher", async () => {
    const [a, b] = await Promise.all([stage.enter("layers", "ada"), enterFirefox("layers", "finn")]);
    await a.publishCamera({ width: 1280, height: 720 });
    await b.shows("ada", 1280, { timeoutMs: 30_000 });
    await b.quality("ada", "LOW");
    await b.shows("ada", 320, { timeoutMs: 4000 });
    await b.quality("ada", "HIGH");
    await b.shows("ada", 1280, { timeoutMs: 4000 });
    await b.sees("ada");
    assert.equal((await b.seen("ada"))?.backwards, 0);
    await b.close();
  });

  // Fewer people than `codec_regression_threshold`: by default all go over to the backup; the simulcast policy has both sent for good.
  for (const [codec, policy, others] of [
    ["h264", undefined, "video/VP8"],
    ["av1", 1, "video/AV1"],
  ] as const) {
    test(`a Firefox that cannot take the publisher's ${codec} gets the backup in VP8, the others ${others}`, async (t) => {
      const room = `backup-${codec}`;
      const [a, b] = await Promise.all([stage.enter(room, "ada"), stage.enter(room, "cleo")]);
      const options = { videoCodec: codec, backupCodec: { codec: "vp8" }, backupCodecPolicy: policy };
      await a.publishCamera({ ...SMALL, options });
      await b.sees("ada");
      assert.equal(await b.call("codecOf", "ada"), `video/${codec.toUpperCase()}`);
      const finn = await enterFirefox(room, "finn");
      t.diagnostic(`first frame after ${Math.round(await finn.sees("ada", FIRST_FRAME))} ms`);
      await finn.sees("ada");
      assert.equal(await finn.call("codecOf", "ada"), "video/VP8");
      await until(async () => (await b.call("codecOf", "ada")) === others, 5000, `${others} at the other viewer`);
      await b.sees("ada", { timeoutMs: 5000 });
      assert.equal((await b.seen("ada"))?.backwards, 0);
      await finn.close();
    });
  }
}
