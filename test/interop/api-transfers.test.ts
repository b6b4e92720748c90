/**
 * MoveParticipant and ForwardParticipant with browsers. The original refuses both ("not implemented"): these tests ask for
 * more than it gives.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { RoomServiceClient } from "livekit-server-sdk";
import { launchChromium } from "@stoa/testkit/browser";
import { NodeClient, shutdownNodeClients } from "@stoa/testkit/node-client";
import { startServer } from "@stoa/testkit/server-process";
import { Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";

const SMALL = { width: 320, height: 180 };

let stage: Stage;
let api: RoomServiceClient;

before(async () => {
  stage = new Stage(await startServer(), await launchChromium());
  const { http, key, secret } = stage.server;
  api = new RoomServiceClient(http, key, secret);
});
afterEach(() => stage.clear());
after(async () => {
  await stage?.close();
  await shutdownNodeClients();
});

const identities = async (room: string) =>
  (await api.listParticipants(room)).map(({ identity }) => identity).toSorted();

test("somebody is moved: its client comes back in the other room, with its camera and its rights, and sees who is there", async () => {
  const ada = await stage.enter("hall", "ada", { grants: { canUpdateOwnMetadata: true } });
  const bob = await stage.enter("hall", "bob");
  const cleo = await stage.enter("attic", "cleo");
  await Promise.all([ada.publishCamera(SMALL), cleo.publishCamera(SMALL)]);
  await bob.sees("ada");
  await api.updateParticipant("hall", "ada", { attributes: { seat: "1" } });

  await api.moveParticipant("hall", "ada", "attic");
  await ada.waitEvent("reconnected");
  await Promise.all([cleo.sees("ada"), ada.sees("cleo")]);
  await bob.waitEvent("participantDisconnected", "ada");
  assert.deepEqual(await Promise.all([identities("hall"), identities("attic")]), [["bob"], ["ada", "cleo"]]);
  const moved = await api.getParticipant("attic", "ada");
  assert.equal(moved.attributes["seat"], "1");
  assert.equal(moved.permission?.canUpdateMetadata, true);
  assert.deepEqual(await ada.participants(), ["cleo"]);
});

test("a Node program is moved: it plays on in the other room", async () => {
  const cleo = await stage.enter("loft", "cleo");
  const nora = new NodeClient("nora");
  await nora.join(stage.server, "cellar");
  await nora.publishTone(500);
  await until(async () => (await api.getParticipant("cellar", "nora")).tracks.length === 1, 5000, "nora's track");
  await api.moveParticipant("cellar", "nora", "loft");
  await cleo.hears("nora", 500);
  assert.deepEqual(await identities("loft"), ["cleo", "nora"]);
  await nora.close();
});

test("somebody is shown in another room as well, until that is ended", async () => {
  const ada = await stage.enter("stage", "ada");
  const bob = await stage.enter("stage", "bob");
  const cleo = await stage.enter("overflow", "cleo");
  await ada.publishCamera({ width: 640, height: 360 });
  await bob.sees("ada");
  await api.forwardParticipant("stage", "ada", "overflow");
  await cleo.sees("ada");
  await bob.sees("ada");
  assert.deepEqual(await ada.participants(), ["bob"]);
  await ada.publishTone(440);
  await cleo.hears("ada", 440);
  // With nobody left in its own room, the publisher still sends for the other one.
  await bob.call("leave");
  await cleo.sees("ada", { steps: 100, timeoutMs: 30_000 });
  await api.updateParticipant("stage", "ada", { permission: { canPublish: false, canSubscribe: true } });
  await until(async () => (await cleo.seen("ada")) === undefined, 5000, "ada's picture to go");
  await api.removeParticipant("overflow", "ada");
  await cleo.waitEvent("participantDisconnected", "ada");
  assert.deepEqual(await identities("stage"), ["ada"]);
});
