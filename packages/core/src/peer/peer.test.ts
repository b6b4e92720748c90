/** Peers of a server and of clients, joined by a network on a virtual clock; DTLS and SCTP are stand-ins, the rest is real. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { FakeDtlsFactory } from "@stoa/testkit/fake-dtls";
import { type Endpoint, LossyNetwork } from "@stoa/testkit/lossy-network";
import { nodeHashes, NodePacketCrypto, SeededRandom } from "@stoa/testkit/node-crypto";
import { PlainDataTransport } from "@stoa/testkit/plain-data-transport";
import { VirtualClock } from "@stoa/testkit/virtual-clock";
import type { SrtpProfile } from "../crypto.ts";
import type { RemoteTransport } from "../engine/specs.ts";
import { drawIceCredentials } from "../ice/credentials.ts";
import { formatPath } from "../ice/agent.ts";
import { NO_PATH } from "../paths.ts";
import { Slab, SLOT_BYTES } from "../slab.ts";
import { KIND_DTLS, KIND_RTCP, KIND_RTP, KIND_STUN, packetKind } from "./demux.ts";
import type { PeerEvent } from "./peer-event.ts";
import { PeerTable } from "./peer-table.ts";
import { Peer, type PeerDeps } from "./peer.ts";

const SERVER = { protocol: "udp", address: Uint8Array.of(10, 0, 0, 1), port: 5000 } as const;

/** One host: a network endpoint with all peers behind it. */
class Host {
  readonly endpoint: Endpoint;
  readonly crypto: NodePacketCrypto;
  readonly table: PeerTable;
  readonly dtls: FakeDtlsFactory;
  readonly media: string[] = [];
  readonly deps: PeerDeps;
  readonly #slot: number;

  constructor(world: World, address: string, profile?: SrtpProfile) {
    const slab = new Slab(new ArrayBuffer(1 << 17));
    this.endpoint = world.network.attach(address, 5000, slab);
    this.crypto = new NodePacketCrypto(slab);
    this.table = new PeerTable(slab);
    this.dtls = new FakeDtlsFactory(address, profile);
    this.#slot = slab.alloc(2 * SLOT_BYTES);
    this.deps = {
      dtls: this.dtls,
      crypto: this.crypto,
      hashes: nodeHashes,
      random: world.random,
      sink: this.endpoint,
      paths: this.endpoint,
      sctp: (options) => new PlainDataTransport(options),
    };
    this.endpoint.receiver = (path, at, length, nowMs) => {
      const peer = this.table.find(path, at, length);
      const kind = packetKind(slab.u8, at, length);
      if (!peer) return;
      if (kind === KIND_STUN) peer.handleStun(path, at, length, nowMs);
      else if (kind === KIND_DTLS) peer.handleDtls(path, at, length, nowMs);
      else if (kind === KIND_RTP || kind === KIND_RTCP) {
        const plain = kind === KIND_RTP ? peer.unprotectRtp(at, length) : peer.unprotectRtcp(at, length);
        if (plain >= 0) this.media.push(Buffer.from(slab.u8.slice(at + 12, at + plain)).toString());
      }
    };
  }

