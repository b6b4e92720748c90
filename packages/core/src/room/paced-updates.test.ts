/** Changes that a participant makes as often as it likes: what the others hear of them, how often, and in which order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LeaveRequest, UpdateParticipantMetadata, type ParticipantInfo } from "@livekit/protocol";
import fc from "fast-check";
import type { Client } from "./harness-client.test.ts";
import { AUTO, handlesOf, publish, receivers, request, sees, sidsOf, unpublish, wish } from "./harness-data.test.ts";
import { World } from "./harness.test.ts";
import { DEFAULT_LIMITS } from "./options.ts";

function updatesAbout(client: Client, identity: string): ParticipantInfo[] {
  return client
    .all("update")
    .flatMap(({ participants }) => participants)
    .filter((info) => info.identity === identity);
}

/** One that lets metadata be long. */
function newWorld(): World {
  return new World({}, {}, { limits: DEFAULT_LIMITS });
}

const bytesOf = (client: Client): number =>
  client.messages.reduce((sum, message) => sum + message.toBinary().length, 0);

function rename(client: Client, metadata: string): void {
  client.request({ case: "updateMetadata", value: new UpdateParticipantMetadata({ metadata }) });
}

test("a few data tracks are told and received at once, each", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob", AUTO);
  for (let handle = 1; handle <= 10; handle++) {
    publish(ada, handle);
    assert.deepEqual([sees(bob, "ada").length, sidsOf(bob).length], [handle, handle]);
  }
});

test("who publishes data tracks without end fills nobody's link, and in the end everybody has read of all of them", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob", AUTO);
  bob.forget();
  const seconds = 10;
  for (let i = 1; i <= 200 * seconds; i++) {
    request(ada, { pubHandle: i, name: `track ${i}` });
    world.advance(5);
  }
  // Updates and handles, about a megabit a second each.
  assert.ok(bytesOf(bob) < 2 * 150 * 1024 * seconds, `${bytesOf(bob)} bytes`);
  const published = ada.all("publishDataTrackResponse").length;
  assert.ok(published > 1000, `${published} published`);
  world.advance(3000);
  assert.deepEqual([sees(bob, "ada").length, sidsOf(bob).length], [published, published]);
});

test("a track that comes and goes at every turn is told ten times a second, as it is then", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob", AUTO);
  publish(ada, 1);
  world.advance(5000);
  bob.forget();
  for (let i = 0; i < 1000; i++) {
    unpublish(ada, 1);
    publish(ada, 1);
    world.advance(10);
  }
  assert.ok(updatesAbout(bob, "ada").length < 10 * 10 + 15, `${updatesAbout(bob, "ada").length} updates`);
  assert.ok(bob.all("dataTrackSubscriberHandles").length < 10 * 20 + 25);
  world.advance(1000);
  const [track] = bob.sees("ada")!.dataTracks;
  assert.equal(track?.sid, ada.last("publishDataTrackResponse")?.info?.sid);
  assert.deepEqual(receivers(world, ada, 1), [`bob: ${track?.sid}`]);
});

test("who ends many tracks one after the other does not fill the link of whoever receives them", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob", AUTO);
  const count = 600;
  for (let handle = 1; handle <= count; handle++) request(ada, { pubHandle: handle, name: `track ${handle}` });
  world.advance(20_000);
  assert.equal(sidsOf(bob).length, count);
  bob.forget();
  for (let handle = 2; handle <= count; handle++) {
    unpublish(ada, handle);
    world.advance(5);
  }
  const seconds = (5 * count) / 1000;
  assert.ok(bytesOf(bob) < 2 * 150 * 1024 * (seconds + 2), `${bytesOf(bob)} bytes`);
  world.advance(3000);
  assert.deepEqual([sees(bob, "ada"), sidsOf(bob).length], [["track 1"], 1]);
});

test("metadata that changes all the time is told at the same pace, the longer the rarer; to the participant itself at once", () => {
  for (const [length, most] of [
    [10, 25],
    [50_000, 5],
  ] as const) {
    const world = newWorld();
    const ada = world.connect("ada");
    const bob = world.connect("bob");
    world.advance(5000);
    bob.forget();
    for (let i = 0; i < 100; i++) {
      rename(ada, "x".repeat(length) + String(i));
      world.advance(10);
      assert.ok(ada.self?.metadata.endsWith(`x${i}`));
    }
    const told = updatesAbout(bob, "ada");
    assert.ok(told.length >= 2 && told.length <= most, `${told.length} updates of ${length} bytes`);
    assert.ok(told[0]!.metadata.endsWith("x0"), "the first at once");
    world.advance(1000);
    assert.ok(bob.sees("ada")?.metadata.endsWith("x99"));
  }
});

