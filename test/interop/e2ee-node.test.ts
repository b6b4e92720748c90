/** End-to-end encryption between a browser and `@livekit/rtc-node`: two implementations of one key, and a server that has none. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { DataPacket, type EncryptedPacket } from "@livekit/protocol";
import { type CallPage, SMALL } from "@stoa/testkit/call-page";
import { type Answer, NodeClient, shutdownNodeClients } from "@stoa/testkit/node-client";
import { openStage, type Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";
import { RoomServiceClient } from "livekit-server-sdk";

const PASSPHRASE = "correct horse battery staple";
const RIGHT = { roomOptions: { passphrase: PASSPHRASE } };
const WRONG = "incorrect horse";
const HD = { width: 1280, height: 720 };
const SWITCHES = [
  ["LOW", 320],
  ["HIGH", 1280],
  ["MEDIUM", 640],
] as const;

const TEXT = "a secret text, ".repeat(2000);
const FILE = Uint8Array.from({ length: 100_000 }, (_, i) => i & 255);

let stage: Stage;
/** Two who share a key and publish; a third with it who comes late; two with another key. */
let ada: CallPage;
let nora: NodeClient;
let bob: CallPage;
let mallory: CallPage;
let mia: NodeClient;

before(async () => {
  stage = await openStage({ config: { room: { enable_remote_unmute: true } } });
  ada = await stage.enter("secret", "ada", RIGHT);
  await Promise.all([ada.publishCamera(SMALL), ada.publishTone(440)]);
  nora = await enterNode("nora", PASSPHRASE);
  await Promise.all([nora.publishPicture(), nora.publishTone(700)]);
  [bob, mallory, mia] = await Promise.all([
    stage.enter("secret", "bob", RIGHT),
    stage.enter("secret", "mallory", { roomOptions: { passphrase: WRONG } }),
    enterNode("mia", WRONG),
  ]);
});
after(async () => {
  await Promise.all([nora?.close(), mia?.close()]);
  await stage?.clear();
  await stage?.close();
  await shutdownNodeClients();
});

async function enterNode(identity: string, passphrase: string): Promise<NodeClient> {
  const node = new NodeClient(identity);
  await node.join(stage.server, "secret", passphrase);
  return node;
}

test("a browser and a Node program with one key see and hear each other, also late; with another key nothing is decoded", async () => {
  await Promise.all([ada.sees("nora"), ada.hears("nora", 700), nora.sees("ada"), nora.hears("ada", 440)]);
  await Promise.all([bob.sees("nora"), bob.hears("nora", 700), bob.sees("ada"), bob.hears("ada", 440)]);
  for (const source of ["camera", "microphone"])
    assert.equal((await ada.call<{ encryption?: string }>("trackInfo", "nora", source)).encryption, "GCM");

  await mallory.waitEvent("encryptionError");
  for (const from of ["ada", "nora"]) {
    // Much has arrived, none of it was of use.
    await until(
      async () => ((await mallory.inbound(from)).packetsReceived ?? 0) > 50,
      8000,
      `packets of ${from} at the page with another key`,
    );
    assert.equal((await mallory.inbound(from)).framesDecoded, 0);
    assert.ok((await mallory.call<{ db: number }>("heard", from)).db < -90);
    assert.deepEqual([mia.seen(from), mia.loudness(from)], [undefined, 0]);
  }
  for (const page of [ada, bob]) assert.equal(await page.call("count", "encryptionError"), 0);
});