  sendRtp(peer: Peer, seq: number, text: string): void {
    const { u8 } = this.crypto.slab;
    const header = Buffer.alloc(12);
    header[0] = 0x80;
    header[1] = 96;
    header.writeUInt16BE(seq, 2);
    header.writeUInt32BE(0xdeadbeef, 8);
    u8.set(Buffer.from(text), this.#slot + SLOT_BYTES);
    u8.set(header, this.#slot);
    const length = peer.protectRtp(this.#slot, 12, this.#slot + SLOT_BYTES, text.length);
    if (length >= 0) this.endpoint.send(peer.path, u8.subarray(this.#slot, this.#slot + length));
  }

  sendRtcp(peer: Peer, text: string): void {
    const { u8 } = this.crypto.slab;
    u8.set([0x80, 201, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0, ...Buffer.from(text)], this.#slot);
    const length = peer.protectRtcp(this.#slot, 12 + text.length);
    if (length >= 0) this.endpoint.send(peer.path, u8.subarray(this.#slot, this.#slot + length));
  }
}

class World {
  readonly clock = new VirtualClock();
  readonly random: SeededRandom;
  readonly network: LossyNetwork;
  #nextId = 1;

  constructor(seed = 1, conditions: ConstructorParameters<typeof LossyNetwork>[2] = {}) {
    this.random = new SeededRandom(seed);
    this.network = new LossyNetwork(this.clock, seed, conditions);
  }

  peer(host: Host, mode: "lite" | "controlling"): Driven {
    const credentials = drawIceCredentials(this.random);
    const peer = new Peer(host.deps, { id: this.#nextId++, ...credentials, mode });
    host.table.add(peer);
    this.clock.add(peer);
    return { peer, host, ...credentials, events: [] };
  }

  /** Both learn of each other: the client is DTLS client unless told otherwise. */
  introduce(server: Driven, client: Driven, options: { sctp?: boolean; serverRole?: "server" | "client" } = {}): void {
    const serverRole = options.serverRole ?? "server";
    const sctp = options.sctp === false ? undefined : { port: 5000, maxMessageSize: 65_536 };
    server.peer.setRemote({ ...remoteOf(client), dtlsRole: serverRole, sctp }, this.clock.nowMs);
    const clientRole = serverRole === "server" ? "client" : "server";
    client.peer.setRemote({ ...remoteOf(server), dtlsRole: clientRole, sctp }, this.clock.nowMs);
    client.peer.addRemoteCandidate(SERVER, this.clock.nowMs);
  }

  connectedPair(profile?: SrtpProfile): { server: Driven; client: Driven } {
    const server = this.peer(new Host(this, "10.0.0.1", profile), "lite");
    const client = this.peer(new Host(this, "10.0.0.2", profile), "controlling");
    this.introduce(server, client);
    assert.ok(this.clock.run(5000, () => server.peer.connected && client.peer.connected));
    this.clock.run(100);
    return { server, client };
  }

  restartIce(side: Driven): void {
    Object.assign(side, drawIceCredentials(this.random));
    side.peer.restartIce(side.ufrag, side.pwd, this.clock.nowMs);
  }
}

interface Driven {
  readonly peer: Peer;
  readonly host: Host;
  ufrag: string;
  pwd: string;
  readonly events: PeerEvent[];
}

function remoteOf(side: Driven): RemoteTransport {
  return {
    ufrag: side.ufrag,
    pwd: side.pwd,
    fingerprints: [side.host.dtls.fingerprint.toLowerCase()],
    dtlsRole: "server",
    sctp: undefined,
  };
}

/** All events so far, the new ones included. */
function eventsOf(side: Driven): PeerEvent[] {
  for (let event = side.peer.pollEvent(); event; event = side.peer.pollEvent()) side.events.push(event);
  return side.events;
}

function statesOf(side: Driven): string[] {
  return eventsOf(side).flatMap((event) => (event.type === "state" ? [`${event.state}: ${event.detail}`] : []));
}

function assertNothingHeld(...sides: Driven[]): void {
  for (const { host } of sides) {
    assert.equal(host.endpoint.retainedPaths, 0, "paths");
    assert.equal(host.crypto.open, 0, "ciphers");
    assert.equal(host.dtls.open, 0, "DTLS sessions");
  }
}

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

test("datagrams are told apart by their first bytes", () => {
  const kind = (first: number, second: number, length: number) =>
    packetKind(Uint8Array.of(first, second, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0, length);
  assert.equal(kind(0, 1, 12), KIND_STUN);
  assert.equal(kind(22, 254, 12), KIND_DTLS);
  assert.equal(kind(0x80, 96, 12), KIND_RTP);
  assert.equal(kind(0x90, 0x80 | 111, 12), KIND_RTP);
  assert.equal(kind(0x80, 200, 8), KIND_RTCP);
  assert.equal(kind(0x8f, 206, 12), KIND_RTCP);
  for (const [first, second, length] of [
    [0x80, 96, 11],
    [0x80, 200, 7],
    [4, 0, 12],
    [19, 0, 12],
    [64, 0, 12],
    [192, 0, 12],
    [0, 0, 0],
  ] as const) {
    assert.equal(kind(first, second, length), 0);
  }
});
