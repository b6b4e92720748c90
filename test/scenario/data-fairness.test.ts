/**
 * A slow receiver of what one participant sends costs that one its speed and nobody else anything: what the others send arrives
 * as fast as the network is, also where some mean harm.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DataPacket, UserPacket } from "@livekit/protocol";
import { DEFAULT_LANES, type LaneOptions } from "@stoa/core/data/peer-lanes";
import type { Client } from "./worker-client.ts";
import { World } from "./worker-world.ts";

/** The way through the network and the worker takes 20 ms. */
const AT_ONCE_MS = 30;
/** With windows that must open first, and turns to wait for in a channel that somebody floods. */
const SOON_MS = 100;

/** Numbered messages of several kinds in a room where every channel is open. */
class Room {
  readonly world: World;
  readonly members: ReadonlyMap<string, Client>;
  /** When each was sent, by kind. */
  readonly #sentAtMs = new Map<number, number[]>();

  constructor(names: readonly string[], lanes: Partial<LaneOptions> = {}) {
    this.world = new World(1, { delayMs: 10 }, { dataLanes: { ...DEFAULT_LANES, ...lanes } });
    this.members = new Map(names.map((name) => [name, this.world.join(name)]));
    for (const client of this.members.values()) {
      client.openChannel("_reliable");
      client.openChannel("_lossy", 0);
    }
  }

  member(name: string): Client {
    return this.members.get(name)!;
  }

  send(from: string, label: "_reliable" | "_lossy", kind: number, bytes: number, ...to: readonly string[]): void {
    const sentAtMs = this.#sentAtMs.get(kind) ?? [];
    this.#sentAtMs.set(kind, sentAtMs);
    const payload = new Uint8Array(bytes);
    const view = new DataView(payload.buffer);
    view.setUint32(0, kind);
    view.setUint32(4, sentAtMs.push(this.world.clock.nowMs) - 1);
    const value = { case: "user" as const, value: new UserPacket({ payload }) };
    this.member(from).sendData(label, new DataPacket({ destinationIdentities: [...to], value }).toBinary());
  }

  /** Messages of a kind that were sent. */
  sent(kind: number): number {
    return this.#sentAtMs.get(kind)?.length ?? 0;
  }

