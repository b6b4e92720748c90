/** ICE restarts: which credentials count, and on which path media goes meanwhile. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { candidate, SERVER, World } from "./harness.test.ts";

test("a restart by the server keeps the old credentials until the client uses the new ones", () => {
  const world = new World();
  const { server, client } = world.connected();
  const [oldUfrag] = server.agent.ufrags;
  world.restart(server);
  world.clock.run(20_000);
  assert.equal(server.agent.state, "connected");
  assert.deepEqual(server.agent.ufrags, [server.ufrag, oldUfrag]);
  world.restart(client);
  world.introduce(server, client);
  world.clock.run(1000);
  assert.deepEqual(server.agent.ufrags, [server.ufrag]);
  assert.equal(client.agent.state, "connected");
  world.clock.run(20_000);
  assert.equal(server.agent.state, "connected");
});

test("two restarts in a row that the client has not answered do not cut it off", () => {
  const world = new World();
  const { server, client } = world.connected();
  world.restart(server);
  world.restart(server);
  world.clock.run(20_000);
  assert.equal(server.agent.state, "connected");
  world.introduce(server, client);
  world.clock.run(3000);
  assert.deepEqual(server.agent.ufrags, [server.ufrag]);
});

test("a restart to TCP only: the UDP path serves until TCP works, and UDP is not answered any more", () => {
  const world = new World();
  const { server, client } = world.connected();
  world.restart(server, true);
  world.clock.run(20_000);
  assert.deepEqual([world.target(server), server.agent.state], ["udp 10.0.0.2:5000", "connected"]);
  world.restart(client);
  world.introduce(server, client);
  world.clock.run(3000);
  assert.ok(server.agent.drops.unwanted > 0, "the client tries its old UDP pair again");
  client.agent.addRemoteCandidate(candidate("tcp", SERVER, 5000), world.clock.nowMs);
  world.clock.run(3000);
  assert.match(world.target(server), /^tcp /);
  world.restart(server);
  world.restart(client);
  world.introduce(server, client);
  world.clock.run(3000);
  assert.deepEqual([world.target(server), client.agent.state], ["udp 10.0.0.2:5000", "connected"]);
});

test("during a restart media keeps its path until the client nominates another one", () => {
  const world = new World();
  const { server, client } = world.connected();
  const before = world.target(server);
  world.restart(server);
  world.restart(client);
  world.clock.run(1000);
  assert.equal(world.target(server), before);
  assert.equal(world.target(client), "udp 10.0.0.1:5000");
  world.introduce(server, client);
  assert.equal(world.target(client), "udp 10.0.0.1:5000");
});
