/** What a room's configuration says of playing tracks in step: shared msid streams, playout delay. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TrackSource, SignalTarget } from "@livekit/protocol";
import type { Client } from "./harness-client.test.ts";
import type { ClientOptions } from "./harness-join.test.ts";
import { World } from "./harness.test.ts";

/** msid streams and track ids of what a client is sent, in the order of the m-lines. */
function msids(client: Client): string[] {
  const sdp = client.last(client.single ? "answer" : "offer")!.sdp;
  return [...sdp.matchAll(/^a=msid:(\S+) \S+/gm)].map((match) => match[1]!);
}

function publishAll(alice: Client): void {
  alice.publish("mic", "audio");
  alice.publish("cam", "video");
  alice.publish("screen", "video", { source: TrackSource.SCREEN_SHARE });
}

const SYNCED = { syncStreams: true };

for (const peerConnections of ["single", "dual"] as const) {
  test(`${peerConnections}: tracks that belong together share a stream, where the room wants it and the client can`, () => {
    const world = new World(SYNCED);
    const alice = world.connect("alice");
    publishAll(alice);
    const streams = (options: ClientOptions) => {
      const client = world.connect(`c${world.clients.length}`, { peerConnections, ...options });
      world.advance(500);
      return msids(client).map((stream) => stream.replace(alice.sid, "PA"));
    };
    assert.deepEqual(streams({}).toSorted(), ["PA|camera", "PA|camera", "PA|screen"]);
    const sids = ["mic", "cam", "screen"].map((cid) => `PA|${alice.published(cid)!.sid}`).toSorted();
    assert.deepEqual(streams({ browser: "Firefox" }).toSorted(), sids);
    assert.deepEqual(streams({ protocol: 9 }).toSorted(), sids);
    assert.equal(new World().connect("nobody").last("answer")!.sdp.includes("|camera"), false);
  });
}

test("m-lines of shared streams carry one track only", () => {
  const count = (config: object) => {
    const world = new World(config);
    const alice = world.connect("alice");
    const bob = world.connect("bob", { peerConnections: "dual" });
    for (let i = 0; i < 4; i++) {
      alice.publish(`cam${i}`, "video");
      world.advance(500);
      alice.unpublish(`cam${i}`);
      world.advance(500);
    }
    return bob.last("offer")!.sdp.split("\nm=video").length - 1;
  };
  assert.equal(count({}), 1);
  assert.equal(count(SYNCED), 4);
});

test("playout delay of the room: negotiated, and told to the worker", () => {
  const extension = "rtp-hdrext/playout-delay";
  const world = new World({ minPlayoutDelay: 100 });
  const bob = world.connect("bob", { peerConnections: "dual" });
  world.connect("alice").publish("cam", "video");
  world.advance(500);
  assert.ok(bob.last("offer")!.sdp.includes(extension));
  assert.deepEqual(world.openPeers.get(bob.peer(SignalTarget.SUBSCRIBER))!.playoutDelay, { minMs: 100, maxMs: 0 });

  const plain = new World();
  const carol = plain.connect("carol", { peerConnections: "dual" });
  plain.connect("alice").publish("cam", "video");
  plain.advance(500);
  assert.ok(!carol.last("offer")!.sdp.includes(extension));
  assert.equal(plain.openPeers.get(carol.peer(SignalTarget.SUBSCRIBER))!.playoutDelay, undefined);

  const synced = new World({ ...SYNCED, maxPlayoutDelay: 500 });
  const playoutDelayOf = (browser: string) => {
    const client = synced.connect(browser, { browser });
    return synced.openPeers.get(client.peers[0]!)!.playoutDelay;
  };
  assert.deepEqual(playoutDelayOf("chrome"), { minMs: 0, maxMs: 500 });
  assert.equal(playoutDelayOf("firefox"), undefined, "it cannot keep them in step otherwise");
});
