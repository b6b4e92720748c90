/**
 * A whole media worker and its clients on a virtual clock: `MediaEngine` at one end, `Peer`s in the client's role at the other, joined by a
 * network with seeded loss, delay and reordering. ICE, SRTP, SCTP, forwarding and the data relay are the real ones; only the DTLS handshake is a
 * stand-in, because OpenSSL reads the system's clock.
 */
import { type EngineDeps, MediaEngine } from "@stoa/core/engine/engine";
import type { MediaEvent } from "@stoa/core/engine/events";
import type {
  CodecSpec,
  CongestionSpec,
  ExtensionIds,
  MemberSpec,
  ReceiverSpec,
  RemoteTransport,
  SenderSpec,
} from "@stoa/core/engine/specs";
import { drawIceCredentials } from "@stoa/core/ice/credentials";
import type { DatagramBatch } from "@stoa/core/paths";
import { KIND_DTLS, KIND_RTCP, KIND_RTP, KIND_STUN, packetKind } from "@stoa/core/peer/demux";
import { Peer, type PeerDeps } from "@stoa/core/peer/peer";
import { PeerTable } from "@stoa/core/peer/peer-table";
import { SctpAssociation } from "@stoa/core/sctp/association";
import { PacketPool, Slab, SLOT_BYTES } from "@stoa/core/slab";
import { FakeDtlsFactory } from "@stoa/testkit/fake-dtls";
import { type Endpoint, type LinkConditions, LossyNetwork } from "@stoa/testkit/lossy-network";
import { NodePacketCrypto, nodeHashes, SeededRandom } from "@stoa/testkit/node-crypto";
import { VirtualClock } from "@stoa/testkit/virtual-clock";

const SERVER_ADDRESS = "10.0.0.1";
const ROOM = "RM_test";
const UNMANAGED: CongestionSpec = { enabled: false, allowPause: false };

export const VP8: CodecSpec = {
  payloadType: 96,
  mime: "video/vp8",
  clockRate: 90_000,
  channels: 1,
  fmtp: "",
  rtxPayloadType: 97,
  nack: true,
};

/** What a client got on its data channels. */
export interface Message {
  readonly label: string;
  readonly bytes: Uint8Array;
  readonly atMs: number;
}

function depsOf(
  world: World,
  address: string,
  slabBytes: number,
): { deps: PeerDeps; endpoint: Endpoint; slab: Slab; fingerprint: string } {
  const slab = new Slab(new ArrayBuffer(slabBytes));
  const endpoint = world.network.attach(address, 5000, slab);
  const dtls = new FakeDtlsFactory(address);
  const deps: PeerDeps = {
    dtls,
    crypto: new NodePacketCrypto(slab),
    hashes: nodeHashes,
    random: world.random,
    sink: endpoint,
    paths: endpoint,
    sctp: (options) => new SctpAssociation(options),
  };
  return { deps, endpoint, slab, fingerprint: dtls.fingerprint };
}

/** The network, the clock and the worker. */
export class World {
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly network: LossyNetwork;
  readonly engine: MediaEngine;
  readonly pool: PacketPool;
  readonly events: MediaEvent[] = [];
  readonly fingerprint: string;
  readonly address: string;
  readonly #clients: Client[] = [];

  /** `beside`: the worker of the same server that is there already, on the same network. */
  constructor(
    seed: number,
    conditions: Partial<LinkConditions>,
    { beside, ...dataLanes }: Pick<EngineDeps, "dataLanes"> & { readonly beside?: World } = {},
  ) {
    this.clock = beside?.clock ?? new VirtualClock();
    this.random = new SeededRandom(seed);
    this.network = beside?.network ?? new LossyNetwork(this.clock, seed, conditions);
    this.address = beside ? "10.0.0.2" : SERVER_ADDRESS;
    const { deps, endpoint, slab, fingerprint } = depsOf(this, this.address, 32 << 20);
    this.fingerprint = fingerprint;
    this.pool = new PacketPool(slab, 8192);
    this.engine = new MediaEngine({ ...deps, slab, pool: this.pool, ...dataLanes });
    this.clock.add(this.engine);
    endpoint.receiver = (path, at, length, nowMs) => this.#receive(slab, path, at, length, nowMs);
  }

  /** Clients of each worker are in a network of their own. */
  clientAddress(id: number): string {
    return `10.0.${this.address.at(-1)}.${id}`;
  }

