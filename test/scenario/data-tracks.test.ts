/** Data tracks through a whole media worker: who gets which packets, how fresh they are, and what hostile ones do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wholeFramePacket } from "@stoa/testkit/data-track-packet";
import type { LinkConditions } from "@stoa/testkit/lossy-network";
import { parseDataTrackPacket, writeDataTrackPacket } from "@stoa/wire/data-track/packet";
import type { Client } from "./worker-client.ts";
import { memberSpec, World } from "./worker-world.ts";

const LABEL = "_data_track";
/** As much as LiveKit's clients put in one packet. */
const PACKET_BYTES = 16_000;

/** A publisher as LiveKit's browser client is one: frames are cut into packets, sequence numbers go on over frames. */
class Publisher {
  readonly #client: Client;
  readonly #handle: number;
  #sequence = 0;
  #frame = 0;
  /** When each frame was sent. */
  readonly sentAtMs: number[] = [];

  constructor(client: Client, handle: number) {
    this.#client = client;
    this.#handle = handle;
  }

  send(frameBytes: number, nowMs: number): void {
    this.sentAtMs.push(nowMs);
    const frame = new Uint8Array(frameBytes).fill(this.#frame % 251);
    const packets = Math.ceil(frameBytes / PACKET_BYTES);
    for (let i = 0; i < packets; i++) {
      const bytes = writeDataTrackPacket({
        startsFrame: i === 0,
        endsFrame: i === packets - 1,
        handle: this.#handle,
        sequence: this.#sequence++ & 0xffff,
        frameNumber: this.#frame,
        timestamp: Math.floor(nowMs * 90) >>> 0,
        extensions: [{ id: 1, data: new Uint8Array(13).fill(9) }],
        payload: frame.subarray(i * PACKET_BYTES, (i + 1) * PACKET_BYTES),
      });
      this.#client.sendData(LABEL, bytes!);
    }
    this.#frame++;
  }
}

/** The whole frames that a client got under a handle: number and bytes, all of one value. */
function framesOf(client: Client, handle: number): { frame: number; bytes: number; atMs: number }[] {
  const frames: { frame: number; bytes: number; atMs: number }[] = [];
  let begun: { frame: number; next: number; bytes: number } | undefined;
  for (const { label, bytes, atMs } of client.messages) {
    const packet = parseDataTrackPacket(bytes);
    if (label !== LABEL || packet?.handle !== handle) continue;
    const { startsFrame, endsFrame, sequence, frameNumber, payload, extensions } = packet;
    assert.ok(payload.every((byte) => byte === frameNumber % 251));
    assert.deepEqual(extensions, [{ id: 1, data: new Uint8Array(13).fill(9) }]);
    if (startsFrame) begun = { frame: frameNumber, next: sequence, bytes: 0 };
    if (!begun || begun.frame !== frameNumber || begun.next !== sequence) continue;
    begun.next = (sequence + 1) & 0xffff;
    begun.bytes += payload.length;
    if (endsFrame) frames.push({ frame: frameNumber, bytes: begun.bytes, atMs });
  }
  return frames;
}

/** A room with these members; the first one publishes DTR_pose under handle 3, the others get it under 10, 11, … */
function room(names: readonly string[], conditions: Partial<LinkConditions> = {}) {
  const world = new World(1, { delayMs: 10, ...conditions });
  const clients = names.map((name) => world.join(name));
  for (const client of clients) client.openChannel(LABEL, 0);
  const participants = names.map((name) => `PA_${name}`);
  const command = (...commands: Parameters<World["engine"]["handleCommand"]>[0][]) => {
    for (const one of commands) world.engine.handleCommand(one, world.clock.nowMs);
  };
  const subscribe = (participant: string, handle: number) =>
    command({ type: "setDataSubscription", participant, track: "DTR_pose", handle });
  command({ type: "setDataTrack", participant: participants[0]!, track: "DTR_pose", handle: 3 });
  participants.slice(1).forEach((participant, i) => subscribe(participant, 10 + i));
  const publisher = new Publisher(clients[0]!, 3);
  const publish = (count: number, everyMs: number, bytes: number) => {
    for (let i = 0; i < count; i++) {
      publisher.send(bytes, world.clock.nowMs);
      world.run(everyMs);
    }
  };
  /** How long the frames of a subscriber took. */
  const delaysMs = (client: Client, handle: number) =>
    framesOf(client, handle).map(({ frame, atMs }) => atMs - publisher.sentAtMs[frame]!);
  return { world, clients, command, subscribe, publish, delaysMs };
}

const numbers = (client: Client, handle: number): number[] => framesOf(client, handle).map(({ frame }) => frame);
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

test("frames of one and of many packets reach every subscriber whole, under its own handle", () => {
  const { world, clients, publish, delaysMs } = room(["ada", "bob", "carol"]);
  const [ada, bob, carol] = clients;
  publish(50, 10, 200);
  publish(20, 50, 60_000);
  world.run(200);
  for (const [client, handle] of [
    [bob!, 10],
    [carol!, 11],
  ] as const) {
    const frames = framesOf(client, handle);
    assert.deepEqual(
      frames.map(({ frame }) => frame),
      range(0, 70),
    );
    assert.deepEqual(new Set(frames.map(({ bytes }) => bytes)), new Set([200, 60_000]));
    assert.ok(Math.max(...delaysMs(client, handle).slice(0, 50)) < 40);
  }
  assert.deepEqual(ada!.messages, [], "the publisher gets nothing");
});

test("a subscription begins and ends between two packets, and another handle takes effect with the next one", () => {
  const { world, clients, command, subscribe, publish } = room(["ada", "bob", "carol"]);
  const [, bob, carol] = clients;
  subscribe("PA_carol", 0);
  publish(10, 10, 100);
  world.run(50);
  subscribe("PA_carol", 77);
  subscribe("PA_bob", 78);
  publish(10, 10, 100);
  world.run(50);
  assert.deepEqual([numbers(bob!, 10), numbers(bob!, 78)], [range(0, 10), range(10, 20)]);
  assert.deepEqual([numbers(carol!, 11), numbers(carol!, 77)], [[], range(10, 20)]);
  command({ type: "removeDataTrack", track: "DTR_pose" });
  publish(10, 10, 100);
  world.run(50);
  assert.deepEqual([bob!.messages.length, carol!.messages.length], [20, 10]);
});

test("without the right to publish data, packets end at the worker, whatever the client sends", () => {
  const { world, clients, command, publish } = room(["ada", "bob"]);
  const [ada, bob] = clients;
  const permit = (canPublishData: boolean) =>
    command({
      type: "setMember",
      room: "RM_test",
      participant: "PA_ada",
      member: memberSpec("ada", ada!.id, { canPublishData }),
    });
  publish(5, 10, 100);
  world.run(50);
  permit(false);
  publish(5, 10, 100);
  world.run(50);
  permit(true);
  publish(5, 10, 100);
  world.run(50);
  assert.deepEqual(numbers(bob!, 10), [...range(0, 5), ...range(10, 15)]);
});

test("a subscriber that hangs slows nobody, and gets fresh frames when it is back", () => {
  const { world, clients, publish, delaysMs } = room(["ada", "bob", "carol"]);
  const [, bob, carol] = clients;
  world.network.blocked = ({ to }) => to.endsWith(carol!.host);
  publish(1000, 10, 4000);
  world.run(100);
  assert.deepEqual(numbers(bob!, 10), range(0, 1000));
  assert.ok(Math.max(...delaysMs(bob!, 10)) < 40, `${Math.max(...delaysMs(bob!, 10))} ms at the most`);
  world.network.blocked = () => false;
  world.run(10_000);
  const missed = numbers(carol!, 11).length;
  assert.ok(missed < 100, `${missed} old frames`);
  publish(100, 10, 4000);
  world.run(200);
  assert.deepEqual(numbers(carol!, 11).slice(missed), range(1000, 1100));
});

test("frames for a thin link are fresh and as many as it carries, and are whole for the others", () => {
  const { world, clients, publish, delaysMs } = room(["ada", "bob", "carol"]);
  const [, bob, carol] = clients;
  // A quarter of what is sent.
  world.network.limit(carol!.host, 400_000, 100);
  publish(1500, 10, 2000);
  world.run(500);
  assert.deepEqual(numbers(bob!, 10), range(0, 1500));
  const fresh = delaysMs(carol!, 11);
  assert.ok(fresh.length > 300, `${fresh.length} arrived`);
  // 100 ms in the lane, 160 ms for the 8 KiB that a channel may always hold, 100 ms in the link's queue, and what is on its way.
  assert.ok(Math.max(...fresh) < 480, `${Math.max(...fresh)} ms at the most`);
  assert.ok(numbers(carol!, 11).at(-1)! > 1490, "the newest are among them");
});

test("frames of many packets for a thin link arrive whole: nothing is sent of one that cannot be completed", () => {
  for (const [frameBytes, everyMs, bps] of [
    [60_000, 50, 2_400_000],
    [160_000, 100, 4_000_000],
  ] as const) {
    const { world, clients, publish, delaysMs } = room(["ada", "bob", "carol"]);
    const [, bob, carol] = clients;
    world.network.limit(carol!.host, bps, 100);
    publish(200, everyMs, frameBytes);
    world.run(1000);
    assert.equal(numbers(bob!, 10).length, 200);
    const carried = (bps * 200 * everyMs) / 8000 / frameBytes;
    const whole = numbers(carol!, 11);
    assert.ok(whole.length > 0.8 * carried, `${whole.length} whole frames of ${carried} that the link carries`);
    // 100 ms in the lane, the frame before it, itself, and the queues.
    const frameMs = (frameBytes * 8000) / bps;
    const slowest = Math.max(...delaysMs(carol!, 11));
    assert.ok(slowest < 100 + 2 * frameMs + 300, `${slowest} ms at the most`);
    assert.ok(whole.at(-1)! > 190, "the newest are among them");
  }
});

test("small frames pass between the packets of large ones: on a thin link both tracks arrive, and the small one at once", () => {
  const { world, clients, command } = room(["ada", "bob", "carol"]);
  const [ada, bob, carol] = clients;
  command({ type: "setDataTrack", participant: "PA_ada", track: "DTR_camera", handle: 4 });
  for (const who of ["PA_bob", "PA_carol"])
    command({ type: "setDataSubscription", participant: who, track: "DTR_camera", handle: 20 });
  world.network.limit(carol!.host, 2_400_000, 100);
  const [pose, camera] = [new Publisher(ada!, 3), new Publisher(ada!, 4)];
  for (let ms = 0; ms < 10_000; ms += 10) {
    pose.send(200, world.clock.nowMs);
    if (ms % 50 === 0) camera.send(60_000, world.clock.nowMs);
    world.run(10);
  }
  world.run(1000);
  assert.deepEqual([numbers(bob!, 10).length, numbers(bob!, 20).length], [1000, 200]);
  const poses = framesOf(carol!, 11);
  assert.ok(poses.length > 900, `${poses.length} of 1000 poses`);
  const slowest = Math.max(...poses.map(({ frame, atMs }) => atMs - pose.sentAtMs[frame]!));
  // 100 ms in the lane, as much in the channel, one packet of the other track, and the link's queue.
  assert.ok(slowest < 400, `${slowest} ms at the most`);
  assert.ok(numbers(carol!, 20).length > 35, `${numbers(carol!, 20).length} of 50 pictures that the link carries`);
});

test("what is lost stays lost: the frames behind it do not wait", () => {
  const { world, clients, publish, delaysMs } = room(["ada", "bob"], { loss: 0.05 });
  const [, bob] = clients;
  publish(1000, 10, 300);
  world.run(1000);
  const got = numbers(bob!, 10);
  assert.ok(got.length > 850 && got.length < 950, `${got.length} of 1000`);
  const late = delaysMs(bob!, 10).filter((delayMs) => delayMs > 60);
  assert.ok(late.length < 20, `${late.length} frames took more than 60 ms`);
});

test("hostile packets reach nobody, and the room goes on", () => {
  const { world, clients, command, publish } = room(["ada", "bob", "mallory"]);
  const [, bob, mallory] = clients;
  command({ type: "setDataTrack", participant: "PA_mallory", track: "DTR_own", handle: 4 });
  const packet = (handle: number, bytes = 20) => wholeFramePacket(handle, new Uint8Array(bytes));
  const later = packet(4);
  later[0]! |= 0x20;
  const handleless = packet(4);
  handleless.fill(0, 2, 4);
  const overlong = packet(4);
  overlong.set([0x1c, 0], 0);
  overlong.set([0xff, 0xff], 12);
  const hostile = [new Uint8Array(0), new Uint8Array(11), later, handleless, overlong];
  for (let i = 0; i < 300; i++) {
    // The handles of others, of nobody, its own one that nobody wants, a long message; what is no packet.
    for (const handle of [3, 10, 11, 4, 65_535, i + 100])
      mallory!.sendData(LABEL, packet(handle, i % 50 === 0 ? 60_000 : 20));
    mallory!.sendData(LABEL, hostile[i % hostile.length]!);
    publish(1, 10, 200);
  }
  world.run(1000);
  assert.deepEqual(numbers(bob!, 10), range(0, 300));
  assert.equal(bob!.messages.length, 300);
});
