/** Handles of data tracks over a long time, and through everything that can happen. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SignalRequest, UpdateDataSubscription, UpdateDataSubscription_Update } from "@livekit/protocol";
import fc from "fast-check";
import { request, publish, unpublish, wish, allow, permit, handlesOf, sidsOf, receivers } from "./harness-data.test.ts";
import type { Client } from "./harness-client.test.ts";
import { World } from "./harness.test.ts";

test("handles come one after the other, from a random one on, and are never 0 or taken", () => {
  const world = new World({}, { random: { uint32: () => 255, bytes: sequentialBytes() } });
  const ada = world.connect("ada");
  const bob = world.connect("bob");
  const kept = publish(ada, 1);
  const other = publish(ada, 2);
  wish(bob, true, kept.sid);
  const given: number[] = [];
  for (let i = 0; i < 65_536; i++) {
    if (i > 2 && i < 65_530) {
      // Nobody need listen meanwhile.
      const [on, off] = [true, false].map(
        (subscribe) =>
          new UpdateDataSubscription({
            updates: [new UpdateDataSubscription_Update({ trackSid: other.sid, subscribe })],
          }),
      );
      for (const value of [on!, off!]) silently(world, bob, value);
      continue;
    }
    // Whoever wishes without end is told after a while.
    world.advance(2000);
    bob.forget();
    wish(bob, true, other.sid);
    given.push([...handlesOf(bob)].find(([, sid]) => sid === other.sid)![0]);
    wish(bob, false, other.sid);
  }
  assert.deepEqual(given, [257, 258, 259, 252, 253, 254, 255, 257, 258]);
});

function sequentialBytes(): (length: number) => Uint8Array {
  let next = 0;
  return (length) => Uint8Array.from({ length }, () => next++ % 200);
}

function silently(world: World, client: Client, value: UpdateDataSubscription): void {
  const message = { case: "updateDataSubscription", value } as const;
  world.room.handleRequest(client.sid, client.connection, new SignalRequest({ message }), world.nowMs);
  world.room.takeEffects();
}

const NAMES = ["ada", "bob", "carol"] as const;

const who = fc.nat(NAMES.length - 1);

const step = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant("publish" as const), who, fc.integer({ min: 0, max: 4 })) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("unpublish" as const), who, fc.integer({ min: 1, max: 4 })) },
  { weight: 4, arbitrary: fc.tuple(fc.constant("wish" as const), who, fc.nat(30)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("allow" as const), who, fc.nat(7)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("permit" as const), who, fc.nat(7)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("rejoin" as const), who, fc.nat(1)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("resume" as const), who, fc.nat(1)) },
);

test("whatever happens in whatever order: a packet goes to exactly those who were told a handle for its track", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25, size: "max" }), (steps) => {
      const world = new World();
      const clients = NAMES.map((name, i) => world.connect(name, { autoSubscribeDataTrack: i !== 0 }));
      for (const [kind, person, n] of steps) {
        const client = clients[person]!;
        const sids = clients.flatMap((one) => one.self?.dataTracks ?? []).map(({ sid }) => sid);
        if (kind === "publish") request(client, { pubHandle: n, name: `track ${n}` });
        if (kind === "unpublish") unpublish(client, n);
        if (kind === "wish") wish(client, n % 3 > 0, sids[n % sids.length] ?? "DTR_none");
        if (kind === "allow") allow(client, n > 5 ? "all" : [{ participantIdentity: NAMES[n % 3]!, allTracks: true }]);
        if (kind === "permit")
          permit(world, client.identity, { canSubscribe: n % 4 > 0, canPublishData: n > 1, hidden: n === 5 });
        if (kind === "rejoin") {
          clients[person] = world.connect(client.identity, client.options);
        }
        if (kind === "resume") {
          client.dropSignal();
          client.resume();
        }
      }
      for (const publisher of clients) {
        const own = new Map((publisher.self?.dataTracks ?? []).map(({ pubHandle, sid }) => [pubHandle, sid]));
        for (let handle = 1; handle <= 4; handle++) {
          const sid = own.get(handle);
          const told = clients.filter((one) => sid !== undefined && sidsOf(one).includes(sid));
          const expected = told.map(({ identity }) => `${identity}: ${sid}`).toSorted();
          assert.deepEqual(receivers(world, publisher, handle), expected);
        }
        for (const sid of sidsOf(publisher)) {
          const [from] = clients.filter((one) => one.self?.dataTracks.some((track) => track.sid === sid));
          assert.ok(from && from !== publisher, "only what others publish");
          assert.ok(
            publisher.sees(from.identity)?.dataTracks.some((track) => track.sid === sid),
            "and shows",
          );
        }
      }
    }),
    { numRuns: 150 },
  );
});
