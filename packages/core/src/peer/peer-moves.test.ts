/** Clients that change their address or restart ICE, and clients that share one. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { formatPath } from "../ice/agent.ts";
import { NO_PATH } from "../paths.ts";
import { assertNothingHeld, eventsOf, Host, SERVER, statesOf, World } from "./harness.test.ts";

test("a client whose address changes in mid-call keeps its keys, and its media and the server's go on", () => {
  const world = new World();
  const { server, client } = world.connectedPair();
  world.network.move(client.host.endpoint, "10.9.9.9", 4444);
  client.host.sendRtp(client.peer, 1, "too early");
  world.clock.run(3000);
  client.host.sendRtp(client.peer, 2, "moved");
  server.host.sendRtp(server.peer, 1, "found");
  world.clock.run(100);
  assert.deepEqual(server.host.media, ["moved"]);
  assert.deepEqual(client.host.media, ["found"]);
  assert.deepEqual(eventsOf(server).at(-1), { type: "path", detail: "udp 10.9.9.9:4444", protocol: "udp" });
  assert.deepEqual(statesOf(server), ["connected: udp 10.0.0.2:5000"]);
});

test("an ICE restart keeps DTLS, SRTP and data channels", () => {
  const world = new World();
  const { server, client } = world.connectedPair();
  const channel = client.peer.openChannel({ label: "x", ordered: true, maxRetransmits: undefined });
  world.restartIce(server);
  world.restartIce(client);
  world.introduce(server, client);
  world.clock.run(2000);
  client.host.sendRtp(client.peer, 1, "after");
  client.peer.sendData(channel, Buffer.from("data"), true, world.clock.nowMs);
  world.clock.run(100);
  assert.deepEqual(server.host.media, ["after"]);
  assert.ok(eventsOf(server).some((event) => event.type === "message"));
  assert.deepEqual(statesOf(server), ["connected: udp 10.0.0.2:5000"]);
  assert.deepEqual(server.peer.ufrags, [server.ufrag]);
});

test("a restart heals a connection that had failed", () => {
  const world = new World();
  const { server, client } = world.connectedPair();
  world.network.blocked = () => true;
  world.clock.run(20_000);
  world.network.blocked = () => false;
  world.restartIce(server);
  world.restartIce(client);
  world.introduce(server, client);
  world.clock.run(2000);
  const expected = (address: string) => [
    `connected: udp ${address}`,
    "disconnected: no connectivity check for 10 s, nor anything else",
    "failed: consent expired",
    `connected: udp ${address}`,
  ];
  assert.deepEqual(statesOf(server), expected("10.0.0.2:5000"));
  assert.deepEqual(statesOf(client), expected("10.0.0.1:5000"));
  client.host.sendRtp(client.peer, 1, "healed");
  world.clock.run(100);
  assert.deepEqual(server.host.media, ["healed"]);
});

test("several clients share the server's port, and each one's packets reach its own peer", () => {
  const world = new World();
  const host = new Host(world, "10.0.0.1");
  const pairs = Array.from({ length: 10 }, (_, i) => {
    const server = world.peer(host, "lite");
    const client = world.peer(new Host(world, `10.0.1.${i}`), "controlling");
    world.introduce(server, client);
    return { server, client };
  });
  world.clock.run(1000);
  for (const [i, { server, client }] of pairs.entries()) {
    assert.deepEqual(statesOf(server), [`connected: udp 10.0.1.${i}:5000`]);
    client.host.sendRtp(client.peer, 1, `from ${i}`);
  }
  world.clock.run(1000);
  assert.deepEqual(
    host.media.sort(),
    pairs.map((_, i) => `from ${i}`),
  );
  for (const { server, client } of pairs) {
    host.table.remove(server.peer.id);
    server.peer.close();
    client.peer.close();
  }
  assert.equal(host.table.size, 0);
  assertNothingHeld(pairs[0]!.server);
});

test("a path changes hands only when its owner has been silent there", () => {
  const world = new World();
  const { server, client } = world.connectedPair();
  // A second connection from the same address and port: the first one is alive.
  const second = world.peer(server.host, "lite");
  const rival = world.peer(client.host, "controlling");
  world.introduce(second, rival);
  world.clock.run(3000);
  assert.equal(second.peer.path, NO_PATH);
  assert.equal(rival.peer.path, NO_PATH);
  client.host.sendRtp(client.peer, 1, "mine");
  world.clock.run(100);
  assert.deepEqual(server.host.media, ["mine"]);
  // The first one's client goes away without a word; the second one starts on the same port.
  world.clock.remove(client.peer);
  client.host.table.remove(client.peer.id);
  client.peer.close();
  world.network.blocked = ({ bytes }) => bytes[0] === 21;
  world.clock.run(15_000);
  rival.peer.addRemoteCandidate(SERVER, world.clock.nowMs);
  assert.ok(world.clock.run(15_000, () => second.peer.connected));
  assert.notEqual(formatPath(server.host.endpoint.describe(second.peer.path)!), "");
  assert.equal(server.peer.path, NO_PATH);
});
