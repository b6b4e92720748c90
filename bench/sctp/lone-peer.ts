/** One peer connection on the edge that a media worker has, and nothing else in the process. */
import { KIND_DTLS, KIND_STUN, packetKind } from "@stoa/core/peer/demux";
import { Peer } from "@stoa/core/peer/peer";
import type { PeerEvent } from "@stoa/core/peer/peer-event";
import { PeerTable } from "@stoa/core/peer/peer-table";
import { SctpAssociation } from "@stoa/core/sctp/association";
import { generateCertificate } from "@stoa/io/accel/certificate";
import { probeAccel } from "@stoa/io/accel/probe";
import { nowMs } from "@stoa/io/clock";
import { Driver, type Engine } from "@stoa/io/driver";
import { nodeHashes } from "@stoa/io/hashes";
import { Network } from "@stoa/io/network";
import { createRandom } from "@stoa/io/random";

const MEMORY_BYTES = 64 << 20;

/** See the file's head. */
export class LonePeer {
  readonly peer: Peer;
  readonly ufrag: string;
  readonly pwd: string;
  readonly fingerprint: string;
  /** UDP on 127.0.0.1. */
  readonly port: number;
  /** Time of the turn that is under way. */
  nowMs = 0;
  readonly #driver: Driver;

  private constructor(
    network: Network,
    parts: Pick<LonePeer, "peer" | "ufrag" | "pwd" | "fingerprint">,
    onEvent: OnEvent,
  ) {
    this.peer = parts.peer;
    this.ufrag = parts.ufrag;
    this.pwd = parts.pwd;
    this.fingerprint = parts.fingerprint;
    this.port = network.udpPort;
    this.#driver = new Driver({
      engine: this.#engine(network, onEvent),
      sink: network,
      clock: nowMs,
      afterTurn: () => {},
    });
    network.onBatch((batch) => this.#driver.handleBatch(batch));
  }

  /** `onEvent` may use the peer. */
  static async open(mode: "lite" | "controlling", onEvent: OnEvent): Promise<LonePeer> {
    const accel = probeAccel("auto", nowMs());
    const memory = accel.allocateMemory(MEMORY_BYTES);
    const random = createRandom();
    const addresses = ["127.0.0.1"];
    const common = { accel, memory, random, clock: nowMs, addresses };
    const network = await Network.open({ ...common, udpPort: 0, tcpPort: undefined });
    const dtls = accel.createDtls(generateCertificate(nowMs()));
    const credentials = { ufrag: letters(random.bytes(8)), pwd: letters(random.bytes(24)) };
    const deps = {
      dtls,
      crypto: accel.createCrypto(memory),
      hashes: nodeHashes,
      random,
      sink: network,
      paths: network,
      sctp: (options: ConstructorParameters<typeof SctpAssociation>[0]) => new SctpAssociation(options),
    };
    const peer = new Peer(deps, { id: 1, ...credentials, mode });
    return new LonePeer(network, { peer, ...credentials, fingerprint: dtls.fingerprint }, onEvent);
  }

  /** A turn of the loop in which the peer is used from outside. */
  perform(work: (peer: Peer, nowMs: number) => void): void {
    this.#driver.perform((atMs) => {
      this.nowMs = atMs;
      work(this.peer, atMs);
    });
  }

  #engine(network: Network, onEvent: OnEvent): Engine {
    const { peer } = this;
    const { slab } = network;
    const table = new PeerTable(slab);
    table.add(peer);
    const settle = () => {
      for (let event = peer.pollEvent(); event; event = peer.pollEvent()) onEvent(event, peer);
    };
    return {
      handleBatch: (batch, atMs) => {
        this.nowMs = atMs;
        for (let i = 0; i < batch.count; i++) {
          const [path, at, length] = [batch.path[i]!, batch.at[i]!, batch.length[i]!];
          if (table.find(path, at, length) !== peer) continue;
          const kind = packetKind(slab.u8, at, length);
          if (kind === KIND_STUN) peer.handleStun(path, at, length, atMs);
          else if (kind === KIND_DTLS) peer.handleDtls(path, at, length, atMs);
          settle();
        }
      },
      handleTimeout: (atMs) => {
        this.nowMs = atMs;
        if (peer.nextTimeoutMs() <= atMs) peer.handleTimeout(atMs);
        settle();
      },
      nextTimeoutMs: () => peer.nextTimeoutMs(),
    };
  }
}

type OnEvent = (event: PeerEvent, peer: Peer) => void;

function letters(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(97 + (byte % 26))).join("");
}
