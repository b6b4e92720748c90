/** docs/3-reference/data.md and continuity.md: their figures are what the server does. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { DataPacket, PublishDataTrackRequest, UserPacket } from "@livekit/protocol";
import { member, room as relayRoom } from "../data/relay-harness.test.ts";
import { DEFAULT_LANES, PeerLanes } from "../data/peer-lanes.ts";
import { FrameInParts } from "../data/sender/frame-in-parts.ts";
import { ManualPort } from "../data/sender/manual-port.test.ts";
import { DISCONNECTED_AFTER_MS, FAILED_AFTER_MS } from "../ice/agent.ts";
import { MAX_MESSAGE_SIZE_BYTES } from "../negotiation/own-description.ts";
import { performRpc } from "./admin/perform-rpc.ts";
import { World } from "./harness.test.ts";

const UNITS: Readonly<Record<string, number>> = { bytes: 1, KiB: 1 << 10, MiB: 1 << 20, ms: 1, s: 1000, "": 1 };

/** The figures of a table with two columns, by its first one. */
function figures(page: string): (what: string) => number {
  const text = readFileSync(new URL(`../../../../docs/3-reference/${page}.md`, import.meta.url), "utf8");
  const rows = text.matchAll(/^\| ([^|]+?) +\| ([\d,]+) ?(\w*) +\|$/gm);
  const found = new Map([...rows].map(([, what, figure, unit]) => [what!, [figure!, unit!] as const]));
  return (what) => {
    const [figure, unit] = found.get(what) ?? assert.fail(`${page}.md says nothing of "${what}"`);
    return Number(figure.replaceAll(",", "")) * UNITS[unit]!;
  };
}

const data = figures("data");
const continuity = figures("continuity");

/** Lanes on one channel that takes nothing by itself. */
function lane(label: string): { lanes: PeerLanes; port: ManualPort } {
  const port = new ManualPort();
  const peer = {
    sendData: (_: number, bytes: Uint8Array) => port.send(bytes),
    bufferedAmount: () => port.buffered,
    setLowWater: () => undefined,
  };
  const lanes = new PeerLanes(peer, DEFAULT_LANES);
  lanes.open(label, 1, 0);
  return { lanes, port };
}

test("what may wait for one slow receiver", () => {
  for (const [what, label] of [
    ["reliable data that waits for one slow receiver", "_reliable"],
    ["lossy data that waits for one slow receiver", "_lossy"],
    ["packets of data tracks that wait for one slow receiver", "_data_track"],
  ] as const) {
    const { lanes, port } = lane(label);
    const bytes = 1 << 14;
    for (let i = 0; i < 2000; i++) lanes.send(label, new Uint8Array(bytes), 0);
    const onChannel = port.taken.length;
    for (let before = -1; before < port.taken.length; lanes.advance(0)) {
      before = port.taken.length;
      port.drain(1 << 30);
      lanes.advance(0);
    }
    assert.equal((port.taken.length - onChannel) * bytes, data(what), what);
  }
});

test("what waits until a channel opens", () => {
  const { relay, got, opened } = relayRoom(new Set([1, 3]));
  relay.setMember("R", "PA_b", member("bob", 2));
  const packet = new DataPacket({ value: { case: "user", value: new UserPacket({ payload: new Uint8Array(900) }) } });
  for (let i = 0; i < 300; i++) relay.handleMessage("R", "PA_a", "_reliable", packet.toBinary());
  opened.add(2);
  relay.handleReliableOpen("R", "PA_b");
  const sizes = got.filter(({ peer }) => peer === 2).map((one) => one.packet.toBinary().length);
  const limit = data("reliable data that waits for a participant until its channel opens");
  assert.equal(sizes.length, Math.floor(limit / sizes[0]!));
});

