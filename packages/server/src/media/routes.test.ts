import assert from "node:assert/strict";
import { test } from "node:test";
import type { MediaCommand } from "@stoa/core/engine/commands";
import { MediaRoutes } from "./routes.ts";

function openPeer(peer: number, room: string): MediaCommand {
  const congestion = { enabled: false, allowPause: false };
  const credentials = { ufrag: "u", pwd: "p" };
  return {
    type: "openPeer",
    peer,
    room,
    participant: "PA_1",
    ...credentials,
    channels: [],
    congestion,
    playoutDelay: undefined,
  };
}

test("an event about a room finds it by its SID, as long as the room exists", () => {
  const routes = new MediaRoutes();
  routes.note("blue", openPeer(1, "RM_blue"));
  routes.note("red", openPeer(2, "RM_red"));
  const speakers = (room: string) => routes.roomOf({ type: "speakers", room, speakers: [] });
  assert.equal(speakers("RM_blue"), "blue");
  assert.equal(speakers("RM_red"), "red");
  assert.equal(speakers("RM_none"), undefined);
  routes.forget("blue");
  assert.equal(speakers("RM_blue"), undefined);
  assert.equal(speakers("RM_red"), "red");
  routes.note("blue", openPeer(3, "RM_next"));
  assert.equal(speakers("RM_next"), "blue", "a room of the same name");
  assert.equal(speakers("RM_blue"), undefined);
});
