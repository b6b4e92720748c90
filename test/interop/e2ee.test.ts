/** End-to-end encryption: who has the key sees and hears, who has another gets nothing, and the server's own silence breaks no decryption. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { SMALL } from "@stoa/testkit/call-page";
import { openStage, type Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";

const RIGHT = { roomOptions: { passphrase: "correct horse battery staple" } };
const WRONG = { roomOptions: { passphrase: "incorrect horse" } };

let stage: Stage;

before(async () => {
  stage = await openStage();
});
afterEach(() => stage.clear());
after(() => stage?.close());

test("with the shared key two people see, hear and message each other; with another key nothing is decoded", async () => {
  const [a, b, c] = await Promise.all([
    stage.enter("secret", "ada", RIGHT),
    stage.enter("secret", "bob", RIGHT),
    stage.enter("secret", "mallory", WRONG),
  ]);
  await Promise.all([a.publishCamera(SMALL), b.publishCamera(SMALL), a.publishTone(440), b.publishTone(660)]);
  await Promise.all([a.sees("bob"), b.sees("ada"), a.hears("bob", 660), b.hears("ada", 440)]);
  await a.call("send", "hush", { reliable: true });
  await until(async () => (await b.data()).some(({ text }) => text === "hush"), 5000, "a message that only bob reads");

  await c.waitEvent("encryptionError");
  for (const source of ["camera", "microphone"])
    assert.equal((await b.call<{ encryption?: string }>("trackInfo", "ada", source)).encryption, "GCM");
  // Much has arrived, none of it was of use.
  await until(
    async () => ((await c.inbound("ada")).packetsReceived ?? 0) > 50,
    8000,
    "packets at the one with the wrong key",
  );
  assert.equal((await c.inbound("ada")).framesDecoded, 0);
  assert.equal((await c.seen("ada"))?.frames ?? 0, 0);
  assert.equal((await c.data()).length, 0);
  for (const page of [a, b]) assert.ok(!(await page.events()).some(({ name }) => name === "encryptionError"));
});

test("mute and unmute: the silence that the server makes up is played as such, and breaks no decryption", async (t) => {
  const [a, b] = await Promise.all([stage.enter("quiet", "ada", RIGHT), stage.enter("quiet", "bob", RIGHT)]);
  await Promise.all([a.publishTone(440), a.publishCamera(SMALL)]);
  await Promise.all([b.hears("ada", 440), b.sees("ada")]);
  for (let i = 0; i < 3; i++) {
    const before = await sound(b);
    await Promise.all([a.call("mute", "microphone", true), a.call("mute", "camera", true)]);
    await until(async () => (await loudness(b)) < -90, 5000, "silence");
    // The server sends a second of silence. A client that took it for what it is plays it, and need not make up what is missing.
    await until(async () => (await sound(b)).packets > before.packets + 40, 3000, "the server's silence");
    const after = await sound(b);
    const made = (after.concealed - before.concealed) / (after.samples - before.samples);
    t.diagnostic(`${Math.round(made * 100)} % of the sound was made up`);
    assert.ok(made < 0.3, `${Math.round(made * 100)} % of the sound was made up by the client`);
    await Promise.all([a.call("mute", "microphone", false), a.call("mute", "camera", false)]);
    await Promise.all([b.hears("ada", 440, { timeoutMs: 5000 }), b.sees("ada", { timeoutMs: 5000 })]);
  }
  assert.deepEqual(
    (await b.events()).filter(({ name }) => name === "encryptionError"),
    [],
  );
});

async function loudness(page: Awaited<ReturnType<Stage["enter"]>>): Promise<number> {
  return (await page.call<{ db: number }>("heard", "ada")).db;
}

/** What has arrived of ada's sound: packets, samples played, and those of them that the player made up because none had come. */
async function sound(page: Awaited<ReturnType<Stage["enter"]>>) {
  const { packetsReceived, totalSamplesReceived, concealedSamples } = await page.inbound("ada", "microphone");
  return { packets: packetsReceived!, samples: totalSamplesReceived!, concealed: concealedSamples! };
}
