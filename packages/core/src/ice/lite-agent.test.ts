/** What the server's agent makes of the checks of clients, honest ones and others. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { nodeHashes, SeededRandom } from "@stoa/testkit/node-crypto";
import { parseStun, type StunFields } from "@stoa/wire/stun/message";
import { writeStun } from "@stoa/wire/stun/write";
import { NO_PATH } from "../paths.ts";
import { Slab } from "../slab.ts";
import { MAX_PATHS } from "./agent.ts";
import { iceCredentials, stunSigner } from "./credentials.ts";
import { candidate, TIE, World } from "./harness.test.ts";

test("a copy of a client's check from another address changes nothing", () => {
  const world = new World();
  const { server } = world.connected();
  const checks: Uint8Array[] = [];
  world.network.blocked = ({ to, bytes }) => {
    if (to === `udp ${server.endpoint.name}`) checks.push(bytes);
    return false;
  };
  world.clock.run(10_000);
  assert.ok(checks.length >= 3);
  world.network.blocked = () => false;
  for (const check of checks) world.network.inject("udp", "10.6.6.6:666", server.endpoint.name, check);
  world.clock.run(100);
  assert.equal(world.target(server), "udp 10.0.0.2:5000");
  assert.equal(server.agent.drops.replayed, checks.length);
});

test("a wrong password, a missing integrity and an unknown ufrag get no answer and make no path", () => {
  const world = new World();
  const server = world.lite();
  assert.deepEqual(world.probe(server, "10.0.0.7:1", { controlling: TIE }, "wrong"), []);
  assert.deepEqual(world.probe(server, "10.0.0.7:2", { controlling: TIE }, undefined), []);
  assert.deepEqual(world.probe(server, "10.0.0.7:3", { controlling: TIE, username: "other:x" }, server.pwd), []);
  assert.deepEqual(world.probe(server, "10.0.0.7:4", { controlling: TIE, username: server.ufrag }, server.pwd), []);
  assert.equal(server.agent.drops.unauthentic, 4);
  assert.equal(server.agent.selected, NO_PATH);
  assert.equal(server.agent.state, "new");
  assert.equal(server.endpoint.retainedPaths, 0);
});

test("the answer to a check names the address it came from and is signed", () => {
  const world = new World();
  const server = world.lite();
  const [answer] = world.probe(server, "10.0.0.7:4711", { controlling: TIE }, server.pwd);
  assert.equal(answer?.class, "success");
  assert.deepEqual(answer.mappedAddress, { address: Uint8Array.of(10, 0, 0, 7), port: 4711 });
});

test("a client that claims to be controlled is told of the conflict and gets no path", () => {
  const world = new World();
  const server = world.lite();
  const [answer] = world.probe(server, "10.0.0.7:1", { controlled: TIE }, server.pwd);
  assert.equal(answer?.class, "error");
  assert.equal(answer.errorCode, 487);
  assert.equal(server.agent.selected, NO_PATH);
});

test("a nomination wins over an earlier valid path; a later nomination of another path wins again", () => {
  const world = new World();
  const server = world.lite();
  const check = (port: number, useCandidate: boolean, priority: number) =>
    world.probe(server, `10.0.0.7:${port}`, { controlling: TIE, useCandidate, priority }, server.pwd);
  check(1, false, 100);
  assert.equal(world.target(server), "udp 10.0.0.7:1");
  check(2, false, 100);
  assert.equal(world.target(server), "udp 10.0.0.7:1");
  check(2, true, 100);
  assert.equal(world.target(server), "udp 10.0.0.7:2");
  check(1, false, 100);
  assert.equal(world.target(server), "udp 10.0.0.7:2");
  check(3, true, 50);
  assert.equal(world.target(server), "udp 10.0.0.7:3");
});

test("before a nomination the path that DTLS comes on is selected, afterwards it changes nothing", () => {
  const world = new World();
  const server = world.lite();
  const check = (port: number, useCandidate: boolean) =>
    world.probe(server, `10.0.0.7:${port}`, { controlling: TIE, useCandidate, priority: 100 }, server.pwd);
  const note = (port: number) => server.agent.noteTraffic(server.endpoint.open(candidate("udp", "10.0.0.7", port)));
  check(1, false);
  check(2, false);
  note(2);
  assert.equal(world.target(server), "udp 10.0.0.7:2");
  note(9);
  assert.equal(world.target(server), "udp 10.0.0.7:2");
  check(1, true);
  note(2);
  assert.equal(world.target(server), "udp 10.0.0.7:1");
});

test("a client that nominates every pair all the time ends on its best one and stays there", () => {
  const world = new World();
  const server = world.lite();
  const targets: string[] = [];
  for (let round = 0; round < 6; round++) {
    for (const port of [1, 2, 3]) {
      const fields = { controlling: TIE, useCandidate: true, priority: port === 2 ? 200 : 100 };
      world.probe(server, `10.0.0.7:${port}`, fields, server.pwd);
      targets.push(world.target(server));
    }
  }
  assert.deepEqual(new Set(targets.slice(6)), new Set(["udp 10.0.0.7:2"]));
});

test("a client that goes back to a worse path it had nominated before is followed at its second check", () => {
  const world = new World();
  const server = world.lite();
  const nominate = (port: number, priority: number) =>
    world.probe(server, `10.0.0.7:${port}`, { controlling: TIE, useCandidate: true, priority }, server.pwd);
  nominate(1, 100);
  nominate(2, 200);
  nominate(2, 200);
  nominate(1, 100);
  nominate(1, 100);
  assert.equal(world.target(server), "udp 10.0.0.7:1");
});

test("a client that moves without nominating again is followed once its old path is silent", () => {
  const world = new World();
  const server = world.lite();
  world.probe(server, "10.0.0.7:1", { controlling: TIE, useCandidate: true }, server.pwd);
  world.clock.run(5000);
  world.probe(server, "10.0.0.7:2", { controlling: TIE }, server.pwd);
  assert.equal(world.target(server), "udp 10.0.0.7:1");
  world.clock.run(4000);
  world.probe(server, "10.0.0.7:2", { controlling: TIE }, server.pwd);
  assert.equal(world.target(server), "udp 10.0.0.7:2");
});

test("a peer holds a bounded number of paths, gives old ones back, and all of them at the end", () => {
  const world = new World();
  const server = world.lite();
  world.probe(server, "10.0.0.7:1", { controlling: TIE, useCandidate: true }, server.pwd);
  for (let port = 2; port < 100; port++) {
    world.probe(server, `10.0.0.7:${port}`, { controlling: TIE }, server.pwd);
    assert.ok(server.endpoint.retainedPaths <= MAX_PATHS);
  }
  world.clock.run(70_000);
  world.probe(server, "10.0.0.7:500", { controlling: TIE }, server.pwd);
  assert.ok(server.endpoint.retainedPaths <= 2);
  server.agent.close();
  assert.equal(server.endpoint.retainedPaths, 0);
});

test("garbage, cut and foreign STUN messages change nothing", () => {
  const world = new World();
  const { server, client } = world.connected();
  const random = new SeededRandom(99);
  for (let i = 0; i < 500; i++) {
    const bytes = random.bytes(20 + (random.uint32() % 80));
    if (i % 2 === 0) {
      bytes[0] = random.uint32() & 1;
      bytes.set([0, bytes.length - 20, 0x21, 0x12, 0xa4, 0x42], 2);
    }
    world.network.inject("udp", client.endpoint.name, server.endpoint.name, bytes);
    world.network.inject("udp", server.endpoint.name, client.endpoint.name, bytes);
  }
  const response = writeStun(
    { class: "success", method: 1, transactionId: random.bytes(12) },
    stunSigner(iceCredentials("", server.pwd), nodeHashes),
  );
  world.network.inject("udp", server.endpoint.name, client.endpoint.name, response);
  world.clock.run(1000);
  // The few that happen to be Binding indications are legal.
  assert.ok(server.agent.drops.malformed > 490);
  assert.ok(client.agent.drops.malformed > 490);
  assert.equal(client.agent.drops.unauthentic + server.agent.drops.unauthentic, 0);
  assert.equal(client.agent.state, "connected");
  assert.equal(world.target(server), "udp 10.0.0.2:5000");
});

test("a request with an attribute that must be understood and is not is answered with 420", () => {
  const world = new World();
  const server = world.lite();
  // REQUESTED-TRANSPORT of TURN, put in place of PRIORITY; both sides of the signature see the same bytes.
  const answers: StunFields[] = [];
  const probe = world.network.attach("10.0.0.7", 1, new Slab(new ArrayBuffer(1 << 14)));
  probe.receiver = (_path, at, length) => answers.push(parseStun(probe.slab.u8, at, length)!);
  const signer = stunSigner(iceCredentials("", server.pwd), nodeHashes);
  const request = writeStun(
    { class: "request", method: 1, transactionId: new Uint8Array(12), username: `${server.ufrag}:x`, priority: 1 },
    {
      key: signer.key,
      hmacSha1: (key, message) => {
        message[message.length - 7] = 0x19;
        return signer.hmacSha1(key, message);
      },
    },
  );
  world.network.inject("udp", "10.0.0.7:1", server.endpoint.name, request);
  world.clock.run(100);
  assert.equal(answers[0]?.errorCode, 420);
});