test("how long packets of data tracks wait", () => {
  const { lanes, port } = lane("_data_track");
  const fill = () => {
    while (port.buffered <= 8 << 10) lanes.send("_data_track", new Uint8Array(1000), 0);
  };
  fill();
  lanes.send("_data_track", new Uint8Array(1), 0);
  assert.equal(lanes.nextTimeoutMs(), data("how long a packet of a data track waits"));
  const parts = new FrameInParts();
  parts.begin(0);
  const longest = data("how long the rest of a frame waits of which some was sent");
  parts.endLate(longest);
  assert.equal(parts.lost, false);
  parts.endLate(longest + 1);
  assert.equal(parts.lost, true);
});

test("messages, nonces, calls and data tracks", () => {
  assert.equal(data("longest message that is taken from a client"), MAX_MESSAGE_SIZE_BYTES);
  const { relay, got } = relayRoom();
  const send = (i: number) => {
    const nonce = new Uint8Array(16);
    nonce.set([i & 255, i >> 8]);
    const user = new UserPacket({ nonce });
    relay.handleMessage("R", "PA_a", "_lossy", new DataPacket({ value: { case: "user", value: user } }).toBinary());
  };
  const known = data("last nonces of a room that are known");
  for (let i = 0; i <= known; i++) send(i);
  const before = got.length;
  for (let i = 1; i <= known; i++) send(i);
  assert.equal(got.length, before);
  send(0);
  assert.equal(got.length, before + 2);

  const world = new World();
  const ada = world.connect("ada");
  const call = (bytes: number) =>
    world.act(
      performRpc({ destinationIdentity: "ada", method: "m", payload: "x".repeat(bytes), responseTimeoutMs: 0 }),
    );
  const largest = data("payload of a call that the server makes");
  assert.match(String(call(largest + 1)), /too large/);
  assert.match(String(call(largest)), /^RPC_/);
  world.advance(data("how long such a call waits for a sign that its receiver is there") - 1);
  const ended = () => world.effects.some((effect) => effect.type === "rpcDone");
  assert.equal(ended(), false);
  world.advance(1);
  assert.equal(ended(), true);

  const handles = data("data tracks of a participant, by their handles");
  const publish = (pubHandle: number, name: string) => {
    const value = new PublishDataTrackRequest({ pubHandle, name });
    ada.forget();
    ada.request({ case: "publishDataTrackRequest", value });
    return ada.last("publishDataTrackResponse")?.info;
  };
  assert.equal(publish(handles + 1, "a"), undefined);
  let bytes = publish(handles, "a")!.toBinary().length;
  for (let i = 1; ; i++) {
    const info = publish(i, `${i}`.padStart(256));
    if (!info) break;
    bytes += info.toBinary().length;
  }
  const limit = data("all that a participant's data tracks are called, with their schemas");
  assert.ok(bytes <= limit && bytes > limit - 400, `${bytes} bytes`);
});

test("how long somebody is waited for", () => {
  const [silent, failed, gone] = [
    "a connection without a packet counts as interrupted; who signals is asked to resume",
    "it counts as failed",
    "a participant that has not come back is removed",
  ].map(continuity) as [number, number, number];
  assert.deepEqual([silent, failed], [DISCONNECTED_AFTER_MS, FAILED_AFTER_MS]);
  const world = new World();
  world.connect("bob");
  const isHere = (name: string) => world.room.participants().some(({ identity }) => identity === name);
  const alice = world.connect("alice");
  alice.dropSignal();
  alice.peerState(alice.peers[0]!, "failed");
  world.advance(gone - failed - 1);
  assert.ok(isHere("alice"));
  world.advance(1);
  assert.ok(!isHere("alice"));

  const restored = continuity("one that has resumed must have media again, or starts anew");
  const carol = world.connect("carol");
  carol.peerState(carol.peers[0]!, "failed");
  carol.resume();
  world.advance(restored - 1);
  assert.ok(isHere("carol"));
  world.advance(1);
  assert.ok(!isHere("carol"));

  world.join("dave");
  world.advance(continuity("one that never had media is removed") - 1);
  assert.ok(isHere("dave"));
  world.advance(1);
  assert.ok(!isHere("dave"));
});
