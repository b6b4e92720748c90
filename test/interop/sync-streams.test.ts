/** A room whose tracks are to be played in step, a moment late: msid streams are shared, and players hold pictures back. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { CallPage } from "@stoa/testkit/call-page";
import { openStage, type Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";

const MIN_DELAY_MS = 300;

let stage: Stage;

before(async () => {
  const room = { sync_streams: true, playout_delay: { enabled: true, min: MIN_DELAY_MS, max: 2000 } };
  stage = await openStage({ config: { room } });
});
afterEach(() => stage.clear());
after(() => stage?.close());

/** Streams of the newest descriptions, those that are not in use left out. */
function streams(page: CallPage): Promise<string[]> {
  return page.page.evaluate(() => {
    const { peers } = (globalThis as unknown as { harness: { peers: { remoteDescription: { sdp: string } | null }[] } })
      .harness;
    const sdp = peers.map(({ remoteDescription }) => remoteDescription?.sdp ?? "").join("");
    return [...sdp.matchAll(/^a=msid:PA_\w+\|(\S+) TR_/gm)].map((match) => match[1]!);
  }, undefined);
}

/** How long pictures wait in the player, in milliseconds, over all that were shown. */
async function heldMs(page: CallPage): Promise<number> {
  const inbound = await page.call<{ kind: string; jitterBufferDelay: number; jitterBufferEmittedCount: number }[]>(
    "stats",
    "inbound-rtp",
  );
  const video = inbound.find(({ kind, jitterBufferEmittedCount }) => kind === "video" && jitterBufferEmittedCount > 0);
  return video ? (video.jitterBufferDelay * 1000) / video.jitterBufferEmittedCount : 0;
}

for (const singlePeerConnection of [true, false]) {
  test(`sound and picture share a stream and wait, with ${singlePeerConnection ? "one" : "two"} peer connections`, async () => {
    const room = `sync-${singlePeerConnection}`;
    const bob = await stage.enter(room, "bob", { roomOptions: { singlePeerConnection } });
    const ada = await stage.enter(room, "ada");
    await Promise.all([ada.publishCamera(), ada.publishTone(440)]);
    await Promise.all([bob.sees("ada"), bob.hears("ada", 440)]);
    assert.deepEqual(await streams(bob), ["camera", "camera"]);
    await until(async () => (await heldMs(bob)) >= MIN_DELAY_MS * 0.8, 10_000, "pictures to be held back");
  });
}
