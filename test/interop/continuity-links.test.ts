/** Data while links are cut and thin: what the packet filters of a network namespace can do to real clients. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { launchChromium, openPage } from "@stoa/testkit/browser";
import type { CallPage } from "@stoa/testkit/call-page";
import { inNamespace, NAMESPACE_ADDRESS, rerunInNamespace } from "@stoa/testkit/namespace";
import { NodeClient, shutdownNodeClients } from "@stoa/testkit/node-client";
import { startServer, type ServerProcess } from "@stoa/testkit/server-process";
import { until } from "@stoa/testkit/until";

const TABLE = "add table inet cut; add chain inet cut input { type filter hook input priority 0; }";
const CUT_UDP = "add rule inet cut input meta l4proto udp drop";
const RESTORE = "delete table inet cut";
const FILE_BYTES = 50_000_000;
const MESSAGES = 300;
const EVERY_MS = 50;

const TITLE = "data goes on over links that are cut or thin";

if (!inNamespace()) {
  test(TITLE, () => rerunInNamespace(import.meta.url));
} else {
  type Browser = Awaited<ReturnType<typeof launchChromium>>;

  const inWorld = async (what: (server: ServerProcess, browser: Browser) => Promise<void>): Promise<void> => {
    const server = await startServer({ address: NAMESPACE_ADDRESS });
    const browser = await launchChromium();
    execFileSync("nft", [TABLE]);
    try {
      await what(server, browser);
    } finally {
      execFileSync("nft", [RESTORE]);
      await Promise.allSettled([browser.close(), server.stop()]);
    }
  };

  const enter = async (browser: Browser, server: ServerProcess, room: string, ...names: string[]) => {
    const pages = await Promise.all(names.map((name) => openPage(browser, server, name)));
    await Promise.all(pages.map((page) => page.join({ room })));
    for (const page of pages) {
      await until(async () => (await page.participants()).length === names.length - 1, 8000, "all to be there");
    }
    return pages;
  };

  test("300 numbered messages through two socket cuts and an ICE break arrive once each, in order", () =>
    inWorld(async (server, browser) => {
      const [a, b] = (await enter(browser, server, "numbers", "ada", "bob")) as [CallPage, CallPage];
      const breaks: Record<number, () => unknown> = {
        60: () => a.call("breakSignal"),
        120: () => b.call("breakSignal"),
        180: () => execFileSync("nft", [CUT_UDP]),
        240: () => execFileSync("nft", ["flush chain inet cut input"]),
      };
      const pace = performance.now();
      for (let i = 0; i < MESSAGES; i++) {
        await breaks[i]?.();
        await a.call("send", `${i}`, { reliable: true });
        await until(() => performance.now() - pace >= i * EVERY_MS, 10_000, "the next beat");
      }
      await until(async () => (await b.data()).length >= MESSAGES, 20_000, "all messages");
      assert.deepEqual(
        (await b.data()).map(({ text }) => Number(text)),
        Array.from({ length: MESSAGES }, (_, i) => i),
      );
      for (const page of [a, b]) {
        const names = (await page.events()).map(({ name }) => name);
        assert.ok(names.includes("signalReconnecting"));
        assert.ok(!names.includes("disconnected") && !names.includes("participantDisconnected"), names.join());
      }
    }));

  test("a stream of 50 MB is not slowed by a third participant whose link is thin", () =>
    inWorld(async (server, browser) => {
      const [b, c] = (await enter(browser, server, "thin", "bob", "cleo")) as [CallPage, CallPage];
      const node = new NodeClient("nora");
      await node.join(server, "thin");
      await until(async () => (await c.participants()).length === 2, 8000, "the Node program to be there");
      await b.call("takeFiles", "file");
      execFileSync("nft", [
        `add rule inet cut input udp dport ${await portOf(c)} limit rate over 100 kbytes/second drop`,
      ]);
      const folder = await mkdtemp(join(tmpdir(), "stoa-"));
      try {
        const bytes = randomBytes(FILE_BYTES);
        const path = join(folder, "file.bin");
        await writeFile(path, bytes);
        const began = performance.now();
        await node.room.localParticipant!.sendFile(path, { topic: "file", destinationIdentities: ["bob"] });
        const sha256 = createHash("sha256").update(bytes).digest("hex");
        await until(async () => (await shas(b)).includes(sha256), 40_000, "the whole stream");
        console.log(`50 MB in ${Math.round(performance.now() - began)} ms`);
      } finally {
        await rm(folder, { recursive: true });
      }
      await node.close();
      await shutdownNodeClients();
    }));

  /** The UDP port of a page's connection. */
  async function portOf(page: CallPage): Promise<number> {
    const pairs = await page.call<{ id: string; localCandidateId: string }[]>("stats", "candidate-pair");
    const locals = await page.call<{ id: string; port: number }[]>("stats", "local-candidate");
    const transports = await page.call<{ selectedCandidatePairId: string }[]>("stats", "transport");
    const used = pairs.find(({ id }) =>
      transports.some(({ selectedCandidatePairId }) => selectedCandidatePairId === id),
    );
    const port = locals.find(({ id }) => id === used?.localCandidateId)?.port;
    assert.ok(port);
    return port;
  }

  function shas(page: CallPage): Promise<string[]> {
    return page.page.evaluate(
      () =>
        (globalThis as unknown as { harness: { files: { sha256: string }[] } }).harness.files.map(
          (file) => file.sha256,
        ),
      undefined,
    );
  }
}
