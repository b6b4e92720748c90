/**
 * M-lines are used again: forty tracks after each other leave a subscriber's description as it was. Asks for more than the original
 * gives with two peer connections: there an m-line of each kind is added once.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { CallPage } from "@stoa/testkit/call-page";
import { openStage, type Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";

const CYCLES = 40;
/** Numbers in the description (SSRCs, versions) may have more digits; another m-line has thousands of characters. */
const SLACK = 200;

let stage: Stage;

before(async () => {
  stage = await openStage();
});
afterEach(() => stage.clear());
after(() => stage?.close());

/** The longest remote description of the page's peer connections. */
async function remoteSize(page: CallPage): Promise<{ sections: number; length: number }> {
  const sizes = (await page.call<string[]>("remoteSdp")).map((sdp) => {
    return { sections: sdp.split("\nm=").length - 1, length: sdp.length };
  });
  return sizes.toSorted((a, b) => b.length - a.length)[0]!;
}

for (const [mode, singlePeerConnection] of [
  ["one peer connection", true],
  ["two peer connections", false],
] as const) {
  test(`forty publications leave the description of a subscriber with ${mode} as it was`, async () => {
    const room = `cycles-${singlePeerConnection}`;
    const bob = await stage.enter(room, "bob", { roomOptions: { singlePeerConnection } });
    const ada = await stage.enter(room, "ada");
    let first = { sections: 0, length: 0 };
    for (let cycle = 1; cycle <= CYCLES; cycle++) {
      await Promise.all([ada.publishCamera({ width: 160, height: 90 }), ada.publishTone(440)]);
      await until(async () => (await bob.count("trackSubscribed")) === 2 * cycle, 10_000, `cycle ${cycle}`);
      if (cycle === 1) first = await remoteSize(bob);
      if (cycle === CYCLES) await Promise.all([bob.sees("ada"), bob.hears("ada", 440)]);
      await Promise.all([ada.call("unpublish", "camera"), ada.call("unpublish", "microphone")]);
      await until(async () => (await bob.count("trackUnsubscribed")) === 2 * cycle, 10_000, `end of cycle ${cycle}`);
    }
    const last = await remoteSize(bob);
    assert.equal(last.sections, first.sections);
    assert.ok(last.length <= first.length + SLACK, `${first.length} characters became ${last.length}`);
  });
}
