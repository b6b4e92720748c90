/** Webhooks as livekit-server-sdk's receiver takes them (P11): kinds, order, signature; and what a bad receiver costs. */
import assert from "node:assert/strict";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, afterEach, describe, test } from "node:test";
import { RoomServiceClient, WebhookReceiver, type WebhookEvent } from "livekit-server-sdk";
import { NodeClient, shutdownNodeClients } from "@stoa/testkit/node-client";
import { type ServerProcess, startServer } from "@stoa/testkit/server-process";
import { until } from "@stoa/testkit/until";

/** ParticipantInfo.State */
const ACTIVE = 2;
const KEY = "APIwebhook";
const SECRET = "a secret that is known to the receiver too";

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});
after(() => shutdownNodeClients());

/** A receiver that checks every request; what is wrong with one goes into `bad`. */
async function receiver(answer: (response: ServerResponse) => void = (response) => void response.end()) {
  const events: WebhookEvent[] = [];
  const bad: unknown[] = [];
  const check = new WebhookReceiver(KEY, SECRET);
  const hook: Server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += String(chunk)));
    request.on("end", () => {
      check
        .receive(body, request.headers.authorization)
        .then((event) => events.push(event))
        .catch((error) => bad.push(error))
        .finally(() => answer(response));
    });
  });
  await new Promise<void>((resolve) => hook.listen(0, "127.0.0.1", resolve));
  open.push(
    () => hook.close(),
    () => hook.closeAllConnections(),
  );
  return { events, bad, url: `http://127.0.0.1:${(hook.address() as AddressInfo).port}/hook` };
}

async function startWithWebhooks(...urls: string[]): Promise<ServerProcess> {
  const server = await startServer({ config: { keys: { [KEY]: SECRET }, webhook: { api_key: KEY, urls } } });
  open.push(() => server.stop());
  return server;
}

/** Somebody comes, publishes, and leaves; then the room is deleted. */
async function live(server: ServerProcess, room: string): Promise<void> {
  const ada = new NodeClient("ada");
  await ada.join(server, room);
  await ada.publishTone(440);
  const api = new RoomServiceClient(server.http, KEY, SECRET);
  // The client's call ends with the announcement: unpublished before its offer is out, the track never was.
  await until(
    async () => (await api.getParticipant(room, "ada")).tracks.length > 0,
    10_000,
    () => "the track to be published",
  );
  const [publication] = ada.room.localParticipant!.trackPublications.values();
  await ada.room.localParticipant!.unpublishTrack(publication!.sid!);
  await ada.close();
  await api.deleteRoom(room);
}

const LIFE = [
  "room_started",
  "participant_joined",
  "track_published",
  "track_unpublished",
  "participant_left",
  "room_finished",
];

const namesOf = (events: readonly WebhookEvent[]) => events.map(({ event }) => event);

describe("webhooks", () => {
  test("tell the life of a room, in order, signed, with ids of their own", async () => {
    const { events, bad, url } = await receiver();
    const server = await startWithWebhooks(url);
    await live(server, "told");
    await until(
      () => events.length >= LIFE.length,
      10_000,
      () => `${LIFE.join()} and not ${namesOf(events).join()}`,
    );
    assert.deepEqual(namesOf(events), LIFE);
    assert.deepEqual(bad, []);
    assert.equal(new Set(events.map(({ id }) => id)).size, LIFE.length);
    assert.equal(new Set(events.map(({ room }) => room!.sid)).size, 1);
    assert.ok(events.slice(1, 5).every(({ participant }) => participant!.identity === "ada"));
    assert.equal(events[2]!.track!.sid, events[3]!.track!.sid);
  });

  test("tell of a forwarded participant in the room that shows it, as of one that joined it", async (t) => {
    if (process.env.SUT_CMD) return t.skip("the original does not forward");
    const { events, url } = await receiver();
    const server = await startWithWebhooks(url);
    const api = new RoomServiceClient(server.http, KEY, SECRET);
    const ada = new NodeClient("ada");
    await ada.join(server, "hall");
    await ada.publishTone(440);
    await api.forwardParticipant("hall", "ada", "attic");
    await ada.close();
    await until(async () => (await api.listParticipants("attic")).length === 0, 10_000, "the end in the other room");
    await api.deleteRoom("attic");
    const of = (name: string) => events.filter(({ room }) => room!.name === name);
    await until(
      () => namesOf(of("attic")).includes("room_finished"),
      10_000,
      () => namesOf(events).join(),
    );
    const told = of("attic");
    const whole = LIFE.filter((name) => name !== "track_unpublished"); // it goes with its participant
    assert.deepEqual(
      namesOf(told).filter((name) => name !== "track_unpublished"),
      whole,
    );
    const [, joined, published] = told;
    const [hall] = of("hall").filter(({ event }) => event === "track_published");
    assert.equal(published!.track!.sid, hall!.track!.sid);
    assert.notEqual(joined!.participant!.sid, hall!.participant!.sid);
    assert.deepEqual([joined!.participant!.identity, joined!.participant!.state], ["ada", ACTIVE]);
  });

  // LiveKit drops events that are older than 30 s; here they wait. The wait is short, so that it holds for both.
  test("reach a receiver that fails at first, in the same order; a dead one beside it delays nobody", async () => {
    let failures = 2;
    const { events, url } = await receiver((response) => {
      response.statusCode = failures-- > 0 ? 500 : 200;
      response.end();
    });
    const dead = await receiver(() => {});
    const server = await startWithWebhooks(dead.url, url);
    const began = performance.now();
    await live(server, "flaky");
    assert.ok(performance.now() - began < 10_000);
    const delivered = () => [...new Map(events.map((event) => [event.id, event])).values()];
    await until(
      () => delivered().length >= LIFE.length,
      20_000,
      () => `${LIFE.join()} and not ${namesOf(events).join()}`,
    );
    assert.ok(events.length > LIFE.length); // some were repeated, with the same id
    const finishedLast = delivered().at(-1)!.event;
    assert.equal(finishedLast, "room_finished");
    const order = namesOf(delivered());
    assert.ok(order.indexOf("participant_joined") < order.indexOf("participant_left"));
  });
});
