/** What nobody watches is not encoded, and what an element cannot show is not sent: dynacast and adaptive stream. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { CallPage } from "@stoa/testkit/call-page";
import { openStage, type Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";

const HD = { width: 1280, height: 720 };
/** Less than this in a second is not a picture: RTCP and padding at most. */
const IDLE_BYTES = 500;

let stage: Stage;

before(async () => {
  stage = await openStage();
});
afterEach(() => stage.clear());
after(() => stage?.close());

/** Widths of the layers whose bytes grow over a second, as the publisher's browser counts them. */
async function busyLayers(page: CallPage): Promise<string> {
  const before = await page.outbound();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const now = await page.outbound();
  return now
    .filter((layer) => layer.bytesSent! - before.find(({ rid }) => rid === layer.rid)!.bytesSent! > IDLE_BYTES)
    .map(({ rid }) => rid)
    .sort((x, y) => x!.localeCompare(y!))
    .join();
}

/** Waits until exactly these layers are sent. */
async function sends(page: CallPage, rids: string, timeoutMs: number): Promise<number> {
  let last = "";
  return until(
    async () => (last = await busyLayers(page)) === rids,
    timeoutMs,
    () => `${page.identity} to send the layers "${rids}" (now "${last}")`,
  );
}

test("a dynacast publisher sends what is watched: nothing, all, the lowest layer, all again, what the pickier of two wants", async (t) => {
  const a = await stage.enter("dynacast", "ada", { roomOptions: { dynacast: true } });
  const [b, c] = await Promise.all(
    ["bob", "cleo"].map((name) => stage.enter("dynacast", name, { connectOptions: { autoSubscribe: false } })),
  );
  await a.publishCamera({ ...HD });
  const took = { idle: await sends(a, "", 15_000), first: 0, low: 0, high: 0 };
  await b!.wish("ada", "setSubscribed", true);
  took.first = await b!.sees("ada", { steps: 1, timeoutMs: 3000 });
  await b!.shows("ada", 1280, { timeoutMs: 15_000 });

  await b!.quality("ada", "LOW");
  took.low = await sends(a, "q", 15_000);
  assert.equal((await b!.seen("ada"))?.width, 320);
  await b!.quality("ada", "HIGH");
  took.high = await b!.shows("ada", 1280, { timeoutMs: 8000 });
  t.diagnostic(
    Object.entries(took)
      .map(([what, ms]) => `${what} ${Math.round(ms)} ms`)
      .join(", "),
  );

  // Two viewers: the upper layers run for as long as one of them wants them.
  await c!.wish("ada", "setSubscribed", true);
  await c!.quality("ada", "LOW");
  await c!.shows("ada", 320);
  assert.equal(await busyLayers(a), "f,h,q");
  await b!.close();
  await sends(a, "q", 15_000);
  await c!.sees("ada");
  assert.equal((await c!.seen("ada"))?.backwards, 0);
});

test("adaptive stream: the size of the element chooses the layer, a hidden element gets nothing", async (t) => {
  const [a, b] = await Promise.all([
    stage.enter("adaptive", "ada"),
    stage.enter("adaptive", "bob", { roomOptions: { adaptiveStream: true } }),
  ]);
  await a.publishCamera({ ...HD });
  await b.sees("ada");
  const took: number[] = [];
  for (const width of [1280, 320, 640, 1280]) {
    await b.call("resize", "ada", width, (width * 9) / 16);
    took.push(await b.shows("ada", width, { timeoutMs: 15_000 }));
  }
  await b.call("resize", "ada", 0, 0);
  took.push(await until(async () => (await received(b)) < IDLE_BYTES, 8000, "a hidden element to get nothing"));
  await b.call("resize", "ada", 320, 180);
  took.push(await b.shows("ada", 320, { timeoutMs: 8000 }));
  await b.sees("ada");
  t.diagnostic(`1280, 320, 640, 1280, hidden, shown again after ${took.map(Math.round).join(", ")} ms`);
});

/** Bytes of the picture that arrive in a second. */
async function received(page: CallPage): Promise<number> {
  const before = (await page.inbound("ada")).bytesReceived ?? 0;
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return ((await page.inbound("ada")).bytesReceived ?? 0) - before;
}