  /** A participant with one peer connection, connected. */
  join(name: string, more: Partial<MemberSpec> = {}, congestion: CongestionSpec = UNMANAGED): Client {
    const client = new Client(this, this.#clients.length + 1);
    this.#clients.push(client);
    const { nowMs } = this.clock;
    const member: MemberSpec = {
      identity: name,
      canPublish: true,
      canPublishData: true,
      canSubscribe: true,
      hidden: false,
      agent: false,
      active: true,
      dataPeer: client.id,
      ...more,
    };
    const participant = `PA_${name}`;
    this.engine.handleCommand({ type: "setMember", room: ROOM, participant, member }, nowMs);
    const credentials = drawIceCredentials(this.random);
    this.engine.handleCommand(
      {
        type: "openPeer",
        peer: client.id,
        room: ROOM,
        participant,
        channels: [],
        congestion,
        playoutDelay: undefined,
        ...credentials,
      },
      nowMs,
    );
    this.engine.handleCommand({ type: "setRemote", peer: client.id, remote: client.description("server") }, nowMs);
    client.start({
      ...credentials,
      fingerprints: [this.fingerprint],
      dtlsRole: "client",
      sctp: { port: 5000, maxMessageSize: 65_536 },
    });
    if (!this.clock.run(20_000, () => client.peer.connected)) throw new Error(`${name} did not connect`);
    return client;
  }

  /** A stream, or several layers by rising quality; each has its RTX under the next number. */
  publish(client: Client, track: string, ...ssrcs: readonly number[]): void {
    const receiver: ReceiverSpec = {
      mid: "0",
      kind: "video",
      track,
      codecs: [VP8],
      extensions: {},
      ssrcs: ssrcs.map((ssrc) => ({ ssrc, rtxSsrc: ssrc + 1 })),
      rids: [],
      codecIndex: 0,
    };
    this.engine.handleCommand({ type: "setReceivers", peer: client.id, receivers: [receiver] }, this.clock.nowMs);
  }

  subscribe(client: Client, track: string, ssrc: number, extensions: ExtensionIds = {}): void {
    const sender: SenderSpec = {
      mid: "1",
      kind: "video",
      track,
      ssrc,
      rtxSsrc: ssrc + 1,
      codecs: [VP8],
      extensions,
      cname: "c",
    };
    this.engine.handleCommand({ type: "setSenders", peer: client.id, senders: [sender] }, this.clock.nowMs);
  }

  /** Lets time pass, collecting what the worker says. */
  run(durationMs: number, done?: () => boolean): boolean {
    const finished = this.clock.run(durationMs, done);
    for (let event = this.engine.pollEvent(); event; event = this.engine.pollEvent()) this.events.push(event);
    return finished;
  }

  #receive(slab: Slab, path: number, at: number, length: number, nowMs: number): void {
    const slot = this.pool.take();
    if (slot < 0) return;
    slab.u8.copyWithin(slot, at, at + length);
    const batch: DatagramBatch = {
      count: 1,
      at: Int32Array.of(slot),
      length: Int32Array.of(length),
      path: Int32Array.of(path),
      taken: new Uint8Array(1),
    };
    this.engine.handleBatch(batch, nowMs);
    if (!batch.taken[0]) this.pool.give(slot);
  }
}

/** One client with one peer connection. */
export class Client {
  /** Where datagrams reach it. */
  get host(): string {
    return this.#endpoint.name;
  }

  readonly id: number;
  readonly peer: Peer;
  readonly messages: Message[] = [];
  /** Called with every authenticated RTP and RTCP packet, decrypted in place. */
  onRtp: (u8: Uint8Array, at: number, length: number) => void = () => undefined;
  onRtcp: (u8: Uint8Array, at: number, length: number) => void = () => undefined;
  readonly #world: World;
  readonly #slab: Slab;
  readonly #slot: number;
  readonly #endpoint: Endpoint;
  #credentials: { ufrag: string; pwd: string };
  readonly #fingerprint: string;
  readonly #labels = new Map<number, string>();

