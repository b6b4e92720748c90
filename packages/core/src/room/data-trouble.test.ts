import assert from "node:assert/strict";
import { test } from "node:test";
import { DisconnectReason, LeaveRequest_Action } from "@livekit/protocol";
import type { DataTrouble } from "../engine/events.ts";
import type { Client } from "./harness-client.test.ts";
import { World } from "./harness.test.ts";
import { DEFAULT_TRANSPORT_POLICY } from "./options.ts";

function tell(world: World, client: Client, trouble: DataTrouble, begins = true): void {
  world.room.handleMedia({ type: "dataTrouble", peer: client.peers[0]!, trouble, begins, times: 1 }, world.nowMs);
  world.perform();
}

test("who has missed reliable data, or cannot be given any, starts anew only where the configuration asks for it", () => {
  for (const reconnectOnDataLoss of [false, true]) {
    for (const trouble of ["lost", "closed", "slow", "lossy", "dataTracks", "held"] as const) {
      const world = new World({}, {}, { transport: { ...DEFAULT_TRANSPORT_POLICY, reconnectOnDataLoss } });
      const alice = world.connect("alice");
      world.connect("bob");
      const told = () => [alice.leave?.action, alice.leave?.reason];
      tell(world, alice, trouble, false);
      assert.deepEqual(told(), [undefined, undefined], "it is over");
      tell(world, alice, trouble);
      const anew = reconnectOnDataLoss && (trouble === "lost" || trouble === "closed");
      const leave = anew ? [LeaveRequest_Action.RECONNECT, DisconnectReason.STATE_MISMATCH] : [undefined, undefined];
      assert.deepEqual(told(), leave, trouble);
    }
  }
});

test("a channel that is gone because its connection is does not end the session", () => {
  const world = new World({}, {}, { transport: { ...DEFAULT_TRANSPORT_POLICY, reconnectOnDataLoss: true } });
  const alice = world.connect("alice");
  alice.peerState(alice.peers[0]!, "disconnected");
  tell(world, alice, "closed");
  assert.equal(world.room.participants().length, 1);
});
