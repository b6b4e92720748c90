/** A client of a `World`: a `Peer` in the client's role, with what came on its data channels. */
import type { RemoteTransport } from "@stoa/core/engine/specs";
import { drawIceCredentials } from "@stoa/core/ice/credentials";
import { KIND_DTLS, KIND_RTCP, KIND_RTP, KIND_STUN, packetKind } from "@stoa/core/peer/demux";
import { Peer } from "@stoa/core/peer/peer";
import { PeerTable } from "@stoa/core/peer/peer-table";
import { type Slab, SLOT_BYTES } from "@stoa/core/slab";
import type { Endpoint } from "@stoa/testkit/lossy-network";
import { newHost } from "./worker-host.ts";
import type { World } from "./worker-world.ts";

/** What a client got on its data channels. */
export interface Message {
  readonly label: string;
  readonly bytes: Uint8Array;
  readonly atMs: number;
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
  /** False: it leaves messages where they are, and its window closes. */
  reads = true;
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
    const { deps, endpoint, slab, fingerprint } = newHost(world, world.clientAddress(id), 1 << 20);
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

  #poll(): ReturnType<Peer["pollEvent"]> {
    return this.reads ? this.peer.pollEvent() : this.peer.pollState();
  }

  #drain(): void {
    for (let event = this.#poll(); event; event = this.#poll()) {
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
