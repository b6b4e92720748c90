/**
 * A server with two peers, each with its client, on a virtual clock and a network that the fuzzer may write to: one is the victim, the
 * other one the bystander, whose connection must go on whatever happens to the first. Datagrams are told apart as `MediaEngine` does it.
 */
import assert from "node:assert/strict";
import type { DtlsFactory, DtlsRole } from "@stoa/core/crypto";
import { formatPath, MAX_PATHS } from "@stoa/core/ice/agent";
import { drawIceCredentials } from "@stoa/core/ice/credentials";
import type { Path } from "@stoa/core/paths";
import type { DataTransportFactory } from "@stoa/core/peer/data-transport";
import { KIND_DTLS, KIND_RTCP, KIND_RTP, KIND_STUN, packetKind } from "@stoa/core/peer/demux";
import { Peer } from "@stoa/core/peer/peer";
import type { PeerEvent } from "@stoa/core/peer/peer-event";
import { PeerTable } from "@stoa/core/peer/peer-table";
import { Slab, SLOT_BYTES } from "@stoa/core/slab";
import { type Endpoint, type Flight, LossyNetwork } from "@stoa/testkit/lossy-network";
import { nodeHashes, NodePacketCrypto, SeededRandom } from "@stoa/testkit/node-crypto";
import { VirtualClock } from "@stoa/testkit/virtual-clock";

export const SERVER = "10.0.0.1:5000";
/** The victim's client and the bystander's. */
export const VICTIM = "10.0.0.2:5000";
export const BYSTANDER = "10.0.0.3:5000";
const SERVER_CANDIDATE = { protocol: "udp", address: Uint8Array.of(10, 0, 0, 1), port: 5000 } as const;
const DELAY_MS = 5;
const CHANNEL = { label: "talk", ordered: true, maxRetransmits: undefined } as const;
/** What a host may have to say by itself, beyond its answers to what comes: checks of 16 pairs, at first four times a second. */
const UNASKED_DATAGRAMS = 200;
const UNASKED_PER_MS = 0.05;
const ANSWERS_PER_DATAGRAM = 8;
const MAX_KEPT = 32;

/** What a world is made of. `sctp` and the DTLS of the three hosts, each with its fingerprint. */
export interface WorldParts {
  readonly server: DtlsFactory;
  readonly client: DtlsFactory;
  readonly sctp: DataTransportFactory;
}

/** One end of a connection. */
export interface Side {
  readonly peer: Peer;
  readonly host: Host;
  ufrag: string;
  pwd: string;
  channel: number;
  /** Names of the states that it has been in. */
  readonly states: string[];
  /** What was said of them. */
  readonly details: string[];
  readonly heard: number[];
}

/** Both ends. */
export interface Connection {
  readonly server: Side;
  readonly client: Side;
}

/** One host and all peers behind its port. */
class Host {
  readonly endpoint: Endpoint;
  readonly table: PeerTable;
  readonly slab: Slab;
  readonly dtls: DtlsFactory;
  readonly crypto: NodePacketCrypto;
  /** Datagrams in and out since `settleAccounts`. */
  received = 0;
  sent = 0;
  #settledMs: number;

  constructor(network: LossyNetwork, name: string, dtls: DtlsFactory) {
    const [address = "", port = ""] = name.split(":");
    this.slab = new Slab(new ArrayBuffer(1 << 17));
    this.endpoint = network.attach(address, Number(port), this.slab);
    this.table = new PeerTable(this.slab);
    this.crypto = new NodePacketCrypto(this.slab);
    this.dtls = dtls;
    this.#settledMs = network.clock.nowMs;
  }

