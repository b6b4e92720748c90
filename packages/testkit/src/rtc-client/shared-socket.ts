/**
 * One UDP socket with many endpoints on this machine, one per peer connection: each sends from, and is reached at, a loopback address of its own
 * (127.64.x.y). The server sees as many addresses as with a socket per connection, while one `recvmmsg` reads for all of them.
 * Linux only. Invariant: the path of endpoint e to its k-th remote address is e * 8 + k, so a path tells its endpoint.
 */
import { type PacketSink, NO_PATH, type Path, type PathInfo, type Paths } from "@stoa/core/paths";
import { SLOT_BYTES } from "@stoa/core/slab";
import { lastErrno, loadLibC, type LibC } from "@stoa/io/accel/native";
import type { PacketMemory } from "@stoa/io/accel/slab-native";
import koffi from "koffi";
import { addressWord, IP_PKTINFO, nameWord, PktInfoMessages } from "./pktinfo-messages.ts";

const AF_INET = 2;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0x800 | 0x80000;
const SOL_SOCKET = 1;
const SOL_IP = 0;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const MSG_DONTWAIT = 0x40;
/** The datagrams of a few fan-outs to a thousand; the system may grant less to a user who is not root. */
const RECEIVE_BUFFER_BYTES = 64 << 20;

const RECEIVE_COUNT = 64;
const SEND_COUNT = 64;
/** `recvmmsg` calls before other work of the event loop gets its turn. */
const ROUNDS_PER_WAKE = 16;
const MAX_ENDPOINTS = 8192;
const PATHS_PER_ENDPOINT = 8;
const FIRST_OCTETS = 127 | (64 << 8);

/** Who gets what arrives. */
export interface DatagramHandler {
  /** Before the datagrams of one system call. */
  beginBatch(): void;
  /** `at`: slab offset, valid during the call; it may be decrypted in place. */
  handleDatagram(endpoint: number, path: Path, at: number, length: number): void;
  endBatch(): void;
}

/** See the file's head. */
export class SharedSocket implements PacketSink {
  /** Datagrams that could not be sent. */
  sendFailures = 0;
  readonly port: number;
  readonly #memory: PacketMemory;
  readonly #libc: LibC;
  readonly #fd: number;
  readonly #incoming: PktInfoMessages;
  readonly #outgoing: PktInfoMessages;
  readonly #poll: { close(): void };
  readonly #handler: DatagramHandler;
  readonly #remoteName = new Int32Array(MAX_ENDPOINTS * PATHS_PER_ENDPOINT);
  readonly #remoteAddress = new Int32Array(MAX_ENDPOINTS * PATHS_PER_ENDPOINT);
  readonly #pathCount = new Uint8Array(MAX_ENDPOINTS);
  #endpoints = 0;
  #queued = 0;
  #open = true;

