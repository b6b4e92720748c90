import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "./harness.test.ts";

test("smoke", () => {
  const world = new World();
  const a = world.connect("a");
  const b = world.connect("b", { peerConnections: "dual" });
  const track = a.publish("mic", "audio");
  world.advance(1000);
  console.log(
    a.messages.map((m) => m.message.case),
    b.messages.map((m) => m.message.case),
    b.receives(),
    track.sid,
  );
  b.publish("cam", "video");
  world.advance(1000);
  console.log(
    a.receives(),
    a.midToTrackId,
    a.messages.map((m) => m.message.case),
  );
  assert.ok(true);
});