  /** Messages of a kind that a member got: their numbers, and how long the slowest took. */
  got(name: string, kind: number): { numbers: readonly number[]; slowestMs: number } {
    const numbers: number[] = [];
    let slowestMs = 0;
    for (const { bytes, atMs } of this.member(name).messages) {
      const { value } = DataPacket.fromBinary(bytes);
      assert.ok(value.case === "user");
      const { payload } = value.value;
      const view = new DataView(payload.buffer, payload.byteOffset);
      if (view.getUint32(0) !== kind) continue;
      const number = view.getUint32(4);
      numbers.push(number);
      slowestMs = Math.max(slowestMs, atMs - this.#sentAtMs.get(kind)![number]!);
    }
    return { numbers, slowestMs };
  }

  /** A member got all messages of a kind, in order, none later than that. */
  assertAll(name: string, kind: number, withinMs: number, what: string): void {
    const { numbers, slowestMs } = this.got(name, kind);
    assert.deepEqual(
      numbers,
      Array.from({ length: this.sent(kind) }, (_, i) => i),
      `${name}: ${what}`,
    );
    assert.ok(slowestMs <= withinMs, `${name}: ${what}: the slowest took ${slowestMs} ms`);
  }

  /** Who was ever held back. */
  held(): readonly string[] {
    const names = new Set<string>();
    for (const event of this.world.events) {
      if (event.type !== "dataTrouble" || event.trouble !== "held") continue;
      for (const [name, { id }] of this.members) if (id === event.peer) names.add(name);
    }
    return [...names];
  }
}

const FILE = 1;
const LATEST = 2;
const CALL = 3;
const CHAT = 4;
const LOSSY_FLOOD = 5;

for (const slowThresholdBps of [0, 200_000])
  test(`who sends little beside a large file to a thin link waits for nobody; threshold: ${slowThresholdBps}`, () => {
    const room = new Room(["alice", "bob", "carol", "dave"], { slowThresholdBps });
    const { world } = room;
    world.network.limit(room.member("carol").host, 1_500_000, 200);
    for (let ms = 0; ms < 30_000; ms += 10) {
      // 8 Mbit/s.
      if (ms < 15_000) room.send("dave", "_reliable", FILE, 10_000);
      if (ms % 50 === 0) room.send("alice", "_lossy", LATEST, 50);
      if (ms % 500 === 0) room.send("alice", "_reliable", CALL, 20, "bob");
      if (ms % 50 === 20) room.send("alice", "_reliable", CHAT, 100);
      world.run(10);
    }
    assert.ok(room.got("bob", FILE).numbers.length < 1000, "dave is held back");
    world.run(60_000);
    assert.deepEqual(room.held(), ["dave"]);
    room.assertAll("bob", LATEST, AT_ONCE_MS, "lossy messages");
    room.assertAll("bob", CALL, AT_ONCE_MS, "messages for bob alone");
    room.assertAll("bob", CHAT, AT_ONCE_MS, "messages for all");
    // Behind what is in the link's queue and in the channel, not behind the file.
    room.assertAll("carol", CHAT, 1500, "messages for all");
    room.assertAll("bob", FILE, 90_000, "the file");
    room.assertAll("carol", FILE, 90_000, "the file");
  });

test("lossy messages hold nobody back, however slow a receiver of other things is", () => {
  const room = new Room(["alice", "bob", "carol", "dave"]);
  room.world.network.limit(room.member("carol").host, 4_000_000, 200);
  for (let ms = 0; ms < 6000; ms += 10) {
    room.send("dave", "_reliable", FILE, 20_000);
    // 4 Mbit/s, beside 16 that are reliable.
    room.send("alice", "_lossy", LATEST, 5000);
    room.world.run(10);
  }
  room.world.run(100);
  room.assertAll("bob", LATEST, SOON_MS, "lossy messages");
  assert.deepEqual(room.held(), ["dave"]);
});

/** How somebody takes what is sent to him, for as much harm as possible; called every 10 ms. */
const RECEIVERS: readonly (readonly [string, (room: Room, ms: number) => void])[] = [
  ["never reads", (room) => (room.member("trent").reads = false)],
  ["reads now and then", (room, ms) => (room.member("trent").reads = ms % 1500 < 200)],
  [
    "takes what it must to be waited for",
    (room) => room.world.network.limit(room.member("trent").host, 1_100_000, 200),
  ],
];

for (const [what, receive] of RECEIVERS)
  test(`one who floods and one who ${what} cannot freeze the data of a room`, () => {
    const room = new Room(["alice", "bob", "mallory", "trent"]);
    for (let ms = 0; ms < 4000; ms += 10) {
      receive(room, ms);
      // 32 Mbit/s for all, as much for Trent by name, and 8 Mbit/s that are lossy.
      room.send("mallory", "_reliable", FILE, 40_000);
      room.send("mallory", "_reliable", FILE, 40_000, "trent");
      room.send("mallory", "_lossy", LOSSY_FLOOD, 10_000);
      if (ms % 50 === 0) {
        room.send("alice", "_lossy", LATEST, 100);
        room.send("alice", "_reliable", CHAT, 200);
        room.send("bob", "_reliable", CALL, 1000, "alice");
      }
      room.world.run(10);
    }
    room.world.run(100);
    room.assertAll("bob", LATEST, SOON_MS, "lossy messages");
    room.assertAll("bob", CHAT, SOON_MS, "messages for all");
    room.assertAll("alice", CALL, SOON_MS, "messages for alice");
    assert.ok(
      room.held().every((name) => name === "mallory"),
      `held: ${room.held().join(", ")}`,
    );
  });