test("the first publication, a join and a leave are told at once, however much the participant has changed", () => {
  const world = new World();
  const ada = world.connect("ada");
  const bob = world.connect("bob");
  world.advance(5000);
  for (let i = 0; i < 100; i++) rename(ada, `x${i}`);
  assert.notEqual(bob.sees("ada")?.metadata, "x99");
  publish(ada, 1);
  assert.deepEqual([sees(bob, "ada"), bob.sees("ada")?.metadata], [["track 1"], "x99"]);
  for (let i = 0; i < 100; i++) rename(ada, `y${i}`);
  assert.deepEqual(sees(world.connect("carol"), "ada"), ["track 1"]);
  ada.request({ case: "leave", value: new LeaveRequest() });
  assert.equal(bob.sees("ada"), undefined);
  bob.forget();
  world.advance(5000);
  assert.deepEqual(updatesAbout(bob, "ada"), []);
});

const step = fc.record({
  what: fc.constantFrom("publish", "unpublish", "churn", "rename", "flood", "wish", "resume", "leave", "come"),
  who: fc.nat(2),
  n: fc.nat(30),
  waitMs: fc.constantFrom(0, 0, 0, 1, 30, 150, 2000),
});

/** Nobody hears old news, and a handle names only what the client has read of. */
class Watched {
  readonly #versions = new Map<string, number>();
  #read = 0;

  check(client: Client): void {
    for (const { message } of client.messages.slice(this.#read)) {
      for (const info of message.case === "update" ? message.value.participants : []) {
        assert.ok(info.version > (this.#versions.get(info.sid) ?? -1), `${info.identity} is told twice or late`);
        this.#versions.set(info.sid, info.version);
      }
    }
    this.#read = client.messages.length;
  }
}

test("whoever changes whatever at whatever pace: versions only grow, handles name what was told, and all views converge", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const world = newWorld();
      const names = ["ada", "bob", "carol"];
      const clients = new Map(names.map((name) => [name, world.connect(name, AUTO)]));
      let watched = new Map([...clients.values()].map((client) => [client, new Watched()]));
      for (const { what, who, n, waitMs } of steps) {
        const name = names[who]!;
        perform(world, clients, name, what, n);
        world.advance(waitMs);
        const now = [...clients.values()];
        watched = new Map(now.map((client) => [client, watched.get(client) ?? new Watched()]));
        for (const client of now) {
          if (what === "resume" && client.identity === name) watched.set(client, new Watched());
          watched.get(client)!.check(client);
          const shown = new Set(names.flatMap((other) => client.sees(other)?.dataTracks ?? []).map(({ sid }) => sid));
          const known = new Set(
            world.room.participants().flatMap(({ dataTracks }) => dataTracks.map(({ sid }) => sid)),
          );
          for (const sid of handlesOf(client).values()) {
            // Of one that has ended it is told soon.
            assert.ok(shown.has(sid) || !known.has(sid), "a handle for a track that it has not read of");
          }
        }
      }
      world.advance(20_000);
      for (const client of clients.values()) {
        for (const info of world.room.participants()) {
          const view = info.identity === client.identity ? client.self : client.sees(info.identity);
          assert.equal(view?.version, info.version, `${client.identity} sees ${info.identity}`);
        }
      }
    }),
    { numRuns: 150, seed: 20_261_126 },
  );
});

function perform(world: World, clients: Map<string, Client>, name: string, what: string, n: number): void {
  const client = clients.get(name);
  if (what === "come" && !client) clients.set(name, world.connect(name, AUTO));
  if (!client) return;
  const handle = 1 + (n % 4);
  const ask = (pubHandle: number) => request(client, { pubHandle, name: `track ${pubHandle}` });
  if (what === "publish") ask(handle);
  if (what === "unpublish") unpublish(client, handle);
  if (what === "rename") rename(client, `m${n}`);
  if (what === "churn") {
    for (let i = 0; i < 10; i++) {
      ask(handle);
      unpublish(client, handle);
    }
    if (n % 2 === 0) ask(handle);
  }
  if (what === "flood") for (let i = 0; i < 30; i++) rename(client, "x".repeat(n * 500) + String(i));
  if (what === "wish") {
    const shown = world.room.participants().flatMap(({ identity }) => client.sees(identity)?.dataTracks ?? []);
    const sids = shown.map(({ sid }) => sid);
    wish(client, n % 3 > 0, sids[n % sids.length] ?? "DTR_none");
  }
  if (what === "resume") {
    client.dropSignal();
    client.forget();
    client.resume();
  }
  if (what === "leave") {
    client.request({ case: "leave", value: new LeaveRequest() });
    clients.delete(name);
  }
}
