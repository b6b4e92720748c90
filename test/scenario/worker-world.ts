/**
 * A whole media worker and its clients on a virtual clock: `MediaEngine` at one end, `Peer`s in the client's role at the other, joined by a
 * network with seeded loss, delay and reordering. ICE, SRTP, SCTP, forwarding and the data relay are the real ones.
 */
import { type EngineDeps, MediaEngine } from "@stoa/core/engine/engine";
import type { MediaEvent } from "@stoa/core/engine/events";
import type {
  CodecSpec,
  CongestionSpec,
  ExtensionIds,
  MemberSpec,
  PeerId,
  ReceiverSpec,
  SenderSpec,
} from "@stoa/core/engine/specs";
import { drawIceCredentials } from "@stoa/core/ice/credentials";
import type { DatagramBatch } from "@stoa/core/paths";
import { PacketPool, type Slab } from "@stoa/core/slab";
import { type LinkConditions, LossyNetwork } from "@stoa/testkit/lossy-network";
import { SeededRandom } from "@stoa/testkit/node-crypto";
import { VirtualClock } from "@stoa/testkit/virtual-clock";
import { Client } from "./worker-client.ts";
import { newHost } from "./worker-host.ts";

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

/** A participant that may do everything, unless `more` says otherwise. */
export function memberSpec(identity: string, dataPeer: PeerId, more: Partial<MemberSpec> = {}): MemberSpec {
  return {
    identity,
    canPublish: true,
    canPublishData: true,
    canSubscribe: true,
    hidden: false,
    agent: false,
    active: true,
    away: false,
    dataPeer,
    ...more,
  };
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
    const { deps, endpoint, slab, fingerprint } = newHost(this, this.address, 32 << 20);
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
    const member = memberSpec(name, client.id, more);
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