  constructor(world: World, id: number) {
    this.#world = world;
    this.id = id;
    const { deps, endpoint, slab, fingerprint } = depsOf(world, world.clientAddress(id), 1 << 20);
    this.#slab = slab;
    this.#endpoint = endpoint;
    this.#fingerprint = fingerprint;
    this.#slot = slab.alloc(2 * SLOT_BYTES);
    this.#credentials = drawIceCredentials(world.random);
    this.peer = new Peer(deps, { id, mode: "controlling", ...this.#credentials });
    const table = new PeerTable(slab);
    table.add(this.peer);
    world.clock.add({
      nextTimeoutMs: () => this.peer.nextTimeoutMs(),
      handleTimeout: (nowMs) => {
        this.peer.handleTimeout(nowMs);
        this.#drain();
      },
    });
    endpoint.receiver = (path, at, length, nowMs) => this.#receive(path, at, length, nowMs);
  }

  description(serverRole: "server" | "client"): RemoteTransport {
    return {
      ...this.#credentials,
      fingerprints: [this.#fingerprint],
      dtlsRole: serverRole,
      sctp: { port: 5000, maxMessageSize: 65_536 },
    };
  }

  /** The worker's description, once `start` was called. */
  remote!: RemoteTransport;

  /** Gets another address, as by a new NAT binding. */
  move(address: string, port: number): void {
    this.#world.network.move(this.#endpoint, address, port);
  }

  start(remote: RemoteTransport): void {
    const { nowMs } = this.#world.clock;
    this.remote = remote;
    this.peer.setRemote(remote, nowMs);
    this.peer.addRemoteCandidate(
      { protocol: "udp", address: Uint8Array.from(this.#world.address.split("."), Number), port: 5000 },
      nowMs,
    );
  }

  /** New credentials of the client's, for its next `description`; `follow` completes the restart. */
  restartIce(): void {
    this.#credentials = drawIceCredentials(this.#world.random);
    this.peer.restartIce(this.#credentials.ufrag, this.#credentials.pwd, this.#world.clock.nowMs);
  }

  /** The worker's description anew, after a restart of ICE. */
  follow(remote: RemoteTransport): void {
    this.remote = remote;
    this.peer.setRemote(remote, this.#world.clock.nowMs);
  }

  /** Whether a channel of this label is open. */
  isOpen(label: string): boolean {
    return [...this.#labels.values()].includes(label);
  }

  /** Opens another reliable channel of this label, and is deaf on the former ones from now on. */
  replaceChannel(label: string): void {
    for (const [channel, name] of this.#labels) if (name === label) this.#labels.set(channel, `former ${label}`);
    this.peer.openChannel({ label, ordered: true, maxRetransmits: undefined });
    this.#drain();
  }

  openChannel(label: string, maxRetransmits?: number): void {
    this.peer.openChannel({ label, ordered: maxRetransmits === undefined, maxRetransmits });
    this.#drain();
    if (!this.#world.run(10_000, () => [...this.#labels.values()].includes(label)))
      throw new Error(`${label} did not open`);
  }

  closeChannel(label: string): void {
    for (const [channel, name] of this.#labels) if (name === label) this.peer.closeChannel(channel);
    this.#drain();
  }

  sendData(label: string, bytes: Uint8Array): void {
    const channel = [...this.#labels].find(([, name]) => name === label)![0];
    this.peer.sendData(channel, bytes, true, this.#world.clock.nowMs);
  }

  /** Sends a packet whose header and payload are given in the clear. */
  sendRtp(header: Uint8Array, payload: Uint8Array): void {
    const { u8 } = this.#slab;
    u8.set(header, this.#slot);
    u8.set(payload, this.#slot + SLOT_BYTES);
    const length = this.peer.protectRtp(this.#slot, header.length, this.#slot + SLOT_BYTES, payload.length);
    if (length > 0) this.#endpoint.send(this.peer.path, u8.subarray(this.#slot, this.#slot + length));
  }

  /** `write` puts an RTCP packet at an offset and gives its length. */
  sendRtcp(write: (u8: Uint8Array, at: number) => number): void {
    const { u8 } = this.#slab;
    const length = this.peer.protectRtcp(this.#slot, write(u8, this.#slot));
    if (length > 0) this.#endpoint.send(this.peer.path, u8.subarray(this.#slot, this.#slot + length));
  }

  #receive(path: number, at: number, length: number, nowMs: number): void {
    const { u8 } = this.#slab;
    const kind = packetKind(u8, at, length);
    if (kind === KIND_STUN) this.peer.handleStun(path, at, length, nowMs);
    else if (kind === KIND_DTLS) this.peer.handleDtls(path, at, length, nowMs);
    else if (kind === KIND_RTP) {
      const plain = this.peer.unprotectRtp(at, length);
      if (plain > 0) this.onRtp(u8, at, plain);
    } else if (kind === KIND_RTCP) {
      const plain = this.peer.unprotectRtcp(at, length);
      if (plain > 0) this.onRtcp(u8, at, plain);
    }
    this.#drain();
  }

  #drain(): void {
    for (let event = this.peer.pollEvent(); event; event = this.peer.pollEvent()) {
      if (event.type === "channelOpen") this.#labels.set(event.channel, event.label);
      if (event.type === "message")
        this.messages.push({
          label: this.#labels.get(event.channel) ?? "",
          bytes: event.data,
          atMs: this.#world.clock.nowMs,
        });
    }
  }
}
