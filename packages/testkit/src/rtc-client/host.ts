/**
 * What all packet-level clients of a process share: packet memory, ciphers, one certificate, one socket, one timer. It takes every
 * datagram to its peer connection and decrypts it in place.
 */
import type { DtlsFactory, PacketCrypto } from "@stoa/core/crypto";
import { Deadlines } from "@stoa/core/engine/deadlines";
import { NEVER } from "@stoa/core/clock";
import type { Path } from "@stoa/core/paths";
import { KIND_DTLS, KIND_RTCP, KIND_RTP, KIND_STUN, packetKind } from "@stoa/core/peer/demux";
import { Peer, type PeerDeps } from "@stoa/core/peer/peer";
import type { PeerEvent } from "@stoa/core/peer/peer-event";
import { SctpAssociation } from "@stoa/core/sctp/association";
import type { Slab } from "@stoa/core/slab";
import { generateCertificate } from "@stoa/io/accel/certificate";
import { type Accel, probeAccel } from "@stoa/io/accel/probe";
import type { PacketMemory } from "@stoa/io/accel/slab-native";
import { nowMs } from "@stoa/io/clock";
import { nodeHashes } from "@stoa/io/hashes";
import { createRandom } from "@stoa/io/random";
import { SharedSocket } from "./shared-socket.ts";

const MEMORY_BYTES = 64 << 20;
const SCTP_LIMITS = { sendBufferBytes: 1 << 20, receiveWindowBytes: 1 << 18, maxReceiveMessageBytes: 1 << 16 };
const ICE_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";

/** Who owns a peer connection. Packets are plain and lie in the slab; `length` counts what is left of them. */
export interface PeerOwner {
  handleRtp(at: number, length: number): void;
  handleRtcp(at: number, length: number): void;
  handleEvent(event: PeerEvent): void;
}

/** One peer connection with its credentials. */
export interface HostedPeer {
  readonly peer: Peer;
  readonly ufrag: string;
  readonly pwd: string;
  /** Call it after any use of `peer` outside of the owner's handlers. */
  touch(): void;
  close(): void;
}

/** See the file's head. */
export class RtcHost {
  readonly slab: Slab;
  readonly socket: SharedSocket;
  readonly fingerprint: string;
  readonly random = createRandom();
  /** Packets that did not authenticate, in all clients. */
  unauthentic = 0;
  /** Time of the datagrams that are being handled: once per system call. */
  batchMs = 0;
  readonly #memory: PacketMemory;
  readonly #crypto: PacketCrypto;
  readonly #dtls: DtlsFactory;
  readonly #peers: (Peer | undefined)[] = [];
  readonly #owners: PeerOwner[] = [];
  readonly #deadlines = new Deadlines<number>();
  #timer: NodeJS.Timeout | undefined;
  #timerMs = NEVER;

  constructor(accel: Accel = probeAccel("auto", nowMs())) {
    this.#memory = accel.allocateMemory(MEMORY_BYTES);
    this.slab = this.#memory.slab;
    this.#crypto = accel.createCrypto(this.#memory);
    this.#dtls = accel.createDtls(generateCertificate(nowMs()));
    this.fingerprint = this.#dtls.fingerprint;
    this.socket = new SharedSocket(this.#memory, {
      beginBatch: () => (this.batchMs = nowMs()),
      handleDatagram: (endpoint, path, at, length) => this.#handleDatagram(endpoint, path, at, length),
      endBatch: () => this.socket.flush(),
    });
  }

  /** A new connection that takes the controlling role of ICE. */
  createPeer(owner: PeerOwner): HostedPeer {
    const endpoint = this.socket.addEndpoint();
    const ufrag = this.#text(8);
    const pwd = this.#text(24);
    const deps: PeerDeps = {
      dtls: this.#dtls,
      crypto: this.#crypto,
      hashes: nodeHashes,
      random: this.random,
      sink: this.socket,
      paths: this.socket.pathsOf(endpoint),
      sctp: (options) => new SctpAssociation({ ...options, limits: SCTP_LIMITS }),
    };
    const peer = new Peer(deps, { id: endpoint + 1, ufrag, pwd, mode: "controlling" });
    this.#peers[endpoint] = peer;
    this.#owners[endpoint] = owner;
    return {
      peer,
      ufrag,
      pwd,
      touch: () => {
        this.#service(endpoint);
        this.socket.flush();
      },
      close: () => {
        peer.close();
        this.#peers[endpoint] = undefined;
        this.#deadlines.remove(endpoint);
        this.socket.flush();
      },
    };
  }

  /** Ends everything; the peers should be closed before. */
  close(): void {
    clearTimeout(this.#timer);
    this.socket.close();
  }

  #handleDatagram(endpoint: number, path: Path, at: number, length: number): void {
    const peer = this.#peers[endpoint];
    if (!peer) return;
    switch (packetKind(this.slab.u8, at, length)) {
      case KIND_RTP: {
        const plain = peer.unprotectRtp(at, length);
        if (plain < 0) this.unauthentic += 1;
        else this.#owners[endpoint]!.handleRtp(at, plain);
        return;
      }
      case KIND_RTCP: {
        const plain = peer.unprotectRtcp(at, length);
        if (plain < 0) this.unauthentic += 1;
        else this.#owners[endpoint]!.handleRtcp(at, plain);
        return;
      }
      case KIND_STUN:
        peer.handleStun(path, at, length, this.batchMs);
        break;
      case KIND_DTLS:
        peer.handleDtls(path, at, length, this.batchMs);
        break;
      default:
        return;
    }
    this.#service(endpoint);
  }

  /** Takes the events of a peer and notes when it wants to be woken. */
  #service(endpoint: number): void {
    const peer = this.#peers[endpoint];
    if (!peer) return;
    for (let event = peer.pollEvent(); event; event = peer.pollEvent()) this.#owners[endpoint]!.handleEvent(event);
    this.#deadlines.schedule(endpoint, peer.nextTimeoutMs());
    this.#arm();
  }

  #arm(): void {
    const nextMs = this.#deadlines.nextMs();
    if (nextMs >= this.#timerMs) return;
    clearTimeout(this.#timer);
    this.#timerMs = nextMs;
    this.#timer = setTimeout(() => this.#wake(), Math.min(Math.max(1, Math.ceil(nextMs - nowMs())), 60_000));
  }

  #wake(): void {
    this.#timerMs = NEVER;
    const timeMs = nowMs();
    for (;;) {
      const endpoint = this.#deadlines.takeDue(timeMs);
      if (endpoint === undefined) break;
      this.#peers[endpoint]?.handleTimeout(timeMs);
      this.#service(endpoint);
    }
    this.socket.flush();
    this.#arm();
  }

  #text(length: number): string {
    return Array.from(this.random.bytes(length), (byte) => ICE_LETTERS[byte & 63]).join("");
  }
}