test("mute and unmute, by the publisher and by the server: silence, then the same sound and picture again", async () => {
  await Promise.all([ada.sees("nora"), ada.hears("nora", 700), nora.sees("ada"), nora.hears("ada", 440)]);
  const rooms = new RoomServiceClient(stage.server.http, stage.server.key, stage.server.secret);
  const { tracks } = await rooms.getParticipant("secret", "nora");
  const muteNora = (muted: boolean) =>
    Promise.all(tracks.map(({ sid }) => rooms.mutePublishedTrack("secret", "nora", sid, muted)));
  const muteAda = (muted: boolean) =>
    Promise.all(["microphone", "camera"].map((source) => ada.call("mute", source, muted)));
  for (let i = 0; i < 2; i++) {
    await Promise.all([muteAda(true), muteNora(true)]);
    await until(
      async () => nora.loudness("ada") < 0.001 && (await ada.call<{ db: number }>("heard", "nora")).db < -90,
      5000,
      "silence on both sides",
    );
    await Promise.all([muteAda(false), muteNora(false)]);
    const timeoutMs = 5000;
    await Promise.all([
      nora.hears("ada", 440, timeoutMs),
      nora.sees("ada", 5, timeoutMs),
      ada.hears("nora", 700, { timeoutMs }),
      ada.sees("nora", { timeoutMs }),
    ]);
  }
  assert.equal(await ada.call("count", "encryptionError"), 0);
});

test("messages, streams, chat and calls are encrypted both ways, and the server passes on what it cannot read", async () => {
  await until(
    async () => (await ada.participants()).length === 4 && nora.room.remoteParticipants.size === 4,
    8000,
    "all to know each other",
  );
  for (const page of [ada, mallory]) {
    await page.recordChannels();
    await Promise.all([page.call("takeTexts", "t"), page.call("takeFiles", "t")]);
  }
  for (const node of [nora, mia]) node.takeStreams("t");
  await ada.call("answerCalls");
  nora.answerCalls();

  await Promise.all([saysAll(ada), nodeSaysAll(nora)]);
  await until(async () => (await count(ada)) === 5 && (await count(nora)) === 5, 8000, "everything on both sides");
  assert.deepEqual(await got(nora), all("ada"));
  assert.deepEqual(await got(ada), all("nora"));
  const fromPage = (method: string, payload: string) => ada.call<Answer>("callMethod", "nora", method, payload);
  const fromNode = (method: string, payload: string) => nora.callMethod("ada", method, payload);
  for (const [call, name] of [
    [fromPage, "ada"],
    [fromNode, "nora"],
  ] as const) {
    assert.deepEqual(await call("echo", "hé"), { payload: `${name}: hé` });
    assert.equal((await call("echo", "x".repeat(14_000))).payload?.length, 14_000 + name.length + 2);
    assert.deepEqual(await call("boom", ""), { code: 42, data: "and more" });
    assert.equal((await call("nope", "")).code, 1400);
  }

  // The others got what was for all, byte for byte as it was sent, and it was of no use.
  const sent = ciphertexts(await ada.crossed("out", "_reliable"), "");
  assert.ok(sent.length >= 4, `${sent.length} packets`);
  await until(
    async () => ciphertexts(await mallory.crossed("in", "_reliable"), "ada").length === sent.length,
    5000,
    "all packets at the page with another key",
  );
  assert.deepEqual(ciphertexts(await mallory.crossed("in", "_reliable"), "ada"), sent);
  assert.ok(ciphertexts(await mallory.crossed("in", "_reliable"), "nora").length >= 4);
  assert.deepEqual([await count(mallory), await count(mia)], [0, 0]);
});