  /** `memory`: native packet memory of `Accel.allocateMemory`, also of the clients' ciphers. */
  constructor(memory: PacketMemory, handler: DatagramHandler) {
    const libc = loadLibC();
    if (!libc || memory.base === undefined)
      throw new Error("many clients on one socket need Linux and native packet memory");
    this.#memory = memory;
    this.#libc = libc;
    this.#handler = handler;
    this.#incoming = new PktInfoMessages(memory.slab, memory.base, RECEIVE_COUNT);
    this.#outgoing = new PktInfoMessages(memory.slab, memory.base, SEND_COUNT);
    this.#fd = libc.socket(AF_INET, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0);
    if (this.#fd < 0) throw new Error(`socket: error ${lastErrno()}`);
    this.port = this.#bind(memory.slab.alloc(64), memory.base);
    // A node:dgram socket on the descriptor would read datagrams by itself, without telling which endpoint they came to.
    this.#poll = koffi.node.poll(this.#fd, { readable: true }, () => this.#drain());
  }

  /** Adds an endpoint; its number. */
  addEndpoint(): number {
    if (this.#endpoints === MAX_ENDPOINTS) throw new Error(`one socket plays at most ${MAX_ENDPOINTS} endpoints`);
    return this.#endpoints++;
  }

  /** The paths of one endpoint. They live as long as the socket. */
  pathsOf(endpoint: number): Paths {
    return {
      describe: (path) => this.#describe(path),
      retain: () => {},
      release: () => {},
      open: (info) => {
        if (info.protocol !== "udp" || info.address.length !== 4) return NO_PATH;
        return this.#find(endpoint, nameWord(info.port), addressWord(info.address));
      },
    };
  }

  reserve(): number {
    return this.#outgoing.bufferAt(this.#queued);
  }

  commit(path: Path, length: number): void {
    if (path < 0 || length > SLOT_BYTES) return;
    const source = addressOf((path / PATHS_PER_ENDPOINT) | 0);
    const name = this.#remoteName[path]!;
    this.#outgoing.prepareSend(this.#queued, length, name, this.#remoteAddress[path]!, source);
    this.#queued += 1;
    if (this.#queued === SEND_COUNT) this.flush();
  }

  send(path: Path, bytes: Uint8Array): void {
    this.#memory.slab.u8.set(bytes, this.reserve());
    this.commit(path, bytes.length);
  }

  flush(): void {
    const base = this.#memory.base!;
    let next = 0;
    while (next < this.#queued) {
      const headers = base + this.#outgoing.headerAt(next);
      const sent = this.#libc.sendmmsg(this.#fd, headers, this.#queued - next, MSG_DONTWAIT);
      if (sent < 0) this.sendFailures += 1;
      next += Math.max(sent, 1);
    }
    this.#queued = 0;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.flush();
    this.#poll.close();
    this.#libc.close(this.#fd);
  }

  /** Binds to any address and a free port, and asks for IP_PKTINFO; the port. */
  #bind(scratch: number, base: number): number {
    const { u8, view } = this.#memory.slab;
    const option = (level: number, name: number, value: number): boolean => {
      view.setInt32(scratch + 32, value, true);
      return this.#libc.setsockopt(this.#fd, level, name, base + scratch + 32, 4) === 0;
    };
    u8.fill(0, scratch, scratch + 64);
    view.setUint16(scratch, AF_INET, true);
    const bound =
      option(SOL_IP, IP_PKTINFO, 1) &&
      (option(SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES) ||
        option(SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER_BYTES)) &&
      this.#libc.bind(this.#fd, base + scratch, 16) === 0;
    view.setInt32(scratch + 32, 16, true);
    if (!bound || this.#libc.getsockname(this.#fd, base + scratch, base + scratch + 32) !== 0) {
      throw new Error(`the clients' UDP socket: error ${lastErrno()}`);
    }
    return view.getUint16(scratch + 2);
  }

  #drain(): void {
    const messages = this.#incoming;
    const headers = this.#memory.base! + messages.headers;
    for (let round = 0; round < ROUNDS_PER_WAKE && this.#open; round++) {
      const count = this.#libc.recvmmsg(this.#fd, headers, RECEIVE_COUNT, MSG_DONTWAIT, 0);
      if (count <= 0) break;
      this.#handler.beginBatch();
      for (let i = 0; i < count; i++) {
        const length = messages.received(i);
        const endpoint = endpointOf(messages.destination(i));
        messages.prepareReceive(i);
        if (length === 0 || endpoint >= this.#endpoints) continue;
        const path = this.#find(endpoint, messages.sourceName(i), messages.sourceAddress(i));
        if (path !== NO_PATH) this.#handler.handleDatagram(endpoint, path, messages.bufferAt(i), length);
      }
      this.#handler.endBatch();
      if (count < RECEIVE_COUNT) break;
    }
  }

  /** The path of an endpoint to a remote address, a new one if need be. */
  #find(endpoint: number, name: number, address: number): Path {
    const first = endpoint * PATHS_PER_ENDPOINT;
    const count = this.#pathCount[endpoint]!;
    for (let path = first; path < first + count; path++) {
      if (this.#remoteName[path] === name && this.#remoteAddress[path] === address) return path;
    }
    if (count === PATHS_PER_ENDPOINT) return NO_PATH;
    this.#pathCount[endpoint] = count + 1;
    this.#remoteName[first + count] = name;
    this.#remoteAddress[first + count] = address;
    return first + count;
  }

  #describe(path: Path): PathInfo {
    const name = this.#remoteName[path]!;
    const address = this.#remoteAddress[path]!;
    return {
      protocol: "udp",
      address: Uint8Array.of(address, address >> 8, address >> 16, address >> 24),
      port: ((name >>> 24) & 0xff) | ((name >>> 8) & 0xff00),
    };
  }
}

/** 127.64.x.y of an endpoint as a word in memory order; y is never 0. */
function addressOf(endpoint: number): number {
  const y = (endpoint % 254) + 1;
  const x = (endpoint / 254) | 0;
  return FIRST_OCTETS | (x << 16) | (y << 24);
}

function endpointOf(address: number): number {
  if ((address & 0xffff) !== FIRST_OCTETS) return MAX_ENDPOINTS;
  return ((address >>> 16) & 0xff) * 254 + (address >>> 24) - 1;
}
