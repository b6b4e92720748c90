/**
 * UDP dies in mid-call: both sides go on over ICE-TCP, in the same session. Asks for more speed than the original has, whose
 * fifteen seconds until a connection counts as failed are all waited for.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import type { CallPage } from "@stoa/testkit/call-page";
import { inNamespace, NAMESPACE_ADDRESS, rerunInNamespace } from "@stoa/testkit/namespace";
import { openStage } from "@stoa/testkit/stage";

const CUT_UDP =
  "add table inet cut; add chain inet cut input { type filter hook input priority 0; }; add rule inet cut input meta l4proto udp drop";
const RESTORE_UDP = "delete table inet cut";
/** From the cut to pictures that move again. */
const BACK_WITHIN_MS = 15_000;

/** What the connections of a page are over. */
async function protocols(page: CallPage): Promise<string> {
  return [...new Set((await page.paths()).map(({ remote }) => remote?.protocol))].join();
}

const TITLE = "when UDP dies in mid-call, pages with one and with two peer connections go on over TCP";
if (!inNamespace()) {
  test(TITLE, () => rerunInNamespace(import.meta.url));
} else {
  for (const singlePeerConnection of [true, false]) {
    test(`${TITLE} (${singlePeerConnection ? "one" : "two"})`, async () => {
      const stage = await openStage({ address: NAMESPACE_ADDRESS });
      try {
        const [ada, bob] = await stage.enterAll("cut", ["ada", "bob"], { roomOptions: { singlePeerConnection } });
        await Promise.all([ada.publishCamera(), ada.publishTone(440), bob.publishTone(660)]);
        await Promise.all([bob.sees("ada"), bob.hears("ada", 440), ada.hears("bob", 660)]);
        assert.equal(await protocols(bob), "udp");
        execFileSync("nft", [CUT_UDP]);
        const cutAt = performance.now();
        // What was on its way still moves the picture for a moment.
        await new Promise((resolve) => setTimeout(resolve, 1000));
        const left = BACK_WITHIN_MS - 1000;
        await Promise.all([bob.sees("ada", { timeoutMs: left }), bob.hears("ada", 440, { timeoutMs: left })]);
        console.log(`back after ${Math.round(performance.now() - cutAt)} ms`);
        await ada.hears("bob", 660);
        assert.deepEqual([await protocols(ada), await protocols(bob)], ["tcp", "tcp"]);
        for (const page of [ada, bob]) {
          const names = (await page.events()).map(({ name }) => name);
          assert.ok(!names.includes("disconnected") && !names.includes("participantDisconnected"), names.join());
        }
      } finally {
        await stage.close();
        execFileSync("nft", [RESTORE_UDP]);
      }
    });
  }
}
