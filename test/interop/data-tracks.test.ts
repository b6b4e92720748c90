/** Data tracks between browsers: frames arrive whole, late joiners get them, keys, permissions and broken sockets are respected. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { CallPage } from "@stoa/testkit/call-page";
import { openStage, type Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";

const RIGHT = { roomOptions: { passphrase: "correct horse battery staple" } };
const WRONG = { roomOptions: { passphrase: "incorrect horse" } };

/** What a page has of one data track. */
interface Received {
  readonly sid: string;
  readonly from: string;
  /** Number and bytes of each frame. */
  readonly frames: readonly (readonly [number, number])[];
  readonly damaged: number;
  readonly ended: boolean;
  readonly error: string;
}

let stage: Stage;

before(async () => {
  stage = await openStage();
});
afterEach(() => stage.clear());
after(() => stage?.close());

const call = <T>(page: CallPage, name: string, ...args: unknown[]) => page.callDataTracks<T>(name, ...args);
const received = (page: CallPage, name: string) => call<Received | undefined>(page, "received", name);
const count = async (page: CallPage, name: string) => (await received(page, name))?.frames.length ?? 0;

/** Sends frames until one arrives: when a subscription begins is settled by signalling. */
async function reaches(from: CallPage, to: CallPage, name: string): Promise<void> {
  const before = await count(to, name);
  await until(
    async () => {
      await call(from, "push", name, 1_000_000, 1, 100, 50);
      return (await count(to, name)) > before;
    },
    8000,
    `a frame of ${name} at ${to.identity}`,
  );
}

/** Sends numbered frames, and gives those that arrived. */
async function transfer(from: CallPage, to: CallPage, name: string, frames: number, bytes: number, everyMs: number) {
  const before = await count(to, name);
  await call(from, "push", name, 0, frames, bytes, everyMs);
  await until(async () => (await count(to, name)) >= before + frames, 2000, "all frames").catch(() => undefined);
  const { frames: all, damaged } = (await received(to, name))!;
  assert.equal(damaged, 0);
  return all.slice(before).filter(([number]) => number < 1_000_000);
}

test("frames of one and of many packets arrive whole and in order, late joiners get them too, and the end is seen", async () => {
  const [a, b] = await Promise.all([stage.enter("frames", "ada"), stage.enter("frames", "bob")]);
  const sid = await call<string>(a, "publish", "pose");
  assert.match(sid, /^DTR_/);
  await until(async () => (await received(b, "pose"))?.sid === sid, 4000, "the track to be shown");
  await reaches(a, b, "pose");
  const small = await transfer(a, b, "pose", 200, 200, 5);
  assert.ok(small.length >= 198, `${small.length} of 200`);
  assert.ok(small.every(([number, bytes], i) => bytes === 200 && (i === 0 || number > small[i - 1]![0])));
  const large = await transfer(a, b, "pose", 20, 60_000, 50);
  assert.ok(large.length >= 18, `${large.length} of 20`);
  assert.ok(large.every(([, bytes]) => bytes === 60_000));

  await call(a, "publish", "cloud");
  await assert.rejects(call(a, "publish", "pose"), /name/);
  const c = await stage.enter("frames", "carol");
  assert.deepEqual(new Set(await call<string[]>(c, "shown", "ada")), new Set(["cloud", "pose"]));
  await Promise.all([reaches(a, c, "pose"), reaches(a, c, "cloud")]);
  await call(a, "unpublish", "pose");
  for (const page of [b, c]) {
    await until(async () => (await received(page, "pose"))?.ended === true, 4000, "the end of the track");
    assert.deepEqual(await call(page, "shown", "ada"), ["cloud"]);
  }
  await reaches(a, c, "cloud");
});

test("with the shared key frames are read, without it none is", async () => {
  const [a, b, mallory] = await Promise.all([
    stage.enter("secret", "ada", RIGHT),
    stage.enter("secret", "bob", RIGHT),
    stage.enter("secret", "mallory", WRONG),
  ]);
  await call(a, "publish", "pose");
  await reaches(a, b, "pose");
  const frames = await transfer(a, b, "pose", 100, 2000, 10);
  assert.ok(frames.length >= 98, `${frames.length} of 100`);
  assert.ok(frames.every(([, bytes]) => bytes === 2000));
  assert.equal(await count(mallory, "pose"), 0);
});

test("what a publisher does not allow does not arrive, and comes when it does", async () => {
  const [a, b, c] = await Promise.all(["ada", "bob", "carol"].map((name) => stage.enter("allowed", name)));
  await call(a!, "publish", "pose");
  await Promise.all([reaches(a!, b!, "pose"), reaches(a!, c!, "pose")]);
  await call(a!, "allow", ["carol"]);
  await reaches(a!, c!, "pose");
  const before = await count(b!, "pose");
  assert.ok((await transfer(a!, c!, "pose", 50, 100, 5)).length >= 48);
  assert.equal(await count(b!, "pose"), before);
  await call(a!, "allow");
  await reaches(a!, b!, "pose");
});

test("data tracks go on when the signal socket of the publisher breaks, and of a subscriber", async () => {
  const [a, b] = await Promise.all([stage.enter("resumed", "ada"), stage.enter("resumed", "bob")]);
  const sid = await call<string>(a, "publish", "pose");
  await reaches(a, b, "pose");
  for (const page of [a, b]) {
    await page.call("breakSignal");
    await page.waitEvent("signalReconnecting");
    await page.waitEvent("reconnected");
    assert.ok((await transfer(a, b, "pose", 50, 100, 5)).length >= 48);
  }
  const after = await received(b, "pose");
  assert.deepEqual([after?.sid, after?.ended, after?.error], [sid, false, ""]);
  await call(a, "publish", "cloud");
  await reaches(a, b, "cloud");
});
