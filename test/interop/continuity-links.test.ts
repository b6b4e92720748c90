/** Data while links are cut and thin: what the packet filters of a network namespace can do to real clients. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type CallPage, SMALL } from "@stoa/testkit/call-page";
import { LinkedHost } from "@stoa/testkit/linked-host";
import { inNamespace, NAMESPACE_ADDRESS, rerunInNamespace } from "@stoa/testkit/namespace";
import { NodeClient, shutdownNodeClients } from "@stoa/testkit/node-client";
import { openStage, type Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";

const TABLE = "add table inet cut; add chain inet cut input { type filter hook input priority 0; }";
const CUT_UDP = "add rule inet cut input meta l4proto udp drop";
const RESTORE = "delete table inet cut";
const FILE_BYTES = 50_000_000;
/** For everybody, and more than a thin link carries meanwhile. */
const SMALL_BYTES = 8_000_000;
const MESSAGES = 300;
const EVERY_MS = 60;

const TITLE = "data goes on over links that are cut or thin";

if (!inNamespace()) {
  test(TITLE, () => rerunInNamespace(import.meta.url));
} else {
  const onStage = async (what: (stage: Stage) => Promise<void>): Promise<void> => {
    const stage = await openStage({ address: NAMESPACE_ADDRESS });
    execFileSync("nft", [TABLE]);
    try {
      await what(stage);
    } finally {
      execFileSync("nft", [RESTORE]);
      await stage.close();
    }
  };

  test("300 numbered messages through two socket cuts and an ICE break arrive once each, in order", () =>
    onStage(async (stage) => {
      const [a, b] = await stage.meet("numbers", ["ada", "bob"]);
      const cutAt = 120;
      const breaks: Record<number, () => unknown> = {
        40: () => a.call("breakSignal"),
        80: () => b.call("breakSignal"),
        [cutAt]: () => execFileSync("nft", [CUT_UDP]),
      };
      const resumes = (page: CallPage) => page.count("signalReconnecting");
      // The break lasts until both have given the path up: for another one, or by a resume.
      const gaveUp = async (page: CallPage) =>
        (await resumes(page)) > 1 || (await page.paths())[0]?.remote?.protocol !== "udp";
      let broken = true;
      const mend = async () => {
        if (!broken || !(await gaveUp(b)) || !(await gaveUp(a))) return;
        execFileSync("nft", ["flush chain inet cut input"]);
        broken = false;
      };
      const pace = performance.now();
      for (let i = 1; i <= MESSAGES; i++) {
        await breaks[i]?.();
        await a.call("send", `${i}`, { reliable: true });
        await until(() => performance.now() - pace >= i * EVERY_MS, 10_000, "the next beat");
        if (i > cutAt) await mend();
      }
      await until(() => mend().then(() => !broken), 25_000, "both to give the path up");
      await until(async () => (await b.data()).length >= MESSAGES, 20_000, "all messages");
      assert.deepEqual(await numbers(b), upTo(MESSAGES));
      for (const page of [a, b]) {
        const names = (await page.events()).map(({ name }) => name);
        assert.ok(names.includes("signalReconnecting"));
        for (const unwanted of ["reconnecting", "disconnected", "participantDisconnected"])
          assert.ok(!names.includes(unwanted), names.join());
      }
    }));

  test("a stream of 50 MB is not slowed by a third participant whose link is too thin for what it gets", (t) =>
    onStage(async (stage) => {
      const [b, c] = await stage.meet("thin", ["bob", "cleo"]);
      const node = new NodeClient("nora");
      await node.join(stage.server, "thin");
      await c.knows(2);
      await Promise.all([b, c].map((page) => page.call("takeFiles", "file")));
      execFileSync("nft", [
        `add rule inet cut input udp dport ${(await c.paths())[0]!.local!.port} limit rate over 100 kbytes/second counter drop`,
      ]);
      const folder = await mkdtemp(join(tmpdir(), "stoa-"));
      let sent = 0;
      const talk = setInterval(() => void node.send(`${++sent}`), 50);
      try {
        const [forAll, forBob] = await Promise.all([file(folder, "all", SMALL_BYTES), file(folder, "bob", FILE_BYTES)]);
        const began = performance.now();
        const local = node.room.localParticipant!;
        const all = local.sendFile(forAll.path, { topic: "file" });
        // The SDK names the one it is for in the first packet only.
        await local.sendFile(forBob.path, { topic: "file", destinationIdentities: ["bob"] });
        await until(() => hasFile(b, forBob.sha256), 40_000, "the whole stream");
        const tookMs = performance.now() - began;
        const [got, behind] = [await channelBytes(b), await channelBytes(c)];
        t.diagnostic(
          `50 MB in ${Math.round(tookMs)} ms: bob has ${got} bytes, cleo ${behind}; her link dropped ${droppedPackets()} packets`,
        );
        assert.ok(droppedPackets() > 20 && behind > 100_000 && behind < 0.5 * SMALL_BYTES, "cleo is far behind");
        await all;
        clearInterval(talk);
        execFileSync("nft", ["flush chain inet cut input"]);
        for (const page of [b, c]) {
          await until(() => hasFile(page, forAll.sha256), 20_000, "what is for all");
          await until(async () => (await page.data()).length >= sent, 5000, "all messages");
          assert.deepEqual(await numbers(page), upTo(sent));
        }
        assert.equal((await c.files()).length, 1, "nothing of what is for bob");
      } finally {
        clearInterval(talk);
        await rm(folder, { recursive: true });
        await node.close();
        await shutdownNodeClients();
      }
    }));

  test("a client whose address changes in mid-call goes on in its session: messages both ways arrive once, in order", (t) =>
    onStage(async (stage) => {
      const host = await LinkedHost.create(2);
      const phone = await host.launchChromium();
      try {
        const a = await stage.enter("moving", "ada");
        const b = await stage.enter("moving", "bob", { browser: phone });
        await Promise.all([b.publishCamera(SMALL), a.publishTone(440)]);
        await Promise.all([a.sees("bob"), b.hears("ada", 440)]);
        const sids = () => a.call("sids");
        const before = await sids();
        const pace = performance.now();
        let movedMs = 0;
        for (let i = 1; i <= 100; i++) {
          if (i === 20) {
            host.move(7);
            movedMs = performance.now();
          }
          await Promise.all([a, b].map((page) => page.call("send", `${i}`, { reliable: true })));
          await until(() => performance.now() - pace >= i * EVERY_MS, 10_000, "the next beat");
        }
        await Promise.all([a.sees("bob", { steps: 10 }), b.hears("ada", 440)]);
        for (const page of [a, b])
          await until(async () => (await page.data()).length >= 100, 20_000, `all messages at ${page.identity}`);
        t.diagnostic(`all is well ${Math.round(performance.now() - movedMs)} ms after the move`);
        assert.deepEqual([await numbers(a), await numbers(b)], [upTo(100), upTo(100)]);
        assert.deepEqual(await sids(), before);
        const seen = [...(await a.events()), ...(await b.events())].map(({ name }) => name);
        for (const unwanted of ["reconnecting", "disconnected", "participantDisconnected", "trackUnsubscribed"])
          assert.ok(!seen.includes(unwanted), seen.join());
      } finally {
        await phone.close();
        host.close();
      }
    }));

  /** Random bytes in a file. */
  async function file(folder: string, name: string, length: number): Promise<{ path: string; sha256: string }> {
    const bytes = randomBytes(length);
    const path = join(folder, name);
    await writeFile(path, bytes);
    return { path, sha256: createHash("sha256").update(bytes).digest("hex") };
  }

  async function hasFile(page: CallPage, sha256: string): Promise<boolean> {
    return (await page.files()).some((received) => received.sha256 === sha256);
  }

  const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

  async function numbers(page: CallPage): Promise<number[]> {
    return (await page.data()).map(({ text }) => Number(text));
  }

  /** Bytes that have arrived in messages of data channels. */
  async function channelBytes(page: CallPage): Promise<number> {
    const channels = await page.call<{ bytesReceived: number }[]>("stats", "data-channel");
    return channels.reduce((sum, { bytesReceived }) => sum + bytesReceived, 0);
  }

  function droppedPackets(): number {
    const rules = execFileSync("nft", ["list", "table", "inet", "cut"]).toString();
    return Number(/counter packets (\d+)/.exec(rules)?.[1]);
  }
}
