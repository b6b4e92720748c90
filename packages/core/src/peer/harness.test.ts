/** Peers of a server and of clients, joined by a network on a virtual clock; DTLS and SCTP are stand-ins, the rest is real. */
import assert from "node:assert/strict";
import { FakeDtlsFactory } from "@stoa/testkit/fake-dtls";
import { type Endpoint, LossyNetwork } from "@stoa/testkit/lossy-network";
import { nodeHashes, NodePacketCrypto, SeededRandom } from "@stoa/testkit/node-crypto";
import { PlainDataTransport } from "@stoa/testkit/plain-data-transport";
import { VirtualClock } from "@stoa/testkit/virtual-clock";
import type { SrtpProfile } from "../crypto.ts";
import type { RemoteTransport } from "../engine/specs.ts";
import { drawIceCredentials } from "../ice/credentials.ts";
import { Slab, SLOT_BYTES } from "../slab.ts";
import { KIND_DTLS, KIND_RTCP, KIND_RTP, KIND_STUN, packetKind } from "./demux.ts";
import type { PeerEvent } from "./peer-event.ts";
import { PeerTable } from "./peer-table.ts";
import { Peer, type PeerDeps } from "./peer.ts";

export const SERVER = { protocol: "udp", address: Uint8Array.of(10, 0, 0, 1), port: 5000 } as const;

/** One host: a network endpoint with all peers behind it. */
export class Host {
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

export class World {
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

export function remoteOf(side: Driven): RemoteTransport {
  return {
    ufrag: side.ufrag,
    pwd: side.pwd,
    fingerprints: [side.host.dtls.fingerprint.toLowerCase()],
    dtlsRole: "server",
    sctp: undefined,
  };
}

/** All events so far, the new ones included. */
export function eventsOf(side: Driven): PeerEvent[] {
  for (let event = side.peer.pollEvent(); event; event = side.peer.pollEvent()) side.events.push(event);
  return side.events;
}

export function statesOf(side: Driven): string[] {
  return eventsOf(side).flatMap((event) => (event.type === "state" ? [`${event.state}: ${event.detail}`] : []));
}

export function assertNothingHeld(...sides: Driven[]): void {
  for (const { host } of sides) {
    assert.equal(host.endpoint.retainedPaths, 0, "paths");
    assert.equal(host.crypto.open, 0, "ciphers");
    assert.equal(host.dtls.open, 0, "DTLS sessions");
  }
}
