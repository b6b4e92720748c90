import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Ping,
  PublishDataTrackRequest,
  RequestResponse_Reason,
  SignalRequest,
  SimulateScenario,
  UpdateParticipantMetadata,
} from "@livekit/protocol";
import type { Client } from "./harness-client.test.ts";
import { START_MS, World } from "./harness.test.ts";

const { OK, NOT_ALLOWED, LIMIT_EXCEEDED } = RequestResponse_Reason;

function update(client: Client, more: Partial<UpdateParticipantMetadata>): void {
  client.request({ case: "updateMetadata", value: new UpdateParticipantMetadata({ requestId: 7, ...more }) });
}

test("ping and ping_req are answered with the time in milliseconds", () => {
  const world = new World();
  const alice = world.connect("alice");
  world.advance(1500);
  alice.request({ case: "ping", value: 42n });
  assert.equal(alice.last("pong"), BigInt(START_MS + 1500));
  alice.request({ case: "pingReq", value: new Ping({ timestamp: 42n, rtt: 3n }) });
  const pong = alice.last("pongResp")!;
  assert.deepEqual([pong.lastPingTimestamp, pong.timestamp], [42n, BigInt(START_MS + 1500)]);
});

test("name, metadata and attributes: given ones change, empty ones stay, an empty attribute goes", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob");
  update(alice, { name: "Alice", attributes: { mood: "good", hat: "red", ["__proto__"]: "x" } });
  update(alice, { metadata: "m", attributes: { hat: "" } });
  const seen = bob.sees("alice")!;
  assert.deepEqual([seen.name, seen.metadata, { ...seen.attributes }], ["Alice", "m", { mood: "good" }]);
  const response = alice.last("requestResponse")!;
  assert.deepEqual([response.reason, response.requestId, response.request.case], [OK, 7, "updateMetadata"]);
  const carol = world.connect("carol");
  assert.deepEqual(carol.sees("alice")?.attributes, { mood: "good" });
  const claims = world.effects.findLast((effect) => effect.type === "refreshToken" && effect.participant === alice.sid);
  assert.ok(claims?.type === "refreshToken");
  assert.deepEqual([claims.claims.name, claims.claims.attributes], ["Alice", { mood: "good" }]);
});

test("an update that changes nothing is answered and told to nobody", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob");
  update(alice, { name: "Alice" });
  bob.forget();
  update(alice, { name: "Alice", attributes: { nothing: "" } });
  assert.equal(alice.lastReason, OK);
  assert.equal(bob.messages.length, 0);
});

for (const [what, more, options, reason, message] of [
  [
    "without permission",
    { name: "x" },
    { grants: { canUpdateOwnMetadata: false } },
    NOT_ALLOWED,
    "does not have permission to update own metadata",
  ],
  ["a long name", { name: "é".repeat(9) }, {}, LIMIT_EXCEEDED, "exceeds name length limit"],
  ["long metadata", { metadata: "x".repeat(33) }, {}, LIMIT_EXCEEDED, "exceeds metadata size limit"],
  ["large attributes", { attributes: { a: "x".repeat(64) } }, {}, LIMIT_EXCEEDED, "exceeds attributes size limit"],
] as const) {
  test(`an update is refused: ${what}`, () => {
    const world = new World();
    const alice = world.connect("alice", options);
    const bob = world.connect("bob");
    bob.forget();
    update(alice, more);
    const response = alice.last("requestResponse")!;
    assert.deepEqual([response.reason, response.message, response.requestId], [reason, message, 7]);
    assert.equal(bob.messages.length, 0);
  });
}

test("attributes cannot grow past the limit by many small updates", () => {
  const alice = new World().connect("alice");
  for (let i = 0; i < 20; i++) update(alice, { attributes: { [`key${i}`]: "12345678" } });
  assert.equal(alice.lastReason, LIMIT_EXCEEDED);
  const size = Object.entries(alice.self!.attributes).flat().join("").length;
  assert.ok(size > 40 && size <= 64);
});

test("clients before protocol 15 hear only of errors", () => {
  const alice = new World().connect("alice", { protocol: 14 });
  update(alice, { name: "Alice" });
  assert.equal(alice.last("requestResponse"), undefined);
  update(alice, { name: "x".repeat(100) });
  assert.equal(alice.lastReason, LIMIT_EXCEEDED);
});

test("data tracks are refused at once where they are switched off", () => {
  const alice = new World({}, {}, { dataTracks: undefined }).connect("alice");
  alice.request({ case: "publishDataTrackRequest", value: new PublishDataTrackRequest({ pubHandle: 1, name: "x" }) });
  assert.equal(alice.lastReason, NOT_ALLOWED);
  assert.equal(alice.last("requestResponse")?.request.case, "publishDataTrack");
});

test("empty, unknown and late requests change nothing", () => {
  const world = new World();
  const alice = world.connect("alice");
  const before = world.effects.length;
  world.room.handleRequest(alice.sid, alice.connection, new SignalRequest(), world.nowMs);
  world.room.handleRequest("PA_nobody", alice.connection, new SignalRequest(), world.nowMs);
  const ping = new SignalRequest({ message: { case: "ping", value: 1n } });
  world.room.handleRequest(alice.sid, alice.connection + 1, ping, world.nowMs);
  alice.request({ case: "simulate", value: new SimulateScenario() });
  world.perform();
  assert.equal(world.effects.length, before);
});
