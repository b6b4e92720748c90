/** Media over ICE-TCP when the network carries no UDP at all. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { launchChromium, openPage } from "@stoa/testkit/browser";
import { inNamespace, NAMESPACE_ADDRESS, rerunInNamespace } from "@stoa/testkit/namespace";
import { startServer } from "@stoa/testkit/server-process";

const NO_UDP =
  "add table inet stoa; add chain inet stoa input { type filter hook input priority 0; }; add rule inet stoa input meta l4proto udp drop";

if (!inNamespace()) {
  test("with UDP blocked, two pages see and hear each other over TCP", () => rerunInNamespace(import.meta.url));
} else {
  test("with UDP blocked, two pages see and hear each other over TCP", async () => {
    execFileSync("nft", [NO_UDP]);
    const server = await startServer({ address: NAMESPACE_ADDRESS });
    const browser = await launchChromium();
    try {
      const [a, b] = await Promise.all([openPage(browser, server, "ada"), openPage(browser, server, "bob")]);
      await Promise.all([a.join({ room: "tcp" }), b.join({ room: "tcp" })]);
      await Promise.all([a.publishCamera(), a.publishTone(440), b.publishTone(660)]);
      await Promise.all([b.sees("ada"), b.hears("ada", 440), a.hears("bob", 660)]);
      const pairs = await b.call<{ state: string; nominated: boolean; remoteCandidateId: string }[]>(
        "stats",
        "candidate-pair",
      );
      const remotes = await b.call<{ id: string; protocol: string }[]>("stats", "remote-candidate");
      const used = pairs
        .filter((p) => p.nominated && p.state === "succeeded")
        .map((p) => remotes.find((r) => r.id === p.remoteCandidateId)?.protocol);
      assert.deepEqual([...new Set(used)], ["tcp"]);
    } finally {
      await Promise.allSettled([browser.close(), server.stop()]);
    }
  });
}
