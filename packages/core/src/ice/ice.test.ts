/** A lite and a controlling agent (or two controlling ones) joined by a network on a virtual clock. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { nodeHashes, SeededRandom } from "@stoa/testkit/node-crypto";
import { type Endpoint, LossyNetwork } from "@stoa/testkit/lossy-network";
import { VirtualClock } from "@stoa/testkit/virtual-clock";
import { parseStun, type StunFields } from "@stoa/wire/stun/message";
import { writeStun } from "@stoa/wire/stun/write";
import { NO_PATH, type PathInfo } from "../paths.ts";
import { Slab } from "../slab.ts";
import { formatPath, type IceAgent, type IceDeps, MAX_PATHS } from "./agent.ts";
import { ControllingAgent } from "./controlling-agent.ts";
import { drawIceCredentials, iceCredentials, stunSigner } from "./credentials.ts";
import { LiteAgent } from "./lite-agent.ts";

const SERVER = "10.0.0.1";
const CLIENT = "10.0.0.2";

function candidate(protocol: "udp" | "tcp", address: string, port: number): PathInfo {
  return { protocol, address: Uint8Array.from(address.split("."), Number), port };
}

interface Host<A extends IceAgent = IceAgent> {
  readonly agent: A;
  readonly endpoint: Endpoint;
  ufrag: string;
  pwd: string;
}

class World {
  readonly clock = new VirtualClock();
  readonly network: LossyNetwork;
  readonly #random: SeededRandom;

  constructor(seed = 1, conditions: ConstructorParameters<typeof LossyNetwork>[2] = {}) {
    this.#random = new SeededRandom(seed);
    this.network = new LossyNetwork(this.clock, seed, conditions);
  }

  host<A extends IceAgent>(address: string, make: (deps: IceDeps, ufrag: string, pwd: string) => A): Host<A> {
    const slab = new Slab(new ArrayBuffer(1 << 16));
    const endpoint = this.network.attach(address, 5000, slab);
    const claims = { claim: () => true, unclaim: () => undefined };
    const deps = { slab, hashes: nodeHashes, random: this.#random, sink: endpoint, paths: endpoint, claims };
    const { ufrag, pwd } = drawIceCredentials(this.#random);
    const agent = make(deps, ufrag, pwd);
    endpoint.receiver = (path, at, length, nowMs) => agent.handleStun(path, at, length, nowMs);
    this.clock.add(agent);
    return { agent, endpoint, ufrag, pwd };
  }

  lite(): Host<LiteAgent> {
    return this.host(SERVER, (...args) => new LiteAgent(...args));
  }

  full(address = CLIENT): Host<ControllingAgent> {
    return this.host(address, (...args) => new ControllingAgent(...args));
  }

  introduce(a: Host, b: Host): void {
    a.agent.setRemote(b.ufrag, b.pwd, this.clock.nowMs);
    b.agent.setRemote(a.ufrag, a.pwd, this.clock.nowMs);
  }

  restart(host: Host, tcpOnly = false): void {
    Object.assign(host, drawIceCredentials(this.#random));
    host.agent.restart(host.ufrag, host.pwd, this.clock.nowMs, tcpOnly);
  }

  /** What `host` sends to, by name. */
  target(host: Host): string {
    const info = host.endpoint.describe(host.agent.selected);
    return info ? formatPath(info) : "none";
  }

  /** A server and a client that are connected over UDP. */
  connected(): { server: Host<LiteAgent>; client: Host<ControllingAgent> } {
    const server = this.lite();
    const client = this.full();
    this.introduce(server, client);
    client.agent.addRemoteCandidate(candidate("udp", SERVER, 5000), this.clock.nowMs);
    assert.ok(this.clock.run(2000, () => client.agent.state === "connected"));
    this.clock.run(1000);
    return { server, client };
  }

  /** Sends a request that `fields` describe from a made-up address to the server, and collects its answers. */
  probe(server: Host, from: string, fields: Partial<StunFields>, pwd: string | undefined): StunFields[] {
    const answers: StunFields[] = [];
    const [address = "", port = ""] = from.split(":");
    const probe = this.network.attach(address, Number(port), new Slab(new ArrayBuffer(1 << 14)));
    probe.receiver = (_path, at, length) => answers.push(parseStun(probe.slab.u8, at, length)!);
    const transactionId = this.#random.bytes(12);
    const request = writeStun(
      { class: "request", method: 1, transactionId, username: `${server.ufrag}:probe`, priority: 1, ...fields },
      pwd === undefined ? undefined : stunSigner(iceCredentials("", pwd), nodeHashes),
    );
    this.network.inject("udp", from, server.endpoint.name, request);
    this.clock.run(100);
    return answers;
  }
}

const TIE = { high: 1, low: 1 };

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

test("addresses are written as in a log", () => {
  assert.equal(formatPath(candidate("udp", "127.0.0.1", 5000)), "udp 127.0.0.1:5000");
  const address = Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
  assert.equal(formatPath({ protocol: "tcp", address, port: 7881 }), "tcp [2001:db8:0:0:0:0:0:1]:7881");
});
