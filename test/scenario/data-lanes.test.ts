/** A publisher of data and receivers of whom some are slow or silent: what each of them gets, and when. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DataPacket, UserPacket } from "@livekit/protocol";
import { DATA_OUTCOMES } from "@stoa/core/data/message-counts";
import { DEFAULT_LANES, type LaneOptions } from "@stoa/core/data/peer-lanes";
import type { Client } from "./worker-client.ts";
import { World } from "./worker-world.ts";

const LABELS = { _reliable: undefined, _lossy: 0 } as const;
type Label = keyof typeof LABELS;

/** A message with its number and `bytes` more. */
const numbered = (number: number, bytes: number): Uint8Array => {
  const payload = new Uint8Array(bytes + 4);
  new DataView(payload.buffer).setUint32(0, number);
  return new DataPacket({ value: { case: "user", value: new UserPacket({ payload }) } }).toBinary();
};

function numberOf(bytes: Uint8Array): number {
  const { value } = DataPacket.fromBinary(bytes);
  assert.ok(value.case === "user");
  const { payload } = value.value;
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0);
}

/** What a client got so far. */
const got = (client: Client): number[] => client.messages.map(({ bytes }) => numberOf(bytes));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** A room with these members, who have their channels open. */
function room(label: Label, names: readonly string[], lanes: Partial<LaneOptions> = {}, seed = 1) {
  const world = new World(seed, { delayMs: 10 }, { dataLanes: { ...DEFAULT_LANES, ...lanes } });
  const clients = names.map((name) => world.join(name));
  for (const client of clients) client.openChannel(label, LABELS[label]);
  const sentAtMs: number[] = [];
  const [alice] = clients;
  /** Alice sends one message every `everyMs`. */
  const publish = (count: number, everyMs: number, bytes: number) => {
    for (let i = 0; i < count; i++) {
      sentAtMs.push(world.clock.nowMs);
      alice!.sendData(label, numbered(sentAtMs.length - 1, bytes));
      world.run(everyMs);
    }
  };
  /** How long the messages of a client took. */
  const delaysMs = (client: Client) => client.messages.map(({ bytes, atMs }) => atMs - sentAtMs[numberOf(bytes)]!);
  return { world, clients, publish, delaysMs };
}

const HUNG = (client: Client) => (flight: { to: string }) => flight.to.endsWith(client.host);

test("a receiver that hangs slows nobody, and gets everything in order when it is back", () => {
  const { world, clients, publish, delaysMs } = room("_reliable", ["alice", "bob", "carol"]);
  const [, bob, carol] = clients;
  world.network.blocked = HUNG(carol!);
  publish(400, 5, 2000);
  world.run(100);
  assert.deepEqual(got(bob!), upTo(400));
  assert.ok(Math.max(...delaysMs(bob!)) < 40, `${Math.max(...delaysMs(bob!))} ms at the most`);
  assert.deepEqual(got(carol!), []);
  world.network.blocked = () => false;
  assert.ok(world.run(20_000, () => carol!.messages.length === 400));
  assert.deepEqual(got(carol!), upTo(400));
});

test("lossy data for a thin link stays fresh when a latency is wanted, and is whole for the others", () => {
  const { world, clients, publish, delaysMs } = room("_lossy", ["alice", "bob", "carol"], { lossyTargetMs: 100 });
  const [, bob, carol] = clients;
  // A quarter of what is sent.
  world.network.limit(carol!.host, 400_000, 100);
  publish(1500, 10, 2000);
  world.run(500);
  assert.deepEqual(got(bob!), upTo(1500));
  const fresh = delaysMs(carol!);
  assert.ok(fresh.length > 300, `${fresh.length} arrived`);
  // 100 ms in the lane, 160 ms for the 8 KiB that a channel may always hold, 100 ms in the link's queue, and what is on its way.
  assert.ok(Math.max(...fresh) < 480, `${Math.max(...fresh)} ms at the most`);
  assert.ok(numberOf(carol!.messages.at(-1)!.bytes) > 1490, "the newest are among them");
});

/** What the worker says of trouble with data: who, what, whether it begins, how many. */
const troubles = ({ world, clients }: ReturnType<typeof room>) =>
  world.events.flatMap((event) => {
    if (event.type !== "dataTrouble") return [];
    const { peer, trouble, begins, times, receiver } = event;
    const name = (id: number) => ["alice", "bob", "carol"][clients.findIndex((client) => client.id === id)];
    return [[name(peer), trouble, begins ? `begins${receiver ? ` for ${name(receiver)}` : ""}` : times]];
  });