  /** No answer without a question, or nearly. */
  settleAccounts(nowMs: number): void {
    const most = UNASKED_DATAGRAMS + UNASKED_PER_MS * (nowMs - this.#settledMs) + ANSWERS_PER_DATAGRAM * this.received;
    assert.ok(this.sent <= most, `${this.sent} datagrams for ${this.received}`);
    this.received = this.sent = 0;
    this.#settledMs = nowMs;
  }
}

/** See the file's head. */
export class PeerWorld {
  readonly clock = new VirtualClock();
  readonly network = new LossyNetwork(this.clock, 1, { delayMs: DELAY_MS });
  readonly random = new SeededRandom(1);
  readonly server: Host;
  readonly bystander: Connection;
  /** The last datagrams of either connection, to be changed and sent again. */
  readonly kept: Flight[] = [];
  /** What the network does with a datagram of the victim's connection: true swallows it. */
  swallow: (flight: Flight) => boolean = () => false;
  readonly #parts: WorldParts;
  readonly #hosts = new Map<string, Host>();
  readonly #sides: Side[] = [];
  #nextId = 1;
  #said = 0;

  constructor(parts: WorldParts) {
    this.#parts = parts;
    this.server = this.#host(SERVER, parts.server);
    this.network.blocked = (flight) => this.#watch(flight);
    this.bystander = this.connection(BYSTANDER);
    this.introduce(this.bystander);
    this.settle(this.bystander, 1000);
  }

