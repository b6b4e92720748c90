/** Two agents that find each other, keep in touch and lose each other. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { NO_PATH } from "../paths.ts";
import { MAX_PATHS } from "./agent.ts";
import { candidate, SERVER, World } from "./harness.test.ts";

test("a lite and a controlling agent connect within two round trips and select each other's address", () => {
  const world = new World();
  const server = world.lite();
  const client = world.full();
  assert.equal(server.agent.selected, NO_PATH);
  world.introduce(server, client);
  client.agent.addRemoteCandidate(candidate("udp", SERVER, 5000), world.clock.nowMs);
  assert.ok(world.clock.run(20, () => client.agent.state === "connected"));
  assert.equal(world.target(client), "udp 10.0.0.1:5000");
  assert.equal(world.target(server), "udp 10.0.0.2:5000");
  assert.equal(Math.round(client.agent.rttMs), 10);
});

test("they connect through 30 % loss with delay and reordering, whatever the seed", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const world = new World(seed, { loss: 0.3, delayMs: 60, jitterMs: 80, duplication: 0.1 });
    const server = world.lite();
    const client = world.full();
    world.introduce(server, client);
    client.agent.addRemoteCandidate(candidate("udp", SERVER, 5000), world.clock.nowMs);
    assert.ok(
      world.clock.run(15_000, () => client.agent.state === "connected" && server.agent.state === "connected"),
      `seed ${seed}`,
    );
    const lost = world.clock.run(120_000, () => client.agent.state === "failed" || server.agent.state === "failed");
    assert.equal(lost, false, `seed ${seed}: consent must survive two minutes`);
  }
});

test("keep-alives go on every two seconds or so, and no more than that", () => {
  const world = new World();
  world.connected();
  const before = world.network.sent;
  world.clock.run(60_000);
  const checks = (world.network.sent - before) / 2;
  assert.ok(checks >= 22 && checks <= 40, `${checks} checks a minute`);
});

test("TCP is used when UDP is blocked, and UDP when both work", () => {
  for (const blockUdp of [true, false]) {
    const world = new World();
    world.network.blocked = ({ to }) => blockUdp && to.startsWith("udp");
    const server = world.lite();
    const client = world.full();
    world.introduce(server, client);
    client.agent.addRemoteCandidate(candidate("tcp", SERVER, 5000), world.clock.nowMs);
    client.agent.addRemoteCandidate(candidate("udp", SERVER, 5000), world.clock.nowMs);
    world.clock.run(4000);
    const protocol = blockUdp ? "tcp" : "udp";
    assert.equal(world.target(client), `${protocol} 10.0.0.1:5000`);
    assert.equal(world.target(server), `${protocol} 10.0.0.2:5000`);
  }
});

test("when UDP dies in mid-call both sides move to TCP before the connection counts as lost", () => {
  const world = new World();
  const { server, client } = world.connected();
  client.agent.addRemoteCandidate(candidate("tcp", SERVER, 5000), world.clock.nowMs);
  world.clock.run(5000);
  assert.equal(world.target(server), "udp 10.0.0.2:5000");
  world.network.blocked = ({ to }) => to.startsWith("udp");
  const moved = () => world.target(server).startsWith("tcp") && world.target(client).startsWith("tcp");
  assert.ok(world.clock.run(9000, moved));
  assert.equal(client.agent.state, "connected");
  assert.equal(server.agent.state, "connected");
});

test("the server follows a client whose address changes, at its next check", () => {
  const world = new World();
  const { server, client } = world.connected();
  world.network.move(client.endpoint, "10.9.9.9", 6000);
  assert.ok(world.clock.run(3000, () => world.target(server) === "udp 10.9.9.9:6000"));
  assert.equal(client.agent.state, "connected");
});

test("without checks the server says disconnected after 10 s and failed 5 s later, and recovers when they return", () => {
  const world = new World();
  const { server, client } = world.connected();
  const lastMs = world.clock.nowMs;
  world.network.blocked = () => true;
  assert.ok(world.clock.run(30_000, () => server.agent.state === "disconnected"));
  const disconnectedMs = world.clock.nowMs;
  assert.ok(disconnectedMs - lastMs > 7_000 && disconnectedMs - lastMs <= 10_000);
  assert.ok(world.clock.run(30_000, () => server.agent.state === "failed"));
  assert.equal(Math.round(world.clock.nowMs - disconnectedMs), 5000);
  assert.equal(server.agent.nextTimeoutMs(), Number.POSITIVE_INFINITY);
  world.clock.run(10_000);
  assert.equal(client.agent.state, "failed");

  world.network.blocked = () => false;
  world.restart(client);
  world.restart(server);
  world.introduce(server, client);
  assert.ok(world.clock.run(1000, () => client.agent.state === "connected"));
  assert.equal(server.agent.state, "connected");
});

test("a short outage shows as disconnected and heals by itself", () => {
  const world = new World();
  const { server, client } = world.connected();
  world.network.blocked = () => true;
  assert.ok(world.clock.run(12_000, () => client.agent.state === "disconnected"));
  world.network.blocked = () => false;
  assert.ok(world.clock.run(4500, () => client.agent.state === "connected" && server.agent.state === "connected"));
});

test("a client that finds nobody fails after 30 s", () => {
  const world = new World();
  const client = world.full();
  client.agent.setRemote("nobody", "no-password-at-all-here", world.clock.nowMs);
  client.agent.addRemoteCandidate(candidate("udp", SERVER, 5000), world.clock.nowMs);
  world.clock.run(29_000);
  assert.equal(client.agent.state, "new");
  world.clock.run(2000);
  assert.equal(client.agent.state, "failed");
  assert.ok(world.network.sent <= 40, "it must not flood");
});

test("two controlling agents settle who controls by their tie-breakers and then connect", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = new World(seed, { loss: 0.1, jitterMs: 10 });
    const a = world.full("10.0.0.3");
    const b = world.full("10.0.0.4");
    world.introduce(a, b);
    a.agent.addRemoteCandidate(candidate("udp", "10.0.0.4", 5000), world.clock.nowMs);
    // b learns of a by a's checks only.
    const settled = () =>
      a.agent.state === "connected" && b.agent.state === "connected" && a.agent.controlling !== b.agent.controlling;
    assert.ok(world.clock.run(10_000, settled), `seed ${seed}`);
    world.clock.run(30_000);
    assert.ok(settled(), `seed ${seed}`);
    assert.equal(world.target(a), "udp 10.0.0.4:5000");
    assert.equal(world.target(b), "udp 10.0.0.3:5000");
    a.agent.close();
    b.agent.close();
    assert.equal(a.endpoint.retainedPaths + b.endpoint.retainedPaths, 0);
  }
});

test("of more candidates than an agent keeps, the newest is tried, and those that work stay", () => {
  const world = new World();
  const server = world.lite();
  const client = world.full();
  world.introduce(server, client);
  for (let port = 1; port <= 3 * MAX_PATHS; port++) {
    client.agent.addRemoteCandidate(candidate("udp", "10.0.0.9", port), world.clock.nowMs);
    assert.ok(client.endpoint.retainedPaths <= MAX_PATHS);
  }
  client.agent.addRemoteCandidate(candidate("udp", SERVER, 5000), world.clock.nowMs);
  assert.ok(world.clock.run(2000, () => client.agent.state === "connected"));
  for (let port = 1; port <= 3 * MAX_PATHS; port++)
    client.agent.addRemoteCandidate(candidate("udp", "10.0.0.8", port), world.clock.nowMs);
  world.clock.run(15_000);
  assert.equal(client.agent.state, "connected");
  assert.equal(world.target(client), "udp 10.0.0.1:5000");
  client.agent.close();
  assert.equal(client.endpoint.retainedPaths, 0);
});
