import assert from "node:assert/strict";
import { test } from "node:test";
import { CandidateProtocol, DisconnectReason, LeaveRequest_Action, SimulateScenario } from "@livekit/protocol";
import type { Client } from "./harness-client.test.ts";
import { World } from "./harness.test.ts";

function simulate(client: Client, scenario: SimulateScenario["scenario"]): void {
  client.request({ case: "simulate", value: new SimulateScenario({ scenario }) });
}

/** Alice sends, bob will have the accident. */
function call(peerConnections: "single" | "dual" = "single") {
  const world = new World();
  const alice = world.connect("alice");
  const { sid } = alice.publish("mic", "audio");
  const bob = world.connect("bob", { peerConnections });
  world.advance(1000);
  bob.forget();
  return { world, alice, bob, sid };
}

test("speaker_update: the client speaks for so long", () => {
  const { world, bob } = call();
  simulate(bob, { case: "speakerUpdate", value: 3 });
  world.advance(3000);
  const said = bob.all("speakersChanged").flatMap(({ speakers }) => speakers.map(({ active }) => active));
  assert.deepEqual(said, [true, false]);
});

test("node_failure: no Leave, and the session is gone when the client comes back", () => {
  const { world, alice, bob } = call();
  simulate(bob, { case: "nodeFailure", value: true });
  world.advance(1000);
  assert.deepEqual([bob.connection, bob.leave], [0, undefined]);
  assert.equal(alice.sees("bob"), undefined);
  assert.ok("failure" in bob.resume());
});

test("migration: no Leave, and the client resumes its session", () => {
  const { alice, bob, sid } = call();
  simulate(bob, { case: "migration", value: true });
  assert.deepEqual([bob.connection, bob.leave], [0, undefined]);
  assert.ok("participant" in bob.resume());
  assert.deepEqual(bob.receives(), [sid]);
  assert.ok(alice.sees("bob"));
});

test("server_leave: the client is sent away", () => {
  const { bob } = call();
  simulate(bob, { case: "serverLeave", value: true });
  assert.deepEqual(
    [bob.leave?.action, bob.leave?.reason],
    [LeaveRequest_Action.DISCONNECT, DisconnectReason.SERVER_SHUTDOWN],
  );
});

test("leave_request_full_reconnect: the client is to start anew", () => {
  const { bob } = call();
  simulate(bob, { case: "leaveRequestFullReconnect", value: true });
  assert.equal(bob.leave?.action, LeaveRequest_Action.RECONNECT);
});

for (const peerConnections of ["single", "dual"] as const) {
  test(`${peerConnections}: subscriber_bandwidth holds the peer on which tracks come`, () => {
    const { world, bob } = call(peerConnections);
    const peer = bob.peers.find((one) => world.senders.get(one)?.length);
    simulate(bob, { case: "subscriberBandwidth", value: 100_000n });
    simulate(bob, { case: "subscriberBandwidth", value: 0n });
    simulate(bob, { case: "subscriberBandwidth", value: -5n });
    assert.deepEqual(
      world.commands("limitBandwidth").map((command) => [command.peer, command.bps]),
      [
        [peer, 100_000],
        [peer, 0],
        [peer, 0],
      ],
    );
  });
}

test("switch_candidate_protocol: TCP alone is offered, and TCP alone is answered", () => {
  const { world, bob } = call("dual");
  simulate(bob, { case: "switchCandidateProtocol", value: CandidateProtocol.TCP });
  assert.equal(world.commands("restartIce").at(-1)?.tcpOnly, true);
  const candidates = bob.last("offer")!.sdp.match(/^a=candidate:.*$/gm) ?? [];
  assert.ok(candidates.length > 0 && candidates.every((line) => line.includes(" tcp ")), candidates.join());
});

test("disconnect_signal_on_resume: the next resume is answered and breaks, the one after it stands", () => {
  const { bob, sid } = call();
  simulate(bob, { case: "disconnectSignalOnResume", value: true });
  bob.dropSignal();
  bob.resume();
  assert.ok(bob.last("reconnect"));
  assert.equal(bob.connection, 0);
  bob.resume();
  assert.notEqual(bob.connection, 0);
  assert.deepEqual(bob.receives(), [sid]);
});

test("disconnect_signal_on_resume_no_messages: the next resume breaks without a word", () => {
  const { bob } = call();
  simulate(bob, { case: "disconnectSignalOnResumeNoMessages", value: true });
  bob.dropSignal();
  bob.resume();
  assert.deepEqual([bob.messages, bob.connection], [[], 0]);
  bob.resume();
  assert.ok(bob.last("reconnect"));
  assert.notEqual(bob.connection, 0);
});

test("a resume later than five seconds is not disturbed", () => {
  const { world, bob } = call();
  simulate(bob, { case: "disconnectSignalOnResume", value: true });
  world.advance(5001);
  bob.dropSignal();
  bob.resume();
  assert.notEqual(bob.connection, 0);
});
