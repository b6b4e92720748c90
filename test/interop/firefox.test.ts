/** Firefox ESR and Chromium in one room, inside a network namespace because Firefox never connects to loopback. */
import { test } from "node:test";
import { launchChromium, openPage } from "@stoa/testkit/browser";
import type { CallPage } from "@stoa/testkit/call-page";
import { Firefox, FIREFOX_TONE_HZ } from "@stoa/testkit/firefox";
import { inNamespace, NAMESPACE_ADDRESS, rerunInNamespace } from "@stoa/testkit/namespace";
import { startServer } from "@stoa/testkit/server-process";
import { until } from "@stoa/testkit/until";

/** Level of the audio that Firefox decodes; Web Audio, which would tell the pitch, does not run there without an audio device. */
async function loudness(page: CallPage): Promise<number> {
  const inbound = await page.call<{ kind: string; audioLevel?: number }[]>("stats", "inbound-rtp");
  return Math.max(0, ...inbound.filter((s) => s.kind === "audio").map((s) => s.audioLevel ?? 0));
}

if (!inNamespace()) {
  test("Firefox and Chromium see and hear each other", () => rerunInNamespace(import.meta.url));
} else {
  test("Firefox and Chromium see and hear each other", async () => {
    const server = await startServer({ address: NAMESPACE_ADDRESS });
    const [chromium, firefox] = await Promise.all([launchChromium(), Firefox.launch()]);
    try {
      const [a, b] = await Promise.all([openPage(chromium, server, "ada"), firefox.open(server, "finn")]);
      await Promise.all([a.join({ room: "mixed" }), b.join({ room: "mixed" })]);
      await Promise.all([a.publishCamera(), b.publishCamera(), a.publishTone(440), b.call("publishFakeMicrophone")]);
      await Promise.all([a.sees("finn"), b.sees("ada"), a.hears("finn", FIREFOX_TONE_HZ)]);
      await until(async () => (await loudness(b)) > 0.1, 10_000, "Firefox to play a loud tone");
    } finally {
      await Promise.allSettled([chromium.close(), firefox.close(), server.stop()]);
    }
  });
}
