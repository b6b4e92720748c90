/** A busy API beside a call: the picture does not stand still. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { RoomServiceClient } from "livekit-server-sdk";
import { openStage, type Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";

const LOOPS = 20;
const METADATA_BYTES = 512 * 1024;
const LASTS_MS = 10_000;
const MOST_GAP_MS = 300;
/** Less than what two busy cores do, but no less than a load. */
const LEAST_CALLS = 300;
const LEAST_UPDATES = 30;

let stage: Stage;

before(async () => {
  stage = await openStage();
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
  const lastOf = new Map<string, string>();
  const endMs = performance.now() + LASTS_MS;
  const loop = async (_: unknown, index: number): Promise<void> => {
    for (let n = 0; performance.now() < endMs; n++) {
      const listed = await api.listParticipants("busy");
      assert.deepEqual(listed.map(({ identity }) => identity).toSorted(), ["ada", "bob"]);
      const attributes = { [`loop${index}`]: `${n}` };
      const info = await api.updateParticipant("busy", "ada", { attributes });
      assert.equal(info.attributes[`loop${index}`], `${n}`);
      lastOf.set(`loop${index}`, `${n}`);
      assert.equal((await api.listRooms(["busy"])).length, 1);
      calls += 3;
    }
  };
  const metadata = async (): Promise<void> => {
    for (; performance.now() < endMs; updates++) {
      const nextMs = performance.now() + 100;
      const value = String(updates % 10).repeat(METADATA_BYTES);
      assert.equal((await api.updateRoomMetadata("busy", value)).metadata, value);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, nextMs - performance.now())));
    }
  };
  await Promise.all([metadata(), ...Array.from({ length: LOOPS }, loop)]);
  const seen = await bob.seen("ada");

  await until(
    async () => JSON.stringify(await bob.call("metadata")) === JSON.stringify(lastMetadata(updates)),
    5000,
    "the browser to have the last metadata",
  );
  await until(
    async () => same(await bob.call<Record<string, string>>("attributes", "ada"), lastOf),
    5000,
    "the browser to have the last attributes of every loop",
  );
  const changes = await bob.call<number>("count", "roomMetadataChanged");
  const gap = seen?.longestGapMs ?? Infinity;
  t.diagnostic(`${calls} calls, ${updates} updates, ${changes} of them seen, longest gap ${gap.toFixed(0)} ms`);
  assert.ok(calls >= LEAST_CALLS, `${calls} calls`);
  assert.ok(updates >= LEAST_UPDATES, `${updates} updates`);
  assert.equal(changes, updates, "the browser saw every update");
  assert.ok(gap < MOST_GAP_MS, `longest gap ${gap} ms`);
});

function lastMetadata(updates: number): { first: string; length: number } {
  return { first: String((updates - 1) % 10), length: METADATA_BYTES };
}

function same(attributes: Record<string, string>, last: ReadonlyMap<string, string>): boolean {
  return last.size === LOOPS && [...last].every(([name, value]) => attributes[name] === value);
}