  /** A server's peer and a client at `address` that do not know of each other. */
  connection(address: string): Connection {
    const host = this.#hosts.get(address) ?? this.#host(address, this.#parts.client);
    return { server: this.#side(this.server, "lite"), client: this.#side(host, "controlling") };
  }

  /** Each gets the other's description. */
  introduce(connection: Connection, serverRole: DtlsRole = "server"): void {
    this.tellServer(connection, serverRole);
    this.tellClient(connection, serverRole);
  }

  tellServer({ server, client }: Connection, serverRole: DtlsRole = "server"): void {
    server.peer.setRemote({ ...descriptionOf(client), dtlsRole: serverRole }, this.clock.nowMs);
  }

  tellClient({ server, client }: Connection, serverRole: DtlsRole = "server"): void {
    const dtlsRole = serverRole === "server" ? "client" : "server";
    client.peer.setRemote({ ...descriptionOf(server), dtlsRole }, this.clock.nowMs);
    client.peer.addRemoteCandidate(SERVER_CANDIDATE, this.clock.nowMs);
  }

  /** An ICE restart by both, as a session makes it after a break. */
  restart({ server, client }: Connection): void {
    for (const side of [server, client]) {
      Object.assign(side, drawIceCredentials(this.random));
      side.peer.restartIce(side.ufrag, side.pwd, this.clock.nowMs);
    }
  }

  /** Fails unless both are connected within `withinMs` and hear each other. */
  settle({ server, client }: Connection, withinMs: number): void {
    const joined = (): boolean =>
      server.peer.connected && client.peer.connected && this.pathOf(server) === `udp ${client.host.endpoint.name}`;
    assert.ok(
      this.clock.run(withinMs, joined),
      `server ${server.states.at(-1)} at ${this.pathOf(server)}, client ${client.states.at(-1)}`,
    );
    if (client.channel < 0) client.channel = client.peer.openChannel(CHANNEL);
    const found = this.clock.run(withinMs, () => this.#hear(server) && server.channel >= 0);
    assert.ok(found, "the channel opens");
    this.talk({ server, client }, withinMs);
  }

  /** Fails unless a message each way arrives within `withinMs`. */
  talk({ server, client }: Connection, withinMs: number): void {
    const number = ++this.#said & 0xff;
    const message = Uint8Array.of(number);
    for (const side of [server, client])
      assert.equal(side.peer.sendData(side.channel, message, true, this.clock.nowMs), "queued");
    const heard = (side: Side): boolean => this.#hear(side) && side.heard.includes(number);
    assert.ok(
      this.clock.run(withinMs, () => heard(server) && heard(client)),
      "a message was not heard",
    );
    server.heard.length = client.heard.length = 0;
  }

  /** Where a side sends to. */
  pathOf({ peer, host }: Side): string {
    const info = host.endpoint.describe(peer.path);
    return info ? formatPath(info) : "nowhere";
  }

  /** A datagram from wherever the sender says. */
  inject(from: string, to: string, bytes: Uint8Array, protocol: "udp" | "tcp" = "udp"): void {
    this.network.inject(protocol, from, to, bytes.subarray(0, SLOT_BYTES));
  }

  /** What holds at every moment; lets what is on its way arrive first. */
  check(): void {
    this.clock.run(2 * DELAY_MS);
    for (const side of this.#sides) this.#hear(side);
    for (const host of this.#hosts.values()) {
      host.settleAccounts(this.clock.nowMs);
      const most = MAX_PATHS * Math.max(1, host.table.size);
      assert.ok(host.endpoint.retainedPaths <= most, `${host.endpoint.retainedPaths} paths are held`);
      for (const peer of host.table.values()) assert.ok(peer.nextTimeoutMs() >= 0, "a timer is not a number");
    }
    const { server, client } = this.bystander;
    for (const side of [server, client]) assert.deepEqual(side.states, ["connected"], "the bystander");
    assert.equal(this.pathOf(server), `udp ${BYSTANDER}`, "the bystander's path");
    this.talk(this.bystander, 1000);
  }

  /** The peer is gone from its host. */
  close({ server, client }: Connection): void {
    for (const side of [server, client]) {
      side.host.table.remove(side.peer.id);
      this.clock.remove(side.peer);
      side.peer.close();
      this.#sides.splice(this.#sides.indexOf(side), 1);
    }
  }

  #host(name: string, dtls: DtlsFactory): Host {
    const host = new Host(this.network, name, dtls);
    this.#hosts.set(name, host);
    host.endpoint.receiver = (path, at, length, nowMs) => {
      host.received++;
      this.#receive(host, path, at, length, nowMs);
    };
    return host;
  }

  #receive({ table, slab }: Host, path: Path, at: number, length: number, nowMs: number): void {
    const peer = table.find(path, at, length);
    if (!peer) return;
    const kind = packetKind(slab.u8, at, length);
    if (kind === KIND_STUN) peer.handleStun(path, at, length, nowMs);
    else if (kind === KIND_DTLS) peer.handleDtls(path, at, length, nowMs);
    else if (kind === KIND_RTP) peer.unprotectRtp(at, length);
    else if (kind === KIND_RTCP) peer.unprotectRtcp(at, length);
    const side = this.#sides.find((one) => one.peer === peer);
    if (side) this.#hear(side);
  }

  #side(host: Host, mode: "lite" | "controlling"): Side {
    const credentials = drawIceCredentials(this.random);
    const { endpoint } = host;
    const sink = {
      reserve: () => endpoint.reserve(),
      commit: (path: Path, length: number) => endpoint.commit(path, length),
      send: (path: Path, bytes: Uint8Array) => {
        host.sent++;
        endpoint.send(path, bytes);
      },
      flush: () => {},
    };
    const peer = new Peer(
      {
        dtls: host.dtls,
        crypto: host.crypto,
        hashes: nodeHashes,
        random: this.random,
        sink,
        paths: endpoint,
        sctp: this.#parts.sctp,
      },
      { id: this.#nextId++, ...credentials, mode },
    );
    host.table.add(peer);
    this.clock.add(peer);
    const side: Side = { peer, host, ...credentials, channel: -1, states: [], details: [], heard: [] };
    this.#sides.push(side);
    return side;
  }

  /** Takes what the peer has to tell; true. */
  #hear(side: Side): true {
    for (let event = side.peer.pollEvent(); event; event = side.peer.pollEvent()) note(side, event);
    return true;
  }

  #watch(flight: Flight): boolean {
    if ([SERVER, VICTIM, BYSTANDER].some((name) => flight.from.endsWith(name))) {
      this.kept.push(flight);
      if (this.kept.length > MAX_KEPT) this.kept.shift();
    }
    const ofVictim = flight.from.endsWith(VICTIM) || flight.to.endsWith(VICTIM);
    return ofVictim && this.swallow(flight);
  }
}

function note(side: Side, event: PeerEvent): void {
  if (event.type === "state") {
    side.states.push(event.state);
    side.details.push(event.detail);
  } else if (event.type === "channelOpen") side.channel = event.channel;
  else if (event.type === "message") side.heard.push(event.data[0] ?? 0);
}

function descriptionOf(side: Side) {
  return {
    ufrag: side.ufrag,
    pwd: side.pwd,
    fingerprints: [side.host.dtls.fingerprint],
    sctp: { port: 5000, maxMessageSize: 65_536 },
  };
}
