/** A transfer while a link on its way becomes narrow for good, and nobody says so: what routers of a network namespace can do to real clients. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openPage } from "@stoa/testkit/browser";
import type { CallPage } from "@stoa/testkit/call-page";
import { inNamespace, NAMESPACE_ADDRESS, rerunInNamespace } from "@stoa/testkit/namespace";
import { NodeClient, shutdownNodeClients } from "@stoa/testkit/node-client";
import { RoutedHost } from "@stoa/testkit/routed-host";
import { startServer } from "@stoa/testkit/server-process";
import { until } from "@stoa/testkit/until";

const FILE_BYTES = 20_000_000;
/** So much has arrived when the link becomes narrow. */
const BEFORE_BYTES = 5_000_000;
const LINK_KBPS = 40_000;
/** Less than any full packet of a data channel, or of video. */
const NARROW_BYTES = 800;

const TITLE = "a path that narrows in mid-transfer";

if (!inNamespace()) {
  test(TITLE, () => rerunInNamespace(import.meta.url));
} else {
  test("a stream of 20 MB arrives although a link on its way takes 800 bytes from a quarter of it on and drops the rest without a word", async (t) => {
    const server = await startServer({ address: NAMESPACE_ADDRESS });
    const host = await RoutedHost.create(2);
    const browser = await host.launchChromium();
    const folder = await mkdtemp(join(tmpdir(), "stoa-"));
    const nora = new NodeClient("nora");
    try {
      const bob = await openPage(browser, server, "bob");
      await bob.join({ room: "narrow" });
      await bob.call("takeFiles", "file");
      await nora.join(server, "narrow");
      await until(async () => (await bob.participants()).length === 1, 8000, "nora to be there");
      host.capDownlink(LINK_KBPS);

      const bytes = randomBytes(FILE_BYTES);
      const path = join(folder, "file");
      await writeFile(path, bytes);
      const sending = nora.room.localParticipant!.sendFile(path, { topic: "file" });
      await until(async () => (await channelBytes(bob)) > BEFORE_BYTES, 15_000, "a quarter");
      assert.ok((await channelBytes(bob)) < FILE_BYTES / 2);
      host.narrow(NARROW_BYTES);
      const narrowedMs = performance.now();

      const sha256 = createHash("sha256").update(bytes).digest("hex");
      await until(async () => (await bob.files()).some((file) => file.sha256 === sha256), 30_000, "the whole stream");
      t.diagnostic(`all is there ${Math.round(performance.now() - narrowedMs)} ms later`);
      await sending;
      await nora.send("and now");
      await until(async () => (await bob.data()).some(({ text }) => text === "and now"), 5000, "what comes next");
      const seen = (await bob.events()).map(({ name }) => name);
      for (const unwanted of ["reconnecting", "signalReconnecting", "disconnected"])
        assert.ok(!seen.includes(unwanted), seen.join());
    } finally {
      await nora.close();
      await shutdownNodeClients();
      await browser.close();
      host.close();
      await server.stop();
      await rm(folder, { recursive: true });
    }
  });
}

/** Bytes that have arrived in messages of data channels. */
async function channelBytes(page: CallPage): Promise<number> {
  const channels = await page.call<{ bytesReceived: number }[]>("stats", "data-channel");
  return channels.reduce((sum, { bytesReceived }) => sum + bytesReceived, 0);
}
