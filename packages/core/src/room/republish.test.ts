/** Tracks that come and go for hours: what a room says, asks and remembers does not grow with them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SimulcastCodec, UpdateSubscription, UpdateTrackSettings, VideoQuality } from "@livekit/protocol";
import type { Client } from "./harness-client.test.ts";
import { World } from "./harness.test.ts";

const CYCLES = 40;

/** Publishes a camera and a microphone, has bob use everything there is to use of them, and ends them. */
function cycle(world: World, alice: Client, bob: Client): void {
  const simulcastCodecs = [new SimulcastCodec({ codec: "vp8", cid: "cam" }), new SimulcastCodec({ codec: "vp9" })];
  const cam = alice.publish("cam", "video", { simulcastCodecs }).sid;
  const mic = alice.publish("mic", "audio").sid;
  world.advance(1000);
  assert.deepEqual(bob.receives().toSorted(), [cam, mic].toSorted());
  const low = new UpdateTrackSettings({ trackSids: [cam], quality: VideoQuality.LOW });
  bob.request({ case: "trackSetting", value: low });
  bob.request({ case: "subscription", value: new UpdateSubscription({ trackSids: [mic], subscribe: false }) });
  world.advance(1000);
  alice.unpublish("cam");
  alice.unpublish("mic");
  world.advance(1000);
  assert.deepEqual(bob.receives(), []);
  // Wishes for what is gone, as a client has them that has not read of it yet.
  bob.request({ case: "trackSetting", value: low });
  bob.request({ case: "subscription", value: new UpdateSubscription({ trackSids: [cam], subscribe: true }) });
  world.advance(70_000);
}

for (const peerConnections of ["single", "dual"] as const) {
  test(`${peerConnections}: forty publications leave nothing behind`, () => {
    const world = new World();
    const alice = world.connect("alice");
    const bob = world.connect("bob", { peerConnections });
    const figures: string[] = [];
    for (let i = 0; i < CYCLES; i++) {
      const effects = world.effects.length;
      bob.forget();
      cycle(world, alice, bob);
      // Tokens are refreshed by the clock, whatever happens.
      const own = world.effects.slice(effects).filter(({ type }) => type !== "refreshToken");
      const offers = bob.all("offer").map(({ sdp }) => sdp.split("m=").length);
      figures.push(`${own.length} effects, ${bob.messages.length} messages, m-lines ${offers.join()}`);
    }
    assert.equal(figures[CYCLES - 1], figures[1], figures.join("\n"));
    const required = bob.all("mediaSectionsRequirement").map(({ numAudios, numVideos }) => numAudios + numVideos);
    assert.ok(
      required.every((sections) => sections === 0),
      `more m-lines were asked for: ${required.join()}`,
    );
    const told = new Set(world.commands("setTrack").map(({ track }) => track));
    assert.deepEqual([told.size, world.commands("removeTrack").length], [2 * CYCLES, 2 * CYCLES]);
    const quiet = world.effects.length;
    world.advance(200_000);
    assert.deepEqual(
      world.effects.slice(quiet).filter(({ type }) => type !== "refreshToken"),
      [],
      "no timer of theirs is left",
    );
  });
}