test("more than may wait for a receiver that hangs is lost to it, and that is said when it begins and when it is over", () => {
  const made = room("_reliable", ["alice", "bob", "carol"], { maxBufferedBytes: 300_000 });
  const { world, clients, publish } = made;
  const [, bob, carol] = clients;
  world.network.blocked = HUNG(carol!);
  publish(400, 5, 2000);
  world.run(1000);
  assert.deepEqual(got(bob!), upTo(400));
  assert.deepEqual(troubles(made), [["carol", "lost", "begins"]]);
  world.network.blocked = () => false;
  world.run(20_000);
  const numbers = got(carol!);
  assert.deepEqual(numbers, upTo(numbers.length), "what waited, in order");
  assert.deepEqual(troubles(made).slice(1), [["carol", "lost", 400 - numbers.length]]);
  publish(10, 5, 2000);
  world.run(1000);
  assert.deepEqual(got(carol!).slice(numbers.length), upTo(410).slice(400));
  const counted = world.engine.takeDataFigures()?.messages;
  assert.equal(counted?.[DATA_OUTCOMES.indexOf("full")], 400 - numbers.length);
  assert.equal(counted?.[DATA_OUTCOMES.indexOf("relayed")], 410);
});

test("data for a channel that its client has closed waits for the next one, and that is said", () => {
  const made = room("_reliable", ["alice", "bob", "carol"]);
  const { world, clients, publish } = made;
  const carol = clients[2]!;
  carol.closeChannel("_reliable");
  world.run(1000);
  assert.deepEqual(troubles(made), [], "nobody has sent anything");
  publish(5, 10, 1000);
  assert.deepEqual(troubles(made), [["carol", "closed", "begins"]]);
  carol.openChannel("_reliable");
  world.run(10_000);
  assert.deepEqual(got(carol), upTo(5));
  assert.deepEqual(troubles(made).slice(1), [["carol", "closed", 1]]);
});

test("that data grows too old, and that a publisher is held back, is said as well", () => {
  const lossy = room("_lossy", ["alice", "bob"], { lossyTargetMs: 100 });
  // The link itself loses nothing.
  lossy.world.network.limit(lossy.clients[1]!.host, 100_000, 60_000);
  lossy.publish(300, 5, 1000);
  lossy.world.run(20_000);
  const [begins, over] = troubles(lossy);
  assert.deepEqual(begins, ["bob", "lossy", "begins"]);
  assert.equal(over?.[2], 300 - lossy.clients[1]!.messages.length);

  const held = room("_reliable", ["alice", "bob", "carol"], { slowThresholdBps: 200_000 });
  held.world.network.limit(held.clients[2]!.host, 1_000_000, 100);
  held.publish(200, 10, 8000);
  held.world.run(60_000);
  const told = troubles(held);
  assert.deepEqual(told[0], ["alice", "held", "begins for carol"]);
  assert.deepEqual([told[1]?.[0], told[1]?.[1], told.length], ["alice", "held", 2]);
});

test("packets of a kind that the server does not know go on as they are, and that they come is said", () => {
  const made = room("_reliable", ["alice", "bob"]);
  const { world, clients } = made;
  // Field 900, length 2.
  const future = Uint8Array.of(0xa2, 0x38, 2, 5, 6);
  for (let i = 0; i < 20; i++) {
    clients[0]!.sendData("_reliable", future);
    world.run(10);
  }
  made.publish(1, 10, 10);
  world.run(20_000);
  assert.equal(clients[1]!.messages.length, 21);
  assert.ok(clients[1]!.messages[0]!.bytes.join(" ").includes(future.join(" ")));
  assert.deepEqual(troubles(made), [
    ["alice", "unknown", "begins"],
    ["alice", "unknown", 20],
  ]);
});

test("a publisher that leaves while it is held back is not heard of again", () => {
  const made = room("_reliable", ["alice", "bob", "carol"], { slowThresholdBps: 200_000 });
  const { world, clients, publish } = made;
  const [alice, bob, carol] = clients;
  world.network.limit(carol!.host, 1_000_000, 100);
  publish(100, 0, 8000);
  // Meanwhile most of what is left has reached the server, where it waits.
  world.run(2000);
  assert.deepEqual(troubles(made), [["alice", "held", "begins for carol"]]);
  world.engine.handleCommand({ type: "closePeer", peer: alice!.id }, world.clock.nowMs);
  world.run(200);
  const { length } = bob!.messages;
  assert.ok(length < 100, `${length} messages had come`);
  world.run(20_000);
  assert.equal(bob!.messages.length, length);
});

