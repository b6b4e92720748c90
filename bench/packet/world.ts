/** What the packet benchmarks run on: the server's ciphers, sockets and packet memory in one process, without ICE and DTLS. */
import type { PacketCrypto, SrtpKeyMaterial, SrtpProfile } from "@stoa/core/crypto";
import type { MediaTransport } from "@stoa/core/media/transport";
import type { Path } from "@stoa/core/paths";
import { SrtpSession } from "@stoa/core/srtp/session";
import { allocateNative, lastErrno, loadLibC } from "@stoa/io/accel/native";
import { type Accel, probeAccel } from "@stoa/io/accel/probe";
import { openNodeUdp } from "@stoa/io/accel/udp-node";
import { nowMs } from "@stoa/io/clock";
import { nodeHashes } from "@stoa/io/hashes";
import { Network } from "@stoa/io/network";
import { createRandom } from "@stoa/io/random";

/** Combinations of back ends, as different systems choose them. */
export const BACK_ENDS = {
  fast: { title: "OpenSSL, sendmmsg", profile: "SRTP_AEAD_AES_128_GCM" },
  mixed: { title: "OpenSSL, node:dgram", profile: "SRTP_AEAD_AES_128_GCM" },
  portable: { title: "node:crypto, node:dgram", profile: "SRTP_AES128_CM_SHA1_80" },
} as const satisfies Record<string, { title: string; profile: SrtpProfile }>;

export type BackEnd = keyof typeof BACK_ENDS;

const MEMORY_BYTES = 128 << 20;
const AF_INET = 2;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SOCK_DGRAM_CLOEXEC = 2 | 0x80000;

/** See the file's head. */
export class World {
  readonly network: Network;
  readonly crypto: PacketCrypto;
  readonly random = createRandom();
  readonly #profile: SrtpProfile;
  readonly #sinkPort: number;

  private constructor(network: Network, crypto: PacketCrypto, profile: SrtpProfile, sinkPort: number) {
    this.network = network;
    this.crypto = crypto;
    this.#profile = profile;
    this.#sinkPort = sinkPort;
  }

  static async open(backEnd: BackEnd): Promise<World> {
    const accel = accelOf(backEnd);
    const memory = accel.allocateMemory(MEMORY_BYTES);
    const network = await Network.open({
      accel,
      memory,
      udpPort: 0,
      tcpPort: undefined,
      addresses: ["127.0.0.1"],
      random: createRandom(),
      clock: nowMs,
    });
    return new World(network, accel.createCrypto(memory), BACK_ENDS[backEnd].profile, openSink());
  }

  /** A fresh pair of sessions: what one protects, the other unprotects. */
  sessionPair(): { ours: SrtpSession; theirs: SrtpSession } {
    const keys = this.#keys();
    return {
      ours: new SrtpSession(this.crypto, nodeHashes, keys, "server"),
      theirs: new SrtpSession(this.crypto, nodeHashes, keys, "client"),
    };
  }

  /** A subscriber with keys and an address of its own, whose datagrams nobody reads. */
  subscriber(index: number): MediaTransport {
    const address = Uint8Array.of(127, 64, (index / 254) | 0, (index % 254) + 1);
    const path = this.network.open({ protocol: "udp", address, port: this.#sinkPort });
    return new SessionTransport(path, this.sessionPair().ours);
  }

  close(): void {
    this.network.close();
  }

  #keys(): SrtpKeyMaterial {
    const saltBytes = this.#profile === "SRTP_AEAD_AES_128_GCM" ? 12 : 14;
    return {
      profile: this.#profile,
      clientKey: this.random.bytes(16),
      clientSalt: this.random.bytes(saltBytes),
      serverKey: this.random.bytes(16),
      serverSalt: this.random.bytes(saltBytes),
    };
  }
}

/** A peer that is always connected. */
class SessionTransport implements MediaTransport {
  readonly path: Path;
  readonly connected = true;
  readonly #session: SrtpSession;

  constructor(path: Path, session: SrtpSession) {
    this.path = path;
    this.#session = session;
  }

  protectRtp(at: number, headerLength: number, from: number, payloadLength: number): number {
    return this.#session.protectRtp(at, headerLength, from, payloadLength);
  }

  protectRtcp(at: number, length: number): number {
    return this.#session.protectRtcp(at, length);
  }
}

function accelOf(backEnd: BackEnd): Accel {
  const accel = probeAccel(backEnd === "portable" ? "portable" : "auto", nowMs());
  if (backEnd !== "mixed") return accel;
  return { ...accel, openUdp: (context, _memory, listen) => openNodeUdp(context, listen) };
}

/** A bound socket that nobody reads: the system drops what does not fit its small buffer. Its port. */
function openSink(): number {
  const libc = loadLibC();
  if (!libc) throw new Error("the packet benchmarks need Linux");
  const { address, bytes } = allocateNative(32);
  const view = new DataView(bytes.buffer);
  const fd = libc.socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0);
  view.setInt32(0, 1, true);
  libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, address, 4);
  bytes.fill(0);
  view.setUint16(0, AF_INET, true);
  view.setInt32(16, 16, true);
  if (fd < 0 || libc.bind(fd, address, 16) !== 0 || libc.getsockname(fd, address, address + 16) !== 0) {
    throw new Error(`the sink's socket: error ${lastErrno()}`);
  }
  return view.getUint16(2);
}
