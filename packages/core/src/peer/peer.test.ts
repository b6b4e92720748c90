/** A peer and its client from the first check to the last goodbye. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { NO_PATH } from "../paths.ts";
import { assertNothingHeld, eventsOf, Host, remoteOf, SERVER, statesOf, World } from "./harness.test.ts";

for (const profile of ["SRTP_AEAD_AES_128_GCM", "SRTP_AES128_CM_SHA1_80"] as const) {
  test(`media, reports and data pass both ways once ICE and DTLS are up (${profile})`, () => {
    const world = new World();
    const { server, client } = world.connectedPair(profile);
    assert.deepEqual(statesOf(server), ["connected: udp 10.0.0.2:5000"]);
    assert.deepEqual(statesOf(client), ["connected: udp 10.0.0.1:5000"]);
    client.host.sendRtp(client.peer, 1, "up");
    server.host.sendRtp(server.peer, 1, "down");
    client.host.sendRtcp(client.peer, "report");
    const channel = client.peer.openChannel({ label: "_reliable", ordered: true, maxRetransmits: undefined });
    assert.equal(client.peer.sendData(channel, Buffer.from("hello"), true, world.clock.nowMs), "queued");
    world.clock.run(100);
    assert.deepEqual(server.host.media, ["up", "report"]);
    assert.deepEqual(client.host.media, ["down"]);
    const [, open, message] = eventsOf(server);
    assert.ok(open?.type === "channelOpen" && open.label === "_reliable");
    assert.ok(message?.type === "message" && Buffer.from(message.data).toString() === "hello");
    assert.equal(server.peer.sendData(channel, Buffer.from("back"), false, world.clock.nowMs), "queued");
    world.clock.run(100);
    assert.ok(eventsOf(client).some((event) => event.type === "message" && !event.binary));
  });
}

test("either side may be the DTLS client", () => {
  const world = new World();
  const server = world.peer(new Host(world, "10.0.0.1"), "lite");
  const client = world.peer(new Host(world, "10.0.0.2"), "controlling");
  world.introduce(server, client, { serverRole: "client" });
  assert.ok(world.clock.run(2000, () => server.peer.connected && client.peer.connected));
  client.host.sendRtp(client.peer, 1, "up");
  world.clock.run(100);
  assert.deepEqual(server.host.media, ["up"]);
});

test("a peer connects through heavy loss, delay and reordering, whatever the seed", () => {
  for (let seed = 1; seed <= 30; seed++) {
    const world = new World(seed, { loss: 0.3, delayMs: 40, jitterMs: 60, duplication: 0.1 });
    const server = world.peer(new Host(world, "10.0.0.1"), "lite");
    const client = world.peer(new Host(world, "10.0.0.2"), "controlling");
    world.introduce(server, client);
    assert.ok(
      world.clock.run(30_000, () => server.peer.connected && client.peer.connected),
      `seed ${seed}`,
    );
  }
});

test("DTLS that comes before the answer's role is known is kept, and the handshake goes on with it", () => {
  const world = new World();
  const server = world.peer(new Host(world, "10.0.0.1"), "lite");
  const client = world.peer(new Host(world, "10.0.0.2"), "controlling");
  client.peer.setRemote({ ...remoteOf(server), dtlsRole: "client" }, world.clock.nowMs);
  client.peer.addRemoteCandidate(SERVER, world.clock.nowMs);
  world.clock.run(25);
  assert.notEqual(server.peer.path, NO_PATH);
  // Nothing more is sent until the server knows its role: the kept ClientHello must do.
  const sent = world.network.sent;
  server.peer.setRemote(remoteOf(client), world.clock.nowMs);
  assert.ok(world.network.sent > sent);
  assert.ok(world.clock.run(30, () => server.peer.connected));
});

test("lost checks alone are told from silence", () => {
  for (const onlyChecks of [true, false]) {
    const world = new World();
    const { server, client } = world.connectedPair();
    world.network.blocked = ({ bytes }) => !onlyChecks || bytes[0]! < 4;
    for (let i = 0; i < 100; i++) {
      client.host.sendRtp(client.peer, 1 + i, "media");
      world.clock.run(100);
    }
    const lost = eventsOf(server).find((event) => event.type === "state" && event.state === "disconnected");
    assert.ok(lost?.type === "state");
    assert.equal(lost.silent, !onlyChecks);
  }
});

test("closing tells the other side, is final and gives everything back", () => {
  const world = new World();
  const { server, client } = world.connectedPair();
  client.host.table.remove(client.peer.id);
  client.peer.close();
  client.peer.close();
  assert.equal(statesOf(client).at(-1), "closed: closed");
  world.clock.run(100);
  assert.equal(statesOf(server).at(-1), "closed: closed by the other side");
  assertNothingHeld(server, client);
  server.host.sendRtp(server.peer, 1, "nothing");
  assert.equal(server.peer.sendData(0, new Uint8Array(1), true, world.clock.nowMs), "closed");
  server.peer.setRemote(remoteOf(client), world.clock.nowMs);
  server.peer.restartIce("abcd", "password", world.clock.nowMs);
  assert.equal(server.peer.connected, false);
  server.peer.close();
  assert.equal(statesOf(server).length, 2);
});

test("a peer that is closed before anything happened holds nothing", () => {
  const world = new World();
  const server = world.peer(new Host(world, "10.0.0.1"), "lite");
  server.peer.close();
  assert.deepEqual(statesOf(server), ["closed: closed"]);
  assertNothingHeld(server);
});

test("a client that never finishes the handshake is given up after a minute", () => {
  const world = new World();
  const server = world.peer(new Host(world, "10.0.0.1"), "lite");
  const client = world.peer(new Host(world, "10.0.0.2"), "controlling");
  world.network.blocked = ({ bytes }) => bytes[0] === 22;
  world.introduce(server, client);
  world.clock.run(59_000);
  assert.deepEqual(statesOf(server), []);
  world.clock.run(2000);
  assert.deepEqual(statesOf(server), ["failed: the DTLS handshake was not finished within 60 s"]);
});

test("channels asked for before the description are opened when SCTP comes, even in a later description", () => {
  const world = new World();
  const server = world.peer(new Host(world, "10.0.0.1"), "lite");
  const client = world.peer(new Host(world, "10.0.0.2"), "controlling");
  assert.equal(server.peer.openChannel({ label: "_lossy", ordered: false, maxRetransmits: 0 }), -1);
  world.introduce(server, client, { sctp: false });
  assert.ok(world.clock.run(2000, () => server.peer.connected));
  assert.equal(eventsOf(server).length, 1);
  world.introduce(server, client);
  world.clock.run(1000);
  const opened = eventsOf(server).find((event) => event.type === "channelOpen");
  assert.ok(opened?.type === "channelOpen" && opened.label === "_lossy" && opened.channel === 1);
  assert.ok(eventsOf(client).some((event) => event.type === "channelOpen"));
});
