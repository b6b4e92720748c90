/** What strangers and liars can do to a peer: nothing. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { SeededRandom } from "@stoa/testkit/node-crypto";
import { assertNothingHeld, Host, remoteOf, SERVER, statesOf, World } from "./harness.test.ts";

test("a certificate that is not the one of the SDP ends the peer, before any key is used", () => {
  const world = new World();
  const server = world.peer(new Host(world, "10.0.0.1"), "lite");
  const client = world.peer(new Host(world, "10.0.0.2"), "controlling");
  const mallory = { ...remoteOf(client), fingerprints: ["AA:BB"] };
  server.peer.setRemote(mallory, world.clock.nowMs);
  client.peer.setRemote({ ...remoteOf(server), dtlsRole: "client" }, world.clock.nowMs);
  client.peer.addRemoteCandidate(SERVER, world.clock.nowMs);
  world.clock.run(5000);
  assert.deepEqual(statesOf(server), ["failed: certificate fingerprint does not match the SDP"]);
  assert.equal(server.peer.connected, false);
  client.host.sendRtp(client.peer, 1, "never");
  world.clock.run(100);
  assert.deepEqual(server.host.media, []);
  assert.equal(server.host.crypto.open, 0);
  assert.equal(server.peer.nextTimeoutMs(), Number.POSITIVE_INFINITY);
  server.peer.close();
  client.peer.close();
  world.clock.run(100);
  assertNothingHeld(server, client);
});

test("a description that changes the fingerprint of a connected peer to another one ends it", () => {
  const world = new World();
  const { server, client } = world.connectedPair();
  server.peer.setRemote(
    { ...remoteOf(client), fingerprints: ["AA:BB", client.host.dtls.fingerprint] },
    world.clock.nowMs,
  );
  assert.equal(server.peer.connected, true);
  server.peer.setRemote({ ...remoteOf(client), fingerprints: ["AA:BB"] }, world.clock.nowMs);
  assert.equal(statesOf(server).at(-1), "failed: certificate fingerprint does not match the SDP");
});

test("DTLS and media from an address that ICE has not validated are ignored", () => {
  const world = new World();
  const server = world.peer(new Host(world, "10.0.0.1"), "lite");
  const client = world.peer(new Host(world, "10.0.0.2"), "controlling");
  world.introduce(server, client);
  const hello = Uint8Array.of(22, 1, ...new Uint8Array(11), ...Buffer.from(client.host.dtls.fingerprint));
  world.network.inject("udp", "10.6.6.6:1", "10.0.0.1:5000", hello);
  world.clock.run(4);
  assert.equal(server.peer.connected, false);
  assert.ok(world.clock.run(2000, () => server.peer.connected));
  server.peer.handleDtls(12_345, 0, 20, world.clock.nowMs);
  assert.equal(server.peer.strayDatagrams, 1);
});

test("garbage of every kind from the peer's own address does no harm", () => {
  const world = new World();
  const { server, client } = world.connectedPair();
  const random = new SeededRandom(7);
  for (let i = 0; i < 2000; i++) {
    const bytes = random.bytes(random.uint32() % 300);
    if (bytes.length > 1 && i % 4 === 0) bytes[0] = 0x80;
    // The stand-in for DTLS has no authentication: leave its records alone.
    if (bytes[0]! >= 20 && bytes[0]! < 64) continue;
    world.network.inject("udp", "10.0.0.2:5000", "10.0.0.1:5000", bytes);
    world.network.inject("udp", "10.0.0.1:5000", "10.0.0.2:5000", bytes);
  }
  world.clock.run(1000);
  client.host.sendRtp(client.peer, 1, "still here");
  world.clock.run(100);
  assert.deepEqual(server.host.media, ["still here"]);
  assert.deepEqual(statesOf(server), ["connected: udp 10.0.0.2:5000"]);
});