test("the layers of an encrypted picture are switched, and nobody's picture freezes or steps back", async (t) => {
  await Promise.all([mallory.call("leave"), mia.close()]);
  for (const codec of ["vp8", "vp9"]) {
    await ada.call("unpublish", "camera");
    await until(async () => (await bob.seen("ada")) === undefined, 5000, "the picture to go");
    await ada.publishCamera({ ...HD, options: { videoCodec: codec, simulcast: true, backupCodec: false } });
    await Promise.all([bob.shows("ada", 1280, { timeoutMs: 30_000 }), nora.sees("ada", 20, 30_000)]);
    await bob.forget("ada");
    nora.forget("ada");
    const took: number[] = [];
    for (const [quality, width] of SWITCHES) {
      await bob.quality("ada", quality);
      took.push(await bob.shows("ada", width, { timeoutMs: 4000 }));
      await bob.sees("ada", { steps: 10 });
    }
    const [switched, steady] = [(await bob.seen("ada"))!, nora.seen("ada")!];
    t.diagnostic(
      `${codec}: switches ${took.map(Math.round).join(", ")} ms, gaps ${Math.round(switched.longestGapMs)} and ${Math.round(steady.longestGapMs)} ms`,
    );
    assert.equal((await bob.inbound("ada")).mimeType, `video/${codec.toUpperCase()}`);
    assert.ok(switched.longestGapMs < 700 && steady.longestGapMs < 700);
    assert.deepEqual([switched.backwards, steady.backwards], [0, 0]);
  }
  assert.equal(await bob.call("count", "encryptionError"), 0);
});

/** What is inside of the packets for everybody of one sender, in order; all of them are encrypted. */
function ciphertexts(messages: readonly Uint8Array[], from: string): string[] {
  const packets = messages.map((bytes) => DataPacket.fromBinary(bytes));
  return packets
    .filter(
      ({ participantIdentity, destinationIdentities }) =>
        participantIdentity === from && destinationIdentities.length === 0,
    )
    .map(({ value }) => {
      assert.equal(value.case, "encryptedPacket");
      return Buffer.from((value as { value: EncryptedPacket }).value.toBinary()).toString("base64");
    });
}

/** Sends to everybody in every way that data can take. */
async function saysAll(page: CallPage): Promise<void> {
  await page.call("send", "surely", { reliable: true, topic: "t" });
  await page.call("send", "maybe", { reliable: false, topic: "t" });
  await page.call("sendText", TEXT, { topic: "t" });
  await page.call("sendFile", "file.bin", FILE.length, { topic: "t" });
  await page.call("sendChat", "hello");
}

/** The same from a Node program. */
async function nodeSaysAll(node: NodeClient): Promise<void> {
  const me = node.room.localParticipant!;
  await node.send("surely");
  await node.send("maybe", false);
  await me.sendText(TEXT, { topic: "t" });
  const writer = await me.streamBytes({ topic: "t", name: "file.bin", totalSize: FILE.length });
  await writer.write(FILE);
  await writer.close();
  await me.sendChatMessage("hello");
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** What one who has said all leaves with another. */
function all(from: string) {
  return {
    messages: [`${from}: maybe`, `${from}: surely`],
    texts: [{ from, text: TEXT }],
    files: [{ from, sha256: sha256(FILE) }],
    chats: [`hello ${from}`],
  };
}

/** What has arrived of others at a page or a Node program. */
async function got(client: CallPage | NodeClient): Promise<ReturnType<typeof all>> {
  const byText = (messages: readonly { from: string; text: string }[]) =>
    messages.map(({ from, text }) => `${from}: ${text}`).sort();
  if (client instanceof NodeClient) {
    const { messages, texts, files, chats } = client;
    return {
      messages: byText(messages),
      texts,
      files: files.map(({ from, bytes }) => ({ from, sha256: sha256(bytes) })),
      chats: chats.map(({ from, text }) => `${text} ${from}`),
    };
  }
  const [data, texts, files, events] = [
    await client.data(),
    await client.texts(),
    await client.files(),
    await client.events(),
  ];
  return {
    messages: byText(data),
    texts,
    files: files.map(({ from, sha256: sum }) => ({ from, sha256: sum })),
    chats: events
      .filter(({ name, about }) => name === "chatMessage" && !about.endsWith(client.identity))
      .map(({ about }) => about),
  };
}

async function count(client: CallPage | NodeClient): Promise<number> {
  const { messages, texts, files, chats } = await got(client);
  return messages.length + texts.length + files.filter(({ sha256: sum }) => sum !== "").length + chats.length;
}
