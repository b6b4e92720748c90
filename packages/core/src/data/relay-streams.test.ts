/** Whom the relay gives a stream to, and packets that name very many. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DataPacket, DataStream_Chunk, DataStream_Header, DataStream_Trailer } from "@livekit/protocol";
import { countsOf, member, room, user } from "./relay-harness.test.ts";

const header = (streamId: string, destinationIdentities: string[]) =>
  new DataPacket({
    destinationIdentities,
    value: { case: "streamHeader", value: new DataStream_Header({ streamId }) },
  }).toBinary();
const chunk = (streamId: string, destinationIdentities: string[] = []) =>
  new DataPacket({
    destinationIdentities,
    value: { case: "streamChunk", value: new DataStream_Chunk({ streamId, content: new Uint8Array(10) }) },
  }).toBinary();
const trailer = (streamId: string) =>
  new DataPacket({ value: { case: "streamTrailer", value: new DataStream_Trailer({ streamId }) } }).toBinary();

test("a stream whose header alone names its recipients reaches nobody else, from its first chunk to its end", () => {
  const { relay, got } = room();
  const peers = (bytes: Uint8Array): number[] => {
    got.length = 0;
    relay.handleMessage("R", "PA_a", "_reliable", bytes);
    return got.map(({ peer }) => peer);
  };
  assert.deepEqual(peers(header("one", ["bob"])), [2]);
  assert.deepEqual(peers(header("all", [])), [2, 3]);
  assert.deepEqual(peers(chunk("one")), [2]);
  assert.deepEqual(peers(chunk("all")), [2, 3]);
  assert.deepEqual(peers(chunk("one", ["carol"])), [3], "its own word counts more");
  relay.handleMessage("R", "PA_b", "_reliable", chunk("one"));
  assert.deepEqual(
    got.slice(1).map(({ peer }) => peer),
    [1, 3],
    "the streams of others are others",
  );
  assert.deepEqual(peers(trailer("one")), [2]);
  assert.deepEqual(peers(chunk("one")), [2, 3], "ended: nothing is known of it");
});

test("short names count for what they take in memory, and repeated ones once", () => {
  const { relay, got } = room();
  const peers = (id: string): number[] => {
    got.length = 0;
    relay.handleMessage("R", "PA_a", "_reliable", chunk(id));
    return got.map(({ peer }) => peer);
  };
  const short = Array.from({ length: 4000 }, (_, n) => n.toString(36));
  for (let i = 0; i < 10; i++) relay.handleMessage("R", "PA_a", "_reliable", header(`s${i}`, ["bob", ...short]));
  assert.deepEqual([peers("s0"), peers("s9")], [[2, 3], [2]]);
  const same = Array.from({ length: 2000 }, (_, n) => (n % 2 ? "" : "a name of somebody who is not there".repeat(3)));
  for (let i = 0; i < 100; i++) relay.handleMessage("R", "PA_a", "_reliable", header(`r${i}`, ["bob", ...same]));
  assert.deepEqual([peers("r0"), peers("r99")], [[2], [2]]);
});

test("whoever comes later under a name that a header has gets the rest of the stream", () => {
  const { relay, got } = room();
  relay.handleMessage("R", "PA_a", "_reliable", header("s", ["bob", "dora"]));
  relay.setMember("R", "PA_d", member("dora", 3));
  got.length = 0;
  relay.handleMessage("R", "PA_a", "_reliable", chunk("s"));
  assert.deepEqual(
    got.map(({ peer }) => peer),
    [2, 3],
  );
});

test("a packet that names tens of thousands, or nobody tens of thousands of times, is refused and counted; empty names are nobody's", () => {
  const { relay, got } = room();
  const nobody = Array.from({ length: 130_000 }, () => "");
  relay.handleMessage("R", "PA_a", "_reliable", user("x", { destinationIdentities: ["bob", ...nobody] }));
  relay.handleMessage("R", "PA_a", "_reliable", user("x", {}, { destinationIdentities: ["bob", ...nobody] }));
  relay.handleMessage("R", "PA_a", "_lossy", user("x", {}, { destinationSids: ["PA_b", ...nobody] }));
  relay.handleMessage("R", "PA_a", "_reliable", header("s", ["bob", ...nobody]));
  assert.deepEqual([got.length, countsOf(relay).refused], [0, 4]);
  relay.handleMessage("R", "PA_a", "_reliable", user("x", { destinationIdentities: ["", ""] }));
  assert.deepEqual([got.length, countsOf(relay).refused], [0, 0]);
  const room3000 = Array.from({ length: 3000 }, (_, i) => `participant-${i}`);
  relay.handleMessage("R", "PA_a", "_reliable", user("x", { destinationIdentities: ["bob", ...room3000] }));
  assert.deepEqual(
    got.map(({ peer }) => peer),
    [2],
  );
});

test("of streams that never end only the newest are remembered, of headers that name thousands none", () => {
  const { relay, got } = room();
  for (let i = 0; i < 300; i++) relay.handleMessage("R", "PA_a", "_reliable", header(`s${i}`, ["bob"]));
  const long = "x".repeat(2000);
  for (let i = 0; i < 4; i++) {
    const names = Array.from({ length: 120 }, (_, n) => `${long}${n}`);
    relay.handleMessage("R", "PA_a", "_reliable", header(`long${i}`, ["bob", ...names]));
  }
  const peers = (id: string): number[] => {
    got.length = 0;
    relay.handleMessage("R", "PA_a", "_reliable", chunk(id));
    return got.map(({ peer }) => peer);
  };
  assert.deepEqual(peers("s0"), [2, 3]);
  assert.deepEqual(peers("long3"), [2]);
  assert.deepEqual(peers("long0"), [2, 3]);
});
