/** Who speaks is named quickly, the louder first, and dropped when silent or muted. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { CallPage } from "@stoa/testkit/call-page";
import { openStage, type Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";

let stage: Stage;

before(async () => {
  stage = await openStage();
});
afterEach(() => stage.clear());
after(() => stage?.close());

/** Waits until the page names exactly these, in this order. */
function names(page: CallPage, who: string, timeoutMs: number): Promise<number> {
  let last = "";
  return until(
    async () => (last = (await page.speakers()).at(-1)?.who.join() ?? "") === who,
    timeoutMs,
    () => `${page.identity} to name "${who}" (now "${last}")`,
  );
}

test("speakers are named within 1 s of a tone and dropped within 2 s, the louder first", async (t) => {
  const [a, b, c] = await stage.enterAll("talk", ["ada", "bob", "cleo"]);
  await Promise.all([a.publishTone(440, { volume: 0.1 }), b.publishTone(660, { volume: 0.1 })]);
  await Promise.all([c.hears("ada", 440), c.hears("bob", 660)]);
  await Promise.all([a.call("volume", 0), b.call("volume", 0)]);
  await names(c, "", 5000);

  const took: number[] = [];
  const step = async (act: Promise<unknown>, who: string, limitMs: number) => {
    await act;
    took.push(await names(c, who, limitMs));
  };
  await step(a.call("volume", 0.1), "ada", 1000);
  await step(b.call("volume", 0.8), "bob,ada", 1000);
  await step(a.call("volume", 0), "bob", 2000);
  await step(b.call("mute", "microphone", true), "", 2000);
  await step(b.call("mute", "microphone", false), "bob", 1000);
  t.diagnostic(`changes after ${took.map(Math.round).join(", ")} ms`);
  // The speaker hears of it as well; a lasting tone does not flicker.
  assert.ok((await a.speakers()).some(({ who }) => who.join() === "ada"));
  const listed = (await c.speakers()).map(({ who }) => who.join());
  assert.ok(listed.length < 40, listed.join(" | "));
});

test("one who mutters below the threshold and one who is muted are nobody's speakers", async () => {
  const [a, b, c] = await stage.enterAll("mutter", ["ada", "bob", "cleo"]);
  // Heard, but at about −55 dB of full scale; the threshold is −35.
  await Promise.all([a.publishTone(440, { volume: 0.002 }), b.publishTone(660, { volume: 0.4 })]);
  await names(c, "bob", 5000);
  await until(async () => Math.abs((await heardHz(c, "ada")) - 440) < 12, 5000, "ada's muttering to be heard");
  await b.call("mute", "microphone", true);
  await names(c, "", 2000);
  assert.ok((await c.speakers()).every(({ who }) => !who.includes("ada")));
});

async function heardHz(page: CallPage, identity: string): Promise<number> {
  return (await page.call<{ hz: number }>("heard", identity)).hz;
}
