/** A busy API beside a call: the picture does not stand still. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { RoomServiceClient } from "livekit-server-sdk";
import { launchChromium } from "@stoa/testkit/browser";
import { startServer } from "@stoa/testkit/server-process";
import { Stage } from "@stoa/testkit/stage";

const LOOPS = 20;
const METADATA_BYTES = 512 * 1024;
const LASTS_MS = 10_000;
const MOST_GAP_MS = 300;

let stage: Stage;

before(async () => {
  stage = new Stage(await startServer(), await launchChromium());
});
afterEach(() => stage.clear());
after(() => stage?.close());

test("twenty loops of API calls, and 512 KiB of metadata every 100 ms: no gap between frames of 300 ms", async (t) => {
  const { http, key, secret } = stage.server;
  const api = new RoomServiceClient(http, key, secret);
  const [ada, bob] = await Promise.all([stage.enter("busy", "ada"), stage.enter("busy", "bob")]);
  await ada.publishCamera({ width: 320, height: 180, fps: 15 });
  await bob.sees("ada");
  await bob.forget("ada");

  let calls = 0;
  let updates = 0;
  const endMs = performance.now() + LASTS_MS;
  const loop = async (): Promise<void> => {
    while (performance.now() < endMs) {
      await api.listParticipants("busy");
      await api.updateParticipant("busy", "ada", { attributes: { n: `${calls}` } });
      await api.listRooms();
      calls += 3;
    }
  };
  const metadata = async (): Promise<void> => {
    for (let i = 0; performance.now() < endMs; i++) {
      const nextMs = performance.now() + 100;
      await api.updateRoomMetadata("busy", String(i % 10).repeat(METADATA_BYTES));
      updates++;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, nextMs - performance.now())));
    }
  };
  await Promise.all([metadata(), ...Array.from({ length: LOOPS }, loop)]);
  const seen = await bob.seen("ada");
  t.diagnostic(`${calls} calls, ${updates} updates, longest gap ${seen?.longestGapMs.toFixed(0)} ms`);
  assert.ok(seen && seen.longestGapMs < MOST_GAP_MS, `longest gap ${seen?.longestGapMs} ms`);
});