test("without a threshold a slow receiver of reliable data loses nothing, and holds nobody up", () => {
  const { world, clients, publish, delaysMs } = room("_reliable", ["alice", "bob", "carol"]);
  const [, bob, carol] = clients;
  world.network.limit(carol!.host, 200_000, 100);
  publish(300, 5, 1000);
  world.run(50);
  assert.deepEqual(got(bob!), upTo(300));
  assert.ok(Math.max(...delaysMs(bob!)) < 40);
  assert.ok(got(carol!).length < 100, "still on their way");
  assert.ok(world.run(60_000, () => carol!.messages.length === 300));
  assert.deepEqual(got(carol!), upTo(300));
});

test("with a threshold: a receiver below it loses messages, and slows nobody once that is known", () => {
  const { world, clients, publish, delaysMs } = room("_reliable", ["alice", "bob", "carol"], {
    slowThresholdBps: 400_000,
  });
  const [, bob, carol] = clients;
  world.network.limit(carol!.host, 100_000, 100);
  publish(1000, 5, 1000);
  world.run(50);
  assert.deepEqual(got(bob!), upTo(1000));
  const late = delaysMs(bob!).filter((delayMs) => delayMs > 40);
  assert.ok(late.length < 80 && late.every((delayMs) => delayMs < 300), `${late.length} messages late for bob`);
  world.run(60_000);
  const numbers = got(carol!);
  assert.ok(numbers.length > 10 && numbers.length < 900, `${numbers.length} arrived`);
  assert.deepEqual(
    numbers,
    numbers.toSorted((a, b) => a - b),
    "in order",
  );
});

test("with a threshold: a receiver that hangs loses messages, and slows others for less than a second", () => {
  const { world, clients, publish, delaysMs } = room("_reliable", ["alice", "bob", "carol"], {
    slowThresholdBps: 400_000,
  });
  const [, bob, carol] = clients;
  publish(400, 5, 1000);
  world.network.blocked = HUNG(carol!);
  publish(1000, 5, 1000);
  world.run(50);
  assert.deepEqual(got(bob!), upTo(1400));
  assert.ok(Math.max(...delaysMs(bob!)) < 800, `${Math.max(...delaysMs(bob!))} ms at the most`);
  world.network.blocked = () => false;
  world.run(10_000);
  const before = got(carol!).length;
  assert.ok(before < 1200, "some are lost");
  publish(100, 5, 1000);
  world.run(100);
  assert.deepEqual(got(carol!).slice(before), upTo(1500).slice(1400), "nothing more is");
});

test("with a threshold: a receiver above it loses nothing, its publisher is held back instead", () => {
  const { world, clients, publish } = room("_reliable", ["alice", "bob", "carol"], { slowThresholdBps: 200_000 });
  const [, bob, carol] = clients;
  world.network.limit(carol!.host, 1_000_000, 100);
  // 6.4 Mbit/s, 8 MB in all.
  publish(1000, 10, 8000);
  world.run(50);
  const ahead = got(bob!).length - got(carol!).length;
  assert.ok(got(bob!).length < 400, `bob is ${ahead} messages ahead at most`);
  assert.ok(world.run(120_000, () => carol!.messages.length === 1000));
  assert.deepEqual(got(carol!), upTo(1000));
  assert.deepEqual(got(bob!), upTo(1000));
});

test("a publisher that is held back goes on when the receiver leaves, or hangs", () => {
  for (const leave of [true, false]) {
    const { world, clients, publish } = room("_reliable", ["alice", "bob", "carol"], { slowThresholdBps: 200_000 });
    const [, bob, carol] = clients;
    world.network.limit(carol!.host, 500_000, 100);
    publish(200, 10, 8000);
    assert.ok(got(bob!).length < 150, `${got(bob!).length} of 200: held back`);
    if (leave) world.engine.handleCommand({ type: "closePeer", peer: carol!.id }, world.clock.nowMs);
    else world.network.blocked = HUNG(carol!);
    assert.ok(world.run(4000, () => bob!.messages.length === 200));
    assert.deepEqual(got(bob!), upTo(200));
  }
});

test("that a publisher is held back hides nothing else of it", () => {
  const { world, clients, publish } = room("_reliable", ["alice", "bob", "carol"], { slowThresholdBps: 10_000 });
  const [alice, bob, carol] = clients;
  world.network.limit(carol!.host, 50_000, 500);
  publish(100, 10, 8000);
  assert.ok(got(bob!).length < 80, `${got(bob!).length} of 100: held back`);
  world.network.blocked = ({ from }) => from.endsWith(alice!.host);
  const lost = () => world.events.some((event) => event.type === "peerState" && event.state === "disconnected");
  for (let second = 0; second < 15 && !lost(); second++) world.run(1000);
  assert.ok(lost());
  assert.ok(got(bob!).length < 100, "still held back");
});
