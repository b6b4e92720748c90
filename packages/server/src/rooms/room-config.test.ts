import assert from "node:assert/strict";
import { test } from "node:test";
import { RoomConfiguration } from "@livekit/protocol";
import { testConfig } from "../fixtures.test.ts";
import { newRoomConfig } from "./room-config.ts";

test("playout delay: what a token or a preset says, else the server's if it is switched on", () => {
  const of = (yaml: string, preset: object, token: object) => {
    const { config } = testConfig(yaml);
    const made = newRoomConfig(config, new RoomConfiguration(preset), new RoomConfiguration(token));
    return [made.minPlayoutDelay, made.maxPlayoutDelay];
  };
  const on = "room: { playout_delay: { enabled: true, min: 100, max: 2000 } }";
  assert.deepEqual(of(on, {}, {}), [100, 2000]);
  assert.deepEqual(of(on.replace("true", "false"), {}, {}), [0, 0]);
  assert.deepEqual(of(on, { minPlayoutDelay: 50 }, {}), [50, 0]);
  assert.deepEqual(of(on, { minPlayoutDelay: 50 }, { maxPlayoutDelay: 700 }), [50, 700]);
  assert.deepEqual(of(on, { minPlayoutDelay: 50 }, { minPlayoutDelay: 60 }), [60, 0]);
});
