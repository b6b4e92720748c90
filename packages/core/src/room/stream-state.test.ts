import assert from "node:assert/strict";
import { test } from "node:test";
import { MuteTrackRequest, StreamState } from "@livekit/protocol";
import type { Client } from "./harness-client.test.ts";
import { World } from "./harness.test.ts";

function call() {
  const world = new World();
  const alice = world.connect("alice");
  const { sid } = alice.publish("cam", "video");
  const bob = world.connect("bob");
  const carol = world.connect("carol", { peerConnections: "dual" });
  return { world, alice, bob, carol, sid };
}

/** The worker reports a stream. */
function report(world: World, peer: number, track: string, paused: boolean): void {
  world.room.handleMedia({ type: "streamState", peer, track, paused }, world.nowMs);
  world.perform();
}

function states(client: Client): [string, string, StreamState][] {
  return client
    .all("streamStateUpdate")
    .flatMap(({ streamStates }) => streamStates)
    .map(({ participantSid, trackSid, state }) => [participantSid, trackSid, state]);
}

test("a paused stream is told to its subscriber alone, and that it goes on", () => {
  const { world, alice, bob, carol, sid } = call();
  report(world, bob.peers[0]!, sid, true);
  report(world, bob.peers[0]!, sid, false);
  assert.deepEqual(states(bob), [
    [alice.sid, sid, StreamState.PAUSED],
    [alice.sid, sid, StreamState.ACTIVE],
  ]);
  assert.deepEqual([states(alice), states(carol)], [[], []]);
});

test("a muted track is not called paused; an event about a track that ended is nothing", () => {
  const { world, alice, bob, sid } = call();
  alice.request({ case: "mute", value: new MuteTrackRequest({ sid, muted: true }) });
  report(world, bob.peers[0]!, sid, true);
  alice.unpublish("cam");
  report(world, bob.peers[0]!, sid, true);
  report(world, 999, sid, true);
  assert.deepEqual(states(bob), []);
});
